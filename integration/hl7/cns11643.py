"""CNS 11643-1992 in its EUC-TW form, planes 1 and 2, by way of Big5 (RFC 1922).

Both standards list the same characters, by strokes, so that apart from a few characters that one of
them moved, a position in one is a position in the other plus a constant. Python has no such codec
and the planes beyond the second have no place in Big5; text with those is refused, not guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

# (first, last, difference): positions 94 * row + column in CNS, 157 * row + column in Big5.
_PLANE_1 = (
    (0, 4, 0), (6, 20, 0), (21, 22, 2), (24, 24, -2), (29, 72, 0), (73, 73, 1), (74, 74, -1),
    (75, 96, 0), (98, 98, 0), (100, 126, 0), (127, 127, 1), (128, 128, -1), (129, 147, 0),
    (148, 148, 1), (149, 149, -1), (150, 153, 0), (155, 155, -134), (156, 233, 0),
    (282, 310, -48), (312, 312, -48), (314, 455, -48), (470, 489, 5631), (3290, 4701, -2819),
    (4702, 5125, -2818), (5126, 5126, -3243), (5127, 7002, -2819), (7003, 7003, -2432),
    (7004, 7390, -2820), (7391, 7915, -2819), (7916, 7916, -2630), (7917, 8021, -2820),
    (8023, 8105, -2820), (8106, 8189, -2819), (8190, 8190, -2673), (8191, 8244, -2820),
    (8245, 8245, -2819), (8246, 8246, -2821), (8247, 8336, -2820), (8337, 8690, -2819),
)  # fmt: skip
_PLANE_2 = (
    (0, 9, 6280), (10, 42, 6281), (43, 43, 6329), (44, 91, 6280), (92, 137, 6281),
    (138, 138, 6448), (139, 305, 6280), (306, 2145, 6281), (2146, 2146, 6928),
    (2147, 2254, 6281), (2255, 2791, 6282), (2792, 2792, 5635), (2793, 2892, 6282),
    (2893, 2893, 5643), (2894, 3292, 6281), (3293, 4929, 6282), (4930, 4930, 6831),
    (4931, 5076, 6281), (5077, 5077, 6822), (5078, 5364, 6280), (5365, 5365, 7143),
    (5366, 5481, 6279), (5482, 5618, 6280), (5619, 5722, 6281), (5723, 5723, 6702),
    (5724, 5945, 6280), (5946, 6143, 6281), (6144, 6225, 6282), (6226, 6311, 6283),
    (6312, 6312, 5914), (6313, 6320, 6282), (6321, 6473, 6283), (6474, 6529, 6284),
    (6530, 6530, 6584), (6531, 6643, 6283), (6644, 6644, 5959), (6645, 6786, 6282),
    (6787, 6787, 5970), (6788, 6832, 6281), (6833, 6903, 6282), (6904, 6904, 6476),
    (6905, 7098, 6281), (7099, 7588, 6282), (7589, 7589, 6325), (7590, 7632, 6281),
    (7633, 7633, 6282), (7634, 7644, 6283), (7645, 7645, 6271), (7646, 7649, 6282),
)  # fmt: skip
_TABLES = {1: _PLANE_1, 2: _PLANE_2}
_STARTS = {plane: [row[0] for row in table] for plane, table in _TABLES.items()}

# Plane 1 characters without a Big5 code, by position.
_ALONE = {5: "・", 23: "︲", 154: "‖", 571: "亠", 578: "冫", 583: "勹", 8022: "彞"}
_ALONE.update({490 + index: chr(0x2170 + index) for index in range(10)})  # small Roman numerals

_SINGLE_SHIFT = 0x8E


def decode(data: bytes) -> str:
    """EUC-TW text; raises UnicodeDecodeError."""
    out: list[str] = []
    at = 0
    while at < len(data):
        byte = data[at]
        if byte < 0x80:
            out.append(chr(byte))
            at += 1
            continue
        if byte == _SINGLE_SHIFT:
            plane = data[at + 1] - 0xA0 if at + 1 < len(data) else 0
            pair = data[at + 2 : at + 4]
            length = 4
        else:
            plane, pair, length = 1, data[at : at + 2], 2
        char = _char(plane, pair)
        if char is None:
            raise UnicodeDecodeError("euc_tw", data, at, at + 1, "not in planes 1 and 2")
        out.append(char)
        at += length
    return "".join(out)


def encode(text: str) -> bytes:
    """EUC-TW bytes; raises UnicodeEncodeError."""
    out = bytearray()
    for index, char in enumerate(text):
        if char < "\x80":
            out.append(ord(char))
            continue
        code = _code(char)
        if code is None:
            raise UnicodeEncodeError("euc_tw", text, index, index + 1, "not in planes 1 and 2")
        plane, position = code
        if plane == 2:
            out += bytes((_SINGLE_SHIFT, 0xA2))
        out += bytes((0xA1 + position // 94, 0xA1 + position % 94))
    return bytes(out)


@lru_cache(maxsize=16_384)
def _char(plane: int, pair: bytes) -> str | None:
    if plane not in _TABLES or len(pair) != 2 or min(pair) < 0xA1 or max(pair) == 0xFF:
        return None
    position = (pair[0] - 0xA1) * 94 + pair[1] - 0xA1
    row = _TABLES[plane][max(bisect_right(_STARTS[plane], position) - 1, 0)]
    if not row[0] <= position <= row[1]:
        return _ALONE.get(position) if plane == 1 else None
    lead, trail = divmod(position + row[2], 157)
    return bytes((lead + 0xA1, trail + 0x40 if trail < 63 else trail + 0x62)).decode("cp950")


def _code(char: str) -> tuple[int, int] | None:
    for position, alone in _ALONE.items():
        if alone == char:
            return 1, position
    try:
        lead, trail = char.encode("cp950")
    except (UnicodeEncodeError, ValueError):
        return None
    place = (lead - 0xA1) * 157 + (trail - 0x40 if trail < 0x7F else trail - 0x62)
    for plane, table in _TABLES.items():
        for first, last, difference in table:
            if first <= place - difference <= last:
                return plane, place - difference
    return None

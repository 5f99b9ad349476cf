"""Text as a page shows it: joined letters, visual order, which font has which character.

PDF places glyphs and knows no text. So Arabic letters are replaced by the form they have beside
their neighbors (the compatibility forms of Unicode, which the fonts carry), and a line is brought
into visual order by the Unicode Bidirectional Algorithm (UAX #9), without explicit embeddings:
reports are typed in plain text and have none. Other scripts whose letters change beside each other
have no such forms and are left to the rules of their font (``COMPLEX``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache

_FORMS = ("isolated", "final", "initial", "medial")
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_INVISIBLE = frozenset({"Cc", "Cf"})
JOINERS = frozenset("\u200c\u200d")
_VIRAMA = 9  # the combining class of what makes the next consonant part of the same letter

# Scripts whose letters change, join and move beside each other: a font's own rules draw them
# (ris.printing.shaping). Script → its blocks.
COMPLEX: Mapping[str, tuple[tuple[int, int], ...]] = {
    "Devanagari": ((0x0900, 0x097F), (0x1CD0, 0x1CFF), (0xA8E0, 0xA8FF)),
    "Bengali": ((0x0980, 0x09FF),),
    "Gurmukhi": ((0x0A00, 0x0A7F),),
    "Gujarati": ((0x0A80, 0x0AFF),),
    "Oriya": ((0x0B00, 0x0B7F),),
    "Tamil": ((0x0B80, 0x0BFF),),
    "Telugu": ((0x0C00, 0x0C7F),),
    "Kannada": ((0x0C80, 0x0CFF),),
    "Malayalam": ((0x0D00, 0x0D7F),),
    "Sinhala": ((0x0D80, 0x0DFF),),
    "Thai": ((0x0E00, 0x0E7F),),
    "Lao": ((0x0E80, 0x0EFF),),
    "Myanmar": ((0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),
    "Ethiopic": ((0x1200, 0x139F), (0x2D80, 0x2DDF), (0xAB00, 0xAB2F)),
    "Khmer": ((0x1780, 0x17FF), (0x19E0, 0x19FF)),
}
FIRST_COMPLEX = "\u0900"


@lru_cache(maxsize=4096)
def complex_script(each: str) -> str:
    """The name of the script of :data:`COMPLEX` that a character is of; empty for others."""
    if each < FIRST_COMPLEX:
        return ""
    point = ord(each)
    for name, blocks in COMPLEX.items():
        if any(low <= point <= high for low, high in blocks):
            return name
    return ""


def clean(text: str) -> str:
    """``text`` without what has no shape on paper: control and format characters.

    A joiner stays where it says which form the letters beside it have.
    """
    spaced = unicodedata.normalize("NFC", text.replace("\t", "    "))
    return "".join(
        each
        for place, each in enumerate(spaced)
        if unicodedata.category(each) not in _INVISIBLE
        or (each in JOINERS and place and complex_script(spaced[place - 1]))
    )


# --- joined letters


@cache
def _shapes() -> dict[str, dict[str, str]]:
    """Letter (or lam with alef) → form → the character that has it (Unicode blocks FB50, FE70)."""
    found: dict[str, dict[str, str]] = {}
    for point in (*range(0xFB50, 0xFC00), *range(0xFE70, 0xFEFD)):
        kind, _, rest = unicodedata.decomposition(chr(point)).partition(" ")
        form = kind.strip("<>")
        if form not in _FORMS or rest.startswith("0020"):
            continue
        letters = "".join(chr(int(code, 16)) for code in rest.split())
        found.setdefault(letters, {}).setdefault(form, chr(point))
    return found


def _joins_next(letter: str) -> bool:
    return letter == "\u0640" or "initial" in _shapes().get(letter, {})


def _joins_previous(letter: str) -> bool:
    return letter == "\u0640" or "final" in _shapes().get(letter, {})


def join(text: str) -> str:
    """Arabic letters in the form they have beside each other; other text as it is."""
    if not any("\u0600" <= each <= "\u06ff" for each in text):
        return text
    # Marks stand on the letter before them and do not break its joining.
    bases = [(each[0], each[1:]) for each in clusters(text)]
    shown: list[str] = []
    before = ""  # the letter before, if it reaches over to the next
    place = 0
    while place < len(bases):
        letter, marks = bases[place]
        width = 1
        following = bases[place + 1][0] if place + 1 < len(bases) else ""
        if letter == "\u0644" and letter + following in _shapes():
            letter, marks, width = letter + following, marks + bases[place + 1][1], 2
            following = bases[place + 2][0] if place + 2 < len(bases) else ""
        shown.append(_shape(letter, before, following) + marks)
        before = letter if _joins_next(letter) else ""
        place += width
    return "".join(shown)


def _shape(letter: str, before: str, following: str) -> str:
    forms = _shapes().get(letter)
    if forms is None:
        return letter
    back = bool(before) and _joins_previous(letter)
    ahead = _joins_next(letter) and bool(following) and _joins_previous(following)
    wanted = "medial" if back and ahead else "final" if back else "initial" if ahead else "isolated"
    return forms.get(wanted) or forms.get("isolated") or letter


# --- visual order


def is_right_to_left(text: str) -> bool:
    """The direction of a paragraph: that of its first letter (UAX #9 P2, P3)."""
    for each in text:
        kind = unicodedata.bidirectional(each)
        if kind == "L":
            return False
        if kind in _RIGHT_TO_LEFT:
            return True
    return False


def visual(text: str, *, right_to_left: bool) -> str:
    """A line from left to right as it is seen (UAX #9 W1-W7, N0-N2, I1-I2, L1-L4)."""
    if not right_to_left and not any(
        unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in text
    ):
        return text
    base = 1 if right_to_left else 0
    parts = clusters(text)
    levels = [_level(kind, base) for kind in _resolve(parts, base)]
    # Blanks at the end of a line have the level of the paragraph (L1).
    end = len(parts)
    while end and parts[end - 1].isspace():
        end -= 1
    levels[end:] = [base] * (len(parts) - end)
    shown = [
        _mirrored(each) if level % 2 else each for each, level in zip(parts, levels, strict=True)
    ]
    order = list(range(len(parts)))
    for level in range(max(levels, default=0), 0, -1):
        for start, stop in _runs([levels[place] >= level for place in order], frozenset({True})):
            order[start:stop] = reversed(order[start:stop])
    return "".join(shown[place] for place in order)


def clusters(text: str) -> list[str]:
    """Letters with the marks on them, which stay behind their letter in either direction (L3), and
    with the letters they are written as one with."""
    found: list[str] = []
    for each in text:
        if found and (
            unicodedata.category(each) in {"Mn", "Mc"} or each in JOINERS or _is_open(found[-1])
        ):
            found[-1] += each
        else:
            found.append(each)
    return found


def _is_open(cluster: str) -> bool:
    """Whether the next letter becomes part of this one."""
    last = cluster.rstrip("\u200c\u200d")[-1:]
    return bool(last) and unicodedata.combining(last) == _VIRAMA


def _kind(cluster: str) -> str:
    return unicodedata.bidirectional(cluster[0])


def _resolve(parts: Sequence[str], base: int) -> list[str]:
    """Weak and neutral kinds by what is around them."""
    kinds = [_kind(each) for each in parts]
    edge = "R" if base else "L"
    strong = edge
    for place, kind in enumerate(kinds):  # W2; marks are with their letters (W1)
        if kind == "EN" and strong == "AL":
            kinds[place] = "AN"
        if kind in {"L", "R", "AL"}:
            strong = kind
    kinds = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for place in range(1, len(kinds) - 1):  # W4
        around = {kinds[place - 1], kinds[place + 1]}
        if (kinds[place] in {"ES", "CS"} and around == {"EN"}) or (
            kinds[place] == "CS" and around == {"AN"}
        ):
            kinds[place] = kinds[place - 1]
    for start, stop in _runs(kinds, frozenset({"ET", "BN"})):  # W5
        if "EN" in (kinds[start - 1 : start] + kinds[stop : stop + 1]):
            kinds[start:stop] = ["EN"] * (stop - start)
    strong = edge
    for place, kind in enumerate(kinds):  # W6, W7
        if kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[place] = "L"
        elif kind not in {"EN", "AN"}:
            kinds[place] = "ON"
    for begin, end in _pairs(parts, kinds):  # N0
        inside = {_side(kind) for kind in kinds[begin + 1 : end] if kind != "ON"}
        if edge in inside:
            kinds[begin] = kinds[end] = edge
        elif inside:
            before = (_side(kind) for kind in reversed(kinds[:begin]) if kind != "ON")
            kinds[begin] = kinds[end] = next(before, edge)
    for start, stop in _runs(kinds, frozenset({"ON"})):  # N1, N2
        left = _side(kinds[start - 1]) if start else edge
        right = _side(kinds[stop]) if stop < len(kinds) else edge
        kinds[start:stop] = [left if left == right else edge] * (stop - start)
    return kinds


_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def _pairs(parts: Sequence[str], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """The brackets that belong together, by the place of the first one (BD16)."""
    waiting: list[tuple[str, int]] = []
    found: list[tuple[int, int]] = []
    for place, each in enumerate(parts):
        if kinds[place] != "ON":
            continue
        if each[0] in _BRACKETS:
            waiting.append((_BRACKETS[each[0]], place))
            continue
        for depth in range(len(waiting) - 1, -1, -1):
            if waiting[depth][0] == each[0]:
                found.append((waiting[depth][1], place))
                del waiting[depth:]
                break
    return sorted(found)


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"


def _runs(kinds: Sequence[object], wanted: frozenset[object]) -> Iterator[tuple[int, int]]:
    """The stretches of ``wanted``, as (start, stop)."""
    start = 0
    while start < len(kinds):
        stop = start
        while stop < len(kinds) and kinds[stop] in wanted:
            stop += 1
        if stop > start:
            yield start, stop
        start = max(stop, start + 1)


def _level(kind: str, base: int) -> int:
    """I1 and I2: numbers are read from left to right in either direction."""
    return 1 if kind == "R" else 0 if kind == "L" and not base else 2


_MIRRORS = str.maketrans("()[]{}<>«»≤≥", ")(][}{><»«≥≤")


def _mirrored(each: str) -> str:
    return each.translate(_MIRRORS) if unicodedata.mirrored(each[0]) else each


# --- places where a line may end


def words(text: str) -> list[str]:
    """Pieces between which a line may be broken: words with the blank behind, CJK one by one."""
    found: list[str] = []
    current = ""
    for each in text:
        if is_cjk(each):
            if current:
                found.append(current)
                current = ""
            if (
                found
                and each in "、。，．・）」』】〉》!？！：；ーぁぃぅぇぉっゃゅょァィゥェォッャュョ"
            ):
                found[-1] += each  # never at the beginning of a line (JIS X 4051)
            else:
                found.append(each)
        elif each == " ":
            found.append(current + each)
            current = ""
        elif not current and found and is_cjk(found[-1][0]) and each in ".,;:!?)]}%":
            found[-1] += each
        else:
            current += each
    return [*found, current] if current else found


_CJK = ((0x1100, 0x11FF), (0x2E80, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF))
_WIDE = ((0xFE30, 0xFE4F), (0xFF00, 0xFFEF))


def is_cjk(each: str) -> bool:
    point = ord(each)
    return any(low <= point <= high for low, high in (*_CJK, *_WIDE))

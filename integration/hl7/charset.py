"""Character sets: HL7 table 0211 names ↔ codecs ↔ DICOM names (HL7 v2.5.1 2.15.9.18, spec 1.5).

A :class:`Charset` is what MSH-18 says: one set, or several of which the first is in force at the
start of each segment and the others are reached by ISO 2022 escape sequences. Nothing is ever
replaced: what cannot be read or written raises InvalidValueError with the offset.

A message is decoded before it is split: in JIS, GBK and Big5 text the bytes of ``\\``, ``|``, ``^``
and ``~`` occur inside of characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from integration.hl7 import cns11643
from ris.domain.errors import InvalidValueError

UTF_8 = "UNICODE UTF-8"


@dataclass(frozen=True, slots=True)
class _Set:
    """One row of table 0211, or a set that only peers' settings name (``hl7=False``)."""

    name: str
    codec: str
    dicom: str = ""  # (0008,0005) as the only value; empty if DICOM has no such set
    extension: str = ""  # (0008,0005) as one of several values
    left: bytes = b""  # ISO 2022: designates the left half (G0)
    right: bytes = b""  # ISO 2022: designates the right half (G1)
    hl7: bool = True


def _latin(part: str, dicom: str, final: bytes) -> _Set:
    right = b"\x1b-" + final if final else b""
    extension = dicom.replace("ISO_IR", "ISO 2022 IR")
    return _Set(f"8859/{part}", f"iso8859-{part}", dicom, extension, right=right)


_SETS: tuple[_Set, ...] = (
    _Set("ASCII", "ascii", "", "ISO 2022 IR 6", left=b"\x1b(B"),
    _Set("ISO IR6", "ascii", "", "ISO 2022 IR 6", left=b"\x1b(B"),
    _latin("1", "ISO_IR 100", b"A"),
    _latin("2", "ISO_IR 101", b"B"),
    _latin("3", "ISO_IR 109", b"C"),
    _latin("4", "ISO_IR 110", b"D"),
    _latin("5", "ISO_IR 144", b"L"),
    _latin("6", "ISO_IR 127", b"G"),
    _latin("7", "ISO_IR 126", b"F"),
    _latin("8", "ISO_IR 138", b"H"),
    _latin("9", "ISO_IR 148", b"M"),
    _latin("15", "", b"b"),
    # JIS X 0201: letters as in ASCII (0x5C and 0x7E too, as every reader does) and katakana.
    _Set("ISO IR14", "jisx0201", "ISO_IR 13", "ISO 2022 IR 13", b"\x1b(J", b"\x1b)I"),
    _Set("ISO IR87", "jisx0208", "", "ISO 2022 IR 87", left=b"\x1b$B"),
    _Set("ISO IR159", "jisx0212", "", "ISO 2022 IR 159", left=b"\x1b$(D"),
    _Set("KS X 1001", "cp949", "", "ISO 2022 IR 149", right=b"\x1b$)C"),
    _Set("GB 18030-2000", "gb18030", "GB18030"),
    # Windows' Big5: the plain codec lacks characters that names in Taiwan use.
    _Set("BIG-5", "cp950"),
    # EUC-TW, not Thai as some maps have it (spec 1.5).
    _Set("CNS 11643-1992", "cns11643"),
    _Set("UNICODE", "unicode", "ISO_IR 192"),
    _Set(UTF_8, "utf-8", "ISO_IR 192"),
    _Set("UNICODE UTF-16", "utf-16", "ISO_IR 192"),
    _Set("UNICODE UTF-32", "utf-32", "ISO_IR 192"),
    # Not in table 0211: what peers use under an empty MSH-18, named in their settings.
    _Set("CP1250", "cp1250", hl7=False),
    _Set("CP1251", "cp1251", hl7=False),
    _Set("CP1252", "cp1252", hl7=False),
    _Set("SHIFT_JIS", "cp932", hl7=False),
    _Set("EUC-JP", "euc_jp", hl7=False),
)
_BY_NAME = {row.name: row for row in _SETS}


def _key(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


# What peers write instead; compared without punctuation, spaces and case.
_ALIASES: dict[str, str] = {
    "USASCII": "ASCII", "ANSIX341968": "ASCII", "ISOIR6": "ISO IR6", "ISO646": "ASCII",
    "LATIN1": "8859/1", "ISOIR100": "8859/1", "ISOIR101": "8859/2", "ISOIR109": "8859/3",
    "ISOIR110": "8859/4", "ISOIR144": "8859/5", "ISOIR127": "8859/6", "ISOIR126": "8859/7",
    "ISOIR138": "8859/8", "ISOIR148": "8859/9", "ISOIR203": "8859/15", "LATIN9": "8859/15",
    "ISOIR13": "ISO IR14", "JISX0201": "ISO IR14", "ISOIR149": "KS X 1001", "EUCKR": "KS X 1001",
    "KSC5601": "KS X 1001", "KSX1001": "KS X 1001", "ISOIR192": UTF_8, "UTF8": UTF_8,
    "UNICODEUTF8": UTF_8, "UTF16": "UNICODE UTF-16", "UTF32": "UNICODE UTF-32",
    "GB18030": "GB 18030-2000", "GBK": "GB 18030-2000", "GB2312": "GB 18030-2000",
    "EUCTW": "CNS 11643-1992", "CNS11643": "CNS 11643-1992",
    "WINDOWS1250": "CP1250", "WINDOWS1251": "CP1251", "WINDOWS1252": "CP1252", "ANSI": "CP1252",
    "SJIS": "SHIFT_JIS", "CP932": "SHIFT_JIS", "WINDOWS31J": "SHIFT_JIS",
}  # fmt: skip
for _row in _SETS:
    _ALIASES[_key(_row.name)] = _row.name
    if _row.name.startswith("8859/"):
        _ALIASES["ISO" + _key(_row.name)] = _row.name


@dataclass(frozen=True)
class Charset:
    """The character set(s) of one message; ``names`` are table 0211 names, the first in force."""

    names: tuple[str, ...]
    _rows: tuple[_Set, ...] = field(repr=False, compare=False)

    @property
    def msh18(self) -> str:
        """For MSH-18, repetitions joined by ``~``; empty for a set that HL7 has no name for."""
        return "~".join(row.name for row in self._rows) if self._rows[0].hl7 else ""

    @property
    def dicom(self) -> tuple[str, ...]:
        """(0008,0005) that holds the same characters; ISO_IR 192 where DICOM lacks the set."""
        if len(self._rows) == 1:
            row = self._rows[0]
            if row.codec == "ascii":
                return ()
            if row.dicom:
                return (row.dicom,)
            # KS X 1001 and the JIS kanji sets exist in DICOM as extensions of ASCII only.
            return ("", row.extension) if row.extension else ("ISO_IR 192",)
        extensions = [row.extension for row in self._rows]
        if not all(extensions):
            return ("ISO_IR 192",)
        first = "" if self._rows[0].codec == "ascii" else extensions[0]
        return (first, *extensions[1:])

    def decode(self, data: bytes) -> str:
        """The text of ``data``; raises InvalidValueError with ``details["offset"]``."""
        try:
            if self._extended:
                return _decode_2022(data, self._rows)
            if self._designates and b"\x1b" in data:
                # Undeclared designations are followed; any other escape character is text.
                with suppress(UnicodeDecodeError):
                    return _decode_2022(data, self._rows)
            return _decode(data, self._rows[0].codec)
        except UnicodeDecodeError as error:
            raise InvalidValueError(
                f"byte {error.start} (0x{data[error.start]:02X}) is not {self.label}",
                details={"offset": error.start, "charset": self.label},
            ) from None

    def encode(self, text: str) -> bytes:
        """The bytes of ``text``; raises InvalidValueError, ``details["offset"]`` in characters."""
        try:
            if self._extended or self._rows[0].codec.startswith("jisx"):
                return _encode_2022(text, self._rows)
            return _encode(text, self._rows[0].codec)
        except UnicodeEncodeError as error:
            raise InvalidValueError(
                f"U+{ord(text[error.start]):04X} cannot be written in {self.label}",
                details={"offset": error.start, "charset": self.label},
            ) from None

    def can_write(self, text: str) -> bool:
        try:
            self.encode(text)
        except InvalidValueError:
            return False
        return True

    @property
    def label(self) -> str:
        return "~".join(self.names)

    @property
    def _extended(self) -> bool:
        return len(self._rows) > 1

    @property
    def _designates(self) -> bool:
        return bool(self._rows[0].left or self._rows[0].right)


# Longer than any honest MSH-18; what is remembered must stay small.
_LONGEST = 200


def names() -> tuple[str, ...]:
    """The sets there are, by their HL7 names; at the end those that only settings name."""
    return tuple(row.name for row in _SETS)


@lru_cache(maxsize=256)
def find(declared: str, default: str = "ASCII") -> Charset:
    """The character set of an MSH-18 text (repetitions split by ``~``), by HL7 name or alias.

    An empty text gives ``default``, the peer's setting. Raises InvalidValueError for an unknown
    name (AE 103: it is a table value).
    """
    if len(declared) > _LONGEST:
        raise InvalidValueError("unknown character set", path="MSH-18", details={"table": "0211"})
    names = [name for name in declared.split("~") if name.strip()] or default.split("~")
    rows = []
    for name in names:
        row = _BY_NAME.get(_ALIASES.get(_key(name), ""))
        if row is None:
            raise InvalidValueError(
                "unknown character set", path="MSH-18", details={"table": "0211"}
            )
        rows.append(row)
    if len(rows) > 1:
        # Only sets with a designation can be mixed; with Unicode, GB 18030 and the like the others
        # are superfluous, whichever place they have.
        alone = [row for row in rows if not (row.left or row.right)]
        rows = alone[:1] or rows
    return Charset(tuple(row.name for row in rows), tuple(rows))


# --- one set ------------------------------------------------------------------------------------


def _decode(data: bytes, codec: str) -> str:
    if codec in _OWN_DECODERS:
        return _OWN_DECODERS[codec](data)
    return data.decode(codec)


def _encode(text: str, codec: str) -> bytes:
    if codec == "cns11643":
        return cns11643.encode(text)
    if codec == "cp949":
        # Write the standard set; the wider code page is only what one must be ready to read. The
        # codec spells syllables outside of the set in eight bytes, which few readers understand.
        for index, char in enumerate(text):
            if len(char.encode("euc_kr")) > 2:
                raise UnicodeEncodeError("euc_kr", text, index, index + 1, "not in KS X 1001")
        return text.encode("euc_kr")
    if codec == "unicode":
        return text.encode("utf-8")
    if codec in ("utf-16", "utf-32"):
        # Big-endian without a mark, as RFC 2781 4.3 takes unmarked text.
        return text.encode(codec + "-be")
    return text.encode(codec)


def _decode_wide(data: bytes) -> str:
    """UTF-16 or UTF-32 by byte order mark, else by where the zero bytes of the first ``M`` are."""
    for mark, codec in (
        (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\x00\x00\x00", "utf-32-be"),
    ):  # fmt: skip
        if data.startswith(mark):
            return data.decode(codec)
    if data[1:4] == b"\x00\x00\x00":
        return data.decode("utf-32-le")
    return data.decode("utf-16-le" if data[1:2] == b"\x00" else "utf-16-be")


def _decode_utf_32(data: bytes) -> str:
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        return data.decode("utf-32")
    return data.decode("utf-32-le" if data[2:4] == b"\x00\x00" else "utf-32-be")


def _decode_unicode(data: bytes) -> str:
    """Plain ``UNICODE`` (withdrawn) names no encoding; zero bytes tell UTF-16 and UTF-32 apart."""
    wide = b"\x00" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return _decode_wide(data) if wide else data.decode("utf-8")


def _decode_jisx0201(data: bytes) -> str:
    return _decode_2022(data, (_BY_NAME["ISO IR14"],))


def _decode_left_only(data: bytes) -> str:
    return data.decode("ascii")


_OWN_DECODERS: Mapping[str, Callable[[bytes], str]] = {
    "cns11643": cns11643.decode,
    "unicode": _decode_unicode,
    "utf-16": _decode_wide,
    "utf-32": _decode_utf_32,
    "jisx0201": _decode_jisx0201,
    "jisx0208": _decode_left_only,  # without an escape sequence only the ASCII part is in use
    "jisx0212": _decode_left_only,
}


# --- ISO 2022 -----------------------------------------------------------------------------------

_RUNS = re.compile(
    rb"(?P<escape>\x1b[\x20-\x2f]+[\x30-\x7e])|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    rb"|(?P<space>\x20+)|(?P<left>[\x21-\x7e]+)|(?P<right>[\x80-\xff]+)"
)
# While the left half is ASCII, whatever is not an escape sequence can be taken in long runs.
_ASCII_RUNS = re.compile(
    rb"(?P<escape>\x1b[\x20-\x2f]+[\x30-\x7e])|(?P<plain>[\x00-\x1a\x1c-\x7f]+)"
    rb"|(?P<right>[\x80-\xff]+)"
)
_LEFT: dict[bytes, str] = {
    b"\x1b(B": "ascii", b"\x1b(J": "ascii", b"\x1b$@": "jisx0208", b"\x1b$B": "jisx0208",
    b"\x1b$(B": "jisx0208", b"\x1b$(D": "jisx0212", b"\x1b(I": "kana",
}  # fmt: skip
_RIGHT: dict[bytes, str] = {
    **{row.right: row.codec for row in _SETS if row.right and row.name != "ISO IR14"},
    b"\x1b)I": "kana",
    b"\x1b$)A": "gb2312",
}


def _first_right(rows: tuple[_Set, ...]) -> str:
    """The right half in force at the start of a segment.

    That of the first set; if it has none, the first that any later set brings: senders of Korean
    text often leave the designation out.
    """
    for row in rows:
        if row.right:
            return _RIGHT[row.right]
    return ""


def _decode_2022(data: bytes, rows: tuple[_Set, ...]) -> str:
    left, right = "ascii", _first_right(rows)
    out: list[str] = []
    position = 0
    while position < len(data):
        match = (_ASCII_RUNS if left == "ascii" else _RUNS).match(data, position)
        if match is None:
            raise UnicodeDecodeError("iso2022", data, position, position + 1, "no such sequence")
        run = match.group()
        match match.lastgroup:
            case "escape":
                if run in _LEFT:
                    left = _LEFT[run]
                elif run in _RIGHT:
                    right = _RIGHT[run]
                else:
                    raise UnicodeDecodeError(
                        "iso2022", data, position, match.end(), "unknown designation"
                    )
            case "plain" | "control":
                if b"\r" in run or b"\n" in run:
                    left, right = "ascii", _first_right(rows)
                out.append(run.decode("ascii"))
            case "left":
                out.append(_decode_run(data, position, run, left))
            case "right":
                out.append(_decode_run(data, position, run, right))
            case _:
                out.append(run.decode("ascii"))
        position = match.end()
    return "".join(out)


def _decode_run(data: bytes, position: int, run: bytes, codec: str) -> str:
    """One run of bytes of one half in ``codec``; errors name the offset in the whole message."""
    high = bytes(byte | 0x80 for byte in run)
    try:
        if codec == "":
            raise UnicodeDecodeError("ascii", run, 0, 1, "no right half designated")
        if codec == "jisx0208":
            return high.decode("euc_jp")
        if codec == "jisx0212":
            pairs = (high[at : at + 2] for at in range(0, len(high), 2))
            return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp")
        if codec == "kana":
            return b"".join(b"\x8e" + high[at : at + 1] for at in range(len(high))).decode("euc_jp")
        return run.decode("euc_kr" if codec == "cp949" else codec)
    except UnicodeDecodeError as error:
        # euc_jp prefixes shift the offset; the start of the run is exact enough for those.
        start = position + (error.start if codec not in ("jisx0212", "kana") else 0)
        raise UnicodeDecodeError(
            codec or "ascii", data, min(start, len(data) - 1), start + 1, error.reason
        ) from None


def _encode_2022(text: str, rows: tuple[_Set, ...]) -> bytes:
    home = b"\x1b(J" if rows[0].name == "ISO IR14" else b"\x1b(B"
    first_right = _RIGHT[rows[0].right] if rows[0].right else ""
    left, right = "ascii", first_right
    out = bytearray()
    for index, char in enumerate(text):
        if char < "\x80":
            if left != "ascii":
                out += home
                left = "ascii"
            out += char.encode("ascii")
            if char == "\r":
                right = first_right
            continue
        for row in rows:
            encoded = _encode_char(char, row)
            if encoded is None:
                continue
            if encoded[0] >= 0x80:
                codec = _RIGHT[row.right]
                if right != codec:
                    out += row.right
                    right = codec
            elif left != row.codec:
                out += row.left
                left = row.codec
            out += encoded
            break
        else:
            raise UnicodeEncodeError("iso2022", text, index, index + 1, "in none of the sets")
    if left != "ascii":
        out += home
    return bytes(out)


def _encode_char(char: str, row: _Set) -> bytes | None:
    """One non-ASCII character in the half of ``row``, or None."""
    try:
        if row.codec in ("jisx0201", "jisx0208", "jisx0212"):
            encoded = char.encode("euc_jp")
            if encoded[0] < 0x80:
                return None  # the codec writes the yen sign and the overline as ASCII
            lead = {0x8E: "jisx0201", 0x8F: "jisx0212"}.get(encoded[0], "jisx0208")
            if lead != row.codec:
                return None
            if lead == "jisx0201":
                return encoded[1:]
            return bytes(byte & 0x7F for byte in encoded.removeprefix(b"\x8f"))
        encoded = char.encode("euc_kr" if row.codec == "cp949" else row.codec)
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= 2 and min(encoded) >= 0xA0 else None

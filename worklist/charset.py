"""Which character set an answer uses, and strict coding of text both ways (PS3.5 6.1).

pydicom writes ``?`` for what a set cannot hold and Latin-1 without saying so if no set is named.
A worklist must do neither: a patient would get another name on the images. So everything here is
strict, and the choice of a set is made by trying: the first candidate that holds every text wins,
and ISO_IR 192 holds them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, decode_bytes, encode_string

from ris.domain.transliteration import transliterate

# Defined terms of (0008,0005) without code extensions (PS3.3 Tables C.12-2 and C.12-5).
SINGLE = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "iso8859-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 203": "iso8859-15",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
# With code extensions (PS3.3 Tables C.12-3, C.12-4), by the names under which pydicom knows them.
EXTENDED = {
    "ISO 2022 IR 6": "iso8859",
    "ISO 2022 IR 13": "shift_jis",
    "ISO 2022 IR 100": "latin_1",
    "ISO 2022 IR 101": "iso8859_2",
    "ISO 2022 IR 109": "iso8859_3",
    "ISO 2022 IR 110": "iso8859_4",
    "ISO 2022 IR 126": "iso_ir_126",
    "ISO 2022 IR 127": "iso_ir_127",
    "ISO 2022 IR 138": "iso_ir_138",
    "ISO 2022 IR 144": "iso_ir_144",
    "ISO 2022 IR 148": "iso_ir_148",
    "ISO 2022 IR 166": "iso_ir_166",
    "ISO 2022 IR 87": "iso2022_jp",
    "ISO 2022 IR 159": "iso2022_jp_2",
    "ISO 2022 IR 149": "euc_kr",
}
_CHINESE = "ISO 2022 IR 58"
UTF8 = ("ISO_IR 192",)
_ASCII = "iso8859"  # pydicom's name for ISO IR 6, though it is Latin-1 to Python
# The separators that reset to the initial set (PS3.5 6.1.2.5.3); backslash only where several
# values may stand.
_TEXT_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09, 0x5C}
_LINES = re.compile(r"([\r\n\f\t\\])")
_NAME_DELIMITERS = {0x5E, 0x3D, 0x5C}
_ESCAPE = re.compile(rb"\x1b(?:\$\(.|\$\).|\$.|[(\-).].)", re.DOTALL)


class UnknownCharacterSetError(LookupError):
    """(0008,0005) holds a term that is not defined."""


@dataclass(frozen=True, slots=True)
class SingleSet:
    """A set without code extensions.

    Like the other two kinds: both directions raise UnicodeError and never guess.
    """

    terms: tuple[str, ...]
    codec: str

    def encode(self, text: str) -> bytes:
        if self.codec == "shift_jis":
            return _encode_jis_x_0201(text)
        return text.encode(self.codec)

    def encode_name(self, text: str) -> bytes:
        return self.encode(text)

    def decode(self, value: bytes) -> str:
        return value.decode(self.codec)

    def decode_name(self, value: bytes) -> str:
        return value.decode(self.codec)


@dataclass(frozen=True, slots=True)
class ExtendedSet:
    """Several sets with ISO 2022 escape sequences; pydicom knows the sequences."""

    terms: tuple[str, ...]
    codecs: tuple[str, ...]

    def encode(self, text: str) -> bytes:
        if text.isascii():
            return text.encode("ascii")
        # pydicom would take a Latin-1 letter for ISO IR 6; that is not what the receiver reads.
        if _ASCII in self.codecs and any("\x80" <= char <= "\xff" for char in text):
            raise UnicodeEncodeError(_ASCII, text, 0, 1, "not in ISO IR 6")
        for position, char in enumerate(text):
            if not any(_holds(codec, char) for codec in self.codecs):
                raise UnicodeEncodeError(self.codecs[0], text, position, position + 1, "not held")
        # Each line starts again with the initial set (PS3.5 6.1.2.5.3).
        encoded = b"".join(
            part.encode("ascii") if part.isascii() else encode_string(part, self.codecs)
            for part in _LINES.split(text)
        )
        try:
            if self.decode(encoded) == text:
                return encoded
        except UnicodeDecodeError:
            pass
        raise UnicodeEncodeError(self.codecs[0], text, 0, 1, "not read back alike")

    def encode_name(self, text: str) -> bytes:
        # Each component starts again with the initial set (PS3.5 6.2.1.2).
        return b"=".join(
            b"^".join(self.encode(component) for component in group.split("^"))
            for group in text.split("=")
        )

    def decode(self, value: bytes) -> str:
        return self._decode(value, _TEXT_DELIMITERS)

    def decode_name(self, value: bytes) -> str:
        return self._decode(value, _NAME_DELIMITERS)

    def _decode(self, value: bytes, delimiters: set[int]) -> str:
        if b"\x1b" not in value and self.codecs[0] == _ASCII:
            return value.decode("ascii")
        if "shift_jis" not in self.codecs:
            # Many Japanese devices return to JIS X 0201 Roman where ASCII is meant.
            value = value.replace(b"\x1b(J", b"\x1b(B")
        for found in _ESCAPE.finditer(value):
            codec = CODES_TO_ENCODINGS.get(found[0], "")
            if codec != _ASCII and codec not in self.codecs:
                raise UnicodeDecodeError(self.codecs[0], value, found.start(), found.end(), "ESC")
        try:
            text = decode_bytes(value, self.codecs, delimiters)
        except (UserWarning, LookupError) as error:
            raise UnicodeDecodeError(self.codecs[0], value, 0, 1, "not decodable") from error
        if "\ufffd" in text or "\x1b" in text:
            raise UnicodeDecodeError(self.codecs[0], value, 0, 1, "not decodable")
        return text


@dataclass(frozen=True, slots=True)
class ChineseSet:
    """ISO IR 6 with GB 2312 in G1 (PS3.5 K): pydicom writes it without its escape sequence."""

    terms: tuple[str, ...]

    def encode(self, text: str) -> bytes:
        if text.isascii():
            return text.encode("ascii")
        # Designated anew in each line and after each delimiter (PS3.5 6.1.2.5.3).
        return b"".join(
            part.encode("ascii") if part.isascii() else b"\x1b$)A" + part.encode("gb2312")
            for part in re.split(r"([\r\n\f\t\\^=])", text)
        )

    def encode_name(self, text: str) -> bytes:
        return self.encode(text)

    def decode(self, value: bytes) -> str:
        return value.replace(b"\x1b$)A", b"").replace(b"\x1b(B", b"").decode("gb2312")

    def decode_name(self, value: bytes) -> str:
        return self.decode(value)


@dataclass(frozen=True, slots=True)
class PlainSet:
    """Another set, with what it lacks written in letters it has (dicom.md MWL-26).

    ``written`` does that before the text is cut to its length; encoding itself is that of the set.
    """

    base: SingleSet | ExtendedSet | ChineseSet
    always: bool = False  # also what has no transliteration, by its number

    @property
    def terms(self) -> tuple[str, ...]:
        return self.base.terms

    def encode(self, text: str) -> bytes:
        return self.base.encode(text)

    def encode_name(self, text: str) -> bytes:
        return self.base.encode_name(text)

    def decode(self, value: bytes) -> str:
        return self.base.decode(value)

    def decode_name(self, value: bytes) -> str:
        return self.base.decode_name(value)

    def written(self, text: str) -> str:
        """``text`` in letters of the set; raises UnicodeEncodeError for what has none."""
        plain, complete = transliterate(text, self._holds)
        if not complete and not self.always:
            raise UnicodeEncodeError("transliteration", text, 0, 1, "no transliteration")
        return plain

    def written_name(self, name: str) -> str:
        """A name by the first of its groups that can be written: the second and third of other
        scripts are lost, unless the set has them.
        """
        groups = name.split("=")
        held = [group if all(map(self._holds, group)) else "" for group in groups]
        if held[0]:
            return "=".join(held).rstrip("=")
        # The phonetic group of a Japanese name can be read aloud, the ideographic one cannot.
        for group in (groups[0], *reversed(groups[1:])):
            plain, complete = transliterate(group, self._holds)
            if plain and complete:
                return "=".join((plain, *held[1:])).rstrip("=")
        return "=".join((self.written(groups[0] or groups[-1]), *held[1:])).rstrip("=")

    def _holds(self, char: str) -> bool:
        if char.isascii():
            return True
        try:
            self.base.encode(char)
        except UnicodeEncodeError:
            return False
        return True


# One value of (0008,0005) with its coding.
CharacterSet = SingleSet | ExtendedSet | ChineseSet | PlainSet


def _encode_jis_x_0201(text: str) -> bytes:
    """ISO IR 14 and ISO IR 13 side by side: one byte a character (PS3.5 H.1.1)."""
    encoded = text.encode("shift_jis")
    # The yen sign and the overline would become the bytes of backslash and tilde.
    if len(encoded) != len(text) or any(char in "¥‾" for char in text):
        raise UnicodeEncodeError("shift_jis", text, 0, 1, "not in JIS X 0201")
    return encoded


@lru_cache(maxsize=8192)
def _holds(codec: str, char: str) -> bool:
    """Whether this set alone has a code for ``char``."""
    try:
        if codec == "shift_jis":
            return bool(_encode_jis_x_0201(char))
        encoded = char.encode(codec)
    except UnicodeError:
        return False
    # The Python codecs of these two know more sets than the one the term names.
    if codec == "iso2022_jp":
        return encoded.startswith(b"\x1b$B")
    if codec == "iso2022_jp_2":
        return encoded.startswith(b"\x1b$(D")
    return True


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...]) -> SingleSet | ExtendedSet | ChineseSet:
    """The set of an (0008,0005) value; raises UnknownCharacterSetError.

    Common misspellings are read as what they mean: ``ISO-IR 100``, ``ISO IR 192``, ``UTF-8``.
    """
    known = tuple(_spelled(term) for term in terms) or ("",)
    if len(known) == 1:
        codec = SINGLE.get(known[0])
        if codec is not None:
            return SingleSet(known if known[0] else (), codec)
    # A first value may be empty: ISO IR 6 with extensions. A single-byte set named without
    # extensions in a list means its extended form.
    if len(known) == 2 and known[1] == _CHINESE and _extended(known[0]) == "ISO 2022 IR 6":
        return ChineseSet(known)
    codecs = []
    for term in known:
        codec = EXTENDED.get(_extended(term))
        if codec is None:
            raise UnknownCharacterSetError(term)
        codecs.append(codec)
    return ExtendedSet(known, tuple(codecs))


def _spelled(term: str) -> str:
    term = " ".join(term.strip().upper().split())
    if term in {"UTF-8", "UTF8"}:
        return "ISO_IR 192"
    match = re.fullmatch(r"ISO[-_ ]?IR[-_ ]?(\d+)", term)
    if match:
        return f"ISO_IR {match[1]}"
    match = re.fullmatch(r"ISO[-_ ]2022[-_ ]IR[-_ ](\d+)", term)
    if match:
        return f"ISO 2022 IR {match[1]}"
    return term


def _extended(term: str) -> str:
    if not term:
        return "ISO 2022 IR 6"
    return term.replace("ISO_IR", "ISO 2022 IR")


ASCII = SingleSet((), "ascii")


def candidates(
    query: Sequence[str],
    device: Sequence[str],
    *,
    device_first: bool = False,
    mode: str = "auto",
) -> tuple[CharacterSet, ...]:
    """The sets an answer may use, best first: the query's, the device's, ISO_IR 192.

    ``device`` is one value with code extensions if any of its terms is one (``ISO 2022 …``), else a
    list of alternatives. A term that is not defined is passed over. In the modes ``fixed`` and
    ``ascii`` the query's set does not count, and text is transliterated before ISO_IR 192 is used.
    """
    if mode == "ascii":
        return (ASCII, PlainSet(ASCII, always=True), character_set(UTF8))
    asked = [tuple(query)] if any(query) and mode == "auto" else []
    listed = _alternatives(device)
    wanted = [*listed, *asked] if device_first else [*asked, *listed]
    sets: list[SingleSet | ExtendedSet | ChineseSet] = []
    for terms in wanted:
        try:
            sets.append(character_set(terms))
        except UnknownCharacterSetError:
            continue
    plain = [PlainSet(sets[0])] if mode == "fixed" and sets else []
    found: list[CharacterSet] = [ASCII, *sets, *plain, character_set(UTF8)]
    return tuple(dict.fromkeys(found))


def _alternatives(terms: Sequence[str]) -> list[tuple[str, ...]]:
    if any(term.strip().upper().startswith("ISO 2022") for term in terms):
        return [tuple(terms)]
    return [(term,) for term in terms if term]


def choose(texts: Iterable[str], among: Sequence[CharacterSet]) -> CharacterSet:
    """The first set that holds every text; the last of ``among`` must be ISO_IR 192."""
    everything = list(texts)
    for candidate in among[:-1]:
        try:
            for text in everything:
                candidate.encode_name(text)
        except UnicodeError:
            continue
        return candidate
    return among[-1]

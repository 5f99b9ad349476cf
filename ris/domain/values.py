"""Small immutable values shared by all areas: names, identifiers, codes, partial dates."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache

from ris.domain.errors import InvalidValueError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class NameGroup:
    """One component group of a person name (PS3.5 6.2.1): five components in DICOM's order."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""

    def __bool__(self) -> bool:
        return any((self.family, self.given, self.middle, self.prefix, self.suffix))

    def __str__(self) -> str:
        """The DICOM form without trailing delimiters: ``Doe^John``."""
        return "^".join((self.family, self.given, self.middle, self.prefix, self.suffix)).rstrip(
            "^"
        )

    @classmethod
    def parse(cls, text: str) -> NameGroup:
        """Read ``family^given^middle^prefix^suffix``; more components are joined to the suffix."""
        return _group(text)


@lru_cache(maxsize=4096)
def _group(text: str) -> NameGroup:
    """Lists read the same few physicians over and over."""
    parts = [part.strip() for part in text.split("^")]
    if len(parts) > 5:
        parts = [*parts[:4], " ".join(part for part in parts[4:] if part)]
    return NameGroup(*parts)


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person's name in up to three writings (PS3.5 6.2.1.1; HL7 XPN with name representation)."""

    alphabetic: NameGroup = field(default_factory=NameGroup)
    ideographic: NameGroup = field(default_factory=NameGroup)
    phonetic: NameGroup = field(default_factory=NameGroup)

    def __bool__(self) -> bool:
        return bool(self.alphabetic or self.ideographic or self.phonetic)

    def __str__(self) -> str:
        """The DICOM form: ``Yamada^Tarou=山田^太郎=やまだ^たろう``."""
        return "=".join((str(self.alphabetic), str(self.ideographic), str(self.phonetic))).rstrip(
            "="
        )

    @classmethod
    def parse(cls, text: str) -> PersonName:
        """Read the DICOM form; an empty text gives an empty name."""
        if not text:
            return _NOBODY
        groups = text.split("=")
        if len(groups) > 3:
            raise InvalidValueError("a person name has at most three component groups")
        return cls(*(NameGroup.parse(group) for group in groups))

    @classmethod
    def as_sent(cls, text: str) -> PersonName:
        """Read what a device sent; what stands behind a third group is no name and left out."""
        return cls.parse("=".join(text.split("=")[:3]))

    @classmethod
    def of(cls, family: str, given: str = "", middle: str = "") -> PersonName:
        """A name in alphabetic writing only."""
        return cls(NameGroup(family, given, middle))

    @property
    def display(self) -> str:
        """For people: ``DOE, John M. (山田 太郎)``; empty text for an empty name."""
        group = self.alphabetic or self.ideographic or self.phonetic
        given = " ".join(part for part in (group.given, group.middle) if part)
        text = ", ".join(part for part in (_capitals(group.family), given) if part)
        if self.alphabetic and self.ideographic:
            other = " ".join(
                part for part in (self.ideographic.family, self.ideographic.given) if part
            )
            text = f"{text} ({other})"
        return text


_NOBODY = PersonName()


def _capitals(text: str) -> str:
    """A family name in capitals, where the writing has them for names.

    Georgian has not: Unicode's capital forms are for headlines, and most fonts lack them. Greek
    capitals carry no accent.
    """
    return "".join(map(_capital, text))


def _capital(char: str) -> str:
    if "\u10d0" <= char <= "\u10ff":
        return char
    upper = char.upper()
    if "\u0370" <= char <= "\u03ff":
        bare = unicodedata.normalize("NFD", upper).replace("\u0301", "")
        return unicodedata.normalize("NFC", bare)
    return upper


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier with its issuer (HL7 CX/EI, DICOM issuer, FHIR Identifier.system).

    ``issuer`` is the namespace id or, if there is none, the universal id; an identifier without
    issuer never matches another one alone. ``type`` is an HL7 table 0203 code.
    """

    value: str
    issuer: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: (value, scheme, version, meaning), kept together for ever."""

    value: str
    scheme: str = ""
    meaning: str = ""
    version: str = ""

    def __bool__(self) -> bool:
        return bool(self.value or self.meaning)

    def as_json(self) -> dict[str, str]:
        """For JSON columns and event payloads."""
        return {
            "value": self.value,
            "scheme": self.scheme,
            "meaning": self.meaning,
            "version": self.version,
        }

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Code:
        return cls(
            data.get("value", ""),
            data.get("scheme", ""),
            data.get("meaning", ""),
            data.get("version", ""),
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open interval of aware instants: ``start`` belongs to it, ``end`` does not."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidValueError("a period needs times with a zone")
        if self.end <= self.start:
            raise InvalidValueError("a period must end after it starts")

    def overlaps(self, other: Period) -> bool:
        return self.start < other.end and other.start < self.end


_PARTIAL = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?$")


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date known to the year, month or day; ``text`` is ISO: 1970, 1970-05 or 1970-05-03."""

    text: str

    def __bool__(self) -> bool:
        return bool(self.text)

    @classmethod
    def parse(cls, text: str, path: str = "") -> PartialDate:
        """Read ``YYYY[-MM[-DD]]`` or ``YYYY[MM[DD]]``; raises InvalidValueError for no date."""
        text = text.strip()
        if not text:
            return cls("")
        match = _PARTIAL.match(text)
        if match is None:
            raise InvalidValueError("not a date (YYYYMMDD)", path=path)
        parts = [part for part in match.groups() if part]
        try:
            date(int(parts[0]), *(int(part) for part in ([*parts[1:], "1", "1"])[:2]))
        except ValueError:
            raise InvalidValueError("no such day", path=path) from None
        return cls("-".join(parts))

    @property
    def digits(self) -> str:
        """``YYYY``, ``YYYYMM`` or ``YYYYMMDD``."""
        return self.text.replace("-", "")

    @property
    def dicom(self) -> str:
        """DICOM DA, or empty if the day is not known."""
        return self.digits if len(self.digits) == 8 else ""


def fold(text: str) -> str:
    """Text for comparing names: case folded, accents and width differences removed.

    PS3.4 C.2.2.2.1.1 lets a worklist match names insensitive to case and accents; the same folding
    is used for stored names and for query keys, so both sides always agree. Letters that do not
    decompose (ø, ł, đ, ß …) are mapped by hand so that ``Lukasz`` finds ``Łukasz``.
    """
    if text.isascii():
        return text.lower()
    folded = _fold_once(text)
    while (again := _fold_once(folded)) != folded:  # a few signs unfold in two steps (𝓐, A, a)
        folded = again
    return folded


def _fold_once(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).translate(_LETTERS).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", plain) if not _is_accent(c))
    return unicodedata.normalize("NFC", bare)


def _is_accent(char: str) -> bool:
    # Only the combining marks of Latin, Greek and Cyrillic writing are accents; the voicing marks
    # of kana and the vowel signs of Indic scripts tell words apart and stay.
    return "̀" <= char <= "ͯ"


_LETTERS = str.maketrans(
    {
        "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
        "þ": "th", "Þ": "TH", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ı": "i",
    }
)  # fmt: skip


def require_text(value: str, *, path: str, limit: int, name: str) -> str:
    """``value`` stripped, if it may stand in a single-valued DICOM and HL7 field; never cut.

    Raises InvalidValueError for control characters, a backslash (the DICOM value separator) or more
    than ``limit`` characters.
    """
    text = value.strip()
    if len(text) > limit:
        raise InvalidValueError(f"{name} is longer than {limit} characters", path=path)
    if _CONTROL.search(text) or "\\" in text:
        raise InvalidValueError(f"{name} holds a character that is not allowed", path=path)
    return text


def is_same_family(one: PersonName, other: PersonName) -> bool:
    """Whether two names share a family name in any of their writings."""
    return bool(_families(one) & _families(other))


def _families(name: PersonName) -> set[str]:
    groups = (name.alphabetic, name.ideographic, name.phonetic)
    return {fold(group.family) for group in groups if group}

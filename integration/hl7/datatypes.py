"""HL7 data types ↔ domain values: CX, EI, HD, XPN, XCN, CE/CWE, XTN, XAD, PL, TQ (v2.5.1 2A).

Readers answer ``None`` for what the sender did not say and an empty value for what is to be deleted
(2.10.1). Writers answer a value for :func:`integration.hl7.er7_writer.build`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo

from integration.hl7 import times
from integration.hl7.er7_segment import Repetition, Segment
from integration.hl7.er7_writer import Value
from integration.hl7.times import Precision, Timestamp
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code, Identifier, NameGroup, PartialDate, PersonName

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")

# What is kept of each part; longer ones are refused, never cut.
_NUMBER, _ISSUER, _TYPE, _VERSION, _NAME = 64, 200, 10, 16, 324


def within(text: str, limit: int, path: str) -> str:
    """``text``, if it is short enough to be kept."""
    if len(text) > limit:
        raise InvalidValueError(f"longer than {limit} characters", path=path)
    return text


# --- identifiers --------------------------------------------------------------------------------


def authority(repetition: Repetition, component: int) -> str:
    """The namespace of an HD component or, if there is none, its universal id."""
    return repetition.get(component, 1) or repetition.get(component, 2) or ""


def patient_identifier(repetition: Repetition, default: str) -> Identifier | None:
    """A CX; an identifier without assigning authority gets ``default``."""
    value = (repetition.get(1) or "").strip()
    if not value:
        return None
    return Identifier(
        within(value, _NUMBER, repetition.at("1")),
        within(authority(repetition, 4) or default, _ISSUER, repetition.at("4")),
        within((repetition.get(5) or "").strip(), _TYPE, repetition.at("5")),
    )


def entity(segment: Segment, number: int, default: str = "") -> Identifier | None:
    """An EI; one without namespace and universal id gets ``default``."""
    value = (segment.get(f"{number}.1") or "").strip()
    if not value:
        return None
    issuer = segment.get(f"{number}.2") or segment.get(f"{number}.3") or default
    return Identifier(
        within(value, _NUMBER, segment.at(f"{number}.1")),
        within(issuer, _ISSUER, segment.at(f"{number}.2")),
    )


def hd(issuer: str) -> tuple[Value, ...]:
    """An issuer as HD or as the last components of an EI: a UID and a URI are universal ids."""
    if _OID.fullmatch(issuer):
        return (None, issuer, "ISO")
    if "://" in issuer or issuer.startswith("urn:"):
        return (None, issuer, "URI")
    return (issuer,)


def write_cx(identifier: Identifier) -> Value:
    return (identifier.value, None, None, hd(identifier.issuer), identifier.type)


def write_ei(identifier: Identifier, default: str = "") -> Value:
    if not identifier.value:
        return None
    return (identifier.value, *hd(identifier.issuer or default))


# --- names --------------------------------------------------------------------------------------

# Name types (table 0200) that do not say what a person is called: alias, maiden, nickname …
_NOT_CURRENT = frozenset({"A", "M", "N", "S", "T", "U"})
_IDEOGRAPHIC, _PHONETIC = "I", "P"


def person(
    repetitions: Sequence[Repetition], *, family: int = 1, kind: int = 7, representation: int = 8
) -> PersonName | None:
    """XPN repetitions as one name in its writings; XCN with the numbers of :func:`clinician`.

    The alphabetic (or only) writing is that of the first repetition which says what the person is
    called now; ideographic and phonetic ones are found by their code (table 0465).
    """
    if not repetitions:
        return None
    if all(repetition.null for repetition in repetitions):
        return PersonName()
    current = [each for each in repetitions if (each.get(kind) or "") not in _NOT_CURRENT]
    groups: dict[str, NameGroup] = {}
    for repetition in current or repetitions:
        code = (repetition.get(representation) or "").upper()
        group = _group(repetition, family)
        if group:
            groups.setdefault(code if code in (_IDEOGRAPHIC, _PHONETIC) else "", group)
    if not groups:
        return None
    empty = NameGroup()
    name = PersonName(
        groups.get("", empty), groups.get(_IDEOGRAPHIC, empty), groups.get(_PHONETIC, empty)
    )
    within(str(name), _NAME, repetitions[0].at())
    return name


def _group(repetition: Repetition, family: int) -> NameGroup:
    def part(offset: int) -> str:
        # A delimiter of DICOM's PN within a component would move the others (PS3.5 6.2.1).
        text = repetition.get(family + offset) or ""
        return re.sub(r"[\^=\\]", " ", text).strip()

    last = " ".join(
        text for text in (_own_prefix(repetition, family), part(0)) if text and text != '""'
    )
    suffix = " ".join(text for text in (part(3), part(5)) if text)  # suffix and degree
    return NameGroup(last, part(1), part(2), part(4), suffix)


def _own_prefix(repetition: Repetition, family: int) -> str:
    """FN.2, the ``van`` of a family name of which FN.1 has only the rest.

    From 2.5 on FN.1 is the whole name and FN.2 repeats a part of it; then nothing is missing.
    """
    prefix, whole = repetition.get(family, 2) or "", repetition.get(family, 1) or ""
    return "" if whole.lower().startswith(prefix.lower()) else prefix


def clinician(repetitions: Sequence[Repetition]) -> PersonName | None:
    """The name in an XCN."""
    return person(repetitions, family=2, kind=10, representation=15)


def clinician_identifier(repetition: Repetition) -> Identifier | None:
    """The number in an XCN."""
    value = (repetition.get(1) or "").strip()
    if not value:
        return None
    return Identifier(
        within(value, _NUMBER, repetition.at("1")),
        within(authority(repetition, 9), _ISSUER, repetition.at("9")),
    )


def number_of(repetition: Repetition) -> Identifier | None:
    """The number in the first component of an NDL, a CNN whose parts are subcomponents."""
    value = (repetition.get(1, 1) or "").strip()
    if not value:
        return None
    issuer = (repetition.get(1, 9) or repetition.get(1, 10) or "").strip()
    return Identifier(
        within(value, _NUMBER, repetition.at("1")), within(issuer, _ISSUER, repetition.at("1"))
    )


def _name_parts(group: NameGroup) -> tuple[Value, ...]:
    return (group.family, group.given, group.middle, group.suffix, group.prefix)


def write_xpn(name: PersonName) -> Value:
    """Each writing as a repetition, with its code where there is more than one (table 0465)."""
    writings = [
        (name.alphabetic, "A"),
        (name.ideographic, _IDEOGRAPHIC),
        (name.phonetic, _PHONETIC),
    ]
    told = [(group, code) for group, code in writings if group]
    several = len(told) > 1 or (bool(told) and told[0][1] != "A")
    return [(*_name_parts(group), None, "L", code if several else None) for group, code in told]


def write_xcn(name: PersonName, identifier: Identifier | None = None) -> Value:
    group = name.alphabetic or name.ideographic or name.phonetic
    number = identifier.value if identifier else ""
    if not group and not number:
        return None
    issuer = hd(identifier.issuer) if identifier else ()
    return (number, *_name_parts(group), None, None, issuer)


def write_ndl(name: PersonName, identifier: Identifier | None = None) -> Value:
    """OBR-32 and its like: a CNN whose parts are subcomponents (2A.52)."""
    group = name.alphabetic or name.ideographic or name.phonetic
    if not group:
        return None
    if identifier is None:
        return (("", *_name_parts(group)),)
    return ((identifier.value, *_name_parts(group), None, None, *hd(identifier.issuer)),)


# --- codes and texts ----------------------------------------------------------------------------


def code(segment: Segment, number: int, first: int = 1) -> Code | None:
    """A CE or CWE, or from its fourth component on the alternate code in it."""
    raw = segment.fields[number] if number < len(segment.fields) else ""
    if not raw:
        return None
    value, meaning, scheme = (segment.get(f"{number}.{first + at}") or "" for at in range(3))
    if first == 1 and not meaning.strip():
        meaning = segment.get(f"{number}.9") or ""  # CWE: what somebody typed
    if not value.strip() and not meaning.strip():
        return Code("") if segment.get(f"{number}.{first}") == "" else None
    at = f"{number}.{7 if first == 1 else 8}"
    version = within((segment.get(at) or "").strip(), _VERSION, segment.at(at))
    return Code(value.strip(), scheme.strip(), meaning.strip(), version)


def words(segment: Segment, number: int) -> str | None:
    """A CE or CWE as text: its meaning, its original text (CWE.9), else its code."""
    if segment.get(str(number)) == "" and segment.get(f"{number}.2") in (None, ""):
        return ""
    return segment.get(f"{number}.2") or segment.get(f"{number}.9") or segment.get(f"{number}.1")


def write_ce(told: Code) -> Value:
    return (told.value, told.meaning, told.scheme) if told else None


# --- addresses and phones -----------------------------------------------------------------------


def phone(repetitions: Sequence[Repetition]) -> str | None:
    """The first XTN that is no network address, in its old form or in parts."""
    if repetitions and all(each.null for each in repetitions):
        return ""
    for each in repetitions:
        if _is_network(each):
            continue
        number = each.get(1) or each.get(12)
        if not number:
            country, area, local, extension = (each.get(part) for part in (5, 6, 7, 8))
            parts = [f"+{country.lstrip('+')}" if country else "", area, local]
            number = " ".join(part for part in parts if part)
            number += f" ext. {extension}" if number and extension else ""
        if number:
            return number.strip()
    return None


def email(repetitions: Sequence[Repetition]) -> str | None:
    if repetitions and all(each.null for each in repetitions):
        return ""
    return next((each.get(4) or each.get(1) for each in repetitions if _is_network(each)), None)


def _is_network(repetition: Repetition) -> bool:
    return (repetition.get(2) or "").upper() == "NET" or (repetition.get(3) or "").upper() in {
        "INTERNET",
        "X.400",
    }


def write_xtn(number: str, mail: str) -> Value:
    repetitions: list[Value] = []
    if number:
        repetitions.append((number, "PRN", "PH"))
    if mail:
        repetitions.append((None, "NET", "Internet", mail))
    return repetitions


def address(repetitions: Sequence[Repetition]) -> str | None:
    """The first XAD as one line: street, other designation, city, state, code, country."""
    if not repetitions:
        return None
    first = repetitions[0]
    if first.null:
        return ""
    street = first.get(1, 1) or " ".join(
        part for part in (first.get(1, 2), first.get(1, 3)) if part
    )
    parts = (street, *(first.get(number) for number in range(2, 7)))
    return ", ".join(part.strip() for part in parts if part and part.strip()) or None


def write_xad(text: str) -> Value:
    """The address is kept as one line and told as its street."""
    return (text,) if text else None


_PLACE = " / "


def location(segment: Segment, number: int) -> str | None:
    """A PL as text: point of care, room, bed; else the facility."""
    if segment.get(str(number)) == "" and not segment.get(f"{number}.2"):
        return ""
    parts = [segment.get(f"{number}.{component}") or "" for component in (1, 2, 3)]
    return _PLACE.join(part for part in parts if part) or segment.get(f"{number}.4")


def write_pl(text: str) -> Value:
    return tuple(text.split(_PLACE, 2)) if text else None


# --- times --------------------------------------------------------------------------------------


class NotKnownError(InvalidValueError):
    """A sender says that it does not know a value: there is nothing to read, and nothing wrong."""


_NO_TIME = re.compile(r"0{4,}(\.0+)?([+-]0000)?")


def time(segment: Segment, place: str, zone: tzinfo) -> Timestamp | None:
    """A TS or DTM at ``place`` (``7.4``); None if absent or deleted. Zeros are what no time is."""
    text = segment.get(place)
    if text and _NO_TIME.fullmatch(text.strip()):
        raise NotKnownError("no such day or time", path=segment.at(place))
    return times.read(text, zone, path=segment.at(place)) if text else None


_NOT_KNOWN = frozenset(
    {"?", "ASKU", "N/A", "NA", "NASK", "NI", "NK", "NONE", "NULL", "U", "UNK", "UNKNOWN"}
)
_NO_DATE = re.compile(r"[0./: -]*0[0./: -]*|9{8}")  # 00000000, 00/00/0000
_NO_DAY = re.compile(r"([0-9]{4})(?:(0[1-9]|1[0-2])00|0000)0*")  # 19700000, 19700500


def birth_date(segment: Segment, place: str) -> PartialDate | None:
    """A date of birth as far as it is known; raises NotKnownError where it says that it is not.

    Empty is required by the standard then, but systems that must fill the field write words and
    zeros. Anything else that is no date is refused: it may be another field's value.
    """
    text = segment.get(place)
    if not text:
        return None if text is None else PartialDate("")
    told, path = text.strip(), segment.at(place)
    match = _NO_DAY.fullmatch(told)
    try:
        return times.read_date("".join(filter(None, match.groups())) if match else told, path=path)
    except InvalidValueError as error:
        if told.upper() in _NOT_KNOWN or _NO_DATE.fullmatch(told):
            raise NotKnownError(error.message, path=path) from None
        raise


def is_day_only(stamp: Timestamp) -> bool:
    """A date without a time of day: nothing can be scheduled at it."""
    return stamp.precision <= Precision.DAY


_DURATION = re.compile(r"([SMHDW])(\d{1,5})", re.IGNORECASE)
_UNITS = {"S": 1 / 60, "M": 1, "H": 60, "D": 1440, "W": 10080}
_UNIT_NAMES = {"s": 1 / 60, "sec": 1 / 60, "min": 1, "m": 1, "h": 60, "hr": 60, "hour": 60}
_LONGEST_MINUTES = 24 * 60


def duration(text: str | None) -> int | None:
    """The minutes of a TQ.3 (``M30``); None for what is no length of an exam (``X``, ``INDEF``)."""
    match = _DURATION.fullmatch((text or "").strip())
    return _minutes(int(match[2]) * _UNITS[match[1].upper()]) if match else None


def quantity(value: str | None, unit: str | None) -> int | None:
    """The minutes of a CQ (TQ1-6): ``30^min``."""
    try:
        amount = float(value or "")
    except ValueError:
        return None
    scale = _UNIT_NAMES.get((unit or "min").strip().lower().removesuffix("s") or "s")
    return _minutes(amount * scale) if scale else None


def _minutes(amount: float) -> int | None:
    minutes = round(amount) if 0 < amount <= _LONGEST_MINUTES else 0
    return minutes or None


def write_tq(
    start_at: datetime | None, minutes: int, priority: str, zone: tzinfo, *, offset: bool
) -> Value:
    """The timing of ORC-7 and OBR-27 before 2.5."""
    start = times.write(start_at, zone, offset=offset) if start_at else None
    return (None, None, f"M{minutes}", start, None, priority)


# --- measures -----------------------------------------------------------------------------------

_KILOGRAMS = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "[lb_av]": 0.45359237, "lbs": 0.45359237}
_METERS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "[in_i]": 0.0254, "ft": 0.3048}


_LEAST = 0.2  # of a weight and of a height: what is less is in another unit, or of thousands
_MEASURE = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z\[\]_]*)\.?")


def weight_kg(value: str, unit: str, path: str) -> float:
    return _measure(value, unit, _KILOGRAMS, "kg", path, limit=700)


def height_m(value: str, unit: str, path: str) -> float:
    return _measure(value, unit, _METERS, "m", path, limit=3)


def _measure(
    value: str, unit: str, units: dict[str, float], default: str, path: str, *, limit: float
) -> float:
    """A measure in our unit; a unit we do not know is refused, for a wrong dose may follow.

    The unit may stand behind the number (``72 kg``), where it does not contradict ``unit``.
    """
    match = _MEASURE.fullmatch(value.strip())
    if match is None:
        raise InvalidValueError("not a number", path=path)
    beside, behind = unit.strip().lower(), match[2].lower()
    factor = units.get(beside or behind or default)
    if factor is None:
        raise InvalidValueError(f"the unit is none of {', '.join(units)}", path=path)
    if behind and units.get(behind) != factor:
        raise InvalidValueError("two units that differ", path=path)
    result = round(float(match[1].replace(",", ".")) * factor, 4)
    if not _LEAST <= result <= limit:
        raise InvalidValueError("no possible measure of a person", path=path)
    return result

"""A C-FIND identifier as a worklist query (PS3.4 C.2.2.2, K.2.2).

Pure: bytes in, query out. What a scanner sends beyond the standard (lists where one value belongs,
wildcards in any text, old date forms, several items in the sequence) is read as it is meant; what
cannot be read at all is refused by naming the element, never answered with an empty list that an
operator would take for "no patients".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from ris.domain.errors import InvalidValueError
from ris.domain.identifiers import universal_id
from ris.domain.orders import Priority, StepStatus
from ris.domain.patients import Sex
from ris.domain.values import Code
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.name_keys import wildcard_pattern
from ris.selectors.views import TextMatch, WorklistQuery
from ris.selectors.worklist_texts import is_pattern
from worklist import charset, deviations, moments
from worklist.attributes import (
    PRIORITIES,
    SPS,
    STEP_STATUSES,
    WORKLIST_TREE,
    Attribute,
    Matching,
    Node,
)
from worklist.charset import CharacterSet
from worklist.deviations import QUERY_RETRIEVE_LEVEL
from worklist.elements import (
    SPECIFIC_CHARACTER_SET,
    Element,
    Elements,
    Texts,
    character_set_terms,
    read,
    tag_of,
    tag_path,
)
from worklist.moments import LAST_INSTANT, instant
from worklist.mwl import Plan, Signature, plan, whole
from worklist.rules import STANDARD, Deviation, Rules, operator_name

# Characters in one value of a key: three times the longest name there is, and wildcards besides.
_LONGEST_VALUE = 1_024
# Alternatives in one key. More would be more than a database takes in one condition.
_MOST_VALUES = 100
_MOST_UIDS = 1_000

_START_DATE = tag_of("ScheduledProcedureStepStartDate")
_START_TIME = tag_of("ScheduledProcedureStepStartTime")
_TIME_ZONE = tag_of("TimezoneOffsetFromUTC")
_PROTOCOL = tag_of("ScheduledProtocolCodeSequence")
_SPS = tag_of(SPS)
_ROOT = WORKLIST_TREE
T = TypeVar("T")
_STEP = WORKLIST_TREE[_SPS].children


@dataclass(frozen=True, slots=True, eq=False)
class WorklistRequest:
    """What a query asks: whom for (``query``) and for what (``plan``).

    ``query`` is None if the keys contradict each other or name a term that does not exist, so that
    nothing can match. ``unsupported`` holds the requested keys that this system does not have.
    """

    query: WorklistQuery | None
    plan: Plan
    character_terms: tuple[str, ...] = ()
    unsupported: tuple[int, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()

    @property
    def is_broad(self) -> bool:
        """Whether neither a day nor a patient or order is named (dicom.md MWL-30)."""
        query = self.query
        # Some ask for "00010101-99991231", which limits nothing and is a range all the same.
        return query is not None and not (
            "ScheduledProcedureStepStartDate" in self.keys
            or query.start_from
            or query.start_before
            or query.patient_name
            or query.patient_id
            or query.accession_number
            or query.procedure_id
            or query.step_id
            or query.study_instance_uids
            or query.admission_id
            or query.placer_number
            or query.filler_number
        )


class _Nothing(Exception):  # noqa: N818 - not an error: no row can match
    pass


def to_request(
    data: bytes,
    transfer_syntax: str,
    *,
    zone: tzinfo,
    default: CharacterSet = charset.ASCII,
    limit: int = 500,
    rules: Rules = STANDARD,
) -> WorklistRequest:
    """Read an identifier; raises InvalidValueError with the offending element's tag as path.

    ``zone`` is the site's; ``default`` is the set of text whose query names none.
    """
    elements = read(data, transfer_syntax)
    noted = deviations.found(elements, rules)
    if rules.step_keys_at_root:
        elements = _with_step(elements)
    if rules.send_time_zone:
        elements = {_TIME_ZONE: Element("SH", b""), **elements}
    texts = Texts.of(elements, default)
    found, keys = _conditions(texts, zone, rules)
    unsupported: list[int] = []
    only = (found or {}).get("protocol_codes", ())
    signature = _requested(elements, WORKLIST_TREE, unsupported, only)
    return WorklistRequest(
        query=None if found is None else WorklistQuery(limit=limit, **found),
        plan=plan(signature, rules),
        character_terms=character_set_terms(elements),
        unsupported=tuple(unsupported),
        keys=keys,
        deviations=noted,
    )


def _with_step(elements: Elements) -> Elements:
    """Keys of the step that stand at the root as keys of its item, which takes precedence."""
    strays = {tag: one for tag, one in elements.items() if tag in _STEP and tag not in _ROOT}
    if not strays:
        return elements
    sequence = elements.get(_SPS)
    item = sequence.items[0] if sequence is not None and sequence.items else {}
    kept = {tag: one for tag, one in elements.items() if tag not in strays}
    return {**kept, _SPS: Element("SQ", b"", ({**strays, **item},))}


# --- what is asked for


def _requested(
    elements: Elements,
    nodes: Mapping[int, Node],
    unsupported: list[int],
    only: tuple[Code, ...] = (),
) -> Signature:
    """What comes back; of the protocol codes ``only`` those that were asked for."""
    signature: list[tuple[int, Any, tuple[Code, ...]]] = []
    for tag in sorted(elements):
        node = nodes.get(tag)
        if node is None or not node.attribute.is_held:
            if not _is_framing(tag):
                unsupported.append(tag)
            continue
        if node.attribute.vr != "SQ":
            signature.append((tag, (), ()))
            continue
        element = elements[tag]
        if element.items is None and element.value.strip(b" \0"):
            raise InvalidValueError("not a sequence", path=tag_path(tag))
        # Absent, empty, and one empty item are three shapes of "all of it" (PS3.4 C.2.2.2.6). Of
        # several items the first counts: more than one is not allowed.
        item = element.items[0] if element.items else {}
        inside = (
            _requested(item, node.children, unsupported, only) if item else whole(node.children)
        )
        signature.append((tag, inside, only if tag == _PROTOCOL else ()))
    return tuple(signature)


def _is_framing(tag: int) -> bool:
    """Group lengths and the like: elements that ask for nothing."""
    return tag & 0xFFFF == 0 or tag in {SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL}


# --- conditions


def _conditions(
    texts: Texts, zone: tzinfo, rules: Rules
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The fields of WorklistQuery that the keys set, and the keys for the log."""
    site_zone, zone = zone, moments.zone_of(texts, zone)
    keys: dict[str, str] = {}
    found: dict[str, Any] = {}
    possible = True
    step_items = texts.items(SPS)
    levels = [(texts, _ROOT), *([(step_items[0], _STEP)] if step_items else [])]
    for level, nodes in levels:
        for tag, element in level.elements.items():
            node = nodes.get(tag)
            if node is None:
                continue
            try:
                if node.attribute.matching is Matching.SEQUENCE and tag != _SPS:
                    found |= _within(level, node, keys)
                    continue
                if not node.attribute.query or not element.value:
                    continue
                text = level.decode(tag, element)
                attribute = node.attribute
                if not text or is_universal(attribute, text):
                    continue
                keys[attribute.keyword] = text
                if tag in {_START_DATE, _START_TIME}:
                    continue
                if rules.operator_names and attribute.matching is Matching.NAME:
                    text = operator_name(text)
                found |= condition(attribute, text)
            except _Nothing:
                possible = False
    try:
        found |= start_window(
            keys.get("ScheduledProcedureStepStartDate", ""),
            keys.get("ScheduledProcedureStepStartTime", ""),
            zone,
        )
    except _Nothing:
        possible = False
    if zone is not site_zone and (found.get("time_from") or found.get("time_to")):
        found["time_zone"] = str(zone)
    return (found if possible else None), keys


def is_universal(attribute: Attribute, text: str) -> bool:
    """Whether the value matches everything (PS3.4 C.2.2.2.3, C.2.2.2.4)."""
    if attribute.matching is Matching.NAME:
        return not text.strip("*^= ")
    return not text.strip("*")


def _values(text: str, attribute: Attribute) -> tuple[str, ...]:
    found = tuple(filter(None, (value.strip() for value in text.split("\\"))))
    if len(found) > (_MOST_UIDS if attribute.vr == "UI" else _MOST_VALUES):
        raise InvalidValueError("too many values", path=tag_path(attribute.tag))
    if any(len(value) > _LONGEST_VALUE for value in found):
        raise InvalidValueError("a value is too long", path=tag_path(attribute.tag))
    return found


def _alternatives(text: str, attribute: Attribute) -> tuple[str, ...]:
    values = _values(text, attribute)
    return () if any(not value.strip("*") for value in values) else values


def _text_match(text: str, attribute: Attribute) -> TextMatch | None:
    values = _alternatives(text, attribute)
    if not values:
        return None
    joined = "\\".join(values)
    return TextMatch(pattern=joined, wildcard="*" in joined or "?" in joined)


def _name(text: str, attribute: Attribute) -> str:
    names = _values(text, attribute)
    return "" if any(is_universal(attribute, name) for name in names) else "\\".join(names)


def _uids(text: str, attribute: Attribute) -> tuple[str, ...]:
    return tuple(uid.strip("\0") for uid in _alternatives(text, attribute))


def _named(text: str, attribute: Attribute, terms: Mapping[T, str]) -> list[T]:
    """Those whose term the key names; none if it names all, _Nothing if it names no term."""
    patterns = [wildcard_pattern(value) for value in _alternatives(text, attribute)]
    found = [
        one
        for one, term in terms.items()
        if term and any(pattern.fullmatch(term) for pattern in patterns)
    ]
    if patterns and not found:
        raise _Nothing
    return found


def _priorities(text: str, attribute: Attribute) -> tuple[Priority, ...]:
    return tuple(_named(text, attribute, PRIORITIES))


def _statuses(text: str, attribute: Attribute) -> frozenset[StepStatus]:
    return frozenset(_named(text, attribute, STEP_STATUSES))


def _sex(text: str, attribute: Attribute) -> str:
    return "\\".join(_named(text, attribute, {sex.value: sex.value for sex in Sex}))


def _issuer(text: str, attribute: Attribute) -> str:
    return "\\".join(_alternatives(text, attribute))


def _birth_dates(text: str, attribute: Attribute) -> tuple[str, str] | None:
    first, last, _ = date_range(text, attribute.tag)
    if first and last and first > last:
        raise _Nothing
    return (
        first.strftime("%Y%m%d") if first else "",
        last.strftime("%Y%m%d") if last else "",
    )


_READERS: Mapping[str, Callable[[str, Attribute], Any]] = {
    "station_ae_titles": _alternatives,
    "modalities": _alternatives,
    "performing_physician": _name,
    "step_id": _text_match,
    "step_description": _text_match,
    "procedure_description": _text_match,
    "requesting_service": _text_match,
    "institution": _text_match,
    "current_location": _text_match,
    "station_name": _text_match,
    "location": _text_match,
    "statuses": _statuses,
    "procedure_id": _text_match,
    "study_instance_uids": _uids,
    "priorities": _priorities,
    "accession_number": _text_match,
    "requesting_physician": _name,
    "referring_physician": _name,
    "placer_number": _text_match,
    "filler_number": _text_match,
    "admission_id": _text_match,
    "patient_name": _name,
    "patient_id": _text_match,
    "patient_id_issuer": _issuer,
    "patient_birth_date": _birth_dates,
    "patient_sex": _sex,
}
# The keys for a number or UID.
NUMBERS = tuple(
    node.attribute
    for nodes in (_ROOT, _STEP)
    for node in nodes.values()
    if node.attribute.exact and _READERS.get(node.attribute.query) in {_text_match, _uids}
)


def condition(attribute: Attribute, text: str) -> dict[str, Any]:
    """The field of WorklistQuery that a key with this text sets; raises InvalidValueError."""
    return {attribute.query: _READERS[attribute.query](text, attribute)}


def _within(level: Texts, node: Node, keys: dict[str, str]) -> dict[str, Any]:
    """The condition that a sequence key sets; of several items the first counts."""
    keyword = node.attribute.keyword
    element = level.elements[node.attribute.tag]
    if not element.items or not any(one.value for one in element.items[0].values()):
        return {}  # most devices ask for all of it
    items = level.items(keyword)
    fields = {child.attribute.query for child in node.children.values()} - {""}
    (name,) = fields
    found = _codes(items[0]) if name.endswith("_codes") else _issuers(items[0])
    if not found:
        return {}
    keys[keyword] = _said(found[0]) if isinstance(found[0], Code) else str(found[0])
    return {name: found}


def _said(code: Code) -> str:
    return f"{code.value}^{code.scheme}".rstrip("^")


def _asked(item: Texts, keyword: str) -> str:
    text = item.text(keyword)
    if len(text) > _LONGEST_VALUE:
        raise InvalidValueError("a value is too long", path=tag_path(tag_of(keyword)))
    return text if text.strip("*") else ""


def _codes(item: Texts) -> tuple[Code, ...]:
    """The code of an item; its scheme is meant as answers show it."""
    value = _asked(item, "CodeValue") or _asked(item, "LongCodeValue")
    scheme = _asked(item, "CodingSchemeDesignator")
    return (Code(value, scheme),) if value or scheme else ()


def _issuers(item: Texts) -> tuple[str | IssuerPattern, ...]:
    """The issuer of an item, in every spelling we may hold; raises _Nothing."""
    universal, local = _asked(item, "UniversalEntityID"), _asked(item, "LocalNamespaceEntityID")
    if universal and local:
        raise _Nothing  # what has a universal id is shown without a local one
    asked = universal or local
    if is_pattern(asked):
        return (IssuerPattern(asked, universal=bool(universal)),)
    spellings = (universal, f"urn:oid:{universal}", f"urn:uuid:{universal}")
    found = [one for one in spellings if universal_id(one)[0] == universal] if universal else []
    if local and not universal_id(local)[0]:
        found = [local]
    if asked and not found:
        raise _Nothing
    return tuple(found)


# --- dates and times


def date_range(text: str, tag: int) -> tuple[date | None, date | None, bool]:
    """First and last day, and whether it is a range (PS3.4 C.2.2.2.5.1)."""
    first, last, is_range = _ends(text, tag)
    return moments.day(first, tag), moments.day(last, tag), is_range


def _ends(text: str, tag: int) -> tuple[str, str, bool]:
    first, hyphen, last = (part.strip() for part in text.partition("-"))
    if not hyphen:
        return first, first, False
    if not first and not last:
        raise InvalidValueError("a range without ends", path=tag_path(tag))
    return first, last, True


def time_range(text: str, tag: int) -> tuple[str, str, bool]:
    """First and last instant of day as HHMMSS.FFFFFF, and whether it is a range.

    A time without seconds or minutes means its first instant as a lower bound and its last as an
    upper one (PS3.4 C.2.2.2.5.2 leaves that open); as a single value it means 0 seconds.
    """
    first, last, is_range = _ends(text, tag)
    if not is_range:
        lower = instant(first, tag)
        # A scheduled time has no fraction of a second to tell apart.
        return lower, instant(lower[:6], tag, upper=True), False
    return (
        instant(first, tag) if first else "",
        instant(last, tag, upper=True) if last else "",
        True,
    )


def start_window(date_text: str, time_text: str, zone: tzinfo) -> dict[str, Any]:
    """Start date and time keys as fields of WorklistQuery.

    Two ranges are one interval, from the first date and time to the last (PS3.4 K.6.1.2.2); in any
    other combination the date picks days and the time picks a time on each of them.
    """
    first_day, last_day, days = (
        date_range(date_text, _START_DATE) if date_text else (None, None, True)
    )
    first, last, times = time_range(time_text, _START_TIME) if time_text else ("", "", True)
    if first_day and last_day and first_day > last_day:
        raise _Nothing
    on_one_day = first_day is not None and first_day == last_day
    one_interval = date_text and (on_one_day or (days and times))
    if first and last and first > last and not (one_interval and not on_one_day):
        raise _Nothing
    if one_interval:
        return _interval(first_day, first, last_day, last, zone)
    window = _interval(first_day, "", last_day, "", zone) if date_text else {}
    return window | {"time_from": first, "time_to": last}


def _interval(
    first_day: date | None, first: str, last_day: date | None, last: str, zone: tzinfo
) -> dict[str, datetime]:
    if (first_day and first_day.year == MAXYEAR) or (last_day and last_day.year == MINYEAR):
        raise _Nothing
    window = {}
    # The ends of the calendar are how some devices write "open", and have no room for a zone.
    if first_day is not None and first_day.year > MINYEAR:
        window["start_from"] = min(moments.at(first_day, first or "000000.000000", zone))
    if last_day is not None and last_day.year < MAXYEAR:
        ends = max(moments.at(last_day, last or LAST_INSTANT, zone))
        window["start_before"] = ends + timedelta(microseconds=1)
    if len(window) == 2 and window["start_from"] >= window["start_before"]:
        raise _Nothing
    return window

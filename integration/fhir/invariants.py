"""The invariants of R4 that a structure alone cannot say, by hand, for what an imaging site gets.

Each has the key and nearly the words of the official definition. Those that belong to references
and containment (dom-2 to dom-5, ref-1), to every element (ele-1) and to narrative (txt-1, txt-2)
are in :mod:`structure` and :mod:`narrative`; warnings of the definition are no faults here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
_TERMS = "http://terminology.hl7.org/CodeSystem"
_UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule about an object of one structure."""

    key: str
    words: str
    holds: Callable[[Object], bool]
    element: str = ""  # where the fault is shown


def _has(value: Object, name: str) -> bool:
    return name in value or f"_{name}" in value


def _any(value: Object, choice: str) -> bool:
    """Whether one of ``choice[x]`` is there."""
    start = len(choice)
    return any(
        name.removeprefix("_").startswith(choice)
        and name.removeprefix("_")[start : start + 1].isupper()
        for name in value
    )


def _one_of(*names: str) -> Callable[[Object], bool]:
    return lambda value: any(_has(value, name) for name in names)


def _only_with(name: str, *others: str) -> Callable[[Object], bool]:
    """``name`` implies the others."""
    return lambda value: not _has(value, name) or all(_has(value, other) for other in others)


def _not_both(one: str, other: str) -> Callable[[Object], bool]:
    return lambda value: not (_has(value, one) and _has(value, other))


def _coded(value: Object, name: str, system: str, *codes: str) -> bool:
    return any(
        coding.get("system") == f"{_TERMS}/{system}" and coding.get("code") in codes
        for coding in value.get(name, {}).get("coding", ())
    )


def _codings(concept: Object) -> set[tuple[Any, ...]]:
    """Codings as FHIRPath compares them: whole."""
    return {
        tuple(coding.get(part) for part in ("system", "version", "code", "display", "userSelected"))
        for coding in concept.get("coding", ())
    }


def _bounds(text: str) -> tuple[datetime, datetime]:
    """The first and the last moment a date or time can mean; without a zone, as if in UTC."""
    if len(text) > 10:
        whole, _, rest = text.partition(".")
        fraction = rest.rstrip("Z").partition("+")[0].partition("-")[0]
        zone = rest[len(fraction) :]
        clock, leap = whole.replace(":60", ":59"), ":60" in whole
        at = datetime.fromisoformat((clock + zone).replace("Z", "+00:00"))
        at += timedelta(seconds=int(leap), microseconds=int((fraction + "000000")[:6]))
        return at, at
    year, month, day = (*(int(part) for part in text.split("-")), 0, 0)[:3]
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return first, first + timedelta(days=1) - timedelta(microseconds=1)
    after = (year + 1, 1) if not month or month == 12 else (year, month + 1)
    if after[0] > 9999:
        return first, datetime.max.replace(tzinfo=UTC)
    return first, datetime(*after, 1, tzinfo=UTC) - timedelta(microseconds=1)


def _in_order(start: str, end: str) -> bool:
    """Whether ``end`` is not surely before ``start``; days of another zone are given the doubt."""
    zoned = min(len(start), len(end)) <= 10 < max(len(start), len(end))
    return _bounds(start)[0] - timedelta(hours=14 if zoned else 0) <= _bounds(end)[1]


def _period(value: Object) -> bool:
    start, end = value.get("start"), value.get("end")
    return not (start and end) or _in_order(start, end)


def _range(value: Object) -> bool:
    low, high = value.get("low", {}), value.get("high", {})
    if any(low.get(name) != high.get(name) for name in ("system", "code", "unit")):
        return True  # they cannot be compared
    return not ("value" in low and "value" in high) or low["value"] <= high["value"]


def _ratio(value: Object) -> bool:
    if _has(value, "numerator") != _has(value, "denominator"):
        return False
    return _has(value, "numerator") or "extension" in value


def _age(value: Object) -> bool:
    return _length(value) and not ("value" in value and Decimal(value["value"]) <= 0)


def _length(value: Object) -> bool:
    """A code with a value, and UCUM: Age and Distance."""
    return (_has(value, "code") or not _has(value, "value")) and value.get("system", _UCUM) == _UCUM


def _duration(value: Object) -> bool:
    return not _has(value, "code") or (value.get("system") == _UCUM and _has(value, "value"))


def _count(value: Object) -> bool:
    whole = "value" not in value or Decimal(value["value"]) % 1 == 0
    return _length(value) and value.get("code", "1") == "1" and whole


def _offset(value: Object) -> bool:
    when = value.get("when", [])
    return not _has(value, "offset") or (
        bool(when) and not (len(when) == 1 and when[0] in {"C", "CM", "CD", "CV"})
    )


def _trigger(value: Object) -> bool:
    kind = value.get("type", "")
    if kind == "named-event":
        return _has(value, "name")
    if kind == "periodic":
        return _any(value, "timing")
    return "data" in value if kind.startswith("data-") else True


def _not_negative(name: str) -> Callable[[Object], bool]:
    return lambda value: value.get(name, 0) >= 0


# --- resources


def _observation_components(value: Object) -> bool:
    if not _any(value, "value"):
        return True
    own = _codings(value.get("code", {}))
    return not any(own & _codings(part.get("code", {})) for part in value.get("component", ()))


def _allergy(value: Object) -> bool:
    return _has(value, "clinicalStatus") or _coded(
        value, "verificationStatus", "allergyintolerance-verification", "entered-in-error"
    )


def _allergy_mistaken(value: Object) -> bool:
    return not _has(value, "clinicalStatus") or not _coded(
        value, "verificationStatus", "allergyintolerance-verification", "entered-in-error"
    )


def _abated(value: Object) -> bool:
    return not _any(value, "abatement") or _coded(
        value, "clinicalStatus", "condition-clinical", "resolved", "remission", "inactive"
    )


def _condition_mistaken(value: Object) -> bool:
    return not _has(value, "clinicalStatus") or not _coded(
        value, "verificationStatus", "condition-ver-status", "entered-in-error"
    )


def _no_home(name: str) -> Callable[[Object], bool]:
    return lambda value: all(each.get("use") != "home" for each in value.get(name, ()))


def _start_with_end(value: Object) -> bool:
    return _has(value, "start") == _has(value, "end")


def _timed(value: Object) -> bool:
    return (_has(value, "start") and _has(value, "end")) or value.get("status") in {
        "proposed",
        "cancelled",
        "waitlist",
    }


def _cancelation(value: Object) -> bool:
    # The definition says no-show; the code of the value set is noshow.
    return not _has(value, "cancelationReason") or value.get("status") in {"cancelled", "noshow"}


def _modified_later(value: Object) -> bool:
    authored, modified = value.get("authoredOn"), value.get("lastModified")
    return not (authored and modified) or _in_order(authored, modified)


def _entries(value: Object) -> list[Object]:
    found: list[Object] = value.get("entry", [])
    return found


def _asked(*kinds: str) -> Callable[[Object, str], bool]:
    return lambda value, name: all(
        (name in entry) == (value["type"] in kinds) for entry in _entries(value)
    )


def _requests(value: Object) -> bool:
    return _asked("batch", "transaction", "history")(value, "request")


def _responses(value: Object) -> bool:
    return _asked("batch-response", "transaction-response", "history")(value, "response")


def _distinct(value: Object) -> bool:
    if value["type"] == "history":
        return True
    names = [
        (each["fullUrl"], each.get("resource", {}).get("meta", {}).get("versionId"))
        for each in _entries(value)
        if "fullUrl" in each
    ]
    return len(names) == len(set(names))


def _first(kind: str, name: str) -> Callable[[Object], bool]:
    def holds(value: Object) -> bool:
        if value["type"] != kind:
            return True
        entries = _entries(value)
        return bool(entries) and entries[0].get("resource", {}).get("resourceType") == name

    return holds


def _document_identified(value: Object) -> bool:
    identifier = value.get("identifier", {})
    return value["type"] != "document" or bool(identifier.get("system") and identifier.get("value"))


def _parameter(value: Object) -> bool:
    return sum((_any(value, "value"), "resource" in value, "part" in value)) == 1


def _quantity_system(value: Object) -> bool:
    return not _has(value, "code") or _has(value, "system")


_QTY = Invariant("qty-3", "a code for the unit needs its system", _quantity_system)

INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    # data types
    "Extension": (
        Invariant(
            "ext-1",
            "an extension has either a value or extensions",
            lambda value: ("extension" in value) != _any(value, "value"),
        ),
    ),
    "Attachment": (
        Invariant("att-1", "data needs its contentType", _only_with("data", "contentType")),
    ),
    "ContactPoint": (
        Invariant("cpt-2", "a value needs its system", _only_with("value", "system")),
    ),
    "Expression": (
        Invariant("exp-1", "an expression or a reference", _one_of("expression", "reference")),
    ),
    "Period": (Invariant("per-1", "the end is not before the start", _period),),
    "Quantity": (_QTY,),
    "SimpleQuantity": (_QTY,),
    "Age": (_QTY, Invariant("age-1", "a time in UCUM, more than none", _age)),
    "Count": (_QTY, Invariant("cnt-3", "a whole number, code 1 of UCUM", _count)),
    "Distance": (_QTY, Invariant("dis-1", "a length in UCUM", _length)),
    "Duration": (_QTY, Invariant("drt-1", "a time in UCUM", _duration)),
    "Range": (Invariant("rng-2", "low is not above high", _range),),
    "Ratio": (Invariant("rat-1", "numerator and denominator, or an extension", _ratio),),
    "Timing.repeat": (
        Invariant("tim-1", "a duration needs its unit", _only_with("duration", "durationUnit")),
        Invariant("tim-2", "a period needs its unit", _only_with("period", "periodUnit")),
        Invariant("tim-4", "a duration is not negative", _not_negative("duration")),
        Invariant("tim-5", "a period is not negative", _not_negative("period")),
        Invariant("tim-6", "periodMax needs a period", _only_with("periodMax", "period")),
        Invariant("tim-7", "durationMax needs a duration", _only_with("durationMax", "duration")),
        Invariant("tim-8", "countMax needs a count", _only_with("countMax", "count")),
        Invariant("tim-9", "an offset needs a when other than C, CM, CD and CV", _offset),
        Invariant("tim-10", "timeOfDay or when, not both", _not_both("timeOfDay", "when")),
    ),
    "TriggerDefinition": (
        Invariant(
            "trd-1",
            "timing or data, not both",
            lambda value: not ("data" in value and _any(value, "timing")),
        ),
        Invariant("trd-2", "a condition needs data", _only_with("condition", "data")),
        Invariant("trd-3", "an event is named, timed or about data, as its type says", _trigger),
    ),
    "DataRequirement.codeFilter": (
        Invariant(
            "drq-1",
            "a path or a searchParam, one of them",
            lambda value: _has(value, "path") != _has(value, "searchParam"),
        ),
    ),
    "DataRequirement.dateFilter": (
        Invariant(
            "drq-2",
            "a path or a searchParam, one of them",
            lambda value: _has(value, "path") != _has(value, "searchParam"),
        ),
    ),
    # resources
    "AllergyIntolerance": (
        Invariant("ait-1", "clinicalStatus is required unless entered in error", _allergy),
        Invariant("ait-2", "no clinicalStatus if entered in error", _allergy_mistaken),
    ),
    "Appointment": (
        Invariant("app-2", "start and end, or neither", _start_with_end),
        Invariant("app-3", "only proposed, cancelled and waiting ones have no start", _timed),
        Invariant("app-4", "cancelationReason is for cancelled and noshow", _cancelation),
    ),
    "Appointment.participant": (
        Invariant("app-1", "a type or an actor", _one_of("type", "actor")),
    ),
    "AppointmentResponse": (
        Invariant("apr-1", "participantType or actor", _one_of("participantType", "actor")),
    ),
    "AuditEvent.entity": (Invariant("sev-1", "a name or a query", _not_both("name", "query")),),
    "Bundle": (
        Invariant(
            "bdl-1",
            "a total is for searches and histories",
            lambda value: not _has(value, "total") or value["type"] in {"searchset", "history"},
        ),
        Invariant(
            "bdl-2",
            "entry.search is for searches",
            lambda value: value["type"] == "searchset"
            or not any("search" in entry for entry in _entries(value)),
        ),
        Invariant("bdl-3", "entry.request is for batch, transaction and history", _requests),
        Invariant("bdl-4", "entry.response is for their answers and history", _responses),
        Invariant("bdl-7", "a fullUrl stands once, or with other versions", _distinct),
        Invariant("bdl-9", "a document has an identifier with its system", _document_identified),
        Invariant(
            "bdl-10",
            "a document has a timestamp",
            lambda value: value["type"] != "document" or "timestamp" in value,
        ),
        Invariant("bdl-11", "a Composition is first", _first("document", "Composition")),
        Invariant("bdl-12", "a MessageHeader is first", _first("message", "MessageHeader")),
    ),
    "Bundle.entry": (
        Invariant(
            "bdl-5",
            "a resource, a request or a response",
            _one_of("resource", "request", "response"),
        ),
        Invariant(
            "bdl-8",
            "a fullUrl names no version",
            lambda value: "/_history/" not in value.get("fullUrl", ""),
            "fullUrl",
        ),
    ),
    "Condition": (
        Invariant("con-4", "abated needs inactive, resolved or remission", _abated),
        Invariant("con-5", "no clinicalStatus if entered in error", _condition_mistaken),
    ),
    "Condition.evidence": (Invariant("con-2", "a code or details", _one_of("code", "detail")),),
    "Condition.stage": (
        Invariant("con-1", "a summary or an assessment", _one_of("summary", "assessment")),
    ),
    "Composition.section": (
        Invariant("cmp-1", "text, entries or sections", _one_of("text", "entry", "section")),
        Invariant("cmp-2", "emptyReason is for empty sections", _not_both("emptyReason", "entry")),
    ),
    "Group": (
        Invariant(
            "grp-1",
            "only an actual group has members",
            lambda value: "member" not in value or value.get("actual") is True,
        ),
    ),
    "List": (
        Invariant("lst-1", "emptyReason is for empty lists", _not_both("emptyReason", "entry")),
        Invariant(
            "lst-2",
            "deleted is for lists of changes",
            lambda value: value.get("mode") == "changes"
            or not any(_has(entry, "deleted") for entry in _entries(value)),
        ),
        Invariant(
            "lst-3",
            "an entry's date is for working lists",
            lambda value: value.get("mode") == "working"
            or not any(_has(entry, "date") for entry in _entries(value)),
        ),
    ),
    "Observation": (
        Invariant(
            "obs-6",
            "dataAbsentReason or a value, not both",
            lambda value: not (_has(value, "dataAbsentReason") and _any(value, "value")),
        ),
        Invariant("obs-7", "no value beside a component of the same code", _observation_components),
    ),
    "Observation.referenceRange": (
        Invariant("obs-3", "low, high or text", _one_of("low", "high", "text")),
    ),
    "Organization": (
        Invariant("org-1", "a name or an identifier", _one_of("name", "identifier")),
        Invariant("org-2", "an organization has no home address", _no_home("address"), "address"),
        Invariant("org-3", "an organization has no home number", _no_home("telecom"), "telecom"),
    ),
    "Parameters.parameter": (
        Invariant("inv-1", "one of value, resource and part", _parameter),
    ),
    "Patient.contact": (
        Invariant(
            "pat-1",
            "a name, telecom, address or organization",
            _one_of("name", "telecom", "address", "organization"),
        ),
    ),
    "QuestionnaireResponse.item": (
        Invariant("qrs-1", "items beneath the item or its answer", _not_both("answer", "item")),
    ),
    "ServiceRequest": (
        Invariant("prr-1", "orderDetail needs a code", _only_with("orderDetail", "code")),
    ),
    "Task": (Invariant("inv-1", "lastModified is not before authoredOn", _modified_later),),
}  # fmt: skip

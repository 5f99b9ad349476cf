"""What a client sent of something the core has, given back beside what the core knows.

The core has a place for what it works with; a resource says more: extensions, narrative, insurance,
authors of notes. The JSON as it came is kept with what the core showed of it right then. On a
read, element by element:

- where the core still shows what it showed then, what was received is given back, unless it is a
  plain value that the core did not take as it was said;
- where it shows something else, something happened since, and the core's word stands;
- identifiers, extensions, tags and profiles of both are given, the received ones first;
- id, version, status and whom it is about are always the core's.

The narrative was written for what was received: it is left out once the core shows anything else,
for a text that contradicts the data is worse than none (FHIR R4 2.4.2).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from integration.fhir import elements, indexing, json, translated
from integration.fhir.date_parameters import interval
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.kept import PATIENT_LINK
from integration.fhir.outcome import HttpError
from ris.selectors.fhir import OverlayView, overlays
from ris.services import fhir as services

if TYPE_CHECKING:
    from integration.fhir.resources import Kind

# Always as the core has it: a client that says otherwise is answered by a refusal or by a change.
_OWN = frozenset({"resourceType", "id", "status", "active", "intent", "for"})
# Where a list is the core's: what was sent may be a time that was given up since.
_OWN_OF: Mapping[str, frozenset[str]] = {
    "Appointment": frozenset({"slot", "minutesDuration"}),
    "ServiceRequest": frozenset({"replaces"}),
}
# Who takes part in an appointment without a calendar here.
_COMPANY = ("Practitioner/", "PractitionerRole/", "RelatedPerson/", "HealthcareService/")
# What the core keeps whole, and shows with care: a Subscription's headers hold secrets, and of a
# report nothing is shown that nobody here vouches for. Of a Task nothing but the status is taken.
_NEVER = frozenset({"DiagnosticReport", "Subscription", "Task"})
# Whom it is about: what was received is given with the core's reference.
_ABOUT = frozenset({"subject", "patient", "beneficiary"})


def takes(kind: Kind) -> bool:
    """Whether clients write resources of this type that the core has tables for."""
    written = "create" in kind.interactions or "update" in kind.interactions
    return written and kind.name not in PATIENT_LINK and kind.name not in _NEVER


def keep(
    kind: Kind,
    public_id: str,
    received: Resource,
    before: Resource | None,
    shown: Shown,
    *,
    source: str,
) -> Any:
    """Keep what was received and written, within the transaction that wrote it; give the hit.

    ``before`` is what was given before an update. If the core has no place for what is different
    now, its version would stay: then the row is counted as changed, for its resource is.
    """
    hit, present = _present(kind, public_id, shown)
    if present is None:
        return None  # written to where it is not read from, such as a request of another state
    if before is not None and before["meta"]["versionId"] == present["meta"]["versionId"]:
        if same(before, merged(present, received, present)):
            return hit
        services.count_change(kind.name, public_id)
        hit, changed = _present(kind, public_id, shown)
        present = changed or present
    said = _said(received)
    own = OverlayView(received=json.write(said), shown=translated.written(present))
    services.keep_overlay(
        kind.name,
        public_id,
        received=own.received.decode(),
        shown=own.shown.decode(),
        source=source,
    )
    # The answer shows it next.
    _remember(own, present, merged(present, said, present))
    indexing.index(kind.name, public_id, received)
    return hit


def _present(kind: Kind, public_id: str, shown: Shown) -> tuple[Any, Resource | None]:
    hits = kind.finder.load([public_id])
    return (hits[0], kind.translate(hits[0], shown)) if hits else (None, None)


def _said(received: Resource) -> Resource:
    """What is kept: all but the id and what the server says of the resource."""
    meta = _without(received.get("meta", {}), {"versionId", "lastUpdated"})
    said = _without(received, {"id", "meta"})
    return {**said, "meta": meta} if meta else said


def _without(value: Mapping[str, Any], names: Iterable[str]) -> Resource:
    return {name: inner for name, inner in value.items() if name not in names}


def given_back(kind: Kind, resources: Sequence[Resource], shown: Shown) -> list[Resource]:
    """The resources of one type with what was received of them; one query for all."""
    if not resources or not takes(kind):
        return list(resources)
    kept = overlays(kind.name, [each["id"] for each in resources])
    if not kept:
        return list(resources)
    found = []
    for each in resources:
        own = kept.get(each["id"])
        if own is None:
            found.append(each)
            continue

        def again(public_id: str = str(each["id"])) -> Resource | None:
            return _present(kind, public_id, shown)[1]

        found.append(_merged_before(each, own, again))
    return found


# (type, id) → what was merged last, of what, and what came of it. Nobody changes a resource that
# was made for an answer, so it can be given again while neither side changed.
_last: OrderedDict[tuple[str, str], tuple[OverlayView, Resource, Resource]] = OrderedDict()
_MOST_KNOWN = 500


def _merged_before(
    core: Resource, kept: OverlayView, again: Callable[[], Resource | None]
) -> Resource:
    """:func:`merged`, remembered: most reads find what the read before found.

    What was written after ``core`` was read belongs to a later version: then it is read again.
    """
    key = (str(core["resourceType"]), str(core["id"]))
    known = _last.get(key)
    if known is not None and known[0] == kept and known[1] == core:
        return known[2]
    then = json.read_stored(kept.shown)
    if int(then["meta"]["versionId"]) > int(core["meta"]["versionId"]):
        core = again() or core
    found = merged(core, json.read_stored(kept.received), then)
    _remember(kept, core, found)
    return found


def _remember(kept: OverlayView, core: Resource, found: Resource) -> None:
    _last[str(core["resourceType"]), str(core["id"])] = kept, core, found
    while len(_last) > _MOST_KNOWN:
        try:
            _last.popitem(last=False)
        except KeyError:
            break  # another thread was quicker


def same(one: Resource, other: Resource) -> bool:
    """Whether two versions say the same, apart from which version they are."""
    return _comparable(one) == _comparable(other)


def _comparable(resource: Resource) -> bytes:
    # As text, for 1.5 and 1.50 are not the same (FHIR R4 2.24.0.1).
    said = _said(resource)
    return json.write({name: said[name] for name in sorted(said)})


def merged(core: Resource, received: Resource, shown: Resource) -> Resource:
    """``received`` by what the core shows now; ``shown`` is what it showed when it was received."""
    kind = str(core["resourceType"])
    groups = _groups(kind)
    mine, given, then = groups(core), groups(received), groups(shown)
    found: Resource = {
        "resourceType": kind,
        "id": core["id"],
        "meta": _meta(core["meta"], received.get("meta", {}), shown.get("meta", {})),
    }
    stale = any(mine.get(group) != then.get(group) for group in {*mine, *then} if group != "meta")
    for group in dict.fromkeys((*given, *mine)):
        if group in {"resourceType", "id", "meta", "contained"} or (group == "text" and stale):
            continue
        own, said, old = mine.get(group, {}), given.get(group, {}), then.get(group, {})
        if kind == "Appointment" and group == "participant":
            found.update(_participants(own, said))
        elif group == "link" and kind == "Patient":
            found.update(_links(own, said))
        elif (group in _OWN and own) or group in _OWN_OF.get(kind, ()):
            found.update(_own(group, own, said))
        elif group in _ABOUT and own:
            found.update(_about(group, own, said, same=own == old))
        elif group in _UNITED:
            found.update(_united(group, own, said, old))
        elif own == old and said and not (own and (_is_unresolved(said) or _differs(own, said))):
            found.update(said)
        else:
            found.update(own)
    contained = _still_named(received.get("contained", []), found)
    if contained:
        found["contained"] = contained
    return found


def _groups(kind: str) -> Callable[[Resource], dict[str, Resource]]:
    """Elements by what they are one of: a primitive with its ``_name``, a choice with its types."""
    table = elements.of(kind).elements

    def grouped(resource: Resource) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for name, value in resource.items():
            bare = name.removeprefix("_")
            row = table.get(bare)
            found.setdefault(row.choice if row and row.choice else bare, {})[name] = value
        return found

    return grouped


def _own(group: str, own: Resource, said: Resource) -> Resource:
    """The core's value; what a client says about the value stays as long as it is that value."""
    beside = f"_{group}"
    if beside in said and said.get(group) == own.get(group) and beside not in own:
        return {**own, beside: said[beside]}
    return own


def _participants(own: Resource, said: Resource) -> Resource:
    """Those the calendar knows, then the people who were named beside them."""
    beside = [
        each
        for each in said.get("participant", [])
        if str((each.get("actor") or {}).get("reference", "")).startswith(_COMPANY)
    ]
    found = [*own.get("participant", []), *beside]
    return {"participant": found} if found else {}


def _links(own: Resource, said: Resource) -> Resource:
    """Which records are one person's is the core's word; others may be pointed to."""
    others = [each for each in said.get("link", []) if each.get("type") in {"seealso", "refer"}]
    items = [*own.get("link", []), *(each for each in others if each not in own.get("link", []))]
    return {"link": items} if items else {}


def _about(group: str, own: Resource, said: Resource, *, same: bool) -> Resource:
    """The core's reference, with what else was said of it while it is the same."""
    element = said.get(group)
    if not same or not isinstance(element, dict):
        return own
    return {group: {**element, **own[group]}}


def _differs(own: Resource, said: Resource) -> bool:
    """Whether plain values say different things: then the core did not take what was said."""
    for name, value in own.items():
        if name not in said:
            # The other type of a choice: a time within a period, a date for a yes.
            other = next((each for key, each in said.items() if not key.startswith("_")), None)
            if value is False or (isinstance(other, dict) and not _is_within(value, other)):
                return True
            continue
        other = said[name]
        if isinstance(value, dict) and isinstance(other, dict):
            if name.endswith("Period") and _differs(value, other):
                return True
        elif not isinstance(value, dict | list) and value != other and not _is_in(value, other):
            return True
    return False


def _is_within(moment: Any, period: Resource) -> bool:
    """Whether a moment lies in a Period; anything else is no matter of time."""
    if not isinstance(moment, str) or not {"start", "end"} & period.keys():
        return True
    zone = timezone.get_default_timezone()
    try:
        at, _ = interval("", moment, zone)
        after = "start" not in period or interval("", str(period["start"]), zone)[0] <= at
        before = "end" not in period or at < interval("", str(period["end"]), zone)[1]
    except HttpError:
        return False
    return after and before


def _is_in(moment: Any, said: Any) -> bool:
    """Whether a moment is what was said, in another zone or to the day only."""
    if not isinstance(moment, str) or not isinstance(said, str):
        return False
    zone = timezone.get_default_timezone()
    try:
        at, _ = interval("", moment, zone)
        low, high = interval("", said, zone)
    except HttpError:
        return False
    return low <= at < high


def _is_unresolved(said: Resource) -> bool:
    """Whether a reference in it meant something only in the request it came with."""
    waiting: list[Any] = list(said.values())
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            text = item.get("reference")
            if isinstance(text, str) and (text.startswith("urn:") or "?" in text):
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


# --- lists of both

Key = Callable[[Any], Any]


def _identifier(item: Any) -> Any:
    return (item.get("system", ""), item.get("value")) if isinstance(item, dict) else None


def _whole(item: Any) -> Any:
    return json.write(item)


def _coding(item: Any) -> Any:
    return (item.get("system", ""), item.get("code")) if isinstance(item, dict) else None


_UNITED: Mapping[str, Key] = {"identifier": _identifier, "extension": _whole}
_UNITED_META: Mapping[str, Key] = {
    "extension": _whole,
    "profile": _whole,
    "security": _coding,
    "tag": _coding,
}


def _united(group: str, own: Resource, said: Resource, old: Resource) -> Resource:
    items = _unite(own.get(group, []), said.get(group, []), old.get(group, []), _UNITED[group])
    return {group: items} if items else {}


def _unite(own: list[Any], said: list[Any], old: list[Any], key: Key) -> list[Any]:
    """Received items that the core did not take away since, then its own others."""
    present = {key(item) for item in own}
    gone = {key(item) for item in old} - present
    if key is _identifier:
        gone |= _otherwise_named(said, old, present)
    kept = [item for item in said if key(item) not in gone]
    known = {key(item) for item in kept}
    others = [item for item in own if key(item) not in known]
    if key is not _identifier:
        return [*kept, *others]
    # What the core knows of a number that came with less: its system, its type.
    found = []
    for item in kept:
        same = next((each for each in own if _is_same_number(each, item)), None)
        if same is None:
            found.append(item)
            continue
        found.append({**same, **item})
        others = [each for each in others if each is not same]
    return [*found, *others]


def _otherwise_named(said: list[Any], old: list[Any], present: set[Any]) -> set[Any]:
    """Numbers that went, by what they were received under: no system, or another name of it."""
    keys = {_identifier(item) for item in old}
    own = {_identifier(item) for item in said}
    gone = {value for system, value in keys - present - own}
    still = {value for system, value in keys & present}
    return {each for each in own - keys if each[1] in gone - still}


def _is_same_number(own: Any, said: Any) -> bool:
    system = said.get("system", "")
    return own.get("value") == said.get("value") and system in {"", own.get("system", "")}


def _meta(own: Resource, said: Resource, old: Resource) -> Resource:
    found = dict(own)
    for name, value in said.items():
        if name in _UNITED_META:
            found[name] = _unite(own.get(name, []), value, old.get(name, []), _UNITED_META[name])
        elif name not in found:
            found[name] = value
    return found


def _still_named(contained: list[Any], resource: Resource) -> list[Any]:
    """Contained resources that something still refers to (FHIR R4 dom-3)."""
    found = list(contained)
    while True:
        named: set[str] = set()
        waiting: list[Any] = [*resource.values(), *(_without(each, {"id"}) for each in found)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                text = item.get("reference")
                if isinstance(text, str) and text.startswith("#"):
                    named.add(text[1:])
                waiting.extend(item.values())
            elif isinstance(item, list):
                waiting.extend(item)
        left = [each for each in found if each.get("id") in named or "" in named]
        if len(left) == len(found):
            return left
        found = left

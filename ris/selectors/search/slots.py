"""Schedules of devices, and the slots computed from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.utils import timezone

from ris.domain.errors import InvalidValueError
from ris.domain.fhir_index import END
from ris.domain.scheduling import SlotState
from ris.domain.values import Code
from ris.models import Device, ProcedureDefinition
from ris.selectors import slots as calendar
from ris.selectors.search import terms
from ris.selectors.search.criteria import ScheduleCriteria, SlotCriteria
from ris.selectors.search.engine import Finder, Found, Page, Source
from ris.selectors.search.terms import CodeTerm, Comparison, Terms, TimeTerm
from ris.selectors.slot_ids import EARLIEST, LATEST, SlotKey, read_slot_id, slot_id
from ris.selectors.slots import Cell, ScheduleView, Service, SlotView

DAYS = 14  # of a search that does not say until when
MOST_DAYS = 62
HORIZON_DAYS = 365  # how far ahead a schedule is offered
MODALITY = "DCM"  # the scheme of a service that is only a modality
_MOST_SERVICES = 20

# --- what a time is wanted for


def services(wanted: Terms[CodeTerm]) -> list[Service] | None:
    """The services that are asked for; None where nothing is said, [] where none is known."""
    if not wanted:
        return None
    found = [_services(alternatives) for alternatives in wanted]
    both = set.intersection(*(set(each) for each in found))
    return [service for service in found[0] if service in both]


def _services(alternatives: Sequence[CodeTerm]) -> list[Service]:
    either = terms.NOTHING
    for term in alternatives:
        if term.meaning:
            either |= Q(meaning__istartswith=term.meaning)
        else:
            either |= terms.code("code", "scheme")(term)
    rows = ProcedureDefinition.objects.filter(either, active=True).order_by("id")
    found = calendar.definition_services(rows[:_MOST_SERVICES])
    modalities = [
        term.value for term in alternatives if term.schemes is None or MODALITY in term.schemes
    ]
    known = Device.objects.filter(modality__in=modalities).values_list("modality", flat=True)
    found += [
        Service(modality, calendar.DEFAULT_MINUTES, Code(modality, MODALITY))
        for modality in sorted(set(known))
    ]
    return found


# --- schedules


def _schedules(criteria: ScheduleCriteria) -> QuerySet[Device] | None:
    if not criteria.possible or not _within_horizon(criteria.date):
        return None
    found = terms.keys("public_id", criteria.public_ids)
    for alternatives in criteria.actors:
        found &= terms.among(("public_id", "room__public_id"), alternatives)
    for wanted in criteria.ae_titles:
        found &= Q(ae_title__in=list(wanted))
    if criteria.active is not None:
        found &= Q(active__in=list(criteria.active))
    asked = services(criteria.codes)
    if asked is not None:
        found &= Q(modality__in=sorted({service.modality for service in asked}))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Device.objects.filter(found)


def horizon() -> tuple[datetime, datetime]:
    """When schedules are offered: from the beginning of today for a year."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return today.astimezone(UTC), (today + timedelta(days=HORIZON_DAYS)).astimezone(UTC)


def _within_horizon(date: Terms[TimeTerm]) -> bool:
    low, high = horizon()
    return all(any(_matches(term, low, high) for term in each) for each in date)


def _matches(term: TimeTerm, low: datetime, high: datetime) -> bool:
    """An interval against a comparison (FHIR R4 3.1.1.4.5)."""
    overlaps = term.low < high and low < term.high
    return {
        Comparison.EQ: overlaps,  # the schedule's period has the date in it
        Comparison.NE: not overlaps,
        Comparison.GT: high > term.high,
        Comparison.GE: high > term.low,
        Comparison.LT: low < term.low,
        Comparison.LE: low < term.high,
        Comparison.SA: low >= term.high,
        Comparison.EB: high <= term.low,
    }[term.comparison]


def _load_schedules(public_ids: Sequence[str]) -> list[ScheduleView]:
    rows = list(
        Device.objects.select_related("room").filter(public_id__in=terms.as_keys(public_ids))
    )
    codes: dict[str, list[Code]] = defaultdict(list)
    modalities = {row.modality for row in rows}
    for definition in ProcedureDefinition.objects.filter(
        modality__in=modalities, active=True
    ).order_by("id"):
        if len(codes[definition.modality]) < calendar.MOST_CODES:
            codes[definition.modality].append(
                Code(definition.code, definition.scheme, definition.meaning)
            )
    found = {
        str(row.public_id): ScheduleView(
            public_id=str(row.public_id),
            ae_title=row.ae_title,
            station_name=row.station_name,
            modality=row.modality,
            room=row.room.name if row.room else "",
            active=row.active,
            codes=tuple(codes[row.modality]),
            updated_at=row.updated_at,
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


schedules: Finder[ScheduleCriteria, ScheduleView] = Finder(
    sources=(
        Source(
            _schedules,
            # The horizon is the same for all.
            {"updated": F("updated_at"), "date": Value(END, output_field=DateTimeField())},
            paths={"actors": ("public_id", "room__public_id")},
            there={"ae_titles": Q(), "date": Q(), "codes": Q(), "updated": Q()},
        ),
    ),
    load=_load_schedules,
)

# --- slots


@dataclass(frozen=True, slots=True)
class _Window:
    low: datetime
    high: datetime


def _window(start: Terms[TimeTerm]) -> _Window:
    """The time a search looks at: what it says, or the two weeks from now on."""
    low: datetime | None = None
    high: datetime | None = None
    for alternatives in start:
        bounds = [_bounds(term) for term in alternatives]
        lows = [each[0] for each in bounds]
        highs = [each[1] for each in bounds]
        if None not in lows:
            least = min(each for each in lows if each is not None)
            low = max(low, least) if low is not None else least
        if None not in highs:
            most = max(each for each in highs if each is not None)
            high = min(high, most) if high is not None else most
    low = low if low is not None else timezone.now()
    low = max(EARLIEST, min(low, LATEST))
    high = min(high if high is not None else low + timedelta(days=DAYS), LATEST)
    if high - low > timedelta(days=MOST_DAYS):
        raise InvalidValueError(f"start: slots are shown for {MOST_DAYS} days at most")
    return _Window(low, high)


def _bounds(term: TimeTerm) -> tuple[datetime | None, datetime | None]:
    match term.comparison:
        case Comparison.EQ:
            return term.low, term.high
        case Comparison.GT | Comparison.SA:
            return term.high, None
        case Comparison.GE:
            return term.low, None
        case Comparison.LT | Comparison.EB:
            return None, term.low
        case Comparison.LE:
            return None, term.high
        case Comparison.NE:
            return None, None


def _is_then(start: Terms[TimeTerm], at: datetime) -> bool:
    return all(any(_starts(term, at) for term in alternatives) for alternatives in start)


def _starts(term: TimeTerm, at: datetime) -> bool:
    return {
        Comparison.EQ: term.low <= at < term.high,
        Comparison.NE: not term.low <= at < term.high,
        Comparison.GT: at >= term.high,
        Comparison.SA: at >= term.high,
        Comparison.GE: at >= term.low,
        Comparison.LT: at < term.low,
        Comparison.EB: at < term.low,
        Comparison.LE: at < term.high,
    }[term.comparison]


def _cells(criteria: SlotCriteria) -> list[Cell]:
    found = _found(criteria)
    for apart in criteria.without:
        other = getattr(apart, "criteria", None)
        if isinstance(other, SlotCriteria):
            gone = {cell.place for cell in _found(replace(other, start=criteria.start))}
            found = [cell for cell in found if cell.place not in gone]
    return found


def _found(criteria: SlotCriteria) -> list[Cell]:
    if not criteria.possible or criteria.states == frozenset() or criteria.indexed:
        return []
    if any(not there for _, there in criteria.present):
        return []  # a slot has everything it can have
    if criteria.public_ids or criteria.names:
        texts = _texts((*criteria.public_ids, *criteria.names))
        named = [read_slot_id(text) for text in texts]
        return _named(criteria, [key for key in named if key is not None])
    asked = services(criteria.codes)
    if asked == []:
        return []
    wanted = terms.keys("public_id", criteria.schedules)
    if asked is not None:
        wanted &= Q(modality__in=sorted({service.modality for service in asked}))
    window = _window(criteria.start)
    devices = list(Device.objects.select_related("room").filter(wanted, active=True).order_by("pk"))
    found = calendar.cells(
        devices,
        window.low,
        window.high,
        asked or (),
        SlotState if criteria.states is None else criteria.states,
    )
    return [cell for cell in found if _is_then(criteria.start, cell.start_at)]


def _texts(ids: Iterable[Iterable[Any]]) -> list[str]:
    """The ids that every occurrence names; other searches lead to no slot."""
    sets = [{each for each in alternatives if isinstance(each, str)} for alternatives in ids]
    return sorted(set.intersection(*sets)) if sets else []


def _named(criteria: SlotCriteria, keys: Sequence[SlotKey]) -> list[Cell]:
    found = calendar.state_of(keys)
    schedules = Device.objects.filter(terms.keys("public_id", criteria.schedules))
    allowed = set(schedules.values_list("pk", flat=True))
    return sorted(
        (
            Cell(key.start_at, key.device, key.end_at, state)
            for key, (device, state) in found.items()
            if device.pk in allowed
            and (criteria.states is None or state in criteria.states)
            and _is_then(criteria.start, key.start_at)
        ),
        key=lambda cell: cell.place,
    )


def _load_slots(public_ids: Sequence[str]) -> list[SlotView]:
    keys = {text: read_slot_id(text) for text in public_ids}
    found = calendar.state_of(key for key in keys.values() if key is not None)
    return [
        calendar.slot_view(key, *found[key], None)
        for key in keys.values()
        if key is not None and key in found
    ]


class _OfDevices(Source[SlotCriteria]):
    """No table; but the schedules that slots are of can be asked for from the other side."""

    __slots__ = ()

    def found(self, criteria: SlotCriteria) -> None:
        return None

    def referred(self, criteria: SlotCriteria, name: str) -> list[QuerySet[Any, Any]]:
        if name != "schedules":
            return []
        devices = {cell.device for cell in _cells(criteria)}
        return [Device.objects.filter(pk__in=devices).values("public_id")]


class Computed(Finder[SlotCriteria, SlotView]):
    """Searches in what is computed: no table, so no subquery leads here.

    Slots come in order of time, which is also the order of their ids as far as a search can tell.
    """

    __slots__ = ()

    @property
    def sorts(self) -> tuple[str, ...]:
        return ("_id", "start", "updated")

    def search(self, criteria: SlotCriteria, page: Page) -> Found[SlotView]:
        found = self._page(criteria, page)
        wanted = {cell.device for cell in found.hits}
        devices = {row.pk: row for row in Device.objects.filter(pk__in=wanted)}
        hits = [
            calendar.slot_view(cell.key, devices[cell.device], cell.state, cell.code)
            for cell in found.hits
        ]
        return Found(tuple(hits), found.following, found.preceding)

    def keys(self, criteria: SlotCriteria, page: Page) -> Found[str]:
        found = self.search(criteria, page)
        ids = tuple(hit.public_id for hit in found.hits)
        return Found(ids, found.following, found.preceding)

    def count(self, criteria: SlotCriteria) -> int:
        return len(_cells(criteria))

    def _page(self, criteria: SlotCriteria, page: Page) -> Found[Cell]:
        found = _cells(criteria)
        names = [name for name, _ in page.order]
        down = bool(page.order) and page.order[0][1]
        if down:
            found.reverse()
        if "_id" not in names:
            names.append("_id")
        edge = page.after if page.before is None else page.before
        if edge is not None:
            last = read_slot_id(str(edge[names.index("_id")]))
            if last is None:
                return Found(())
            place = (last.start_at, last.device, last.end_at)
            # The slot itself may be gone by now.
            onward = (page.before is None) != down
            found = [c for c in found if (c.place > place if onward else c.place < place)]
        back = page.before is not None
        shown = found[-page.size :] if back else found[: page.size]
        beyond = len(found) > page.size
        return Found(
            tuple(shown),
            _edge(shown[-1], names) if shown and (back or beyond) else None,
            _edge(shown[0], names)
            if shown and (beyond if back else page.after is not None)
            else None,
        )


def _edge(cell: Cell, names: Sequence[str]) -> tuple[Any, ...]:
    own_id = slot_id(cell.key)
    return tuple(own_id if name == "_id" else cell.start_at for name in names)


slots: Finder[SlotCriteria, SlotView] = Computed(
    sources=(_OfDevices(rows=lambda criteria: None, sorts={}),), load=_load_slots
)

"""What the documents of one exam say together: the rule of DOSE-03 to DOSE-05, without a clock.

The result depends on the set of documents only, never on the order in which they came or on how
often. An irradiation event counts once, however many documents tell of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ris.domain.dose import RANK, Compared, DoseKind, DoseSource, ReferenceLevel, Scope
from ris.domain.measures import MEASURES, Adding, Measure, Part, Quantity, plain

_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A dose document as the rule needs it.

    ``events`` are the UIDs it tells of; ``identified`` if that is all of its events, so that it can
    be compared with others by them.
    """

    source_uid: str
    source: DoseSource
    kind: DoseKind
    content_at: datetime | None = None
    device: str = ""
    scope: Scope = Scope.UNKNOWN
    scope_uid: str = ""
    totals: tuple[Quantity, ...] = ()
    events: frozenset[str] = frozenset()
    identified: bool = True
    predecessors: frozenset[str] = frozenset()

    @property
    def rank(self) -> tuple[datetime, str]:
        """Later content first; among equals the UID decides, so that the choice is no accident."""
        return (self.content_at or _FIRST, self.source_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A value of the whole exam; ``incomplete`` if something could not be added to it."""

    measure: Measure
    part: Part
    value: Decimal
    source: DoseSource
    incomplete: bool = False

    @property
    def unit(self) -> str:
        return MEASURES[self.measure].dimension.value

    def as_json(self) -> dict[str, Any]:
        return {
            "measure": self.measure.value,
            "part": self.part.value,
            "value": plain(self.value),
            "source": self.source.value,
            "incomplete": self.incomplete,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Total:
        return cls(
            measure=Measure(data["measure"]),
            part=Part(data["part"]),
            value=Decimal(data["value"]),
            source=DoseSource(data["source"]),
            incomplete=bool(data.get("incomplete")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamDose:
    """``counted`` and ``left_out`` are source UIDs; ``notes`` are for people."""

    totals: tuple[Total, ...] = ()
    counted: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Values = dict[tuple[Measure, Part], Decimal]


@dataclass(slots=True)
class _Sum:
    """Values that grow; ``doubtful`` are measures of which something is missing."""

    values: Values = field(default_factory=dict)
    doubtful: set[Measure] = field(default_factory=set)

    def add(self, other: _Sum) -> None:
        for (measure, part), value in other.values.items():
            self.put(measure, part, value)
        self.doubtful |= other.doubtful

    def put(self, measure: Measure, part: Part, value: Decimal) -> None:
        key = (measure, part)
        known = self.values.get(key)
        if known is None:
            self.values[key] = value
        elif MEASURES[measure].adding is Adding.HIGHEST:
            self.values[key] = max(known, value)
        else:
            self.values[key] = known + value


def exam_dose(
    documents: Iterable[Document],
    events: Mapping[str, Sequence[Quantity]],
    elsewhere: frozenset[str] = frozenset(),
) -> ExamDose:
    """The dose of one exam.

    ``events`` are the quantities of every irradiation event named by a document; ``elsewhere`` are
    the UIDs of events that count for another exam.
    """
    unique = {document.source_uid: document for document in documents}
    left_out: dict[str, str] = {}
    notes: list[str] = []
    by_source: dict[DoseSource, _Sum] = {}
    counted: list[Document] = []
    for source in DoseSource:
        total = _Sum()
        for kind in DoseKind:
            group = [d for d in unique.values() if d.source is source and d.kind is kind]
            live = _without_replaced(group, left_out)
            for together in _overlapping(live):
                total.add(_of_group(together, events, elsewhere, notes))
            counted += live
        by_source[source] = total
    totals = _best(by_source, notes)
    return ExamDose(
        totals=totals,
        counted=tuple(sorted(document.source_uid for document in counted)),
        left_out=dict(sorted(left_out.items())),
        notes=tuple(dict.fromkeys(notes)),
    )


# --- which documents count


def _without_replaced(group: list[Document], left_out: dict[str, str]) -> list[Document]:
    """The documents that no later one stands for."""
    live = sorted(group, key=lambda document: document.rank, reverse=True)
    live = _filter(live, left_out, "replaced by a later report that names it", _is_predecessor)
    live = _filter(live, left_out, "all its events are in another report", _is_contained)
    live = _filter(live, left_out, "replaced by a later report of the same scope", _is_repeated)
    return _filter(
        live, left_out, "tells no single events; a report of the device that does counts", _is_vague
    )


def _filter(
    live: list[Document],
    left_out: dict[str, str],
    why: str,
    stands_for: Callable[[Document, Document], bool],
) -> list[Document]:
    kept: list[Document] = []
    for document in live:
        others = [other for other in live if other.source_uid != document.source_uid]
        if any(stands_for(other, document) for other in others):
            left_out[document.source_uid] = why
        else:
            kept.append(document)
    return kept


def _is_predecessor(later: Document, document: Document) -> bool:
    # Only what is later by its own time replaces: two reports that name each other do not vanish.
    return document.source_uid in later.predecessors and later.rank > document.rank


def _is_contained(other: Document, document: Document) -> bool:
    if not (document.identified and other.identified and document.events):
        return False
    if document.events == other.events:
        return other.rank > document.rank
    return document.events < other.events


def _is_repeated(other: Document, document: Document) -> bool:
    """Without events two reports can only be told apart by what they say they cover."""
    if document.source is not DoseSource.RDSR or _tells_events(document) or _tells_events(other):
        return False
    if other.device != document.device:
        return False
    if document.scope is Scope.STUDY or other.scope is Scope.STUDY:
        if document.scope is other.scope:
            return other.rank > document.rank
        return other.scope is Scope.STUDY
    return other.scope_uid == document.scope_uid and other.rank > document.rank


def _is_vague(other: Document, document: Document) -> bool:
    return (
        document.source is DoseSource.RDSR
        and other.device == document.device
        and not _tells_events(document)
        and _tells_events(other)
    )


def _tells_events(document: Document) -> bool:
    return document.identified and bool(document.events)


# --- adding


def _overlapping(documents: list[Document]) -> list[list[Document]]:
    """The documents in groups; those of a group share events, directly or through others."""
    groups: list[tuple[set[str], list[Document]]] = []
    for document in documents:
        events, members = set(document.events), [document]
        rest = []
        for known, others in groups:
            if known & events:
                events |= known
                members += others
            else:
                rest.append((known, others))
        groups = [*rest, (events, members)]
    return [sorted(members, key=lambda d: d.rank) for _, members in groups]


def _of_group(
    group: list[Document],
    events: Mapping[str, Sequence[Quantity]],
    elsewhere: frozenset[str],
    notes: list[str],
) -> _Sum:
    """One document by its own totals; several that share events by those, each once."""
    told = frozenset().union(*(document.events for document in group))
    if len(group) == 1 and not told & elsewhere:
        return _of_document(group[0], events)
    if told & elsewhere:
        notes.append("some irradiation events count for another exam that a report also names")
    else:
        notes.append("reports that share irradiation events were added up event by event")
    total = _Sum()
    own = sorted(told - elsewhere)
    for uid in own:
        total.add(_of_quantities(events.get(uid, ())))
    total.put(Measure.EVENTS, Part.WHOLE, Decimal(len(own)))
    stated = {q.measure for document in group for q in document.totals if q.value is not None}
    additive = {m for m in stated if MEASURES[m].adding is not Adding.NONE}
    for measure in additive - {Measure.EVENTS}:
        with_it = [uid for uid in own if _states(events.get(uid, ()), measure)]
        if own and len(with_it) < len(own) and measure in _EVERY_EVENT:
            total.doubtful.add(measure)
    return _collapsed(total)


# What every event with radiation has, so that an event without it makes the sum too small.
_EVERY_EVENT = frozenset({Measure.DAP, Measure.GLANDULAR_DOSE, Measure.ACTIVITY})


def _states(quantities: Sequence[Quantity], measure: Measure) -> bool:
    return any(q.measure is measure and q.value is not None for q in quantities)


# What the events of a report make together if it states no total of it.
_FROM_EVENTS = frozenset({Measure.DLP, Measure.DAP, Measure.GLANDULAR_DOSE, Measure.ACTIVITY})


def _of_document(document: Document, events: Mapping[str, Sequence[Quantity]]) -> _Sum:
    stated = {one.measure for one in document.totals}
    unstated = [
        one
        for uid in sorted(document.events)
        for one in events.get(uid, ())
        if document.identified and one.measure in _FROM_EVENTS - stated
    ]
    total = _collapsed(_of_quantities((*document.totals, *unstated)))
    # The highest CTDIvol stands with the events only.
    for uid in sorted(document.events):
        for one in events.get(uid, ()):
            if MEASURES[one.measure].adding is Adding.HIGHEST and one.value is not None:
                total.put(one.measure, one.part, one.value)
    return total


def _of_quantities(quantities: Sequence[Quantity]) -> _Sum:
    total = _Sum()
    for one in quantities:
        if MEASURES[one.measure].adding is Adding.NONE:
            continue
        if one.value is None:
            total.doubtful.add(one.measure)
        else:
            total.put(one.measure, one.part, one.value)
    return total


_SIDES: frozenset[Part] = frozenset({Part.LEFT, Part.RIGHT, Part.BOTH})
_PLANES = (Part.PLANE_A, Part.PLANE_B)
_PHANTOMS = (Part.HEAD_PHANTOM, Part.BODY_PHANTOM)


def _collapsed(total: _Sum) -> _Sum:
    """Planes and phantoms brought to the whole; sides and the CTDIvol of phantoms stay apart."""
    result = _Sum(doubtful=set(total.doubtful))
    for measure in {measure for measure, _ in total.values}:
        parts = {part: value for (m, part), value in total.values.items() if m is measure}
        for part, value in _whole(measure, parts).items():
            result.values[(measure, part)] = value
    return result


def _whole(measure: Measure, parts: Mapping[Part, Decimal]) -> dict[Part, Decimal]:
    if MEASURES[measure].adding is Adding.HIGHEST:
        return dict(parts)
    sides = {part: value for part, value in parts.items() if part in _SIDES}
    if Part.ALL_PLANES in parts:  # holds both planes, which are also told apart
        return {**sides, Part.WHOLE: parts[Part.ALL_PLANES]}
    pieces = [parts[part] for part in (*_PLANES, *_PHANTOMS) if part in parts]
    if Part.WHOLE in parts:
        single_planes = [parts[part] for part in _PLANES if part in parts]
        # A phantom's share is in the whole already; a plane beside a single plane is not.
        return {**sides, Part.WHOLE: sum(single_planes, parts[Part.WHOLE])}
    return {**sides, Part.WHOLE: sum(pieces, Decimal(0))} if pieces else sides


def _best(by_source: Mapping[DoseSource, _Sum], notes: list[str]) -> tuple[Total, ...]:
    """Each measure from the best source that states it; two sources are never added."""
    totals: list[Total] = []
    for measure in Measure:
        stating = [
            source
            for source in sorted(by_source, key=RANK.__getitem__)
            if any(m is measure for m, _ in by_source[source].values)
        ]
        doubtful = any(measure in one.doubtful for one in by_source.values())
        if doubtful and not stating:
            notes.append(f"{MEASURES[measure].words}: told, but not in a form that can be counted")
        if not stating:
            continue
        best = by_source[stating[0]]
        totals += [
            Total(
                measure=measure,
                part=part,
                value=best.values[(m, part)],
                source=stating[0],
                incomplete=measure in best.doubtful,
            )
            for m, part in sorted(best.values, key=lambda key: (key[0].value, key[1].value))
            if m is measure
        ]
    return tuple(totals)


# --- reference levels


def compared(
    totals: Iterable[Total],
    levels: Iterable[ReferenceLevel],
    age: int | None,
    weight_kg: float | None = None,
) -> tuple[Compared, ...]:
    """The totals beside the level that is meant for a patient of this age and weight.

    Where several levels apply, one for weights counts before one for ages only (ICRP 135: children
    differ by weight), and of those the one of the narrowest span.
    """
    by_measure: dict[Measure, ReferenceLevel] = {}
    for level in levels:
        known = by_measure.get(level.measure)
        if level.applies_to(age, weight_kg) and (known is None or _span(level) < _span(known)):
            by_measure[level.measure] = level
    return tuple(
        Compared(
            measure=one.measure,
            part=one.part,
            value=one.value,
            level=by_measure[one.measure].value,
        )
        for one in totals
        if one.measure in by_measure
    )


def exceeded(
    totals: Iterable[Total],
    levels: Iterable[ReferenceLevel],
    age: int | None,
    weight_kg: float | None = None,
) -> tuple[Compared, ...]:
    """The totals above their level."""
    return tuple(one for one in compared(totals, levels, age, weight_kg) if one.is_above)


def _span(level: ReferenceLevel) -> tuple[int, int]:
    return level.to_kg - level.from_kg, level.to_age - level.from_age

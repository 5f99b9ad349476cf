"""What waits for a radiologist's protocol, what was decided, and the protocols there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum

from django.db.models import Case, Exists, IntegerField, Min, OuterRef, Prefetch, Q, QuerySet, Value
from django.db.models import When as If

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.protocoling import UNDECIDED, ProtocolNeed, ProtocolState
from ris.domain.safety import Gate
from ris.domain.values import Code
from ris.models import (
    OrderQuestion,
    ProcedureDefinition,
    ProtocolDefinition,
    Protocoling,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.order_lists import MANY
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import zone_of_steps
from ris.selectors.told_allergies import told, told_of

_DECIDED_WELL = (ProtocolState.SET.value, ProtocolState.NOT_NEEDED.value)
# Nothing of it was begun: the radiologist still decides.
_BEFORE = (Stage.REQUESTED.value, Stage.SCHEDULED.value, Stage.ARRIVED.value)


class Queue(StrEnum):
    """The tabs of the protocoling page."""

    WAITING = "waiting"
    ASKED = "asked"
    REJECTED = "rejected"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLine:
    """A protocol of the catalog."""

    public_id: str
    code: Code
    modality: str
    contrast: str
    pre_medication: str
    instructions: str
    duration_minutes: int | None
    procedures: tuple[str, ...]
    offered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How far the protocol of a procedure is."""

    state: ProtocolState
    need: ProtocolNeed
    claimed_by: str = ""
    claimed_by_id: int | None = None
    codes: tuple[Code, ...] = ()
    instructions: str = ""
    question: str = ""
    answer: str = ""
    reject_reason: str = ""
    note: str = ""
    alternative: str = ""
    proposed_by: str = ""
    proposed_at: datetime | None = None
    decided_by: str = ""
    decided_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something waits for it."""
        return self.need is not ProtocolNeed.NONE and self.state in UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """A procedure in the radiologist's queue."""

    procedure: str
    order: str
    accession_number: str
    patient: PatientLine
    words: str
    laterality: str
    modality: str
    priority: str
    reason: str
    preparation: str
    ordered_at: datetime
    start_at: datetime | None
    zone: tzinfo  # of the site where it is done
    decision: Decision


def protocol_line(row: ProtocolDefinition) -> ProtocolLine:
    return ProtocolLine(
        public_id=str(row.public_id),
        code=Code(row.code, row.scheme, row.meaning),
        modality=row.modality,
        contrast=row.contrast,
        pre_medication=row.pre_medication,
        instructions=row.instructions,
        duration_minutes=row.duration_minutes,
        procedures=tuple(row.procedures),
        offered=row.active,
    )


def protocols(
    *, modality: str = "", retired: bool = False, most: int | None = 500
) -> list[ProtocolLine]:
    rows = ProtocolDefinition.objects.order_by("modality", "meaning", "id")
    if not retired:
        rows = rows.filter(active=True)
    if modality:
        rows = rows.filter(modality=modality)
    return [protocol_line(row) for row in rows[:most]]


def protocol(public_id: str) -> ProtocolLine:
    """One protocol; raises UnknownKeyError."""
    row = ProtocolDefinition.objects.filter(public_id=public_id).first()
    if row is None:
        raise UnknownKeyError("no such protocol")
    return protocol_line(row)


def offered_for(procedure: RequestedProcedure, modalities: Iterable[str]) -> list[ProtocolLine]:
    """The protocols for a procedure: those made for it first, then all of its modalities."""
    rows = ProtocolDefinition.objects.filter(active=True, modality__in=list(modalities))
    lines = [protocol_line(row) for row in rows.order_by("meaning", "id")[:300]]
    fitting = [
        each for each in lines if not each.procedures or procedure.code_value in (each.procedures)
    ]
    return sorted(fitting, key=lambda each: procedure.code_value not in each.procedures)


def need_of(procedure: RequestedProcedure) -> ProtocolNeed:
    definition = procedure.definition
    return ProtocolNeed(definition.protocol_required if definition is not None else "")


def missing(step: ScheduledProcedureStep, gate: Gate) -> list[str]:
    """What stands in the way of the gate, in words; load the procedure's protocoling with it."""
    need = need_of(step.procedure)
    row: Protocoling | None = getattr(step.procedure, "protocoling", None)
    state = ProtocolState(row.status) if row is not None else ProtocolState.WAITING
    if state is ProtocolState.REJECTED:
        return ["the radiologist rejected this exam"]
    if need is ProtocolNeed.NONE or state.value in _DECIDED_WELL:
        return []
    if gate is Gate.BOOKING and need is not ProtocolNeed.BOOKING:
        return []
    return ["the radiologist's protocol is not set"]


def decision(
    procedure: RequestedProcedure, steps: Iterable[ScheduledProcedureStep] | None = None
) -> Decision:
    """With ``definition`` and ``protocoling__claimed_by`` loaded."""
    row: Protocoling | None = getattr(procedure, "protocoling", None)
    need = need_of(procedure)
    if row is None:
        return Decision(state=ProtocolState.WAITING, need=need)
    steps = procedure.steps.all() if steps is None else steps
    codes = [Code.from_json(code) for step in steps for code in step.protocol_codes]
    claimer = row.claimed_by
    return Decision(
        state=ProtocolState(row.status),
        need=need,
        claimed_by=(claimer.get_full_name() or claimer.username) if claimer else "",
        claimed_by_id=row.claimed_by_id,
        codes=tuple(dict.fromkeys(codes)),
        instructions=row.instructions,
        question=row.question,
        reject_reason=row.reject_reason,
        note=row.note,
        alternative=row.alternative,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )


# --- the queue


def _open_question() -> Exists:
    return Exists(OrderQuestion.objects.filter(order=OuterRef("order"), answered_at=None))


def in_queue(queue: Queue) -> QuerySet[RequestedProcedure]:
    """The procedures of a tab; what was asked and answered waits for the radiologist again."""
    rows = RequestedProcedure.objects.filter(
        order__status__in=[OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value]
    )
    if queue is Queue.DECIDED:
        return rows.filter(protocoling__status__in=_DECIDED_WELL, stage__in=_BEFORE)
    if queue is Queue.REJECTED:
        return rows.filter(protocoling__status=ProtocolState.REJECTED.value)
    rows = rows.filter(stage__in=_BEFORE)
    asked = Q(protocoling__status=ProtocolState.ASKED.value)
    if queue is Queue.ASKED:
        return rows.filter(asked & _open_question())
    undecided = Q(protocoling__isnull=True) | Q(
        protocoling__status__in=[ProtocolState.WAITING.value, ProtocolState.CLAIMED.value]
    )
    needed = ~Q(definition__protocol_required="") & Q(definition__isnull=False)
    claimed = Q(protocoling__status=ProtocolState.CLAIMED.value)
    return rows.filter((undecided & (needed | claimed)) | (asked & ~_open_question()))


def matching(
    rows: QuerySet[RequestedProcedure], *, modality: str = "", group: str = "", text: str = ""
) -> QuerySet[RequestedProcedure]:
    """By modality, subspecialty (a body part of the catalog) and who it is."""
    if modality:
        rows = rows.filter(steps__modality=modality).distinct()
    if group:
        rows = rows.filter(definition__body_part=group)
    if text:
        rows = rows.filter(
            Q(order__accession_number=text) | Q(order__patient__identifiers__value=text)
        ).distinct()
    return rows


_RANK = Case(
    *(
        If(order__priority=priority.value, then=Value(rank))
        for rank, priority in enumerate(
            (Priority.STAT, Priority.ASAP, Priority.URGENT, Priority.ROUTINE)
        )
    ),
    default=Value(9),
    output_field=IntegerField(),
)


def ordered(rows: QuerySet[RequestedProcedure]) -> QuerySet[RequestedProcedure]:
    """STAT first, then who is on soonest, then who has waited longest."""
    return rows.annotate(rank=_RANK, first_at=Min("steps__start_at")).order_by(
        "rank", "first_at", "order__ordered_at", "id"
    )


def with_lines(rows: QuerySet[RequestedProcedure]) -> QuerySet[RequestedProcedure]:
    return (
        rows.annotate(told_allergies=told("order__patient"))
        .select_related("order__patient__merged_into", "definition", "protocoling__claimed_by")
        .prefetch_related(
            Prefetch("order__patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "steps",
                queryset=ScheduledProcedureStep.objects.select_related(
                    "device__room__site"
                ).order_by("id"),
            ),
            Prefetch("order__questions", queryset=OrderQuestion.objects.order_by("asked_at", "id")),
        )
    )


def lines(rows: Iterable[RequestedProcedure]) -> list[QueueLine]:
    return [queue_line(row) for row in rows]


def queue_line(row: RequestedProcedure) -> QueueLine:
    order = row.order
    steps = [step for step in row.steps.all() if step.status != StepStatus.CANCELED.value]
    times = [step.start_at for step in steps if step.start_at]
    found = decision(row)
    answers = [one.answer for one in order.questions.all() if one.answer]
    if found.question and answers:
        found = _with_answer(found, answers[-1])
    return QueueLine(
        procedure=str(row.public_id),
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient, told_of(row)),
        words=row.description or row.code_meaning,
        laterality=row.laterality,
        modality=steps[0].modality if steps else "",
        priority=order.priority,
        reason=order.reason,
        preparation=row.definition.preparation if row.definition else "",
        ordered_at=order.ordered_at,
        start_at=min(times, default=None),
        zone=zone_of_steps(steps),
        decision=found,
    )


def _with_answer(found: Decision, answer: str) -> Decision:
    return replace(found, answer=answer)


def find_procedure(public_id: str) -> RequestedProcedure:
    """One procedure with its line; raises UnknownKeyError."""
    row = with_lines(RequestedProcedure.objects.all()).filter(public_id=public_id).first()
    if row is None:
        raise UnknownKeyError("no such procedure")
    return row


def next_waiting(but: str) -> str:
    """The procedure that is next in the queue; empty: none is left."""
    row = (
        ordered(in_queue(Queue.WAITING))
        .exclude(public_id=but)
        .values_list("public_id", flat=True)
        .first()
    )
    return str(row) if row else ""


def counts() -> dict[Queue, int]:
    return {queue: in_queue(queue)[:MANY].count() for queue in Queue}


def modalities() -> list[str]:
    """Those of procedures that need a protocol, and of protocols there are."""
    rows = ProtocolDefinition.objects.filter(active=True).order_by("modality")
    return list(rows.values_list("modality", flat=True).distinct())


def groups() -> list[str]:
    """The subspecialties: the body parts of procedures that need a protocol."""
    rows = ProcedureDefinition.objects.exclude(protocol_required="").exclude(body_part="")
    return list(rows.order_by("body_part").values_list("body_part", flat=True).distinct())


# --- for other pages


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureProtocol:
    procedure: str
    words: str
    decision: Decision


def of_rows(rows: Sequence[ScheduledProcedureStep]) -> list[ProcedureProtocol]:
    """The protocols of an order where any is needed or was decided; no query.

    ``rows`` are its steps with ``procedure__definition`` and ``procedure__protocoling``.
    """
    steps: dict[int, list[ScheduledProcedureStep]] = {}
    for row in rows:
        steps.setdefault(row.procedure_id, []).append(row)
    found = [
        ProcedureProtocol(
            procedure=str(each[0].procedure.public_id),
            words=each[0].procedure.description or each[0].procedure.code_meaning,
            decision=decision(each[0].procedure, each),
        )
        for each in steps.values()
    ]
    return [
        each
        for each in found
        if each.decision.need is not ProtocolNeed.NONE
        or each.decision.state is not ProtocolState.WAITING
    ]


def for_steps(steps: Sequence[str]) -> dict[str, Decision]:
    """What the room needs to know, by public id of the step; two queries, however many."""
    rows = (
        ScheduledProcedureStep.objects.filter(public_id__in=list(steps))
        .select_related("procedure__definition", "procedure__protocoling__claimed_by")
        .prefetch_related("procedure__steps")
    )
    return {str(row.public_id): decision(row.procedure) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedLine:
    """A procedure of the catalog and what of it waits for a protocol."""

    public_id: str
    code: Code
    modality: str
    need: str
    has_codes: bool  # the catalog's steps bring protocol codes of their own


def needs(modality: str = "") -> list[NeedLine]:
    rows = ProcedureDefinition.objects.filter(active=True).prefetch_related("steps")
    if modality:
        rows = rows.filter(modality=modality)
    return [
        NeedLine(
            public_id=str(row.public_id),
            code=Code(row.code, row.scheme, row.meaning),
            modality=row.modality,
            need=row.protocol_required,
            has_codes=any(step.protocol_codes for step in row.steps.all()),
        )
        for row in rows.order_by("modality", "meaning", "id")[:2000]
    ]

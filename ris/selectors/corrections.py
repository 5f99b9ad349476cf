"""What may mend an exam, what was mended, and what it leaves to decide; for the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.discontinuation import ACTIONS, FollowUpAction, FollowUpKind
from ris.domain.orders import OPEN
from ris.domain.performing import Match
from ris.domain.values import Code
from ris.models import FollowUp, PerformedCorrection, PerformedProcedureStep, ScheduledProcedureStep
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

# A step of the same patient this near to the exam may well be what was done.
NEAR = timedelta(hours=24)


class Fix(StrEnum):
    """What is proposed for an exam that fits no order."""

    WAIT = "wait"  # its order may come still; it is tied by itself then
    LINK = "link"
    ORDER = "order"
    REGISTER = "register"
    ARCHIVE = "archive"  # nothing here: the images are to be dealt with where they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One fix, with the words that say why; ``step`` is what a link would be to."""

    fix: Fix
    words: str
    step: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpLine:
    public_id: str
    kind: str
    performed: str
    order: str
    accession_number: str
    patient: PatientLine | None
    description: str
    station: str
    ended_at: datetime | None
    reason: Code
    detail: str
    actions: tuple[FollowUpAction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionLine:
    """``what`` names the changed facts; ``undoable`` only the last one that stands."""

    public_id: str
    performed: str
    kind: str
    at: datetime
    actor: str
    reason: str
    what: tuple[str, ...]
    order: str
    undoable: bool
    undone_at: datetime | None
    undone_by: str
    undone_reason: str


def open_follow_ups() -> QuerySet[FollowUp]:
    """With what a line shows of each."""
    return (
        FollowUp.objects.filter(settled_at=None)
        .select_related("performed__patient__merged_into", "order", "step__procedure")
        .defer("performed__dataset")
        .prefetch_related(
            Prefetch("performed__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )
        .order_by("created_at", "id")
    )


def follow_up_lines(rows: Sequence[FollowUp]) -> list[FollowUpLine]:
    return [_follow_up(row) for row in rows]


def _follow_up(row: FollowUp) -> FollowUpLine:
    performed, step = row.performed, row.step
    described = performed.description or (step.description if step else "")
    return FollowUpLine(
        public_id=str(row.public_id),
        kind=row.kind,
        performed=str(performed.public_id),
        order=str(row.order.public_id) if row.order else "",
        accession_number=row.order.accession_number if row.order else "",
        patient=line(performed.patient) if performed.patient else None,
        description=described or performed.modality,
        station=performed.station_ae_title,
        ended_at=performed.effective_end,
        reason=Code.from_json(row.reason),
        detail=row.detail,
        actions=ACTIONS[FollowUpKind(row.kind)],
    )


# --- corrections


def corrections_of(performed: PerformedProcedureStep) -> list[CorrectionLine]:
    """All corrections of an exam, the newest first."""
    rows = list(
        performed.corrections.select_related("performed", "order")
        .defer("performed__dataset")
        .order_by("-id")
    )
    last = next((row.pk for row in rows if row.undone_at is None), None)
    return [_correction(row, undoable=row.pk == last) for row in rows]


def _correction(row: PerformedCorrection, *, undoable: bool) -> CorrectionLine:
    return CorrectionLine(
        public_id=str(row.public_id),
        performed=str(row.performed.public_id),
        kind=row.kind,
        at=row.at,
        actor=row.actor_name,
        reason=row.reason,
        what=tuple(_changes(row.before, row.after)),
        order=str(row.order.public_id) if row.order else "",
        undoable=undoable,
        undone_at=row.undone_at,
        undone_by=row.undone_by,
        undone_reason=row.undone_reason,
    )


_WORDS: Mapping[str, str] = {
    "steps": "the steps",
    "patient": "the patient",
    "revised_status": "how it ended",
    "revised_ended_at": "when it ended",
}


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return [words for key, words in _WORDS.items() if before.get(key) != after.get(key)]


# --- proposals


def proposals(rows: Sequence[PerformedProcedureStep], rematch_minutes: int) -> dict[str, Proposal]:
    """For each exam that fits no order what most likely mends it; two queries in all."""
    near = _open_steps(rows)
    mended = set(
        PerformedCorrection.objects.filter(performed__in=[row.pk for row in rows]).values_list(
            "performed_id", flat=True
        )
    )
    found = {}
    for row in rows:
        steps = [step for step in near.get(row.patient_id or 0, ()) if _is_near(step, row)]
        minutes = 0 if row.pk in mended else rematch_minutes
        found[str(row.public_id)] = _proposal(row, steps, minutes)
    return found


def _open_steps(
    rows: Sequence[PerformedProcedureStep],
) -> dict[int, list[ScheduledProcedureStep]]:
    patients = {row.patient_id for row in rows if row.patient_id}
    if not patients:
        return {}
    first = min(row.started_at for row in rows) - NEAR
    last = max(row.started_at for row in rows) + NEAR
    steps = (
        ScheduledProcedureStep.objects.filter(
            Q(start_at=None) | Q(start_at__gte=first, start_at__lte=last),
            procedure__order__patient__in=patients,
            status__in=[status.value for status in OPEN],
        )
        .select_related("procedure__order")
        .order_by("id")
    )
    found: dict[int, list[ScheduledProcedureStep]] = {}
    for step in steps[:500]:
        found.setdefault(step.procedure.order.patient_id, []).append(step)
    return found


def _is_near(step: ScheduledProcedureStep, row: PerformedProcedureStep) -> bool:
    if step.modality and row.modality and step.modality != row.modality:
        return False
    return step.start_at is None or abs(step.start_at - row.started_at) <= NEAR


def _proposal(
    row: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep], minutes: int
) -> Proposal:
    match = Match(row.match)
    if match is Match.QUARANTINED:
        return Proposal(
            fix=Fix.ARCHIVE, words="Its images are to be moved or deleted in the archive."
        )
    if len(steps) == 1:
        (step,) = steps
        return Proposal(
            fix=Fix.LINK,
            step=str(step.public_id),
            words=f"The patient's only open {step.modality or 'step'} of that day: "
            f"{step.description or step.procedure.description}, "
            f"{step.procedure.order.accession_number}.",
        )
    until = row.created_at + timedelta(minutes=minutes)
    if match is Match.UNMATCHED and until > timezone.now():
        return Proposal(
            fix=Fix.WAIT,
            words="Its order may come still; it is tied by itself then. Until",
            until=until,
        )
    if steps:
        return Proposal(fix=Fix.WAIT, words=f"The patient has {len(steps)} open steps: choose one.")
    if row.patient_id:
        return Proposal(fix=Fix.ORDER, words="The patient has no open step it could be for.")
    if not row.patient_identifier:
        return Proposal(fix=Fix.REGISTER, words="The device sent no patient number.")
    return Proposal(fix=Fix.REGISTER, words="Nobody here has this patient's number.")

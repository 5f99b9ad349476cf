"""Scheduled steps that no worklist may show, for they lack what every answer must carry.

PS3.4 K.2.2.1.2: a type 1 attribute always has a value. Where one is missing, or holds what its
value representation forbids, the step is left out of every answer; it stands here until somebody
mends it (dicom.md MWL-19, MWL-38).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_noop as noop

from ris.domain.orders import OFFERED, OrderStatus
from ris.models import PatientIdentifier, ScheduledProcedureStep
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

SHOWN = 50
# What may not stand in one value of an identifier, an AE title or a code string (PS3.5 6.2); C1
# controls come of text that was read in the wrong set of letters. What an answer leaves out for it
# must be found by these: a test compares the two.
_CONTROL = r"[\x00-\x1f\x7f-\x9f\\]"
_NOT_A_TITLE = r"[^ -\[\]-~]"
_NOT_A_CODE = r"[^A-Z0-9_ ]"
_NOT_A_UID = r"[^!-\[\]-~]"
_BLANK = r"^\s*$"
_BLANK_NAME = r"^[\s^=\x00-\x1f\x7f-\x9f]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOffered:
    """A step with what it lacks, in words."""

    public_id: str
    order: str  # public id
    accession_number: str
    patient: PatientLine
    description: str
    start_at: datetime | None
    lacks: tuple[str, ...]


_LACKING: tuple[tuple[str, Q], ...] = (
    (noop("a station"), Q(station_ae_title__regex=_BLANK)),
    (noop("a station name that a scanner can read"), Q(station_ae_title__regex=_NOT_A_TITLE)),
    (noop("a modality"), Q(modality__regex=_BLANK)),
    (noop("a modality code"), Q(modality__regex=_NOT_A_CODE)),
    (noop("a start"), Q(start_at=None)),
    (noop("a name of the patient"), Q(procedure__order__patient__name__regex=_BLANK_NAME)),
    (noop("a number of the patient"), Q(number__regex=_BLANK)),
    (noop("a number of the patient without control characters"), Q(number__regex=_CONTROL)),
    (noop("a step number"), Q(step_id__regex=_BLANK)),
    (noop("a step number without control characters"), Q(step_id__regex=_CONTROL)),
    (noop("a procedure number"), Q(procedure__procedure_id__regex=_BLANK)),
    (noop("a procedure number without control characters"),
     Q(procedure__procedure_id__regex=_CONTROL)),
    (noop("a Study Instance UID"), Q(procedure__study_instance_uid="")),
    (noop("a Study Instance UID without other characters"),
     Q(procedure__study_instance_uid__regex=_NOT_A_UID)),
)  # fmt: skip


def not_offered() -> QuerySet[ScheduledProcedureStep]:
    """The steps that would be offered if they lacked nothing, soonest first."""
    numbers = PatientIdentifier.objects.filter(
        patient=OuterRef("procedure__order__patient"), primary=True
    )
    lacking = Q()
    for _, condition in _LACKING:
        lacking |= condition
    return (
        ScheduledProcedureStep.objects.filter(
            status__in=[status.value for status in OFFERED],
            procedure__order__status=OrderStatus.ACTIVE.value,
        )
        .annotate(
            number=Coalesce(
                Subquery(numbers.values("value")[:1]), Value(""), output_field=CharField()
            )
        )
        .filter(lacking)
        .order_by(F("start_at").asc(nulls_first=True), "id")
    )


def lines(
    rows: QuerySet[ScheduledProcedureStep] | None = None, limit: int = SHOWN
) -> Sequence[NotOffered]:
    """What a page shows of them."""
    steps = list(
        (not_offered() if rows is None else rows)
        .select_related("procedure__order__patient__merged_into")
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )[:limit]
    )
    lacks = _lacks([step.pk for step in steps])
    return [
        NotOffered(
            public_id=str(step.public_id),
            order=str(step.procedure.order.public_id),
            accession_number=step.procedure.order.accession_number,
            patient=line(step.procedure.order.patient),
            description=step.description or step.procedure.description,
            start_at=step.start_at,
            lacks=tuple(lacks.get(step.pk, ())),
        )
        for step in steps
    ]


def _lacks(keys: Sequence[int]) -> dict[int, list[str]]:
    """Which conditions each step meets: asked of the database, so that there is one rule."""
    if not keys:
        return {}
    same = ScheduledProcedureStep.objects.filter(pk=OuterRef("pk"))
    numbers = PatientIdentifier.objects.filter(
        patient=OuterRef("procedure__order__patient"), primary=True
    )
    numbered = {"number": Coalesce(Subquery(numbers.values("value")[:1]), Value(""))}
    rows = ScheduledProcedureStep.objects.filter(pk__in=keys).annotate(
        **{
            f"lacks_{index}": Exists(same.annotate(**numbered).filter(condition))
            for index, (_, condition) in enumerate(_LACKING)
        }
    )
    return {
        row["pk"]: [words for index, (words, _) in enumerate(_LACKING) if row[f"lacks_{index}"]]
        for row in rows.values("pk", *(f"lacks_{index}" for index in range(len(_LACKING))))
    }

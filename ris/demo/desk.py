"""Front desk and rooms of the demo: supplies, contrast that was given, a reaction, a called number.

Told once the stories are, so that a page of today has something to show.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from ris.domain.actors import OPERATOR, Actor
from ris.domain.arrivals import (
    CallPatient,
    IdentifierKind,
    IssueWallLink,
    Said,
    WallKind,
)
from ris.domain.orders import StepStatus
from ris.domain.scheduling import AppointmentStatus, RecordArrival
from ris.domain.supplies import (
    Agent,
    DefineSupply,
    RecordReaction,
    RecordSupplies,
    Route,
    SetDefaultSupplies,
    Severity,
    SupplyKind,
    SupplyUsed,
)
from ris.domain.values import Code
from ris.models import Appointment, ProcedureDefinition, ScheduledProcedureStep, Site
from ris.services import execute

_IODINE, _GADOLINIUM, _SALINE, _CANNULA = "IOHEXOL350", "GADOTERATE05", "NACL09", "CANNULA20"
_CATALOG: tuple[DefineSupply, ...] = (
    DefineSupply(
        code=_IODINE,
        name="Iohexol 350",
        kind=SupplyKind.CONTRAST,
        agent=Agent.IODINE,
        concentration=Decimal(350),
        lot_required=True,
        route=Route.INTRAVENOUS,
    ),
    DefineSupply(
        code=_GADOLINIUM,
        name="Gadoterate 0.5",
        kind=SupplyKind.CONTRAST,
        agent=Agent.GADOLINIUM,
        concentration=Decimal("0.5"),
        lot_required=True,
        route=Route.INTRAVENOUS,
    ),
    DefineSupply(
        code="BARIUM60",
        name="Barium sulfate suspension",
        kind=SupplyKind.CONTRAST,
        agent=Agent.BARIUM,
        concentration=Decimal(600),
        lot_required=True,
        route=Route.ORAL,
    ),
    DefineSupply(code=_SALINE, name="Saline 0.9 %", kind=SupplyKind.DRUG, route=Route.INTRAVENOUS),
    DefineSupply(
        code="BUTYLSCOP20",
        name="Butylscopolamine 20 mg",
        kind=SupplyKind.DRUG,
        unit="ampoule",
        lot_required=True,
        route=Route.INTRAVENOUS,
    ),
    DefineSupply(code=_CANNULA, name="Cannula 20 G", unit="piece"),
)
_USUAL = {
    "CT": ((_IODINE, Decimal(80)), (_SALINE, Decimal(40)), (_CANNULA, Decimal(1))),
    "MR": ((_GADOLINIUM, Decimal("7.5")), (_SALINE, Decimal(20)), (_CANNULA, Decimal(1))),
}
_ITCHING = Code("418363000", "SCT")


def stock() -> None:
    """The catalog of supplies, and what exams with contrast usually take."""
    keys = {each.code: execute(each, actor=OPERATOR) for each in _CATALOG}
    rows = ProcedureDefinition.objects.filter(modality__in=_USUAL, active=True).exclude(contrast="")
    for row in rows:
        execute(
            SetDefaultSupplies(
                procedure=str(row.public_id),
                supplies=tuple((keys[code], amount) for code, amount in _USUAL[row.modality]),
            ),
            actor=OPERATOR,
        )


def check_in(appointment: str, actor: Actor) -> None:
    """Somebody arrives and says who it is, as far as it is known."""
    patient = Appointment.objects.select_related("patient").get(public_id=appointment).patient
    said: tuple[Said, ...] = ()
    if patient is not None and patient.name and len(patient.birth_date) == 10:
        said = (
            Said(IdentifierKind.NAME, patient.name.partition("=")[0]),
            Said(IdentifierKind.BIRTH_DATE, patient.birth_date),
        )
    reason = "" if said else "Brought by ambulance, cannot say it"
    command = RecordArrival(
        appointment=appointment, identifiers_checked=said, unchecked_reason=reason
    )
    execute(command, actor=actor)


def set_the_day(now: datetime, actors: dict[str, Actor]) -> None:
    """What the rooms noted today, who is called, and a screen for the waiting room."""
    stock()
    _note_contrast(now, actors["technologist"])
    _call(actors["technologist"])
    site = Site.objects.order_by("id").first()
    if site is not None:
        for kind, name in ((WallKind.WAITING, "Waiting room"), (WallKind.CONTROL, "Control room")):
            execute(
                IssueWallLink(site=str(site.public_id), kind=kind, name=name),
                actor=actors["admin"],
            )


def _note_contrast(now: datetime, technologist: Actor) -> None:
    steps = (
        ScheduledProcedureStep.objects.filter(
            status__in=[StepStatus.STARTED.value, StepStatus.COMPLETED.value],
            start_at__gt=now - timedelta(hours=8),
            procedure__definition__supplies__isnull=False,
        )
        .distinct()
        .order_by("start_at", "id")
    )
    reacted = False
    for step in steps:
        usual = list(step.procedure.definition.supplies.select_related("supply"))  # type: ignore[union-attr]
        used = tuple(
            SupplyUsed(
                supply=str(row.supply.public_id),
                amount=row.amount,
                lot=f"L{now:%y}{row.supply.pk:03d}" if row.supply.lot_required else "",
                expires_on=date(now.year + 1, 6, 30) if row.supply.lot_required else None,
            )
            for row in usual
        )
        execute(RecordSupplies(step=str(step.public_id), supplies=used), actor=technologist)
        if step.modality == "CT" and step.status == StepStatus.STARTED.value and not reacted:
            reacted = True
            execute(
                RecordReaction(
                    step=str(step.public_id),
                    code=_ITCHING,
                    severity=Severity.MILD,
                    supply=used[0].supply,
                    note="Gone after ten minutes without treatment.",
                ),
                actor=technologist,
            )


def _call(technologist: Actor) -> None:
    waiting = Appointment.objects.filter(
        status=AppointmentStatus.ARRIVED.value, steps__status=StepStatus.ARRIVED.value
    ).order_by("arrived_at", "id")
    for appointment in waiting[:2]:
        execute(CallPatient(appointment=str(appointment.public_id)), actor=technologist)

"""Builders: what a test needs, valid by default, changed by keyword.

All of them go through the door, so what they build could exist.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from ris.domain.actors import OPERATOR, Actor
from ris.domain.catalog import DefineProcedure
from ris.domain.exchange import (
    DICOM_SUBSCRIPTIONS,
    MAIL_SUBSCRIPTIONS,
    ConfigureEndpoint,
    Direction,
    Protocol,
    Subscription,
)
from ris.domain.facility import RegisterDevice, RegisterSite
from ris.domain.identifiers import new_uid
from ris.domain.orders import (
    OrderDetails,
    PlacedOrder,
    PlaceOrder,
    Priority,
    ProcedureRequest,
    StepRequest,
)
from ris.domain.patients import Demographics, PatientReference, Sex
from ris.domain.performing import (
    CompletePerformedStep,
    PerformedDetails,
    RelinkPerformedStep,
    ScheduledReference,
    SeriesDetails,
    StartPerformedStep,
)
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.models import (
    Appointment,
    Order,
    PerformedProcedureStep,
    Report,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import people

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CT_HEAD = Code("CTHEAD", "TEST", "CT head without contrast")
_numbers = count(1)


def demographics(**overrides: Any) -> Demographics:
    said: dict[str, Any] = {
        "name": PersonName.of("Berg", "Anna"),
        "birth_date": PartialDate("1970-05-03"),
        "sex": Sex.FEMALE,
    }
    return Demographics(**{**said, **overrides})


def patient(number: str = "", **overrides: Any) -> PatientReference:
    """A patient reference that registers a new patient on first use."""
    value = number or f"P{next(_numbers):05d}"
    return PatientReference(
        identifiers=(Identifier(value, "HOSP", "MR"),), demographics=demographics(**overrides)
    )


def device(ae_title: str = "CT1", modality: str = "CT", **overrides: Any) -> str:
    fields: dict[str, Any] = {"station_name": f"{modality} 1", "room": f"Room {ae_title}"}
    return execute(
        RegisterDevice(ae_title=ae_title, modality=modality, **{**fields, **overrides}),
        actor=OPERATOR,
    )


def site(time_zone: str = "Europe/Vienna") -> str:
    return execute(
        RegisterSite(
            name="Test site",
            institution="Test Hospital",
            time_zone=time_zone,
            patient_id_issuer="HOSP",
        ),
        actor=OPERATOR,
    )


def definition(code: Code = CT_HEAD, **overrides: Any) -> str:
    fields: dict[str, Any] = {"modality": "CT", "duration_minutes": 20}
    return execute(DefineProcedure(code=code, **{**fields, **overrides}), actor=OPERATOR)


def place_order(**overrides: Any) -> PlaceOrder:
    """The command; every call has its own placer number and patient."""
    fields: dict[str, Any] = {
        "patient": overrides.pop("patient", None) or patient(),
        "procedures": (ProcedureRequest(code=CT_HEAD, steps=(step_request(),)),),
        "placer": Identifier(f"PL{next(_numbers):05d}", "EHR"),
        "details": OrderDetails(
            priority=Priority.ROUTINE,
            reason="headache",
            requester=PersonName.of("Ordonez", "Olga"),
        ),
    }
    return PlaceOrder(**{**fields, **overrides})


def step_request(**overrides: Any) -> StepRequest:
    fields: dict[str, Any] = {"modality": "CT"}
    return StepRequest(**{**fields, **overrides})


def order(actor: Actor = people.ehr, **overrides: Any) -> Order:
    """An order that waits to be scheduled, unless ``start_at`` is given."""
    start_at = overrides.pop("start_at", None)
    station = overrides.pop("station", "")
    if start_at is not None or station:
        overrides["procedures"] = (
            ProcedureRequest(
                code=CT_HEAD, steps=(step_request(start_at=start_at, station_ae_title=station),)
            ),
        )
    placed: PlacedOrder = execute(place_order(**overrides), actor=actor)
    return Order.objects.get(public_id=placed.public_id)


def step_of(order: Order) -> ScheduledProcedureStep:
    """The order's first step, as stored now."""
    return (
        ScheduledProcedureStep.objects.select_related("procedure", "appointment")
        .filter(procedure__order=order)
        .order_by("id")[0]
    )


def appointment_of(order: Order) -> Appointment:
    """The appointment of the order's first step, which must have one."""
    appointment = step_of(order).appointment
    assert appointment is not None
    return appointment


def booked(start_at: datetime = NOON, station: str = "CT1", **overrides: Any) -> Order:
    """An order booked on a device that exists; at an hour at which rooms are shut, as agreed."""
    placed = order(**overrides)
    shut = not 8 <= timezone.localtime(start_at).hour < 16  # wherever the site is
    execute(
        BookAppointment(
            step=str(step_of(placed).public_id),
            device=station,
            start_at=start_at,
            overbook=shut,
            reason="agreed with the room" if shut else "",
        ),
        actor=people.scheduler,
    )
    return placed


def start(order: Order, **overrides: Any) -> StartPerformedStep:
    """The N-CREATE a modality would send for the order's first step."""
    step = step_of(order)
    number = order.patient.identifiers.get(primary=True)
    fields: dict[str, Any] = {
        "sop_instance_uid": new_uid(),
        "station_ae_title": "CT1",
        "started_at": NOON,
        "modality": "CT",
        "performed_step_id": "PPS1",
        "references": (
            ScheduledReference(
                study_instance_uid=step.procedure.study_instance_uid,
                accession_number=order.accession_number,
                procedure_id=step.procedure.procedure_id,
                step_id=step.step_id,
            ),
        ),
        "patient_identifier": Identifier(number.value, number.issuer),
        "patient_name": order.patient.name,
    }
    return StartPerformedStep(**{**fields, **overrides})


def series() -> SeriesDetails:
    return SeriesDetails(series_instance_uid=new_uid(), protocol_name="Head", instance_count=42)


def performed(**overrides: Any) -> Order:
    """An order whose exam is done and waits to be read."""
    placed = booked(**overrides)
    command = start(placed)
    execute(command, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(ended_at=NOON + timedelta(minutes=15), series=(series(),)),
        ),
        actor=people.ct1,
    )
    placed.refresh_from_db()
    return placed


def relink(performed: PerformedProcedureStep, *orders: Order) -> None:
    """Tie what was performed to the orders' first steps; without orders, to none."""
    execute(
        RelinkPerformedStep(
            performed=str(performed.public_id),
            steps=tuple(str(step_of(order).public_id) for order in orders),
            reason="picked the neighbor on the list",
        ),
        actor=people.technologist,
    )
    performed.refresh_from_db()


def opened_report(order: Order) -> Report:
    key = execute(
        OpenReport(procedures=tuple(str(p.public_id) for p in order.procedures.all())),
        actor=people.radiologist,
    )
    return Report.objects.get(public_id=key)


TEXT = {"findings": "No bleeding.", "impression": "Normal CT of the head."}


def final_report(order: Order) -> Report:
    report = opened_report(order)
    execute(
        FinalizeReport(report=str(report.public_id), sections=dict(TEXT)),
        actor=people.radiologist,
    )
    report.refresh_from_db()
    return report


def endpoint(name: str = "EHR", **overrides: Any) -> str:
    """An outbound HL7 endpoint."""
    fields: dict[str, Any] = {
        "protocol": Protocol.HL7,
        "direction": Direction.OUT,
        "host": "127.0.0.1",
        "port": 2576,
        "version": "2.5.1",
        # Documents are what results say once more: who tests them asks for them.
        "sends": tuple(
            set(Subscription) - DICOM_SUBSCRIPTIONS - MAIL_SUBSCRIPTIONS - {Subscription.DOCUMENTS}
        ),
    }
    return execute(ConfigureEndpoint(name=name, **{**fields, **overrides}), actor=OPERATOR)

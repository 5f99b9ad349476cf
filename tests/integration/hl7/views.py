"""Read models for tests of what leaves: one invented order, changed by keyword."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from integration.hl7 import charset as charsets
from integration.hl7.profiles import Profile, Settings
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.domain.protocol import StoredEvent
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Code, Identifier, NameGroup, PartialDate, PersonName
from ris.selectors.supplies import UseLine
from ris.selectors.views import (
    AppointmentView,
    OrderView,
    PatientView,
    PerformedView,
    ProcedureView,
    ReportVersionView,
    ReportView,
    StepView,
    VisitView,
)

AT = datetime(2026, 3, 2, 8, 30, 15, tzinfo=UTC)
START = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
STUDY_UID = "1.2.276.0.7230010.3.1.2.1"
VERSIONS = ("2.3.1", "2.4", "2.5.1")
ORDER, PROCEDURE, STEP = "order-1", "procedure-1", "step-1"


def profile(
    version: str = "2.5.1", character_set: str = "UNICODE UTF-8", **settings: Any
) -> Profile:
    return Profile(
        settings=Settings(**settings),
        zone=ZoneInfo("Europe/Vienna"),
        charset=charsets.find("", character_set),
        version=version,
        peer=("EHR", "GENERAL"),
        facility="Test Hospital",
        default_authority="HOSP",
    )


def patient(**overrides: Any) -> PatientView:
    view = PatientView(
        public_id="patient-1",
        name=PersonName(NameGroup("Müller", "Anna", "Maria", "Dr.", "")),
        identifiers=(Identifier("4711", "HOSP", "MR"), Identifier("998877", "1.2.40.0.10", "NI")),
        birth_date=PartialDate("1970-05-03"),
        sex=Sex.FEMALE,
        phone="+43 1 5550100",
        email="anna@example.org",
        address="Ringstrasse 1, Wien",
        language="de",
    )
    return replace(view, **overrides)


def step(**overrides: Any) -> StepView:
    view = StepView(
        public_id=STEP,
        step_id="S000000001",
        modality="CT",
        status=StepStatus.SCHEDULED,
        station_ae_title="CT1",
        station_name="CT 1",
        location="Room 1",
        start_at=START,
        duration_minutes=20,
        description="CT head native",
        protocol_codes=(Code("P5-0001", "99TEST", "Head routine"),),
        performing_physician=PersonName.of("Radic", "Rita"),
        appointment=AppointmentView(
            public_id="appointment-1",
            status=AppointmentStatus.BOOKED,
            start_at=START,
            end_at=START + timedelta(minutes=20),
            room="Room 1",
            ae_title="CT1",
        ),
    )
    return replace(view, **overrides)


def performed(**overrides: Any) -> PerformedView:
    view = PerformedView(
        public_id="performed-1",
        sop_instance_uid="1.2.3.4",
        status=PerformedStatus.COMPLETED,
        match=Match.MATCHED,
        origin=Origin.MPPS,
        started_at=START,
        ended_at=START + timedelta(minutes=15),
        station_ae_title="CT1",
        station_name="CT 1",
        modality="CT",
        performed_step_id="PPS1",
        study_instance_uid=STUDY_UID,
        description="",
        protocol_codes=(),
        discontinuation_reason=Code(""),
        series=(),
        steps=(STEP,),
    )
    return replace(view, **overrides)


def procedure(**overrides: Any) -> ProcedureView:
    view = ProcedureView(
        public_id=PROCEDURE,
        procedure_id="P000000001",
        study_instance_uid=STUDY_UID,
        code=Code("CTHEAD", "L", "CT head"),
        description="CT head",
        laterality="",
        stage=Stage.SCHEDULED,
        steps=(step(),),
    )
    return replace(view, **overrides)


def order(**overrides: Any) -> OrderView:
    view = OrderView(
        public_id=ORDER,
        patient=patient(),
        visit=VisitView(
            public_id="visit-1",
            number=Identifier("V1", "HOSP", "VN"),
            patient_class=PatientClass.INPATIENT,
            location="4 West / 412 / A",
            attending=PersonName.of("Attend", "Al"),
            referring=PersonName.of("Refer", "Ria"),
        ),
        placer=Identifier("PL1", "EHR", "PLAC"),
        filler=Identifier("F000000001", "", "FILL"),
        accession=Identifier("A2600000001", "", "ACSN"),
        group_number="",
        status=OrderStatus.ACTIVE,
        priority=Priority.ROUTINE,
        reason="headache",
        reason_code=Code(""),
        comments="",
        requester=PersonName.of("Ordonez", "Olga"),
        requester_identifier=Identifier("1234", "HOSP"),
        requesting_service="Neurology",
        referring=PersonName(),
        transport="Wheelchair",
        entered_by="",
        callback_phone="",
        ordered_at=AT,
        procedures=(procedure(),),
    )
    return replace(view, **overrides)


def with_step(**changes: Any) -> OrderView:
    """An order of one step, which is changed by keyword."""
    stage = changes.pop("stage", Stage.SCHEDULED)
    order_state = changes.pop("order_status", OrderStatus.ACTIVE)
    exam = procedure(stage=stage, steps=(step(**changes),))
    return order(procedures=(exam,), status=order_state)


RUNNING = with_step(status=StepStatus.STARTED, stage=Stage.IN_PROGRESS)
DONE = with_step(status=StepStatus.COMPLETED, stage=Stage.PERFORMED)
OVER = with_step(
    status=StepStatus.CANCELED, stage=Stage.CANCELED, order_status=OrderStatus.CANCELED
)


def version(**overrides: Any) -> ReportVersionView:
    view = ReportVersionView(
        number=1,
        kind=VersionKind.FINAL,
        sections={"findings": "No bleeding.\nNo mass.", "impression": "Normal CT of the head."},
        author="radiologist",
        author_name=PersonName.of("Radic", "Rita"),
        signer="radiologist",
        signer_name=PersonName.of("Radic", "Rita"),
        signed_at=AT,
        content_hash="0",
    )
    return replace(view, **overrides)


def report(*versions: ReportVersionView, **overrides: Any) -> ReportView:
    view = ReportView(
        public_id="report-1",
        status=ReportStatus.FINAL,
        procedures=(PROCEDURE,),
        versions=versions or (version(),),
    )
    return replace(view, **overrides)


def use(**overrides: Any) -> UseLine:
    """A contrast agent as it was given."""
    return UseLine(
        **{
            "public_id": "use-1",
            "supply": "supply-1",
            "code": "IOHEX350",
            "name": "Iohexol 350",
            "unit": "ml",
            "kind": "CONTRAST",
            "agent": "IODINE",
            "concentration": Decimal(350),
            "amount": Decimal("80.00"),
            "lot": "LOT-1",
            "expires_on": None,
            "route": "IV",
            "by": "Radic, Rita",
            "at": AT,
            "replaced_at": None,
            "replaced_by": "",
            "reason": "",
            **overrides,
        }
    )


def event(name: str, *, asked_by: int | None = None, **payload: Any) -> StoredEvent:
    return StoredEvent(
        id=1,
        name=name,
        payload={"order": ORDER, **payload},
        at=AT,
        order=ORDER,
        patient="patient-1",
        actor_endpoint_id=asked_by,
    )


def booked(name: str = "AppointmentBooked", **payload: Any) -> StoredEvent:
    """An event of an appointment, with its time and station."""
    return event(
        name,
        **{
            "step": STEP,
            "appointment": "appointment-1",
            "start_at": START.isoformat(),
            "end_at": (START + timedelta(minutes=20)).isoformat(),
            "station": "CT1",
            **payload,
        },
    )

"""Read models by hand: one exam with everything there can be; invented people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integration.fhir.from_domain.datatypes import Shown
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind, content_hash
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Code, Identifier, NameGroup, PartialDate, PersonName
from ris.selectors.search.views import (
    Directory,
    InstitutionView,
    PractitionerView,
    RoomView,
    StationView,
    VisitHit,
)
from ris.selectors.views import (
    AppointmentView,
    OrderView,
    PatientView,
    PerformedView,
    ProcedureView,
    ReportVersionView,
    ReportView,
    SeriesView,
    StepView,
    VisitView,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CHANGED = datetime(2026, 3, 2, 13, 30, 15, 250000, tzinfo=UTC)


def key(number: int) -> str:
    """A public id that is the same in every run."""
    return f"00000000-0000-7000-8000-{number:012d}"


def patient(**changes: Any) -> PatientView:
    view = PatientView(
        public_id=key(1),
        name=PersonName(
            NameGroup("Yamada", "Tarou", "", "", "Jr."),
            NameGroup("山田", "太郎"),
            NameGroup("やまだ", "たろう"),
        ),
        identifiers=(Identifier("4711", "HOSP", "MR"), Identifier("99", "1.2.276.1", "")),
        birth_date=PartialDate("1970-05"),
        sex=Sex.MALE,
        phone="+43 1 5550100",
        email="tarou@example.org",
        address="Ringstraße 1, 1010 Wien",
        language="ja",
        version=3,
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def visit(**changes: Any) -> VisitView:
    view = VisitView(
        public_id=key(2),
        number=Identifier("V1", "HOSP", "VN"),
        patient_class=PatientClass.INPATIENT,
        location="Ward 3",
        attending=PersonName.of("Bauer", "Eva"),
        referring=PersonName(),
    )
    return replace(view, **changes)


def appointment(**changes: Any) -> AppointmentView:
    view = AppointmentView(
        public_id=key(5),
        status=AppointmentStatus.FULFILLED,
        start_at=NOON,
        end_at=NOON + timedelta(minutes=20),
        room="CT 1",
        ae_title="CT1",
        version=2,
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def step(**changes: Any) -> StepView:
    view = StepView(
        public_id=key(4),
        step_id="S000000001",
        modality="CT",
        status=StepStatus.COMPLETED,
        station_ae_title="CT1",
        station_name="CT Room 1",
        location="CT 1",
        start_at=NOON,
        duration_minutes=20,
        description="CT head",
        protocol_codes=(Code("P1", "99RIS", "Head, low dose"),),
        performing_physician=PersonName(),
        appointment=appointment(),
        comments="narrow rooms frighten the patient",
        version=4,
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def performed(**changes: Any) -> PerformedView:
    view = PerformedView(
        public_id=key(6),
        sop_instance_uid="2.25.60",
        status=PerformedStatus.COMPLETED,
        match=Match.MATCHED,
        origin=Origin.MPPS,
        started_at=NOON + timedelta(minutes=2),
        ended_at=NOON + timedelta(minutes=14),
        station_ae_title="CT1",
        station_name="CT Room 1",
        modality="CT",
        performed_step_id="PPS1",
        study_instance_uid="2.25.30",
        description="CT head native",
        protocol_codes=(),
        discontinuation_reason=Code(""),
        series=(
            SeriesView(
                series_instance_uid="2.25.61",
                protocol_name="Head",
                description="Axial 5 mm",
                modality="CT",
                retrieve_ae_title="PACS",
                performing_physician="",
                operators=(),
                instance_count=42,
            ),
        ),
        steps=(key(4),),
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def version(kind: VersionKind = VersionKind.FINAL, **changes: Any) -> ReportVersionView:
    sections = {
        "findings": "No bleeding.\nNo fracture <skull>.",
        "impression": "Normal CT of the head.",
    }
    view = ReportVersionView(
        number=1,
        kind=kind,
        sections=sections,
        author="radiologist",
        author_name=PersonName.of("Weiss", "Ruth"),
        signer="radiologist",
        signer_name=PersonName.of("Weiss", "Ruth"),
        signed_at=NOON + timedelta(hours=1),
        content_hash=content_hash(kind, sections),
    )
    return replace(view, **changes)


def report(**changes: Any) -> ReportView:
    view = ReportView(
        public_id=key(7),
        status=ReportStatus.FINAL,
        procedures=(key(3),),
        versions=(version(),),
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def procedure(**changes: Any) -> ProcedureView:
    view = ProcedureView(
        public_id=key(3),
        procedure_id="P000000001",
        study_instance_uid="2.25.30",
        code=Code("CTHEAD", "99RIS", "CT of the head"),
        description="CT head without contrast",
        laterality="",
        stage=Stage.REPORTED,
        steps=(step(),),
        performed=(performed(),),
        report=report(),
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def second_procedure() -> ProcedureView:
    """One more procedure of the same order, which waits to be scheduled."""
    return procedure(
        public_id=key(13),
        procedure_id="P000000002",
        study_instance_uid="2.25.31",
        code=Code("CTNECK", "99RIS", "CT of the neck"),
        description="CT neck",
        stage=Stage.REQUESTED,
        steps=(
            step(
                public_id=key(14),
                step_id="S000000002",
                status=StepStatus.PENDING,
                station_ae_title="",
                station_name="",
                location="",
                start_at=None,
                appointment=None,
                version=1,
            ),
        ),
        performed=(),
        report=None,
    )


def order(**changes: Any) -> OrderView:
    view = OrderView(
        public_id=key(8),
        patient=patient(),
        visit=visit(),
        placer=Identifier("PL1", "EHR", "PLAC"),
        filler=Identifier("F000000001", "", "FILL"),
        accession=Identifier("A2600000001", "", "ACSN"),
        group_number="G1",
        status=OrderStatus.COMPLETED,
        priority=Priority.URGENT,
        reason="sudden headache",
        reason_code=Code("25064002", "SCT", "Headache"),
        comments="hears badly",
        requester=PersonName(NameGroup("Ordonez", "Olga", "", "Dr.")),
        requester_identifier=Identifier("17", "HOSP"),
        requesting_service="Neurology",
        referring=PersonName(),
        transport="",
        entered_by="",
        callback_phone="",
        ordered_at=NOON - timedelta(days=1),
        procedures=(procedure(),),
        version=5,
        updated_at=CHANGED,
    )
    return replace(view, **changes)


def shown() -> Shown:
    return Shown(
        directory=Directory(
            stations={"CT1": key(9)},
            rooms={"CT 1": key(10)},
            site=key(11),
            site_name="Test Hospital",
        )
    )


PRACTITIONER = PractitionerView(
    public_id=key(12),
    name=PersonName(NameGroup("Ordonez", "Olga", "", "Dr.")),
    identifier=Identifier("17", "HOSP"),
    phone="+43 1 5550117",
    updated_at=CHANGED,
)
ROOM = RoomView(public_id=key(10), name="CT 1", site=key(11), updated_at=CHANGED)
STATION = StationView(
    public_id=key(9),
    ae_title="CT1",
    station_name="CT Room 1",
    modality="CT",
    room=key(10),
    room_name="CT 1",
    updated_at=CHANGED,
)
SITE = InstitutionView(
    public_id=key(11),
    name="Main site",
    institution="Test Hospital",
    address="Ringstraße 2, 1010 Wien",
    updated_at=CHANGED,
)
VISIT = VisitHit(visit(), key(1), CHANGED)

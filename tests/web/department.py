"""A small department with something in every state, so that every page has something to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, Actor, Role
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Direction, Protocol
from ris.domain.identifiers import new_uid
from ris.domain.orders import HoldOrder, OrderDetails, OrderReference, Priority, ProcedureRequest
from ris.domain.patients import PatientReference, Sex
from ris.domain.performing import CompletePerformedStep, PerformedDetails, StartPerformedStep
from ris.domain.reporting import SaveDraft, SignPreliminary
from ris.domain.scheduling import BookAppointment, RecordArrival
from ris.domain.values import Code, Identifier, PersonName
from ris.models import Delivery, DomainEvent, Endpoint, InboundMessage, Order, Report, User
from ris.services import execute, inbox
from ris.services.inbox import Answer
from tests import make, people

ORM = (
    b"MSH|^~\\&|EHR|HOSP|RIS|RAD|20260302080000||ORM^O01|MSG001|P|2.3.1\r"
    b"PID|||MRN900^^^HOSP^MR||Vavra^Petr||19610214|M\r"
    b"ORC|NW|PL900^EHR\r"
    b"OBR|1|PL900^EHR||CTHEAD^CT head^TEST\r"
)
ACK = b"MSH|^~\\&|RIS|RAD|EHR|HOSP|20260302080000||ACK^O01|A1|P|2.3.1\rMSA|AA|MSG001\r"


@dataclass(slots=True)
class Department:
    """Public ids of what stands for each state."""

    waiting: Order
    urgent: Order
    without_modality: Order
    booked: Order
    arrived: Order
    started: Order
    unread: Order
    drafted: Order
    draft: Report
    preliminary: Report
    final: Report
    held: Order
    unmatched: str
    rejected: InboundMessage
    delivery: Delivery
    late: Order


def today_at(hour: int, minute: int = 0) -> datetime:
    """A time of today in the site's zone."""
    zone = timezone.get_default_timezone()
    return datetime.combine(timezone.localdate(), time(hour, minute), zone)


def users(password: str = "demo") -> dict[str, User]:
    """A login for each role."""
    found = {}
    for role in (
        Role.SCHEDULER,
        Role.FRONTDESK,
        Role.TECHNOLOGIST,
        Role.RADIOLOGIST,
        Role.RESIDENT,
        Role.MANAGER,
        Role.ADMIN,
    ):
        name = role.value
        key = execute(
            CreateUser(
                username=name,
                password=password,
                roles=frozenset({role}),
                first_name=name.capitalize(),
                last_name="Muster",
            ),
            actor=OPERATOR,
        )
        found[name] = User.objects.get(pk=key)
    return found


def rooms() -> None:
    make.site("UTC")
    make.device("CT1", "CT", room="CT room")
    make.device("CT2", "CT", room="CT room two")
    make.device("US1", "US", room="Ultrasound")
    make.definition()
    make.definition(
        Code("USABD", "TEST", "Ultrasound of the abdomen"),
        modality="US",
        duration_minutes=30,
        preparation="Nothing to eat for six hours.",
    )
    make.definition(
        Code("CTKNEE", "TEST", "CT of the knee"), modality="CT", laterality_required=True
    )


def booked_at(start_at: datetime, device: str = "CT1", **overrides: Any) -> Order:
    order = make.order(**overrides)
    early = start_at.hour < 8  # before the rooms open, which a scheduler may agree with them
    execute(
        BookAppointment(
            step=str(make.step_of(order).public_id),
            device=device,
            start_at=start_at,
            overbook=early,
            reason="agreed with the room" if early else "",
        ),
        actor=people.scheduler,
    )
    order.refresh_from_db()
    return order


def arrive(order: Order) -> None:
    appointment = str(make.appointment_of(order).public_id)
    execute(
        RecordArrival(appointment=appointment, unchecked_reason="known here"),
        actor=people.frontdesk,
    )


def begin(order: Order, at: datetime | None = None) -> str:
    command = make.start(order, started_at=at or timezone.now() - timedelta(minutes=20))
    execute(command, actor=people.ct1)
    return command.sop_instance_uid


def perform(order: Order) -> None:
    uid = begin(order)
    execute(
        CompletePerformedStep(
            sop_instance_uid=uid,
            details=PerformedDetails(ended_at=timezone.now(), series=(make.series(),)),
        ),
        actor=people.ct1,
    )


def opened(reader: Client, exam: Order) -> Report:
    """The report that a reader began from the reading list."""
    reader.post("/reading/open/", {"procedure": str(exam.procedures.get().public_id)})
    return Report.objects.get(order=exam)


def radiologist() -> Actor:
    user = User.objects.get(username="radiologist")
    return Actor(
        people.radiologist.kind,
        "radiologist",
        people.radiologist.roles,
        user_id=user.pk,
        address="127.0.0.1",
    )


def person(family: str, given: str, number: str, **overrides: Any) -> PatientReference:
    return make.patient(number, name=PersonName.of(family, given), **overrides)


def fill() -> Department:
    """Everything at once; needs :func:`users` and :func:`rooms` first."""
    now = timezone.now()
    reader = radiologist()
    waiting = make.order(patient=person("Nováková", "Jana", "MRN001"))
    urgent = make.order(
        patient=person("Øster", "Lars", "MRN002", sex=Sex.MALE, allergies=("Penicillin",)),
        details=OrderDetails(priority=Priority.STAT, reason="Fall from a ladder, unconscious."),
    )
    without_modality = make.order(
        patient=person("Quist", "Ada", "MRN003"),
        procedures=(ProcedureRequest(code=Code("X99", "EHR", "Special examination")),),
    )
    booked = booked_at(now + timedelta(days=1), patient=person("Ito", "Ken", "MRN004"))
    late = booked_at(now - timedelta(minutes=25), "CT2", patient=person("Late", "Lena", "MRN005"))
    arrived = booked_at(now + timedelta(minutes=40), patient=person("Adler", "Uwe", "MRN006"))
    arrive(arrived)
    started = booked_at(now - timedelta(hours=1), patient=person("Silva", "Rita", "MRN007"))
    begin(started)
    unread = booked_at(now - timedelta(hours=3), patient=person("Moreau", "Luc", "MRN008"))
    perform(unread)
    drafted = booked_at(now - timedelta(hours=4), patient=person("Kowal", "Ewa", "MRN009"))
    perform(drafted)
    draft = make.opened_report(drafted)
    execute(SaveDraft(report=str(draft.public_id), sections=dict(make.TEXT)), actor=reader)
    second = booked_at(now - timedelta(hours=5), patient=person("Costa", "Rui", "MRN010"))
    perform(second)
    preliminary = make.opened_report(second)
    execute(
        SignPreliminary(report=str(preliminary.public_id), sections=dict(make.TEXT)), actor=reader
    )
    third = booked_at(now - timedelta(hours=6), patient=person("Lund", "Eva", "MRN011"))
    perform(third)
    final = make.final_report(third)
    held = make.order(patient=person("Haller", "Max", "MRN012"))
    execute(
        HoldOrder(order=OrderReference(public_id=str(held.public_id)), reason="Creatinine missing"),
        actor=people.scheduler,
    )
    unmatched = execute(
        StartPerformedStep(
            sop_instance_uid=new_uid(),
            station_ae_title="CT1",
            started_at=now - timedelta(minutes=50),
            modality="CT",
            patient_identifier=Identifier("MRN001", "HOSP"),
            patient_name="Novakova^Jana",
            patient_birth_date="19700503",
            details=PerformedDetails(description="CT without an order"),
        ),
        actor=people.ct1,
    )
    preliminary.refresh_from_db()
    draft.refresh_from_db()
    return Department(
        waiting=waiting,
        urgent=urgent,
        without_modality=without_modality,
        booked=booked,
        arrived=arrived,
        started=started,
        unread=unread,
        drafted=drafted,
        draft=draft,
        preliminary=preliminary,
        final=final,
        held=held,
        unmatched=unmatched,
        rejected=rejected_message(waiting),
        delivery=dead_delivery(third, final),
        late=late,
    )


def rejected_message(order: Order) -> InboundMessage:
    """An HL7 message that was refused, tied to an order by its number."""

    def apply() -> Answer:
        raise InvalidValueError("no such day", path="PID-7")

    receipt = inbox.receive(
        protocol=Protocol.HL7,
        actor=people.ehr,
        key="MSG001",
        raw=ORM,
        message_type="ORM^O01",
        sender="EHR^HOSP",
        apply=apply,
        refuse=lambda error: Answer(payload=ACK, outcome="AE"),
        references=[("accession", order.accession_number)],
    )
    return InboundMessage.objects.get(public_id=receipt.message)


def dead_delivery(order: Order, report: Report) -> Delivery:
    """A result that nobody took; written directly, as no network is at hand here."""
    endpoint = Endpoint.objects.get(
        public_id=make.endpoint("EHR", protocol=Protocol.HL7, direction=Direction.OUT)
    )
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        event=DomainEvent.objects.filter(name="ReportFinalized").last(),
        order=order,
        report=report,
        patient=order.patient,
        lane=f"report:{report.public_id}",
        control_id="OUT0001",
        message_type="ORU^R01",
        payload=ORM.replace(b"ORM^O01", b"ORU^R01"),
        state="DEAD",
        attempt_count=2,
        due_at=timezone.now(),
        last_error="connection refused",
    )
    for number in (1, 2):
        delivery.attempts.create(
            number=number,
            started_at=timezone.now(),
            ended_at=timezone.now(),
            result="TRANSIENT",
            error="connection refused",
        )
    return delivery


def version_in(page: Any) -> str:
    """Which state of what it shows a form was made from."""
    found = re.search(r'name="version" value="(\w+)"', page.content.decode())
    assert found is not None
    return found[1]


def whole(client: Client, path: str) -> str:
    """A page with the parts that it fetches by itself, as a browser shows it."""
    answer = client.get(path)
    parts = re.findall(r'hx-get="([^"]+)" hx-trigger="load"', answer.content.decode())
    answers = [answer, *(client.get(part, headers={"HX-Request": "true"}) for part in parts)]
    assert [each.status_code for each in answers] == [200] * len(answers)
    return "".join(each.content.decode() for each in answers)

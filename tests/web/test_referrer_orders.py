"""The pages on which a referring doctor orders: what is asked, what is missing, what is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from ris.domain.critical import FlagCriticalResult
from ris.domain.referring import (
    GrantReferrerAccess,
)
from ris.models import (
    AuditEvent,
    DomainEvent,
    FollowUp,
    Order,
    Patient,
    Practitioner,
    ProcedureDefinition,
)
from ris.services import execute
from tests import ground, make, people
from tests import referring as build
from tests.referring import OTTO, Doctors
from tests.services.exams import begin
from tests.web.referrer_pages import browser, doctors_at_work

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctors(db: None, noon: Any) -> Doctors:
    made, at = ground.begin("referrer pages", doctors_at_work)
    noon.move_to(at)
    cache.clear()
    return made


@pytest.fixture
def olga(doctors: Doctors) -> Client:
    return browser(doctors.olga)


def typed(**said: str) -> dict[str, str]:
    exam = ProcedureDefinition.objects.get(code="CTHEAD")
    return {
        "token": "one",
        "procedure": str(exam.public_id),
        "priority": "ROUTINE",
        "reason": "Headache for six weeks",
        "callback_phone": "+43 1 5550100",
        "again": "on",  # these patients are to have it already
        **said,
    }


def new_person(**said: str) -> dict[str, str]:
    fields = {
        "family_name": "Neu",
        "given_name": "Nina",
        "birth_date": "1981-09-02",
        "sex": "F",
        "phone": "0664 123456",
        **said,
    }
    return {f"new-{name}": text for name, text in fields.items()}


def test_an_order_for_an_own_patient_is_one_page(olga: Client) -> None:
    patient = build.order().patient
    page = olga.get(f"/referrer/new/?patient={patient.public_id}").content.decode()
    assert "BERG, Anna" in page
    assert "You have open orders for this patient" in page

    asked = olga.post("/referrer/new/", typed(patient=str(patient.public_id), again=""))
    count = Order.objects.count()
    answer = olga.post("/referrer/new/", typed(patient=str(patient.public_id)))

    placed = Order.objects.latest("id")
    assert (asked.status_code, count) == (422, 1)
    assert "the patient is to have this exam already" in asked.content.decode()
    assert (answer.status_code, answer["Location"]) == (
        303,
        f"/referrer/orders/{placed.public_id}/",
    )
    assert (placed.patient, placed.requester_identifier, placed.callback_phone) == (
        patient,
        "D100",
        "+43 1 5550100",
    )


def test_a_cancellation_that_came_too_late_is_seen_by_whoever_works_on_the_exam(
    olga: Client,
) -> None:
    order = build.order()
    at = f"/referrer/orders/{order.public_id}/"
    offered = olga.get(at).content.decode()
    begin(order)

    answer = olga.post(f"{at}cancel/", {"reason": "Feels well"}, follow=True)

    order.refresh_from_db()
    page = answer.content.decode()
    assert f'action="{at}cancel/"' in offered
    assert (order.status, order.cancel_asked["reason"]) == ("ACTIVE", "Feels well")
    assert FollowUp.objects.get(kind="ASKED").detail == "Feels well"
    event = DomainEvent.objects.get(name="CancellationRefused")
    assert (event.actor_kind, event.actor_name) == ("user", "olga")
    assert "The exam has begun, so it is not canceled." in page
    assert "The ordering side asked to cancel this" in page


def test_a_double_click_orders_once(olga: Client) -> None:
    patient = build.order().patient
    form = typed(patient=str(patient.public_id))

    first, second = olga.post("/referrer/new/", form), olga.post("/referrer/new/", form)

    assert first["Location"] == second["Location"]
    assert Order.objects.count() == 2


def test_all_that_is_missing_is_told_at_once_and_nothing_is_sent(olga: Client) -> None:
    patient = build.order().patient
    hand = ProcedureDefinition.objects.get(code="XRHAND")

    answer = olga.post(
        "/referrer/new/",
        typed(
            patient=str(patient.public_id),
            procedure=str(hand.public_id),
            reason="?",
            callback_phone="",
        ),
    )

    page = answer.content.decode()
    assert answer.status_code == 422
    listed = re.search(r'id="lacks".*?</ul>', page, re.S)
    assert listed is not None
    assert [
        re.sub(r"<.*?>", "", each).strip() for each in re.findall(r"<li>(.*?)</li>", listed[0])
    ] == [
        "The side for X-ray of the hand.",
        "The reason for the exam: what is to be found out, and why.",
        "A phone number where you can be reached for questions and critical findings.",
    ]
    assert "Send all the same" not in page
    assert Order.objects.count() == 1


def test_open_safety_questions_are_named_and_may_follow(olga: Client) -> None:
    from ris.domain.safety import AnswerKind, DefineSafetyQuestion, QuestionDetails

    execute(
        DefineSafetyQuestion(
            question=QuestionDetails(code="PACE", words="Pacemaker?", kind=AnswerKind.YES_NO)
        ),
        actor=people.manager,
    )
    patient = build.order().patient
    form = typed(patient=str(patient.public_id))

    first = olga.post("/referrer/new/", form)

    assert first.status_code == 422
    assert "The safety question “Pacemaker?”." in first.content.decode()
    assert Order.objects.count() == 1
    assert olga.post("/referrer/new/", {**form, "anyway": "on"}).status_code == 303
    assert olga.post("/referrer/new/", {**form, "token": "two", "a-PACE": "no"}).status_code == 303
    assert Order.objects.count() == 3


def test_somebody_new_is_entered_with_the_order(olga: Client) -> None:
    answer = olga.post("/referrer/new/", typed(**new_person()))

    assert answer.status_code == 303
    assert Order.objects.get().patient.name == "Neu^Nina"


def test_half_a_person_is_not_entered(olga: Client) -> None:
    answer = olga.post("/referrer/new/", typed(**new_person(birth_date="1981", phone="")))

    assert answer.status_code == 422
    assert "The whole date is needed" in answer.content.decode()
    assert Patient.objects.count() == 0
    assert olga.post("/referrer/new/", typed()).status_code == 422


def test_a_known_patient_is_named_by_number_and_birth_date(olga: Client) -> None:
    known = build.order(OTTO, patient=make.patient("MRN77")).patient
    asked = {"identify": "1", "proof-number": "MRN77"}

    wrong = olga.post("/referrer/new/", typed(**asked, **{"proof-birth_date": "1970-05-04"}))
    right = olga.post("/referrer/new/", typed(**asked, **{"proof-birth_date": "1970-05-03"}))

    assert wrong.status_code == 422
    assert "BERG" not in wrong.content.decode()
    assert f'name="patient" value="{known.public_id}"' in right.content.decode()
    sent = olga.post(
        "/referrer/new/",
        typed(patient=str(known.public_id), proof_number="MRN77", proof_birth_date="1970-05-03"),
    )
    assert sent.status_code == 303
    assert Order.objects.latest("id").patient == known
    assert AuditEvent.objects.filter(action="IdentifyPatient").count() == 2


def test_of_several_doctors_one_has_to_be_named(doctors: Doctors) -> None:
    """An order in the wrong name is read by the wrong one."""
    patient = build.order().patient
    otto = Practitioner.objects.get(identifier="D200")
    execute(
        GrantReferrerAccess(username="olga", practitioner=str(otto.public_id)),
        actor=people.manager,
    )
    client = browser(doctors.olga)
    form = typed(patient=str(patient.public_id))

    assert client.post("/referrer/new/", form).status_code == 422
    client.post("/referrer/new/", {**form, "requester": str(otto.public_id)})

    assert Order.objects.latest("id").requester_identifier == "D200"


def test_a_critical_finding_stands_on_the_page_until_it_is_known(olga: Client) -> None:
    order = build.performed()
    make.final_report(order)
    finding = execute(
        FlagCriticalResult(
            finding="Bleeding", category="RED", procedure=str(order.procedures.get().public_id)
        ),
        actor=people.radiologist,
    )
    address = f"/referrer/orders/{order.public_id}/"
    assert "I know of it and act on it" in olga.get(address).content.decode()

    olga.post(f"/referrer/findings/{finding}/known/", {"next": address})

    page = olga.get(address).content.decode()
    assert "I know of it" not in page
    assert "Acknowledged by Olga Test" in page
    assert "Critical finding" in olga.get("/referrer/").content.decode()


def test_numbers_are_not_tried_out(olga: Client) -> None:
    build.order(OTTO, patient=make.patient("MRN77"))
    wrong = typed(identify="1", **{"proof-number": "MRN1", "proof-birth_date": "1970-05-03"})
    right = {**wrong, "proof-number": "MRN77"}

    for _ in range(8):
        assert olga.post("/referrer/new/", wrong).status_code == 422

    answer = olga.post("/referrer/new/", right)
    assert answer.status_code == 429
    assert "BERG" not in answer.content.decode()


def test_without_a_link_there_is_nothing_to_order(db: None) -> None:
    client = browser(build.login("alone"))

    assert client.get("/referrer/new/").status_code == 403
    assert "Nothing is linked to this login yet" in client.get("/referrer/").content.decode()


def test_the_questions_of_an_exam_come_with_it(olga: Client) -> None:
    from ris.domain.safety import AnswerKind, DefineSafetyQuestion, QuestionDetails

    execute(
        DefineSafetyQuestion(
            question=QuestionDetails(code="PACE", words="Pacemaker?", kind=AnswerKind.YES_NO)
        ),
        actor=people.manager,
    )

    part = olga.post("/referrer/new/safety/", typed()).content.decode()

    assert "Pacemaker?" in part

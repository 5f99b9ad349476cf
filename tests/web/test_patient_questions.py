"""Safety questions that patients answer at their page: known at once, settled by a person only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from ris.domain.actors import Role, patient_actor
from ris.domain.errors import DeniedError
from ris.domain.safety import (
    AnswerSafetyQuestions,
    AnswerSource,
    DefineSafetyQuestion,
    Gate,
    NotReadyError,
    QuestionDetails,
    SafetyAnswerGiven,
    Told,
    parse_rules,
)
from ris.domain.safety_declared import DeclareSafetyAnswers
from ris.models import Appointment, DeclaredAnswer, DomainEvent, Order, SafetyAnswer
from ris.selectors import safety
from ris.selectors.safety_known import with_proposals
from ris.services import execute
from ris.services.safety import require_answered
from tests import make, people
from tests.web.department import booked_at, today_at
from tests.web.test_patient_link import appointment_of, opened

As = Callable[[str], Client]
IMPLANT = QuestionDetails(
    code="IMPLANT",
    words="An implant?",
    patient_words="Do you have an implant?",
    unsafe=parse_rules("is yes"),
    override=(Role.RADIOLOGIST,),
    told=Told.ALLERGY,
)
ESCORT = QuestionDetails(code="ESCORT", words="Escort needed?", position=200)


@pytest.fixture
def order(rooms: None) -> Order:
    for question in (IMPLANT, ESCORT):
        execute(DefineSafetyQuestion(question=question), actor=people.manager)
    return booked_at(today_at(10) + timedelta(days=7))


def say(order: Order, value: str) -> Client:
    """The patient answers at the page."""
    client, page = opened(order)
    answer = client.post(f"{page}questions/", {"a-IMPLANT": value})
    assert (answer.status_code, answer["Location"]) == (303, f"{page}?done=answered")
    return client


def confirm(order: Order, value: str) -> None:
    """A person asks, and keeps the answer that counts."""
    given = (
        SafetyAnswerGiven(question="IMPLANT", value=value),
        SafetyAnswerGiven(question="ESCORT", value="no"),
    )
    execute(
        AnswerSafetyQuestions(step=str(make.step_of(order).public_id), answers=given),
        actor=people.technologist,
    )


def start_is_refused(order: Order) -> bool:
    step = safety.find_step(str(make.step_of(order).public_id))
    assert step is not None
    try:
        require_answered(step, Gate.START)
    except NotReadyError:
        return True
    return False


def test_page_asks_in_the_patients_words_and_only_what_has_them(order: Order) -> None:
    client, page = opened(order)

    asked = client.get(f"{page}questions/").content.decode()

    assert "Do you have an implant?" in asked
    assert "An implant?" not in asked
    assert "Escort" not in asked
    assert f"{page}questions/" in client.get(page).content.decode()


def test_what_the_patient_says_settles_nothing(order: Order) -> None:
    say(order, "no")

    row = DeclaredAnswer.objects.get()
    assert (row.value, row.words) == ("no", "Do you have an implant?")
    assert SafetyAnswer.objects.count() == 0
    assert start_is_refused(order)
    event = DomainEvent.objects.get(name="SafetyAnswersDeclared")
    assert (event.payload["questions"], event.payload["unsafe"]) == (["IMPLANT"], [])


def test_a_person_sees_it_and_confirms_it(order: Order, as_: As) -> None:
    say(order, "no")
    client, step = as_("technologist"), make.step_of(order)
    address = f"/safety/{step.public_id}/"

    page = client.get(address).content.decode()
    client.post(address, {"a-IMPLANT": "no", "a-ESCORT": "no"})
    unconfirmed = SafetyAnswer.objects.filter(question__code="IMPLANT").count()
    client.post(address, {"a-IMPLANT": "no", "confirm-IMPLANT": "1"})

    assert "said by the patient" in page
    assert unconfirmed == 0
    assert SafetyAnswer.objects.get(question__code="IMPLANT").source == AnswerSource.PATIENT
    assert not start_is_refused(order)


def test_who_says_otherwise_opens_the_question_again(order: Order) -> None:
    confirm(order, "no")
    assert not start_is_refused(order)

    say(order, "yes")

    assert start_is_refused(order)
    event = DomainEvent.objects.get(name="SafetyAnswersDeclared")
    assert (event.payload["unsafe"], event.payload["reopened"]) == (["IMPLANT"], ["IMPLANT"])
    kept = SafetyAnswer.objects.get(question__code="IMPLANT")
    assert (kept.value, kept.superseded_at is not None) == ("no", True)


def test_who_says_that_it_is_safe_lifts_no_block(order: Order) -> None:
    confirm(order, "yes")

    say(order, "no")

    counts = SafetyAnswer.objects.get(question__code="IMPLANT", superseded_at=None)
    assert counts.value == "yes"
    assert start_is_refused(order)


def test_what_is_known_to_be_unsafe_is_proposed_before_what_the_patient_says(order: Order) -> None:
    order.patient.allergies = ["Iodine contrast"]
    order.patient.save(update_fields=["allergies"])
    say(order, "no")
    step = safety.find_step(str(make.step_of(order).public_id))
    assert step is not None

    proposal = with_proposals(step, safety.state(step)).checks[0].proposal

    assert proposal is not None
    assert (proposal.value, proposal.source) == ("yes", AnswerSource.RECORD)


def test_the_same_again_changes_nothing(order: Order) -> None:
    say(order, "no")
    say(order, "no")

    assert DeclaredAnswer.objects.count() == 1
    assert DomainEvent.objects.filter(name="SafetyAnswersDeclared").count() == 1


def test_nobody_answers_for_another_appointment_or_without_the_birth_date(order: Order) -> None:
    opened(order)
    other = Appointment.objects.get(order=booked_at(today_at(14) + timedelta(days=7)))
    given = (SafetyAnswerGiven(question="IMPLANT", value="no"),)

    with pytest.raises(DeniedError):
        execute(
            DeclareSafetyAnswers(appointment=str(other.public_id), answers=given),
            actor=patient_actor(str(appointment_of(order).public_id)),
        )
    with pytest.raises(DeniedError):
        execute(
            DeclareSafetyAnswers(appointment=str(other.public_id), answers=given),
            actor=people.radiologist,
        )

    assert DeclaredAnswer.objects.count() == 0


def test_desk_reads_what_was_said(order: Order, as_: As) -> None:
    say(order, "yes")

    page = as_("frontdesk").get(f"/appointments/{appointment_of(order).public_id}/patient/")

    text = page.content.decode()
    assert "Said by the patient, to be confirmed" in text
    assert "An implant?" in text

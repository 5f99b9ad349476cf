"""A new order on one page: patient, exams, times, drafts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from ris.domain.accounts import SetRoles
from ris.domain.actors import TIMER, Role
from ris.domain.drafts import ForgetOrderDrafts
from ris.models import (
    Order,
    OrderDraft,
    Patient,
    Practitioner,
    ProcedureDefinition,
    SafetyAnswer,
    User,
)
from ris.services import execute
from tests import make, people
from tests.web.department import today_at

As = Callable[[str], Client]

BERG = {"new-family_name": "Berg", "new-given_name": "Anna", "new-birth_date": "1970-05-03"}


def key(code: str = "CTHEAD") -> str:
    return str(ProcedureDefinition.objects.get(code=code).public_id)


def form(**overrides: Any) -> dict[str, Any]:
    return {
        "token": "token-2",
        "procedure": key(),
        "priority": "ROUTINE",
        "reason": "Headache",
        "requester": "Ordonez, Olga",
        "when": "later",
        "again": "on",  # many patients here are to have it already
        **overrides,
    }


def test_patient_and_order_are_entered_together(as_: As, rooms: None) -> None:
    response = as_("frontdesk").post(
        "/orders/new/", form(**BERG, **{"new-sex": "F", "new-phone": "0123"})
    )

    order = Order.objects.get()
    assert response.status_code == 303
    assert response["Location"] == f"/orders/{order.public_id}/"
    assert (order.patient.name, order.patient.birth_date) == ("Berg^Anna", "1970-05-03")
    assert order.patient.identifiers.count() == 1  # a number of ours


def test_whoever_is_known_already_is_shown_with_the_reasons(as_: As, rooms: None) -> None:
    make.order()
    client = as_("frontdesk")

    refused = client.post("/orders/new/", form(**BERG))
    hint = client.post("/orders/new/alike/", BERG)
    before = (Order.objects.count(), Patient.objects.count())
    placed = client.post("/orders/new/", form(**BERG, **{"new-known": "on"}))

    assert refused.status_code == 422
    assert before == (1, 1)
    for text in (refused.content.decode(), hint.content.decode()):
        assert "Is it one of these, who are known already?" in text
        assert "same name" in text
        assert "same birth date" in text
    assert 'value="Headache"' not in refused.content.decode()
    assert "Headache</textarea>" in refused.content.decode()  # what was typed is still there
    assert placed.status_code == 303
    assert (Order.objects.count(), Patient.objects.count()) == (2, 2)


def test_a_form_sent_again_leads_to_the_order_it_made(as_: As, rooms: None) -> None:
    first, again = (as_("frontdesk").post("/orders/new/", form(**BERG)) for _ in range(2))

    assert (first.status_code, again.status_code) == (303, 303)
    assert again["Location"] == first["Location"]
    assert (Order.objects.count(), Patient.objects.count()) == (1, 1)


def test_an_exam_the_patient_is_to_have_already_is_asked_about_before_it_is_ordered_once_more(
    as_: As, rooms: None
) -> None:
    client = as_("frontdesk")
    client.post("/orders/new/", form(**BERG))
    order = Order.objects.get()
    once_more = form(again="", token="token-3", patient=str(order.patient.public_id))

    asked = client.post("/orders/new/", once_more)
    count = Order.objects.count()
    other = client.post("/orders/new/", {**once_more, "procedure": key("CTKNEE"), "side": "L"})
    same = client.post("/orders/new/", {**once_more, "token": "token-4", "again": "on"})

    page = asked.content.decode()
    assert (asked.status_code, count) == (422, 1)
    assert "Nothing was ordered yet: the patient is to have this exam already." in page
    assert f'href="/orders/{order.public_id}/"' in page
    assert order.accession_number in page
    assert (other.status_code, same.status_code, Order.objects.count()) == (303, 303, 3)


def test_the_other_side_and_what_was_done_already_is_no_exam_ordered_twice(
    as_: As, rooms: None
) -> None:
    client = as_("frontdesk")
    client.post("/orders/new/", form(**BERG, procedure=key("CTKNEE"), side="L"))
    knee = Order.objects.get()
    again = form(again="", patient=str(knee.patient.public_id), procedure=key("CTKNEE"))

    codes = [
        client.post("/orders/new/", {**again, "token": f"token-{side}", "side": side}).status_code
        for side in ("R", "L")
    ]

    assert codes == [303, 422]


def test_an_order_for_nobody_is_refused(as_: As, rooms: None) -> None:
    response = as_("scheduler").post("/orders/new/", form())

    assert response.status_code == 422
    assert "Say whom the order is for" in response.content.decode()
    assert Order.objects.count() == 0


def test_a_number_that_is_taken_registers_nobody_and_places_nothing(as_: As, rooms: None) -> None:
    known = make.order().patient.identifiers.get()
    said = {**BERG, "new-number": known.value, "new-issuer": known.issuer, "new-known": "on"}

    response = as_("scheduler").post("/orders/new/", form(**said))

    assert response.status_code == 409
    assert (Order.objects.count(), Patient.objects.count()) == (1, 1)


def test_patient_is_found_without_a_script(as_: As, rooms: None) -> None:
    patient = make.order().patient

    text = as_("scheduler").post("/orders/new/", form(find="1", who="Berg")).content.decode()

    assert f"/orders/new/?patient={patient.public_id}" in text
    assert "Headache</textarea>" in text


def test_several_exams_are_one_order(as_: As, rooms: None) -> None:
    patient = make.order().patient

    as_("scheduler").post(
        "/orders/new/",
        form(patient=str(patient.public_id), procedure_2=key("CTKNEE"), side_2="L"),
    )

    order = Order.objects.latest("id")
    assert [(p.code_value, p.laterality) for p in order.procedures.order_by("id")] == [
        ("CTHEAD", ""),
        ("CTKNEE", "L"),
    ]


def test_another_row_is_given_without_a_script(as_: As, rooms: None) -> None:
    text = as_("scheduler").post("/orders/new/", form(more="1")).content.decode()

    assert 'name="procedure_2"' in text
    assert 'name="procedure_3"' not in text


def test_requester_who_is_known_comes_with_the_number(as_: As, rooms: None) -> None:
    Practitioner.objects.create(name="Ordonez^Olga", identifier="D17", issuer="HOSP")
    patient = make.order().patient
    client = as_("scheduler")

    options = client.get("/orders/new/requesters/?requester=ordo").content.decode()
    client.post(
        "/orders/new/",
        form(patient=str(patient.public_id), requester="Ordonez, Olga (D17)"),
    )

    order = Order.objects.latest("id")
    assert 'value="Ordonez, Olga (D17)"' in options
    assert (order.requester, order.requester_identifier) == ("Ordonez^Olga", "D17")


def test_whoever_types_the_order_is_not_who_requested_it(as_: As, rooms: None) -> None:
    client = as_("frontdesk")

    text = client.get("/orders/new/").content.decode()
    client.post("/orders/new/", form(**BERG, requester=requester_in(text)))

    assert requester_in(text) == ""
    assert Order.objects.get().requester == ""


def test_doctor_who_types_an_order_is_filled_in_as_the_requester(
    as_: As, rooms: None, users: dict[str, User]
) -> None:
    roles = frozenset({Role.RADIOLOGIST, Role.SCHEDULER})
    execute(SetRoles(username="radiologist", roles=roles), actor=people.admin)

    text = as_("radiologist").get("/orders/new/").content.decode()

    assert requester_in(text) == "Muster, Radiologist (radiologist)"


def requester_in(page: str) -> str:
    """What stands in the field."""
    field = re.search(r'<input[^>]*name="requester"[^>]*>', page)
    assert field is not None
    value = re.search(r'value="([^"]*)"', field[0])
    return value[1] if value else ""


# --- times


def test_first_free_times_are_shown_and_the_first_is_booked(as_: As, rooms: None) -> None:
    patient = make.order().patient
    client = as_("scheduler")

    offered = client.post("/orders/new/times/", form()).content.decode()
    response = client.post("/orders/new/", form(patient=str(patient.public_id), when="first"))

    order = Order.objects.latest("id")
    step = make.step_of(order)
    assert "First free: " in offered
    assert response["Location"] == f"/orders/{order.public_id}/"
    assert step.status == "SCHEDULED"
    assert step.start_at is not None


def test_a_wish_that_can_be_met_is_booked(as_: As, rooms: None) -> None:
    patient = make.order().patient
    wish = today_at(15) + timedelta(days=1)

    as_("scheduler").post(
        "/orders/new/",
        form(
            patient=str(patient.public_id),
            when="wish",
            wished_day=wish.date().isoformat(),
            wished_at="15:00",
        ),
    )

    step = make.step_of(Order.objects.latest("id"))
    assert (step.status, step.start_at) == ("SCHEDULED", wish)


def test_a_wish_that_cannot_be_met_leads_to_the_slot_finder(as_: As, rooms: None) -> None:
    patient = make.order().patient
    night = today_at(3) + timedelta(days=1)

    response = as_("scheduler").post(
        "/orders/new/",
        form(
            patient=str(patient.public_id),
            when="wish",
            wished_day=night.date().isoformat(),
            wished_at="03:00",
        ),
    )

    step = make.step_of(Order.objects.latest("id"))
    assert response["Location"] == f"/book/{step.public_id}/"
    assert (step.status, step.wished_at) == ("PENDING", night)


# --- drafts


def save(client: Client, **said: Any) -> str:
    response = client.post("/orders/new/draft/", {"reason": "Headache", **said})
    assert response.status_code == 200
    return str(OrderDraft.objects.latest("id").public_id)


def test_what_is_typed_is_there_after_a_login_elsewhere(as_: As, rooms: None) -> None:
    draft = save(as_("scheduler"), **BERG, procedure=key())

    elsewhere = as_("scheduler")
    listed = elsewhere.get("/orders/new/").content.decode()
    text = elsewhere.get(f"/orders/new/?draft={draft}").content.decode()

    assert "1 draft that was not sent" in listed
    assert "Berg, Anna: CT head without contrast" in listed
    assert "Headache</textarea>" in text
    assert 'value="Berg"' in text


def test_a_draft_is_saved_again_and_not_twice(as_: As, rooms: None) -> None:
    client = as_("scheduler")
    draft = save(client)

    save(client, draft=draft, reason="Headache, worse")

    kept = OrderDraft.objects.get()
    assert kept.content["reason"] == ["Headache, worse"]


def test_nobody_sees_or_discards_the_draft_of_another(as_: As, rooms: None) -> None:
    draft = save(as_("scheduler"))
    other = as_("frontdesk")

    text = other.get(f"/orders/new/?draft={draft}").content.decode()
    discarded = other.post(f"/orders/drafts/{draft}/discard/")
    changed = other.post("/orders/new/draft/", {"draft": draft, "reason": "x"})

    assert "Headache" not in text
    assert (discarded.status_code, changed.status_code) == (404, 404)
    assert OrderDraft.objects.get().content["reason"] == ["Headache"]


def test_a_draft_that_was_sent_is_gone(as_: As, rooms: None) -> None:
    client = as_("scheduler")
    draft = save(client)

    client.post("/orders/new/", form(**BERG, draft=draft))

    assert (Order.objects.count(), OrderDraft.objects.count()) == (1, 0)


def test_nothing_is_kept_of_an_empty_form(as_: As, rooms: None) -> None:
    response = as_("scheduler").post(
        "/orders/new/draft/", {"reason": " ", "priority": "ROUTINE", "when": "later"}
    )

    assert response.status_code == 204
    assert OrderDraft.objects.count() == 0


def test_drafts_are_forgotten_after_a_week(
    as_: As, rooms: None, noon: time_machine.Traveller
) -> None:
    save(as_("scheduler"))

    noon.shift(timedelta(days=6, hours=23))
    kept = execute(ForgetOrderDrafts(), actor=TIMER)
    noon.shift(timedelta(hours=2))
    forgotten = execute(ForgetOrderDrafts(), actor=TIMER)

    assert (kept, forgotten) == (0, 1)


def test_an_earlier_order_is_copied(as_: As, rooms: None) -> None:
    order = make.order()
    address = f"/orders/new/?patient={order.patient.public_id}&copy={order.public_id}"

    text = as_("scheduler").get(address).content.decode()

    assert "headache</textarea>" in text
    assert f'value="{key()}"' in text.replace("\n", " ")
    assert 'value="Ordonez, Olga"' in text


def test_an_order_of_another_patient_is_not_copied(as_: As, rooms: None) -> None:
    order, other = make.order(), make.order()
    address = f"/orders/new/?patient={other.patient.public_id}&copy={order.public_id}"

    assert as_("scheduler").get(address).status_code == 409


# --- safety


@pytest.mark.parametrize(
    ("sex", "birth_date", "is_asked"),
    [("F", "1990-05-03", True), ("", "1990", True), ("M", "1990", False), ("F", "1940", False)],
)
def test_safety_questions_are_those_of_exam_and_person(
    as_: As, pregnancy: None, sex: str, birth_date: str, is_asked: bool
) -> None:
    text = (
        as_("scheduler")
        .post("/orders/new/safety/", form(**{"new-sex": sex, "new-birth_date": birth_date}))
        .content.decode()
    )

    assert ("Is she pregnant?" in text) is is_asked


def test_answers_come_with_the_order_and_open_the_way_to_a_time(as_: As, pregnancy: None) -> None:
    woman = {**BERG, "new-birth_date": "1990-05-03", "new-sex": "F"}
    client = as_("scheduler")

    client.post("/orders/new/", form(**woman, when="first", **{"a-PREG": "no"}))

    order = Order.objects.get()
    answer = SafetyAnswer.objects.get()
    assert (answer.value, make.step_of(order).status) == ("no", "SCHEDULED")


def test_without_an_answer_the_order_waits_and_says_why(as_: As, pregnancy: None) -> None:
    woman = {**BERG, "new-birth_date": "1990-05-03", "new-sex": "F"}
    client = as_("scheduler")

    response = client.post("/orders/new/", form(**woman, when="first"))

    step = make.step_of(Order.objects.get())
    assert step.status == "PENDING"
    assert response["Location"] == f"/book/{step.public_id}/"
    assert "Not booked:" in client.get("/orders/").content.decode()

"""The technologist's room: ready, begin, complete, end early."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.patients import PatientReference
from ris.domain.safety import DefineSafetyQuestion, Gate, QuestionDetails, parse_rules
from ris.models import Order, PerformedProcedureStep
from ris.services import execute
from tests import make, people
from tests.web.department import arrive, begin, booked_at, person, today_at

As = Callable[[str], Client]


@pytest.fixture
def order(rooms: None) -> Order:
    order = booked_at(today_at(12, 30))
    arrive(order)
    return order


def begin_form(order: Order) -> dict[str, str]:
    step = make.step_of(order)
    return {"step": str(step.public_id), "version": str(step.version)}


def test_exam_by_hand_goes_from_ready_to_completed(as_: As, order: Order) -> None:
    client = as_("technologist")

    client.post("/room/CT1/ready/", {"step": str(make.step_of(order).public_id)})
    ready = make.step_of(order).status
    client.post("/room/CT1/begin/", begin_form(order))
    performed = PerformedProcedureStep.objects.get()
    started = make.step_of(order).status
    client.post("/room/CT1/complete/", {"performed": performed.sop_instance_uid})

    performed.refresh_from_db()
    assert (ready, started, make.step_of(order).status) == ("READY", "STARTED", "COMPLETED")
    assert (performed.origin, performed.station_ae_title) == ("MANUAL", "CT1")
    assert performed.status == "COMPLETED"
    assert order.procedures.get().stage == "PERFORMED"


def test_double_click_begins_once(as_: As, order: Order) -> None:
    client = as_("technologist")
    form = begin_form(order)

    first = client.post("/room/CT1/begin/", form)
    second = client.post("/room/CT1/begin/", form)

    assert (first.status_code, second.status_code) == (303, 409)
    assert PerformedProcedureStep.objects.count() == 1


def test_page_that_is_older_than_the_device_does_not_begin_again(as_: As, order: Order) -> None:
    form = begin_form(order)
    begin(order)

    response = as_("technologist").post("/room/CT1/begin/", form)

    assert response.status_code == 409
    assert PerformedProcedureStep.objects.count() == 1


def test_ending_early_needs_a_reason_of_the_list(as_: As, order: Order) -> None:
    client = as_("technologist")
    uid = begin(order)

    without = client.post("/room/CT1/discontinue/", {"performed": uid, "reason": ""})
    unchanged = make.step_of(order).status
    client.post("/room/CT1/discontinue/", {"performed": uid, "reason": "110505"})

    performed = PerformedProcedureStep.objects.get()
    assert (without.status_code, unchanged) == (422, "STARTED")
    assert make.step_of(order).status == "DISCONTINUED"
    assert performed.discontinuation_reason["value"] == "110505"
    assert performed.discontinuation_reason["scheme"] == "DCM"


def test_room_lists_its_own_exams_of_the_day(as_: As, order: Order) -> None:
    elsewhere = booked_at(today_at(13), "CT2")
    tomorrow = booked_at(today_at(13) + timedelta(days=1), "CT1")

    page = as_("technologist").get("/room/CT1/").content.decode()

    assert f"/orders/{order.public_id}/" in page
    assert f"/orders/{elsewhere.public_id}/" not in page
    assert f"/orders/{tomorrow.public_id}/" not in page


def test_exam_of_yesterday_that_never_ended_is_still_listed(as_: As, rooms: None) -> None:
    order = booked_at(timezone.now() - timedelta(days=1))
    begin(order, timezone.now() - timedelta(days=1))

    page = as_("technologist").get("/room/CT1/").content.decode()

    assert f"/orders/{order.public_id}/" in page
    assert "Scanner reported begin" in page


def test_room_may_be_named_instead_of_its_device(as_: As, rooms: None) -> None:
    client = as_("technologist")

    assert client.get("/room/CT room/").status_code == 200
    assert client.get("/room/nowhere/").status_code == 404


def test_who_should_be_here_by_now_is_marked_late(as_: As, order: Order) -> None:
    late = booked_at(today_at(11), patient=person("Late", "Lena", "MRN005"))
    later = booked_at(today_at(14), patient=person("Ito", "Ken", "MRN004"))

    text = as_("technologist").get("/room/CT1/").content.decode()

    rows = {name: row_of(text, name) for name in (late, later)}
    assert 'class="late"' in rows[late]
    assert "1 h late" in rows[late]
    assert "late" not in rows[later]


def row_of(page: str, order: Order) -> str:
    return page.partition(f'<tr id="s-{make.step_of(order).public_id}"')[2].partition("</tr>")[0]


def test_begin_that_waits_for_an_answer_is_not_possible_yet(as_: As, order: Order) -> None:
    question = QuestionDetails(
        code="IMPLANT",
        words="Is there a pacemaker?",
        modalities=("CT",),
        gate=Gate.START,
        unsafe=parse_rules("is yes"),
    )
    execute(DefineSafetyQuestion(question=question), actor=people.admin)

    text = as_("technologist").post("/room/CT1/begin/", begin_form(order)).content.decode()

    assert "Not possible yet" in text
    assert "Answer the questions" in text
    assert make.step_of(order).status == "ARRIVED"


# --- one room, two patients


@pytest.fixture
def running(rooms: None) -> Order:
    """Somebody else who is in the room already, by the device."""
    order = booked_at(today_at(11), patient=person("Ito", "Ken", "MRN004"))
    begin(order)
    return order


def test_second_exam_in_a_room_is_begun_only_when_told_so_twice(
    as_: As, order: Order, running: Order
) -> None:
    client = as_("technologist")

    asked = client.post("/room/CT1/begin/", begin_form(order))
    unchanged = make.step_of(order).status
    text = asked.content.decode()
    told = client.post(
        "/room/CT1/begin/",
        {**begin_form(order), "beside": str(make.step_of(running).public_id)},
    )

    assert (asked.status_code, unchanged) == (409, "ARRIVED")
    assert "The exam of ITO, Ken is still in progress here" in text
    assert "Nothing was begun yet." in text
    assert f'href="/room/CT1/?exam={make.step_of(running).public_id}&amp;day=' in text
    assert "ITO, Ken, CT head without contrast: since today 11:40, told by the device" in plain(
        text
    )
    assert "Begin BERG, Anna all the same" in text
    assert f'name="beside" value="{make.step_of(running).public_id}"' in text
    assert (told.status_code, make.step_of(order).status) == (303, "STARTED")


def test_whoever_was_begun_after_the_question_is_asked_about_too(
    as_: As, order: Order, running: Order
) -> None:
    beside = str(make.step_of(running).public_id)
    third = booked_at(today_at(14), patient=person("Silva", "Rita", "MRN007"))
    begin(third)

    asked = as_("technologist").post("/room/CT1/begin/", {**begin_form(order), "beside": beside})

    assert asked.status_code == 409
    assert "SILVA, Rita" in asked.content.decode()


def test_exams_of_one_patient_are_begun_together_unasked(as_: As, order: Order) -> None:
    begin(order)
    same = PatientReference(public_id=str(order.patient.public_id))
    second = booked_at(today_at(14), patient=same)

    response = as_("technologist").post("/room/CT1/begin/", begin_form(second))

    assert (response.status_code, make.step_of(second).status) == (303, "STARTED")


def test_what_is_begun_by_hand_stands_in_front_and_is_named(
    as_: As, order: Order, running: Order
) -> None:
    client = as_("technologist")
    form = {**begin_form(order), "beside": str(make.step_of(running).public_id)}

    text = client.post("/room/CT1/begin/", form, follow=True).content.decode()

    assert "BERG, Anna: Begun." in text
    assert front(text) == "BERG, Anna"


def test_whoever_is_done_is_named(as_: As, order: Order) -> None:
    client = as_("technologist")
    uid = begin(order)

    text = client.post("/room/CT1/complete/", {"performed": uid}, follow=True).content.decode()

    assert "BERG, Anna: Completed. The exam waits to be read." in text


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def front(page: str) -> str:
    """Who stands in the card in front."""
    found = re.search(r'id="current-title"[^>]*><a[^>]*>([^<]*)<', page)
    assert found is not None
    return found[1]

"""The side of an exam stands wherever the exam is named: an exam of the other knee is no exam."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.authorization import RuleDetails, SetAuthorizationRules
from ris.domain.orders import ProcedureRequest
from ris.domain.scheduling import RecordNoShow
from ris.domain.values import Code
from ris.models import Order, PerformedProcedureStep, RequestedProcedure
from ris.services import execute
from tests import make, people
from tests.web.department import booked_at, perform, today_at

As = Callable[[str], Client]


@pytest.fixture
def booked(rooms: None) -> Order:
    order = booked_at(today_at(12, 30))
    RequestedProcedure.objects.update(laterality="L")
    return order


@pytest.fixture
def waiting(rooms: None) -> Order:
    code = Code("CTKNEE", "TEST", "CT of the knee")
    return make.order(procedures=(ProcedureRequest(code=code, laterality="R"),))


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("frontdesk", "/arrivals/"),
        ("frontdesk", "/arrivals/{appointment}/"),
        ("frontdesk", "/board/?view=table"),
        ("frontdesk", "/board/print/"),
        ("scheduler", "/orders/?tab=scheduled"),
        ("scheduler", "/patients/{patient}/"),
        ("scheduler", "/book/{step}/"),
        ("scheduler", "/board/move/{appointment}/"),
    ],
)
def test_whoever_books_or_takes_in_reads_the_side(
    as_: As, booked: Order, role: str, path: str
) -> None:
    keys = {
        "appointment": make.appointment_of(booked).public_id,
        "patient": booked.patient.public_id,
        "step": make.step_of(booked).public_id,
    }

    page = as_(role).get(path.format(**keys)).content.decode()

    assert f"{make.step_of(booked).description}, left" in page


def test_the_calendar_is_told_the_side(as_: As, booked: Order) -> None:
    today = timezone.localdate()
    path = f"/board/events/?from={today}&to={today + timedelta(days=1)}"

    events = as_("scheduler").get(path).json()["events"]

    words = [each["extendedProps"].get("words") for each in events if "extendedProps" in each]
    assert words == [f"{make.step_of(booked).description}, left"]


@pytest.mark.parametrize("path", ["/orders/", "/orders/?format=csv", "/board/", "/book/{step}/"])
def test_what_waits_for_a_time_says_its_side(as_: As, waiting: Order, path: str) -> None:
    step = make.step_of(waiting)

    page = as_("scheduler").get(path.format(step=step.public_id)).content.decode()

    assert "CT of the knee, right" in page


def test_label_is_another_one_for_the_other_side(as_: As, booked: Order) -> None:
    client = as_("frontdesk")

    printed = []
    for side in ("L", "L", "R", ""):
        RequestedProcedure.objects.update(laterality=side)
        printed.append(client.get(f"/labels/order/{booked.public_id}/?size=large").content)

    assert printed[0] == printed[1]
    assert len(set(printed)) == 3


def test_who_did_not_come_waits_beside_the_board_for_another_time(as_: As, booked: Order) -> None:
    key = str(make.appointment_of(booked).public_id)
    execute(RecordNoShow(appointment=key, reason="Car broke down"), actor=people.frontdesk)

    page = as_("scheduler").get("/board/").content.decode()

    assert f'data-step="{make.step_of(booked).public_id}"' in page


def test_critical_result_says_the_side_of_its_exam(as_: As, booked: Order) -> None:
    perform(booked)
    report = make.opened_report(booked)
    client = as_("radiologist")
    said = {"finding": "Free air", "category": "RED"}
    client.post(f"/reports/{report.public_id}/critical/flag/", said)

    page = client.get("/critical/").content.decode()

    assert f"{booked.procedures.get().description}, left" in page


def test_agreement_of_the_payer_is_asked_for_a_side(as_: As, waiting: Order) -> None:
    rule = RuleDetails(modalities=("CT",), needed=True)
    execute(SetAuthorizationRules(rules=(rule,)), actor=people.manager)

    page = as_("scheduler").get("/authorization/").content.decode()

    assert "CT of the knee, right" in page


def test_steps_an_exam_is_tied_to_say_their_side(as_: As, booked: Order) -> None:
    perform(booked)
    performed = PerformedProcedureStep.objects.get()

    page = as_("technologist").get(f"/exceptions/performed/{performed.public_id}/").content.decode()

    tied = page.partition('id="tied-title"')[2].partition("</section>")[0]
    assert f"{make.step_of(booked).description}</a>, left" in tied


@pytest.mark.parametrize("case", ["waiting", "booked"])
def test_wrong_side_is_set_right_from_the_order(
    as_: As, rooms: None, case: str, request: pytest.FixtureRequest
) -> None:
    order: Order = request.getfixturevalue(case)
    client, step = as_("scheduler"), make.step_of(order)
    page = client.get(f"/orders/{order.public_id}/").content.decode()
    address = f"/steps/{step.public_id}/change/"
    assert f'href="{address}"' in page
    side = "L" if step.procedure.laterality == "R" else "R"
    start_at = step.start_at

    answer = client.post(
        address, {"version": step.version, "laterality": side, "reason": "the other knee, by phone"}
    )

    assert (answer.status_code, answer["Location"]) == (303, f"/orders/{order.public_id}/")
    step = make.step_of(order)
    assert (step.procedure.laterality, step.start_at) == (side, start_at)


def test_side_of_an_exam_that_was_begun_stays(as_: As, booked: Order) -> None:
    execute(make.start(booked), actor=people.ct1)
    client, step = as_("scheduler"), make.step_of(booked)
    address = f"/steps/{step.public_id}/change/"

    page = client.get(f"/orders/{booked.public_id}/").content.decode()
    form = client.get(address).content.decode()
    answer = client.post(
        address, {"version": step.version, "laterality": "R", "reason": "the other knee"}
    )

    assert address not in page
    assert "The exam was begun: what it is stays." in form
    assert answer.status_code == 409
    assert make.step_of(booked).procedure.laterality == "L"

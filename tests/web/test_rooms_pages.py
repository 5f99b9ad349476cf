"""The technologist's room: ready, begin, complete, end early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ris.models import Order, PerformedProcedureStep
from tests import make
from tests.web.department import arrive, begin, booked_at, today_at

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

"""Order status for the placer (fhir.md 1.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from integration.hl7.er7 import Message
from integration.hl7.from_domain.orders import STATUS, order_status
from ris.domain.errors import InvalidValueError
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.protocol import StoredEvent
from ris.domain.values import Identifier, PersonName
from ris.selectors.views import OrderView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written
from tests.integration.hl7.views import DONE, OVER, RUNNING, VERSIONS, with_step


def status(
    event: StoredEvent,
    order: OrderView | None = None,
    *,
    asked: bool = False,
    all_readers: bool = False,
    **settings: Any,
) -> str:
    profile = views.profile(**settings)
    draft = order_status(event, order or views.order(), profile, asked_by_receiver=asked)
    return written(draft, profile, all_readers=all_readers)


def says(text: str) -> tuple[str, str, str]:
    return field(text, "ORC-1"), field(text, "ORC-5"), field(text, "OBR-25")


@pytest.mark.parametrize(
    ("event", "order", "expected"),
    [
        (views.booked(), views.order(), ("SC", "SC", "S")),
        (views.booked("AppointmentMoved"), views.order(), ("SC", "SC", "S")),
        (views.booked("PatientArrived"), views.order(), ("SC", "SC", "S")),
        (views.booked("ArrivalUndone"), views.order(), ("SC", "SC", "S")),
        (
            views.booked("AppointmentCanceled", reason="machine down"),
            with_step(status=StepStatus.PENDING, stage=Stage.REQUESTED),
            ("SC", "IP", "O"),
        ),
        (
            views.booked("NoShowRecorded"),
            with_step(status=StepStatus.NO_SHOW, stage=Stage.REQUESTED),
            ("SC", "IP", "O"),
        ),
        (views.event("PerformedStepStarted", steps=[views.STEP]), RUNNING, ("SC", "IP", "I")),
        (
            views.event("PerformedStepCompleted", steps=[views.STEP], all_done=True),
            DONE,
            ("SC", "IP", "I"),
        ),
        (
            views.event("PerformedStepDiscontinued", steps=[views.STEP], reason="110513"),
            with_step(status=StepStatus.DISCONTINUED, stage=Stage.CANCELED),
            ("SC", "IP", "I"),
        ),
        (
            views.event("PerformedStepDiscontinued", steps=[views.STEP], reason="110514"),
            views.order(),
            ("SC", "SC", "S"),
        ),
        (
            views.event("PerformedStepRelinked", steps=[], previous_steps=[views.STEP]),
            views.order(),
            ("SC", "SC", "S"),
        ),
        (
            views.event(
                "PerformedStepDiscontinued", steps=[views.STEP], reason="110501", returned=["x"]
            ),
            views.order(),
            ("SC", "SC", "S"),
        ),
        (
            views.event("PerformedStepRevised", steps=[views.STEP], changed=["status"]),
            DONE,
            ("SC", "IP", "I"),
        ),
        (views.event("PerformedStepOrdered", steps=[views.STEP]), DONE, ("SC", "IP", "I")),
        (views.event("OrderHeld", reason=""), views.order(), ("OH", "HD", "")),
        (views.event("OrderReleased"), views.order(), ("OE", "SC", "S")),
        (views.event("OrderCanceled", reason="twice", by_placer=False), OVER, ("OC", "CA", "X")),
        (views.event("OrderCanceled", reason="", by_placer=True), OVER, ("SC", "CA", "X")),
        (views.event("OrderDiscontinued", reason="", by_placer=False), OVER, ("OD", "DC", "X")),
        (views.event("OrderVoided", reason="test order"), OVER, ("OC", "CA", "X")),
        (views.event("OrderRevised", changed=["reason"]), views.order(), ("XX", "SC", "S")),
        (views.event("ProcedureAdded", procedure="x"), views.order(), ("XX", "SC", "S")),
        (
            views.event("OrderCompleted"),
            with_step(stage=Stage.REPORTED, order_status=OrderStatus.COMPLETED),
            ("SC", "CM", "F"),
        ),
        (views.event("OrderReopened"), DONE, ("SC", "IP", "I")),
    ],
    ids=lambda value: value.name if isinstance(value, StoredEvent) else "",
)
def test_the_placer_hears_each_step_of_the_way(
    event: StoredEvent, order: OrderView, expected: tuple[str, str, str]
) -> None:
    assert says(status(event, order)) == expected


def test_every_event_of_the_table_is_a_domain_event_with_a_test_above() -> None:
    tested = test_the_placer_hears_each_step_of_the_way.pytestmark[0].args[1]
    assert {case[0].name for case in tested} | {"StepCanceled"} == set(STATUS)


def test_a_canceled_step_is_told_by_what_is_left_of_its_procedure() -> None:
    order = with_step(status=StepStatus.CANCELED, stage=Stage.CANCELED)

    text = status(views.event("StepCanceled", step=views.STEP, reason="not needed"), order)

    assert says(text) == ("OC", "CA", "X")
    assert Message.from_bytes(text.encode()).get("ORC-16.2") == "not needed"


def test_a_canceled_step_of_a_procedure_that_goes_on_is_told_as_its_status() -> None:
    gone = views.step(public_id="step-2", step_id="S000000002", status=StepStatus.CANCELED)
    order = views.order(procedures=(views.procedure(steps=(views.step(), gone)),))

    text = status(views.event("StepCanceled", step="step-2", reason="one is enough"), order)

    assert says(text) == ("SC", "SC", "S")


def test_an_exam_that_another_system_canceled_in_part_is_told_as_its_status() -> None:
    order = with_step(status=StepStatus.CANCELED, stage=Stage.CANCELED)
    event = views.event("StepCanceled", asked_by=7, step=views.STEP, reason="")

    assert says(status(event, order)) == ("SC", "CA", "X")


@pytest.mark.parametrize(
    "name", ["OrderHeld", "OrderReleased", "OrderCanceled", "OrderDiscontinued", "OrderRevised"]
)
def test_a_placer_is_not_told_what_it_asked_for_itself(name: str) -> None:
    event = views.event(name, asked_by=7, reason="", by_placer=True, changed=[])
    profile = views.profile()

    assert order_status(event, views.order(), profile, asked_by_receiver=True) is None
    assert order_status(event, views.order(), profile, asked_by_receiver=False) is not None


def test_an_order_on_hold_is_told_as_held_when_its_appointment_moves() -> None:
    held = with_step(order_status=OrderStatus.ON_HOLD)
    freed = with_step(
        status=StepStatus.PENDING, stage=Stage.REQUESTED, order_status=OrderStatus.ON_HOLD
    )

    assert says(status(views.booked("AppointmentMoved"), held)) == ("SC", "HD", "")
    canceled = views.booked("AppointmentCanceled", reason="machine down")
    assert says(status(canceled, freed)) == ("SC", "HD", "")


@pytest.mark.parametrize("name", ["AppointmentBooked", "AppointmentMoved", "PatientArrived"])
def test_an_exam_that_runs_is_not_told_as_scheduled_when_another_step_moves(name: str) -> None:
    running = views.step(public_id="step-2", step_id="S000000002", status=StepStatus.STARTED)
    steps = (views.step(), running)
    order = views.order(procedures=(views.procedure(stage=Stage.IN_PROGRESS, steps=steps),))

    assert says(status(views.booked(name), order)) == ("SC", "IP", "I")
    returned = views.event("PerformedStepDiscontinued", steps=[views.STEP], reason="110514")
    assert says(status(returned, order)) == ("SC", "IP", "I")


def test_a_placer_is_told_of_the_appointment_that_its_own_order_brought() -> None:
    assert says(status(views.booked(), asked=True)) == ("SC", "SC", "S")


def test_an_appointment_that_went_with_its_order_is_not_told_by_itself() -> None:
    event = views.booked("AppointmentCanceled", reason="twice")
    profile = views.profile()

    assert order_status(event, OVER, profile, asked_by_receiver=False) is None


def test_an_order_without_a_placer_number_concerns_no_placer() -> None:
    order = views.order(placer=Identifier(""))

    assert order_status(views.booked(), order, views.profile(), asked_by_receiver=False) is None


def test_the_end_of_the_exam_completes_the_order_for_archives_that_read_it_so() -> None:
    event = views.event("PerformedStepCompleted", steps=[views.STEP], all_done=True)

    text = status(event, DONE, complete_at="exam", performed_status="R")

    assert says(text) == ("SC", "CM", "R")


def test_an_exam_with_steps_left_is_still_in_process() -> None:
    event = views.event("PerformedStepCompleted", steps=[views.STEP], all_done=False)

    text = status(event, RUNNING, complete_at="exam", performed_status="N")

    assert says(text) == ("SC", "IP", "I")


@pytest.mark.parametrize(
    ("version", "message", "has_tq1"),
    [
        ("2.3.1", "ORM^O01", False),
        ("2.4", "ORM^O01^ORM_O01", False),
        ("2.5.1", "OMG^O19^OMG_O19", True),
    ],
)
def test_the_version_decides_the_message(version: str, message: str, has_tq1: bool) -> None:
    text = status(views.booked(), version=version)

    assert field(text, "MSH-9") == message
    assert bool(segments(text, "TQ1")) is has_tq1
    assert bool(field(text, "ORC-7")) is not has_tq1


def test_a_setting_overrules_the_version() -> None:
    as_orm = status(views.booked(), version="2.5.1", order_message="ORM")
    as_omg = status(views.booked(), version="2.4", order_message="OMG")

    assert field(as_orm, "MSH-9") == "ORM^O01^ORM_O01"
    assert field(as_orm, "ORC-7") == "^^M20^20260303100000+0100^^R"
    assert field(as_omg, "MSH-9") == "OMG^O19^OMG_O19"
    assert segments(as_omg, "TQ1") == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(STATUS))
def test_every_status_message_is_well_formed_in_every_version(name: str, version: str) -> None:
    event = views.booked(
        name, steps=[views.STEP], previous_steps=[], changed=["reason"], reason="why", number=1
    )

    text = status(event, views.order(), version=version, all_readers=True)

    assert field(text, "ORC-2") == "PL1^EHR"
    assert field(text, "ORC-3") == "F000000001^RIS"
    assert field(text, "OBR-18") == "A2600000001"
    assert field(text, "OBR-22") == "20260302093015+0100"


def test_arrival_is_told_as_a_modifier_where_the_version_has_one() -> None:
    assert field(status(views.booked("PatientArrived")), "ORC-25") == "arrived^Arrived^99RIS"
    assert field(status(views.booked("PatientArrived"), version="2.3.1"), "ORC-25") == ""


def test_the_reason_of_a_cancellation_is_told() -> None:
    event = views.event("OrderCanceled", reason="ordered | twice", by_placer=False)

    assert field(status(event, OVER), "ORC-16") == "^ordered \\F\\ twice"


def test_the_event_says_the_time_however_late_it_is_told() -> None:
    moved_since = with_step(start_at=datetime(2026, 4, 1, 7, 0, tzinfo=UTC), station_ae_title="CT2")

    text = status(views.booked(), moved_since)

    assert field(text, "TQ1-7") == "20260303100000+0100"
    assert field(text, "OBR-21") == "CT1"


def test_each_procedure_of_an_order_has_a_group_of_its_own() -> None:
    second = views.procedure(public_id="procedure-2", procedure_id="P2", steps=())
    order = views.order(procedures=(views.procedure(), second))

    text = status(views.event("OrderCompleted"), replace(order, status=OrderStatus.COMPLETED))

    assert [line.split("|")[1] for line in segments(text, "OBR")] == ["1", "2"]
    assert field(text, "OBR[2]-19") == "P2"
    assert len(segments(text, "ORC")) == 2


def test_times_may_go_without_offset() -> None:
    text = status(views.booked(), time_offset=False)

    assert field(text, "TQ1-7") == "20260303100000"


# --- what can be written ------------------------------------------------------------------------


@pytest.mark.parametrize("character_set", ["8859/1", "UNICODE UTF-8", "8859/15"])
def test_names_leave_in_the_character_set_of_the_peer(character_set: str) -> None:
    profile = views.profile("2.3.1", character_set)
    draft = order_status(views.booked(), views.order(), profile, asked_by_receiver=False)

    text = written(draft, profile)

    assert field(text, "PID-5") == "Müller^Anna^Maria^^Dr.^^L"
    assert field(text, "MSH-18") == character_set


def test_japanese_names_leave_in_their_three_writings() -> None:
    name = PersonName.parse("Yamada^Tarou=山田^太郎=やまだ^たろう")
    profile = views.profile("2.3.1", "ASCII~ISO IR87")
    order = views.order(patient=views.patient(name=name))
    draft = order_status(views.booked(), order, profile, asked_by_receiver=False)

    text = written(draft, profile)

    assert field(text, "PID-5") == ("Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P")
    received = Message.from_bytes(profile.charset.encode(text))
    assert received.get("PID-5[2].1") == "山田"


def test_a_name_that_the_peer_cannot_read_is_not_sent_with_question_marks() -> None:
    profile = views.profile("2.3.1", "ASCII")
    order = views.order()
    draft = order_status(views.booked(), order, profile, asked_by_receiver=False)

    with pytest.raises(InvalidValueError, match=r"U\+00FC cannot be written in ASCII") as caught:
        written(draft, profile)

    assert caught.value.path == "PID-5"


def test_delimiters_in_values_are_escaped() -> None:
    order = views.order(reason="a^b|c&d~e\\f", requesting_service="R&D")

    text = status(views.booked(), order)

    assert field(text, "OBR-31") == "^a\\S\\b\\F\\c\\T\\d\\R\\e\\E\\f"
    assert field(text, "ORC-17") == "^R\\T\\D"

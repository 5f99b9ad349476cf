"""Scheduled procedures for the archive (fhir.md 1.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from integration.hl7.bindings import ARCHIVE_CONTROLS
from integration.hl7.from_domain.archive import ARCHIVE, procedure_scheduled
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.protocol import StoredEvent
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.views import OrderView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written
from tests.integration.hl7.views import DONE, OVER, RUNNING, VERSIONS, with_step


def archive(event: StoredEvent, order: OrderView | None = None, **settings: Any) -> list[str]:
    profile = views.profile(**settings)
    drafts = procedure_scheduled(event, order or views.order(), profile)
    return [written(draft, profile, all_readers=False) for draft in drafts]


def pairs(texts: list[str]) -> list[str]:
    return [f"{field(text, 'ORC-1')}_{field(text, 'ORC-5')}" for text in texts]


NEVER_BOOKED = with_step(status=StepStatus.STARTED, appointment=None, stage=Stage.IN_PROGRESS)


@pytest.mark.parametrize(
    ("event", "order", "expected"),
    [
        (views.booked(), views.order(), ["NW_SC"]),
        (views.booked("AppointmentMoved"), views.order(), ["XO_SC"]),
        (views.booked("AppointmentModified"), views.order(), ["XO_SC"]),
        (views.booked("NoShowRecorded"), views.order(), ["CA_CA"]),
        (views.booked("PatientArrived"), with_step(status=StepStatus.ARRIVED), ["XO_SC"]),
        (views.booked("ArrivalUndone"), views.order(), ["XO_SC"]),
        (views.event("ProtocolSet", step=views.STEP), views.order(), ["XO_SC"]),
        (
            views.booked("AppointmentCanceled", reason="x"),
            with_step(status=StepStatus.PENDING, start_at=None),
            ["CA_CA"],
        ),
        (views.booked("AppointmentCanceled", reason="x"), OVER, []),
        (views.event("OrderHeld", reason=""), views.order(), ["CA_CA"]),
        (views.event("OrderReleased"), views.order(), ["NW_SC"]),
        (views.event("OrderRevised", changed=["reason"]), views.order(), ["XO_SC"]),
        (views.event("OrderRevised", changed=["start_at"]), views.order(), []),
        (
            views.event("OrderRevised", changed=["reason"]),
            views.order(status=OrderStatus.ON_HOLD),
            [],
        ),
        (views.event("OrderCanceled", reason="", announced=True), OVER, ["CA_CA"]),
        (
            views.event("OrderCanceled", reason="", announced=False),
            with_step(status=StepStatus.CANCELED, start_at=None, order_status=OrderStatus.CANCELED),
            [],
        ),
        (views.event("OrderVoided", reason="test"), OVER, ["CA_CA"]),
        (
            views.event("OrderDiscontinued", reason="", announced=True),
            with_step(status=StepStatus.DISCONTINUED, order_status=OrderStatus.DISCONTINUED),
            ["DC_CA"],
        ),
        (
            views.event("StepCanceled", step=views.STEP, reason=""),
            with_step(status=StepStatus.CANCELED),
            ["CA_CA"],
        ),
        (views.event("PerformedStepStarted", steps=[views.STEP]), RUNNING, []),
        (views.event("PerformedStepStarted", steps=[views.STEP]), NEVER_BOOKED, ["NW_IP"]),
        (views.event("PerformedStepCompleted", steps=[views.STEP]), DONE, ["XO_CM"]),
        (
            views.event("PerformedStepDiscontinued", steps=[views.STEP], reason="110513"),
            DONE,
            [],
        ),
        (
            views.event("PerformedStepDiscontinued", steps=[views.STEP], reason="110514"),
            views.order(),
            ["XO_SC"],
        ),
        (
            views.event("PerformedStepRelinked", steps=[views.STEP], previous_steps=[]),
            DONE,
            ["XO_CM"],
        ),
        (
            views.event("PerformedStepRelinked", steps=[], previous_steps=[views.STEP]),
            views.order(),
            ["XO_SC"],
        ),
        (
            views.event("PerformedStepRelinked", steps=[views.STEP], previous_steps=[]),
            with_step(status=StepStatus.COMPLETED, appointment=None, stage=Stage.PERFORMED),
            ["NW_IP", "XO_CM"],
        ),
        (
            views.event("PerformedStepRevised", steps=[views.STEP], changed=["status"]),
            DONE,
            ["XO_CM"],
        ),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_archive_hears_only_the_pairs_that_it_takes(
    event: StoredEvent, order: OrderView, expected: list[str], version: str
) -> None:
    told = pairs(archive(event, order, version=version))

    assert told == expected
    assert set(told) <= set(ARCHIVE_CONTROLS.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_archive_hears_is_well_formed_in_every_version(version: str) -> None:
    profile = views.profile(version)
    (draft,) = procedure_scheduled(views.booked(), views.order(comments="note"), profile)

    assert field(written(draft, profile), "OBR-19") == "P000000001"


def test_the_pairs_are_those_of_dcm4chee() -> None:
    assert set(ARCHIVE_CONTROLS.values()) == {
        "NW_SC", "NW_IP", "XO_SC", "XO_CM", "CA_CA", "DC_CA",
    }  # fmt: skip


def test_every_event_of_the_archive_is_tested() -> None:
    marks = test_the_archive_hears_only_the_pairs_that_it_takes.pytestmark
    tested = next(mark.args[1] for mark in marks if "event" in mark.args[0])
    assert {case[0].name for case in tested} == set(ARCHIVE)


def test_a_no_show_who_comes_after_all_is_announced_again() -> None:
    missed = replace(views.step().appointment, status=AppointmentStatus.NO_SHOW)  # type: ignore[type-var]
    order = with_step(status=StepStatus.STARTED, appointment=missed, stage=Stage.IN_PROGRESS)

    assert pairs(archive(views.event("PerformedStepStarted", steps=[views.STEP]), order)) == [
        "NW_IP"
    ]


def test_before_2_5_the_study_uid_is_in_zds() -> None:
    (text,) = archive(views.booked(), version="2.3.1")

    assert field(text, "MSH-9") == "ORM^O01"
    assert field(text, "ZDS-1") == f"{views.STUDY_UID}^RIS^Application^DICOM"
    assert field(text, "ORC-7") == "^^M20^20260303100000+0100^^R"
    assert field(text, "OBR-18") == "A2600000001"
    assert field(text, "OBR-19") == "P000000001"
    assert field(text, "OBR-20") == "S000000001"
    assert field(text, "OBR-24") == "CT"
    assert field(text, "OBR-4") == "CTHEAD^CT head^L^P5-0001^Head routine^99TEST"
    assert field(text, "ORC-17") == "^Neurology"


def test_from_2_5_on_each_step_has_an_ipc() -> None:
    (text,) = archive(views.booked(), version="2.5.1")

    assert field(text, "MSH-9") == "OMI^O23^OMI_O23"
    (ipc,) = segments(text, "IPC")
    assert ipc == (
        f"IPC|A2600000001|P000000001^RIS|{views.STUDY_UID}^RIS|S000000001^RIS"
        "|CT^^DCM|P5-0001^Head routine^99TEST|CT 1|^Room 1|CT1"
    )
    assert segments(text, "TQ1") == [
        "TQ1|1|||||20^min&minute&UCUM|20260303100000+0100||R^Routine^HL70485"
    ]
    assert segments(text, "ZDS") == []


def two_steps() -> OrderView:
    second = views.step(public_id="step-2", step_id="S2", start_at=views.START + timedelta(hours=1))
    return views.order(procedures=(views.procedure(steps=(views.step(), second)),))


@pytest.mark.parametrize(
    ("event", "pair"),
    [("OrderReleased", "NW_SC"), ("OrderHeld", "CA_CA"), ("OrderRevised", "XO_SC")],
)
def test_each_step_has_a_message_of_its_own_as_some_archives_read_the_first_group_only(
    event: str, pair: str
) -> None:
    told = views.event(event, reason="", changed=["reason"])

    texts = archive(told, two_steps(), version="2.3.1")

    assert pairs(texts) == [pair, pair]
    assert [field(text, "OBR-20") for text in texts] == ["S000000001", "S2"]
    assert [len(segments(text, "ORC")) for text in texts] == [1, 1]
    assert [field(text, "OBR-1") for text in texts] == ["1", "1"]


def test_an_archive_that_reads_all_groups_may_have_all_steps_in_one_message() -> None:
    released = views.event("OrderReleased")

    (text,) = archive(released, two_steps(), version="2.3.1", archive_groups="order")

    assert [line.split("|")[20] for line in segments(text, "OBR")] == ["S000000001", "S2"]
    assert len(segments(text, "ZDS")) == 2


def test_comments_of_the_order_go_with_it() -> None:
    (text,) = archive(views.booked(), views.order(comments="First line\nsecond"))

    assert segments(text, "NTE") == ["NTE|1|L|First line\\.br\\second"]

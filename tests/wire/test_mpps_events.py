"""Subscribers are told of performed steps by N-EVENT-REPORT, in reversed roles (PS3.4 F.9)."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.exchange import Protocol, Subscription
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.models import Delivery
from ris.services import execute
from tests import make, people
from tests.wire.pps_manager import PpsManager
from tests.wire.sending import deliver

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _ground() -> None:
    make.site()
    make.device("CT1", "CT")


def subscribe(subscriber: PpsManager, name: str = "Cockpit", **settings: Any) -> str:
    return make.endpoint(
        name,
        protocol=Protocol.DICOM,
        protocol_name=subscriber.ae_title,
        port=subscriber.port,
        version="",
        sends=(Subscription.MPPS_EVENTS,),
        settings=settings,
    )


def begin(**overrides: Any) -> StartPerformedStep:
    command = make.start(make.order(start_at=make.NOON), **overrides)
    execute(command, actor=people.ct1)
    return command


def update(uid: str) -> None:
    details = PerformedDetails(series=(make.series(),))
    execute(UpdatePerformedStep(sop_instance_uid=uid, details=details), actor=people.ct1)


def complete(uid: str) -> None:
    execute(CompletePerformedStep(sop_instance_uid=uid), actor=people.ct1)


def events(subscriber: PpsManager) -> list[tuple[str, int]]:
    return [(one.uid, one.event_type) for one in subscriber.told]


def test_a_subscriber_hears_of_start_update_and_end_in_that_order() -> None:
    with PpsManager() as subscriber:
        subscribe(subscriber)
        uid = begin().sop_instance_uid
        update(uid)
        complete(uid)
        deliver()

    assert events(subscriber) == [(uid, 1), (uid, 4), (uid, 2)]
    assert {one.caller for one in subscriber.told} == {"RIS"}
    assert {row.state for row in Delivery.objects.all()} == {"DELIVERED"}


def test_a_stopped_exam_is_event_type_three() -> None:
    with PpsManager() as subscriber:
        subscribe(subscriber)
        uid = begin().sop_instance_uid
        execute(DiscontinuePerformedStep(sop_instance_uid=uid), actor=people.ct1)
        deliver()

    assert events(subscriber) == [(uid, 1), (uid, 3)]


def test_each_subscriber_hears_only_what_it_asked_for() -> None:
    make.device("MR1", "MR")
    with PpsManager() as ends, PpsManager(ae_title="MRONLY") as magnets:
        subscribe(ends, events=["completed", "discontinued"])
        subscribe(magnets, "Magnets", modalities=["MR"], events=["started"])
        ct = begin().sop_instance_uid
        update(ct)
        complete(ct)
        mr = begin(station_ae_title="MR1", modality="MR").sop_instance_uid
        deliver()

    assert events(ends) == [(ct, 2)]
    assert events(magnets) == [(mr, 1)]


def test_an_endpoint_that_asks_for_both_gets_object_and_event() -> None:
    with PpsManager() as both:
        make.endpoint(
            "PACS",
            protocol=Protocol.DICOM,
            protocol_name="PACS",
            port=both.port,
            version="",
            sends=(Subscription.MPPS, Subscription.MPPS_EVENTS),
            settings={"manual": True},
        )
        uid = begin().sop_instance_uid
        deliver()

    assert [(one.operation, one.uid) for one in both.told] == [
        ("N-CREATE", uid),
        ("N-EVENT-REPORT", uid),
    ]
    lanes = Delivery.objects.order_by("id").values_list("lane", flat=True)
    assert list(lanes) == [f"mpps:{uid}", f"mpps-events:{uid}"]


def test_a_peer_that_does_not_take_the_reversed_role_is_not_sent_anything() -> None:
    with PpsManager(roles=False) as subscriber:
        subscribe(subscriber)
        begin()
        deliver()

    (row,) = Delivery.objects.all()
    assert subscriber.told == []
    assert row.attempts.get().result == "REFUSED"
    assert row.last_error == "the peer did not accept us as provider of the notification class"

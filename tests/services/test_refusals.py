"""The record of what devices were refused: counted by kind, and never more than is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.models import DeviceRefusal
from ris.services import refusals
from ris.services.refusals import record_refusal
from worklist.refusals import Refusals

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def refuse(ae_title: str = "CT1", reason: str = "device is not active", minutes: int = 0) -> None:
    record_refusal(
        ae_title,
        address="10.1.2.3",
        operation="A-ASSOCIATE",
        status="1/1/3",
        reason=reason,
        at=NOON + timedelta(minutes=minutes),
    )


def test_a_refusal_that_repeats_is_one_row() -> None:
    refuse()
    refuse(minutes=3)
    refuse(minutes=5, reason="device must use TLS")

    first, second = DeviceRefusal.objects.order_by("id")
    assert (first.count, first.first_at, first.last_at) == (2, NOON, NOON + timedelta(minutes=3))
    assert (second.count, second.reason) == (1, "device must use TLS")


def test_what_is_too_long_is_cut() -> None:
    record_refusal(
        f" {'A' * 20} ",
        address="10.1.2.3",
        operation="A-ASSOCIATE",
        status="1/1/3",
        reason="r" * 200,
        at=NOON,
    )

    row = DeviceRefusal.objects.get()
    assert (row.ae_title, row.reason) == ("A" * 16, "r" * 100)


def test_what_no_database_keeps_is_replaced() -> None:
    refuse("C\0T\udcff1")

    assert DeviceRefusal.objects.get().ae_title == "C?T?1"


def test_of_invented_callers_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "KEPT", 3)

    for number in range(5):
        refuse(f"AE{number}", minutes=number)

    kept = DeviceRefusal.objects.order_by("last_at").values_list("ae_title", flat=True)
    assert list(kept) == ["AE2", "AE3", "AE4"]


def test_who_keeps_trying_is_counted_and_seldom_written() -> None:
    noted = Refusals(seconds=3600)

    for _ in range(50):
        noted.note("CT1", "10.1.2.3", "A-ASSOCIATE", "1/1/3", "device is not active")
    noted.note("CT1", "10.1.2.3", "C-FIND", "A700", "too many queries")

    assert list(DeviceRefusal.objects.order_by("id").values_list("operation", "count")) == [
        ("A-ASSOCIATE", 1),
        ("C-FIND", 1),
    ]


def test_what_was_counted_meanwhile_is_added_to_the_next_write() -> None:
    noted = Refusals(seconds=3600)
    for _ in range(10):
        noted.note("CT1", "10.1.2.3", "A-ASSOCIATE", "1/1/3", "device is not active")
    noted.seconds = 0

    noted.note("CT1", "10.1.2.3", "A-ASSOCIATE", "1/1/3", "device is not active")

    assert DeviceRefusal.objects.get().count == 11

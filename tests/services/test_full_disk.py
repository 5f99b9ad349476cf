"""A disk without room: nothing is half done, and who asks is told why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from ris.domain.errors import BusyError, unavailable
from ris.domain.orders import OrderDetails
from ris.models import Order
from ris.services import execute
from tests import make, people

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("sqlite")]


@pytest.fixture
def no_room() -> Iterator[None]:
    """The database may not grow by a page, as on a disk that is full."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no page is left to write on
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        yield
        cursor.execute("PRAGMA max_page_count=4294967294")


@pytest.mark.usefixtures("no_room")
def test_an_order_that_the_disk_has_no_room_for_is_refused_with_the_reason() -> None:
    with pytest.raises(BusyError, match=r"^the disk of the database is full$"):
        execute(make.place_order(details=OrderDetails(reason="x" * 500_000)), actor=people.ehr)

    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("database or disk is full", "the disk of the database is full"),
        ("could not extend file: No space left on device", "the disk of the database is full"),
        (
            "no such table: ris_order",
            "the database is not of this release; run `ris migrate`",
        ),
        ("connection failed: Connection refused", "the database does not answer"),
        ("server closed the connection unexpectedly", "the database does not answer"),
        ("database is locked", "the database is busy, try again"),
    ],
)
def test_what_is_told_follows_what_the_database_said(said: str, told: str) -> None:
    assert unavailable(Exception(said)).message == told

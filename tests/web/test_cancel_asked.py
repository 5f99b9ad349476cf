"""Whoever works on an exam sees that its placer wants it canceled, which came too late."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.orders import NoteRefusedCancellation, OrderReference
from ris.models import Order
from ris.services import execute
from tests import people
from tests.services.exams import begin, end
from tests.web.department import booked_at, person, today_at

As = Callable[[str], Client]

pytestmark = pytest.mark.django_db

NOTE = "The ordering side asked to cancel this"
BADGE = "Cancellation asked for,"


@pytest.fixture
def order(rooms: None) -> Order:
    return booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN1"))


@pytest.mark.parametrize(
    ("who", "where", "words"),
    [
        ("technologist", "/orders/{order}/", NOTE),
        ("technologist", "/room/CT1/", NOTE),
        ("technologist", "/exceptions/", "Cancellation asked for after the begin"),
        ("admin", "/exceptions/", "Cancellation asked for after the begin"),
        ("radiologist", "/orders/{order}/", NOTE),
        ("radiologist", "/reading/?scope=all", BADGE),
    ],
)
def test_who_works_on_it_sees_what_was_asked_and_why(
    order: Order, as_: As, who: str, where: str, words: str
) -> None:
    performed = begin(order, started_at=today_at(12, 30))
    if "reading" in where:
        end(performed, ended_at=today_at(12, 50))
    note = NoteRefusedCancellation(
        order=OrderReference(public_id=str(order.public_id)), reason="ordered twice"
    )
    address, client = where.format(order=order.public_id), as_(who)
    before = client.get(address).content.decode()

    execute(note, actor=people.ehr)

    page = client.get(address).content.decode()
    assert words not in before
    assert words in page
    assert ("ordered twice" in page) == (words != BADGE)


def test_the_report_says_it_before_anybody_writes(order: Order, as_: As) -> None:
    end(begin(order, started_at=today_at(12, 30)), ended_at=today_at(12, 50))
    execute(
        NoteRefusedCancellation(order=OrderReference(public_id=str(order.public_id))),
        actor=people.ehr,
    )
    procedure = str(order.procedures.get().public_id)

    page = as_("radiologist").post("/reading/open/", {"procedure": procedure}, follow=True)

    assert NOTE in page.content.decode()

"""Sequence numbers: ignored by default, counted for peers that want it (HL7 v2.5.1 2.10.1)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7.inbound import handle
from integration.hl7.server import Reply
from ris.models import InboundMessage, Order
from ris.services import deferred
from tests.integration.hl7.intake import PEER, register
from tests.integration.hl7.messages import ORC, order

pytestmark = pytest.mark.django_db


def numbers(**settings: Any) -> None:
    """A sender that numbers its messages."""
    register(settings={"sequence_numbers": True, **settings})


def numbered(number: str, key: str, version: str = "2.3.1", orc: str = ORC) -> bytes:
    """An order with MSH-13; each key is another order."""
    message = order(key=key, version=version, orc=orc.replace("PL1", f"PL{key}"))
    message = message.replace("PL1^HIS", f"PL{key}^HIS").replace("1.2.9^", f"1.2.9.{key}^")
    return message.replace(f"|P|{version}||||||", f"|P|{version}|{number}|||||").encode()


def told(raw: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-4."""
    reply = handle(raw, PEER)
    assert isinstance(reply, Reply)
    fields = [*reply.payload.decode().split("\r")[1].split("|"), "", ""]
    return fields[1], fields[4]


def test_numbers_are_ignored_unless_the_peer_wants_them() -> None:
    numbers(sequence_numbers=False)

    answers = [told(numbered(*each)) for each in (("7", "1"), ("3", "2"), ("x", "3"))]

    assert answers == [("AA", ""), ("AA", ""), ("AA", "")]


def test_any_number_begins_and_each_next_one_must_follow() -> None:
    numbers()

    assert told(numbered("41", "1")) == ("AA", "42")
    assert told(numbered("42", "2")) == ("AA", "43")
    assert told(numbered("44", "3")) == ("AE", "43")
    assert told(numbered("43", "4")) == ("AA", "44")

    assert Order.objects.count() == 3
    refused = InboundMessage.objects.get(key="3")
    assert (refused.state, refused.error_path, refused.error) == (
        "REJECTED", "MSH-13", "number 43 was expected",
    )  # fmt: skip


def test_the_same_message_again_is_no_fault() -> None:
    numbers()
    first = told(numbered("1", "1"))

    assert told(numbered("1", "1")) == first
    assert told(numbered("2", "2")) == ("AA", "3")


def test_zero_asks_and_minus_one_begins_anew() -> None:
    numbers()
    told(numbered("5", "1"))

    assert told(numbered("0", "2")) == ("AA", "6")
    assert told(numbered("9", "3")) == ("AE", "6")
    assert told(numbered("-1", "4")) == ("AA", "-1")
    assert told(numbered("9", "5")) == ("AA", "10")


@pytest.mark.parametrize("number", ["", "x", "-2", "99999999999"])
def test_what_is_no_number_is_refused(number: str) -> None:
    numbers()

    assert told(numbered(number, "1")) == ("AE", "-1")
    assert Order.objects.count() == 0


def test_a_message_that_is_refused_for_its_content_has_used_its_number() -> None:
    numbers()

    assert told(numbered("1", "1", orc=ORC.replace("NW", "ZZ"))) == ("AE", "2")
    assert told(numbered("1", "0")) == ("AE", "2")
    assert told(numbered("2", "2").replace(b"O01", b"O99")) == ("AR", "3")
    assert told(numbered("3", "3")) == ("AA", "4")


def test_what_is_only_stored_has_used_its_number_as_well() -> None:
    numbers(acknowledge_after="stored")

    assert told(numbered("1", "1")) == ("AA", "2")
    assert told(numbered("3", "2")) == ("AE", "2")
    assert told(numbered("2", "3")) == ("AA", "3")
    assert deferred.apply_stored() == 2
    assert Order.objects.count() == 2

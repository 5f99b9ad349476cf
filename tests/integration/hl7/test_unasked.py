"""Acknowledgements that come as messages of their own: kept, shown, and never answered with one."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from integration.hl7.inbound import handle
from integration.hl7.server import Reply
from ris.domain.actors import OPERATOR
from ris.domain.exchange import ReplayMessage
from ris.models import InboundMessage
from ris.services import execute, inbox
from tests.integration.hl7.intake import PEER, register

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("refusing")]


def acknowledgement(
    code: str = "AA", kind: str = "ACK^O01^ACK", conditions: str = "", key: str = "K1", **more: str
) -> bytes:
    head = f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310||{kind}|{key}|P|2.5.1|||{conditions}"
    return "\r".join([head, f"MSA|{code}|OUT1|{more.pop('text', '')}", *more.values(), ""]).encode()


def said(raw: bytes) -> str:
    """What is said to it; the connection must go on."""
    reply = handle(raw, PEER)
    assert isinstance(reply, Reply)
    return reply.payload.decode()


@pytest.mark.parametrize("kind", ["ACK", "ACK^O01", "ACK^O01^ACK", "MCF"])
def test_an_acknowledgement_is_kept_and_nothing_is_said(kind: str) -> None:
    register()

    assert said(acknowledgement(kind=kind)) == ""

    message = InboundMessage.objects.get()
    assert (message.state, message.outcome) == ("APPLIED", "noted")


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_of_what_we_sent_is_found_among_what_was_not_applied(code: str) -> None:
    register()

    assert said(acknowledgement(code, text="unknown patient")) == ""

    message = InboundMessage.objects.get()
    assert (message.state, message.outcome) == ("REJECTED", "noted")
    assert message.error == f"{code} to our message OUT1: unknown patient"
    assert message.error_path == "MSA-1"


def test_who_asks_for_it_is_told_that_we_have_it_and_nothing_else() -> None:
    register()

    lines = said(acknowledgement("AE", conditions="AL|NE")).split("\r")

    assert lines[0].split("|")[8] == "ACK^O01^ACK"
    assert lines[1:] == ["MSA|CA|K1", ""]


def test_a_stranger_hears_nothing_either() -> None:
    assert said(acknowledgement()) == ""

    message = InboundMessage.objects.get()
    assert (message.state, message.error) == ("REJECTED", "this sender is not registered")


def test_one_without_its_code_is_not_taken_for_good_news() -> None:
    register()

    assert said(acknowledgement("")) == ""

    assert InboundMessage.objects.get().error == "the acknowledgement code is required"


def test_one_that_cannot_be_stored_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    register()

    def full(**_: object) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr(inbox, "receive", full)

    assert handle(acknowledgement(), PEER) is None


def test_one_that_is_applied_again_is_read_as_what_it_is() -> None:
    said(acknowledgement())
    register()
    message = InboundMessage.objects.get()

    execute(ReplayMessage(message=str(message.public_id), reason="registered"), actor=OPERATOR)

    message.refresh_from_db()
    assert (message.state, message.outcome) == ("APPLIED", "noted")

"""The protocols of the catalog as a file: out, in, and what one would change before it does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ris.domain.actors import OPERATOR
from ris.domain.protocoling import DefineProtocol, RetireProtocol
from ris.domain.values import Code
from ris.models import ProtocolDefinition
from ris.services import execute
from tests import make

pytestmark = pytest.mark.django_db

As = Callable[[str], Client]
ADDRESS = "/catalog/protocols/upload/"


@pytest.fixture
def manager(as_: As) -> Client:
    """With a catalog that knows CTHEAD, one protocol that is offered and one that is not."""
    make.definition()
    plain = DefineProtocol(
        code=Code("PLAIN", "99RIS", "Plain head"),
        modality="CT",
        instructions="Gantry along the skull base;\nno tilt.",
        duration_minutes=10,
        procedures=("CTHEAD",),
    )
    execute(plain, actor=OPERATOR)
    old = DefineProtocol(code=Code("OLD", "99RIS", "Old head"), modality="CT")
    execute(RetireProtocol(protocol=execute(old, actor=OPERATOR)), actor=OPERATOR)
    return as_("manager")


def shown(client: Client, content: str) -> tuple[int, str]:
    """What the page says the file would change."""
    file = SimpleUploadedFile("protocols.csv", content.encode())
    answer = client.post(ADDRESS, {"file": file})
    return answer.status_code, re.sub(r"<[^>]+>|\s+", " ", answer.content.decode())


def applied(client: Client, content: str) -> int:
    file = SimpleUploadedFile("protocols.csv", content.encode())
    return client.post(ADDRESS, {"file": file, "apply": "1"}).status_code


def test_what_was_downloaded_changes_nothing(manager: Client) -> None:
    text = manager.get("/catalog/protocols/protocols.csv").content.decode()

    status, words = shown(manager, text)

    assert status == 200
    assert "0 new, 0 changed, 0 no longer offered, 2 the same" in words


def test_a_file_is_shown_first_and_then_makes_changes_and_retires(manager: Client) -> None:
    content = (
        "code,scheme,name,modality,duration_minutes,procedures,offered\n"
        "PLAIN,99RIS,Plain head,CT,12,CTHEAD,yes\n"
        "OLD,99RIS,Old head,CT,,,yes\n"
        "PERF,99RIS,Perfusion,ct,25,,yes\n"
    )

    status, words = shown(manager, content)
    untouched = ProtocolDefinition.objects.get(code="PLAIN").duration_minutes
    done = applied(manager, content)

    assert (status, done) == (200, 303)
    assert "1 new, 2 changed, 0 no longer offered" in words
    assert untouched == 10
    rows = ProtocolDefinition.objects.order_by("code")
    assert list(rows.values_list("code", "modality", "duration_minutes", "active")) == [
        ("OLD", "CT", None, True),
        ("PERF", "CT", 25, True),
        ("PLAIN", "CT", 12, True),
    ]
    plain = ProtocolDefinition.objects.get(code="PLAIN")
    assert plain.instructions == "Gantry along the skull base;\nno tilt.", "has no column"


def test_saying_no_takes_a_protocol_out(manager: Client) -> None:
    content = "code,scheme,name,modality,offered\nPLAIN,99RIS,Plain head,CT,no\n"

    assert applied(manager, content) == 303

    assert not ProtocolDefinition.objects.get(code="PLAIN").active


def test_every_row_that_is_wrong_is_told_and_nothing_is_changed(manager: Client) -> None:
    content = (
        "code,scheme,name,modality,duration_minutes,procedures,offered\n"
        "A,99RIS,First,CT,2000,,yes\n"
        "B,99RIS,Second,CT,,CTHAED,yes\n"
        "C,99RIS,,CT,,,yes\n"
        "D,99RIS,Fourth,CT,,,perhaps\n"
        "E,99RIS,Fifth,CT,,,yes\n"
        "E,99RIS,Fifth again,CT,,,yes\n"
    )

    status, words = shown(manager, content)

    assert status == 422
    for fault in (
        "duration_minutes is 1 to 1440 minutes",
        "There is no procedure CTHAED in the catalog.",
        "name is empty.",
        "offered is yes or no",
        "The same protocol is in row 6.",
    ):
        assert fault in words
    assert applied(manager, content) == 422
    assert ProtocolDefinition.objects.count() == 2


@pytest.mark.parametrize("role", ["radiologist", "technologist", "scheduler"])
def test_the_file_is_for_those_who_set_up(as_: As, manager: Client, role: str) -> None:
    client = as_(role)

    assert client.get("/catalog/protocols/protocols.csv").status_code == 403
    assert client.get(ADDRESS).status_code == 403

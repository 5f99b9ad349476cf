"""A known answer is given again while nobody wrote, and to nobody but who may have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integration.fhir import known, transport
from integration.fhir.auth import Client
from integration.fhir.scopes import Scopes
from ris.domain.accounts import RevokeToken
from ris.domain.actors import OPERATOR, Actor, ActorKind
from ris.domain.orders import CancelOrder, OrderReference
from ris.models import ApiToken, AuditEvent
from ris.services import audit, execute
from tests import make, people
from tests.integration.fhir.api import Answer, Api, token
from tests.integration.fhir.test_http_rows import configure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def spool(tmp_path: Path) -> Iterator[None]:
    """Reads go into a file, which is brought into the database when the spool is closed."""
    known.memory.forget()
    audit.open_spool(tmp_path, seconds=60)
    yield
    audit.close_spool()


@pytest.fixture
def api() -> Api:
    return Api(token())


def asked(api: Api, path: str, **headers: str) -> tuple[Answer, bool]:
    """The answer, and whether it was known: nothing was asked but whether somebody wrote."""
    with CaptureQueriesContext(connection) as queries:
        answer = api.get(path, **headers)
    said = [each["sql"] for each in queries if "pg_current_snapshot" not in each["sql"]]
    return answer, not said


def settle(api: Api, path: str) -> Answer:
    """Ask until asking writes nothing: the versions shown are kept, the token's use is noted."""
    for _ in range(3):
        answer = api.get(path)
    return answer


def plain(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}


@pytest.mark.parametrize(
    "path", ["/ServiceRequest/{id}", "/ServiceRequest?_count=20", "/Patient?name=doe&_pretty=true"]
)
def test_the_same_is_said_again_and_audited_again(api: Api, path: str) -> None:
    order = make.order()
    address = path.format(id=order.public_id)
    first = settle(api, address)

    again, was_known = asked(api, address)

    assert was_known
    assert (again.status, again.body, plain(again)) == (200, first.body, plain(first))
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    audit.close_spool()
    said = AuditEvent.objects.filter(action__startswith="FHIR").values_list(
        "actor_name", "action", "patient", "patients", "subject", "detail"
    )
    *_, made, known_one = said.order_by("id")
    assert (said.count(), known_one) == (4, made)


def test_what_was_written_is_told_with_the_next_answer(api: Api) -> None:
    order = make.order()
    address = f"/ServiceRequest/{order.public_id}"
    settle(api, address)
    assert asked(api, address)[1]

    reference = OrderReference(public_id=str(order.public_id))
    execute(CancelOrder(order=reference, reason="not needed"), actor=people.scheduler)
    answer, was_known = asked(api, address)

    assert (answer.body["status"], was_known) == ("revoked", False)


def test_a_token_that_was_taken_back_is_refused_at_once(api: Api) -> None:
    make.order()
    settle(api, "/ServiceRequest")
    assert asked(api, "/ServiceRequest")[1]

    execute(RevokeToken(token=str(ApiToken.objects.get().public_id)), actor=OPERATOR)

    assert api.get("/ServiceRequest").status == 401


def test_another_client_and_another_form_have_answers_of_their_own(api: Api) -> None:
    order = make.order()
    address = f"/ServiceRequest/{order.public_id}"
    poor = Api(token("system/Patient.rs", client="Poor"))
    first = settle(api, address)

    refused = poor.get(address)
    xml = api.get(address, Accept="application/fhir+xml")
    same = api.get(address, If_None_Match=first.headers["ETag"])

    assert refused.status == 403
    assert xml.headers["Content-Type"].startswith("application/fhir+xml")
    assert same.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/Slot?start=2026-03-02",
        "/Schedule",
        "/Appointment",
        "/Patient?_has:Appointment:patient:status=booked",
        "/Patient?_has:%41ppointment:patient:status=booked",
        "/ServiceRequest?_include=*",
    ],
)
def test_what_depends_on_the_hour_is_looked_up_each_time(api: Api, path: str) -> None:
    make.device()
    make.order()
    settle(api, path)

    answer, was_known = asked(api, path)

    assert (answer.status, was_known) == (200, False)


def test_known_answers_count_as_requests(api: Api, settings: Any) -> None:
    make.order()
    settle(api, "/ServiceRequest")
    configure(settings, requests_per_minute=1)
    transport.throttle.take("EHR", 1)

    assert api.get("/ServiceRequest").status == 429


def test_a_token_ends_by_the_clock() -> None:
    now = timezone.now()
    client = Client(Actor(ActorKind.CLIENT, "EHR"), Scopes(), None, now + timedelta(minutes=1))

    assert known._may_still(client)
    assert not known._may_still(replace(client, expires_at=now))


def test_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    memory = known.Memory(most_bytes=100)
    told = known.Told(Client(Actor(ActorKind.CLIENT, "EHR"), Scopes()), "token", {})

    def answer(size: int) -> known.Answered:
        return known.Answered(1, told, b"x" * size, {})

    for key in (b"1", b"2"):
        memory.remember(key, answer(40))
    memory.recall(b"1", 1)
    memory.remember(b"3", answer(40))
    memory.remember(b"3", answer(50))

    assert memory.recall(b"2", 1) is None
    assert memory.recall(b"1", 1) is not None
    assert memory.recall(b"3", 2) is None
    assert memory.held == 90

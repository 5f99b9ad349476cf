"""REST: what people do on the pages, for scripts; the same commands, rights and audit."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from integration.rest.description import description
from ris.domain.accounts import CreateUser, IssueToken
from ris.domain.actors import OPERATOR, Role
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code
from ris.models import Appointment, AuditEvent, Device, DomainEvent, FollowUp, Order
from ris.services import execute, refused_calls
from tests import make, people
from tests.services.exams import begin

JSON = "application/json"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_new_minute() -> Iterator[None]:
    refused_calls.forget()
    yield
    refused_calls.forget()


@dataclass
class Rest:
    """A client with a token of some roles."""

    token: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self.token}", **headers} if self.token else headers
        return Client().generic(
            method,
            f"/api/v1/{path}",
            body if isinstance(body, bytes) else Client()._encode_json(body or {}, JSON),
            content_type=JSON,
            headers=sent,
        )

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, body)


def rest(*roles: Role) -> Rest:
    scopes = tuple(f"role/{role.value}" for role in roles)
    return Rest(execute(IssueToken(client="script", scopes=scopes), actor=OPERATOR).secret)


@pytest.fixture
def booked() -> Order:
    make.site()
    make.device()
    return make.booked()


def test_a_list_shows_what_the_page_shows_and_is_audited(booked: Order) -> None:
    answer = rest(Role.SCHEDULER).get("orders/?tab=scheduled")

    (found,) = answer.json()["results"]
    assert found["public_id"] == str(booked.public_id)
    assert found["patient"]["name"] == "Berg^Anna"
    assert found["steps"][0]["station"] == "CT1"
    audit = AuditEvent.objects.get(action="REST list orders")
    assert (audit.actor_name, audit.patients) == ("script", [str(booked.patient.public_id)])


def test_an_order_comes_with_everything_below_it(booked: Order) -> None:
    found = rest(Role.RADIOLOGIST).get(f"orders/{booked.public_id}/").json()

    assert found["status"] == "ACTIVE"
    assert found["accession"]["value"] == booked.accession_number
    assert found["procedures"][0]["steps"][0]["status"] == "SCHEDULED"
    assert found["patient"]["birth_date"] == booked.patient.birth_date


def test_no_value_is_told_in_the_words_of_the_program(booked: Order) -> None:
    client = rest(Role.SCHEDULER, Role.RADIOLOGIST, Role.ADMIN)
    key, patient = booked.public_id, booked.patient.public_id

    for path in (
        *("orders/?tab=scheduled", f"orders/{key}/", f"orders/{key}/timeline/"),
        *(f"patients/{patient}/", "patients/?q=Berg", "appointments/?date=2026-03-02"),
        *("devices/", "procedures/", "messages/", "deliveries/", "connections/"),
    ):
        said = client.get(path).content.decode()
        assert re.search(r"\b[A-Z]\w+\(\w+=", said) is None, (path, said)


@pytest.mark.parametrize("limit", ["abc", "0", "-5", "1e3", "٣"])
def test_a_page_size_that_is_none_is_refused(limit: str) -> None:
    answer = rest(Role.SCHEDULER).get(f"orders/?limit={limit}")

    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, "limit")


def test_the_timeline_names_what_touched_the_order(booked: Order) -> None:
    found = rest(Role.ADMIN).get(f"orders/{booked.public_id}/timeline/").json()

    assert next(each["name"] for each in found if each["kind"] == "event") == "OrderPlaced"


def test_a_command_goes_through_the_door(booked: Order) -> None:
    answer = rest(Role.SCHEDULER).post(
        f"orders/{booked.public_id}/hold/", {"reason": "patient asked"}
    )

    booked.refresh_from_db()
    assert (answer.status_code, booked.status) == (200, "ON_HOLD")


def test_a_role_that_may_not_is_refused_and_nothing_changes(booked: Order) -> None:
    answer = rest(Role.RADIOLOGIST).post(f"orders/{booked.public_id}/hold/", {"reason": "no"})

    booked.refresh_from_db()
    assert (answer.status_code, answer.json()["code"], booked.status) == (403, "denied", "ACTIVE")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_step_is_booked_on_a_free_time_and_moved() -> None:
    make.site()
    make.device()
    step = make.step_of(make.order())
    client = rest(Role.SCHEDULER)
    slots = client.get(f"steps/{step.public_id}/slots/?days=7").json()

    made = client.post(
        f"steps/{step.public_id}/book/",
        {"device": slots[0]["device"], "start_at": slots[0]["start_at"]},
    )

    appointment = Appointment.objects.get()
    assert (made.status_code, made.json()) == (201, {"id": str(appointment.public_id)})
    moved = client.post(
        f"appointments/{appointment.public_id}/move/",
        {"device": slots[4]["device"], "start_at": slots[4]["start_at"]},
    )
    later = appointment.start_at
    appointment.refresh_from_db()
    assert moved.status_code == 200
    assert appointment.start_at > later


def test_a_move_that_breaks_the_time_to_another_exam_is_a_conflict() -> None:
    make.site()
    make.device()
    contrast = Code("CTCONTRAST", "TEST", "CT with contrast")
    first, then = make.definition(), make.definition(contrast)
    execute(
        SequenceProcedures(first=first, then=then, gap_at_most_minutes=60), actor=people.manager
    )
    patient = make.patient("P-3")
    make.booked(make.NOON, patient=patient)
    parts = (ProcedureRequest(code=contrast, steps=(make.step_request(),)),)
    other = make.booked(make.NOON + timedelta(hours=1), patient=patient, procedures=parts)
    row = make.appointment_of(other)

    answer = rest(Role.SCHEDULER).post(
        f"appointments/{row.public_id}/move/",
        {
            "device": str(row.bookings.first().resource.device.public_id),  # type: ignore[union-attr]
            "start_at": (make.NOON + timedelta(hours=2)).isoformat(),
        },
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert answer.json()["detail"] == (
        "CT with contrast after CT head without contrast, 60 minutes at most"
    )
    assert make.step_of(other).start_at == make.NOON + timedelta(hours=1)


def test_a_taken_time_is_a_conflict(booked: Order) -> None:
    step = make.step_of(make.order(patient=make.patient("P-2")))
    taken = Appointment.objects.get()
    body = {
        "device": str(taken.bookings.first().resource.device.public_id),  # type: ignore[union-attr]
        "start_at": (taken.start_at + timedelta(minutes=1)).isoformat(),
    }

    answer = rest(Role.SCHEDULER).post(f"steps/{step.public_id}/book/", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert Appointment.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("orders/?tab=nowhere", "tab"),
        ("patients/?q=x", "q"),
        ("appointments/?date=tomorrow", "date"),
        ("appointments/?date=9999-12-31", "date"),
        ("messages/?since=yesterday", "since"),
        ("deliveries/?until=9999-12-31", "until"),
        ("messages/?protocol=hl8", "protocol"),
    ],
)
def test_a_bad_parameter_is_named(path: str, field: str) -> None:
    answer = rest(Role.ADMIN).get(path)

    assert answer.status_code == 400
    assert [each["path"] for each in answer.json()["faults"]] == [field]


def test_a_body_that_is_wrong_names_every_fault(booked: Order) -> None:
    step = make.step_of(booked)

    answer = rest(Role.SCHEDULER).post(f"steps/{step.public_id}/book/", {"start_at": "soon"})

    assert answer.status_code == 400
    assert {each["path"] for each in answer.json()["faults"]} == {"device", "start_at"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"reason":' * 1000,
        b'{"reason": "a", "reason": "b"}',
        b'{"reason": "' + b"a" * 5_000_000 + b'"}',
    ],
)
def test_a_body_that_is_doubtful_is_refused(booked: Order, body: bytes) -> None:
    answer = rest(Role.SCHEDULER).ask("POST", f"orders/{booked.public_id}/cancel/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-value")


def test_a_cancellation_that_came_too_late_is_seen_by_whoever_works_on_the_exam(
    booked: Order,
) -> None:
    begin(booked)

    answer = rest(Role.SCHEDULER).post(f"orders/{booked.public_id}/cancel/", {"reason": "twice"})

    booked.refresh_from_db()
    assert (answer.status_code, booked.status) == (409, "ACTIVE")
    assert answer.json()["faults"] == []  # no address here takes the place that is meant
    assert booked.cancel_asked["reason"] == "twice"
    assert [row.detail for row in FollowUp.objects.filter(kind="ASKED")] == ["twice"]
    event = DomainEvent.objects.get(name="CancellationRefused")
    assert (event.actor_kind, event.actor_name) == ("client", "script")


@pytest.mark.parametrize("position", ["abc", "-1", "9" * 30, "%00"])
def test_a_cursor_that_is_not_ours_is_refused(booked: Order, position: str) -> None:
    cursor = base64.b64encode(f"p={position}".encode()).decode()

    assert rest(Role.SCHEDULER).get(f"orders/?cursor={cursor}").status_code == 404


@pytest.mark.parametrize("start_at", ["9999-12-31T23:59:00Z", "0001-01-01T12:00:00Z"])
def test_a_time_beyond_every_calendar_is_refused(booked: Order, start_at: str) -> None:
    device = str(Device.objects.get().public_id)
    moved = {"device": device, "start_at": start_at, "duration_minutes": 1440}

    answer = rest(Role.SCHEDULER).post(
        f"appointments/{Appointment.objects.get().public_id}/move/", moved
    )

    assert [each["path"] for each in answer.json()["faults"]] == ["start_at"]


def test_without_a_token_or_with_one_of_no_role_nothing_is_shown(booked: Order) -> None:
    nobody = Rest("").get("orders/")
    wrong = Rest("no such token").get("orders/")
    fhir_only = Rest(
        execute(IssueToken(client="EHR", scopes=("system/*.cruds",)), actor=OPERATOR).secret
    ).get("orders/")

    assert [nobody.status_code, wrong.status_code, fhir_only.status_code] == [401, 401, 403]
    assert nobody["WWW-Authenticate"] == 'Bearer realm="RIS"'
    assert wrong["WWW-Authenticate"] == 'Bearer realm="RIS", error="invalid_token"'
    kept = AuditEvent.objects.filter(action="REST GET").order_by("at")
    assert [(each.actor_name, each.outcome, each.detail["path"]) for each in kept] == [
        ("", "refused", "/api/v1/orders/"),
        ("", "refused", "/api/v1/orders/"),
        ("EHR", "denied", "/api/v1/orders/"),
    ]


def test_no_token_borrows_the_role_of_a_machine() -> None:
    answer = rest(Role.SYSTEM, Role.MODALITY, Role.INTERFACE).get("orders/")

    assert answer.status_code == 403


def test_a_session_changes_nothing_without_the_csrf_token(booked: Order) -> None:
    execute(
        CreateUser(username="sue", password="a-long-password", roles=frozenset({Role.SCHEDULER})),
        actor=OPERATOR,
    )
    client = Client(enforce_csrf_checks=True)
    client.login(username="sue", password="a-long-password")

    shown = client.get(f"/api/v1/orders/{booked.public_id}/")
    refused = client.post(
        f"/api/v1/orders/{booked.public_id}/hold/", {"reason": "x"}, content_type=JSON
    )

    booked.refresh_from_db()
    assert (shown.status_code, refused.status_code, booked.status) == (200, 403, "ACTIVE")


def test_messages_are_for_administrators() -> None:
    assert rest(Role.SCHEDULER).get("messages/").status_code == 403
    assert rest(Role.ADMIN).get("messages/").json()["results"] == []


def test_connections_are_named_by_public_ids_alone() -> None:
    endpoint = make.endpoint("EHR")

    (shown,) = [each for each in rest(Role.ADMIN).get("connections/").json() if each["public_id"]]

    assert shown["public_id"] == endpoint
    assert "pk" not in shown


def test_an_unknown_address_is_a_problem_too() -> None:
    answer = rest(Role.ADMIN).get("nothing/here/")

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-key")


def test_pages_go_on_where_the_last_one_ended() -> None:
    make.site()
    for number in range(3):
        make.order(patient=make.patient(f"P-{number}"))
    client = rest(Role.SCHEDULER)

    first = client.get("orders/?limit=2").json()
    rest_of = client.get(first["next"].partition("/api/v1/")[2]).json()

    seen = [each["public_id"] for each in first["results"] + rest_of["results"]]
    assert len(set(seen)) == 3
    assert rest_of["next"] is None


def test_the_description_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    document = description()

    assert capsys.readouterr().err == ""  # names given twice, fields of no known type
    assert set(document["components"]["securitySchemes"]) == {"session", "token"}


def test_the_description_is_open_and_in_both_forms() -> None:
    described = Rest("").get("schema/")
    written = Client().get("/api/v1/schema/", headers={"Accept": "application/yaml"})

    assert described.json()["openapi"].startswith("3.")
    assert written.content.startswith(b"openapi:")

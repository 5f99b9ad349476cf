"""Who may do what: tokens, scopes, addresses, audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.accounts import IssueToken, RevokeToken
from ris.domain.actors import OPERATOR
from ris.models import AuditEvent, InboundMessage, Patient
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", ""),
        ("Bearer", ', error="invalid_request"'),
        ("Bearer wrong", ', error="invalid_token"'),
        ("Basic dXNlcjpwYXNz", ', error="invalid_request"'),
        ("Bearer " + "x" * 5000, ', error="invalid_request"'),
    ],
)
def test_nobody_comes_in_without_a_token(header: str, error: str) -> None:
    for method, path in (("GET", "/Patient"), ("GET", "/Patient/1"), ("POST", "/ServiceRequest"),
                         ("GET", "/Nonsense")):  # fmt: skip
        answer = Api().request(method, path, **({"Authorization": header} if header else {}))

        assert (answer.status, answer.issue["code"]) == (401, "login")
        assert answer.headers["WWW-Authenticate"] == f'Bearer realm="FHIR"{error}'
    assert InboundMessage.objects.count() == 0


def test_a_token_that_expired_or_was_revoked_is_worth_nothing() -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    expired = token(expires_at=past)
    issued = execute(IssueToken(client="EHR", scopes=("system/*.cruds",)), actor=OPERATOR)
    assert Api(issued.secret).get("/Patient").status == 200
    execute(RevokeToken(token=issued.public_id), actor=OPERATOR)

    assert Api(expired).get("/Patient").status == 401
    assert Api(issued.secret).get("/Patient").status == 401


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        ((), 200),
        (("127.0.0.1",), 200),
        (("10.0.0.0/8", "127.0.0.0/8"), 200),
        (("10.0.0.0/8",), 403),
        (("nonsense",), 403),
    ],
)
def test_a_token_may_be_bound_to_addresses(addresses: tuple[str, ...], status: int) -> None:
    api = Api(token(addresses=addresses))

    assert api.get("/Patient").status == status


def test_behind_a_proxy_the_address_is_the_one_the_proxy_saw(settings) -> None:
    http = settings.CONFIG.http.model_copy(update={"behind_proxy": True})
    settings.CONFIG = settings.CONFIG.model_copy(update={"http": http})
    api = Api(token(addresses=("10.1.2.3",)))

    inside = api.get("/Patient", X_Forwarded_For="192.0.2.1, 10.1.2.3")
    outside = api.get("/Patient", X_Forwarded_For="10.1.2.3, 192.0.2.1")

    assert (inside.status, outside.status) == (200, 403)


def test_without_a_proxy_nobody_chooses_his_address() -> None:
    api = Api(token(addresses=("10.1.2.3",)))

    assert api.get("/Patient", X_Forwarded_For="10.1.2.3").status == 403


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/Patient", "system/Patient.s"),
        ("GET", "/Patient/1", "system/Patient.r"),
        ("GET", "/Patient/1/_history/1", "system/Patient.r"),
        ("POST", "/Patient", "system/Patient.c"),
        ("PUT", "/Patient/1", "system/Patient.u"),
        ("PATCH", "/Patient/1", "system/Patient.u"),
        ("POST", "/Patient/_search", "system/Patient.s"),
    ],
)
def test_each_interaction_needs_its_scope(method: str, path: str, scope: str) -> None:
    letter = scope[-1]
    others = "".join(each for each in "cruds" if each != letter)
    without = Api(token(f"system/Patient.{others}", "system/Task.cruds"))

    refused = without.request(method, path)
    allowed = Api(token(scope)).request(method, path)

    assert (refused.status, refused.issue["code"]) == (403, "forbidden")
    assert scope in refused.issue["diagnostics"]
    assert allowed.status != 403
    assert Patient.objects.count() == 0


def test_a_scope_of_version_one_reads_and_searches() -> None:
    api = Api(token("system/Patient.read"))

    assert api.get("/Patient").status == 200
    assert api.post("/Patient", resources.patient()).status == 403


# --- audit


def test_a_read_is_audited_with_the_patient(api: Api) -> None:
    order = make.order()

    api.get(f"/ServiceRequest/{order.public_id}")

    row = AuditEvent.objects.get(action="FHIR read ServiceRequest")
    assert row.patient == order.patient
    assert (row.actor_kind, row.actor_name, row.outcome) == ("client", "EHR", "success")
    assert row.subject == f"ServiceRequest/{order.public_id}"


def test_a_search_is_audited_with_every_patient_shown(api: Api) -> None:
    orders = [make.order(), make.order()]

    api.get("/ServiceRequest?status=active&_include=ServiceRequest:patient")

    row = AuditEvent.objects.get(action="FHIR search ServiceRequest")
    assert sorted(row.patients) == sorted(str(order.patient.public_id) for order in orders)
    assert row.detail == {"query": "status=active&_include=ServiceRequest:patient"}


def test_a_search_that_finds_nothing_is_audited_too(api: Api) -> None:
    api.get("/Patient?family=nobody")

    assert AuditEvent.objects.get(action="FHIR search Patient").patients == []


def test_a_refusal_is_audited(api: Api) -> None:
    Api(token("system/Task.rs")).get("/Patient")

    row = AuditEvent.objects.get(action="FHIR GET Patient")
    assert (row.outcome, row.actor_name) == ("denied", "EHR")


def test_a_conditional_create_that_finds_is_audited(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))

    api.post("/Patient", resources.patient("1"), If_None_Exist="identifier=1")

    assert AuditEvent.objects.filter(action="FHIR conditional create Patient").count() == 1


def test_an_update_that_changes_nothing_is_audited(api: Api) -> None:
    order = make.order()
    shown = api.get(f"/ServiceRequest/{order.public_id}").body

    api.put(f"/ServiceRequest/{order.public_id}", shown)

    row = AuditEvent.objects.get(action="FHIR update ServiceRequest")
    assert (row.order, row.patient) == (order, order.patient)

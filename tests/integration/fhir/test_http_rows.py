"""HTTP details row by row (spec/fhir.md 1.4, H1 to H17), as far as no other file has them.

H2 and H15: test_json, test_http. H6, H8: test_conditional, test_patch. H9: history. H10 to H12:
test_bundle. XML of H1: the tests of the XML codec.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from integration.fhir import transport
from integration.fhir.outcome import HttpError
from integration.fhir.transport import Throttle, plain, takes_gzip
from ris.models import AuditEvent, Patient
from ris.services.audit import record_access
from tests import people
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, token

pytestmark = pytest.mark.django_db


def configure(settings: Any, **changes: Any) -> None:
    fhir = settings.CONFIG.fhir.model_copy(update=changes)
    settings.CONFIG = settings.CONFIG.model_copy(update={"fhir": fhir})


def test_h3_a_create_tells_its_version_and_answers_as_preferred(api: Api) -> None:
    answers = {
        preference: api.post("/Patient", resources.patient(), Prefer=f"return={preference}")
        for preference in ("minimal", "representation", "OperationOutcome", "nonsense")
    }

    for answer in answers.values():
        assert (answer.status, answer.headers["ETag"]) == (201, 'W/"1"')
        assert answer.headers["Location"].startswith(f"{BASE}/Patient/")
        assert answer.headers["Location"].endswith("/_history/1")
        assert answer.headers["Last-Modified"].endswith(" GMT")
    kinds = [each.body and each.body["resourceType"] for each in answers.values()]
    assert kinds == [None, "Patient", "OperationOutcome", "Patient"]


def test_h4_a_read_is_answered_by_its_version(api: Api) -> None:
    patient = api.post("/Patient", resources.patient()).body
    address = f"/Patient/{patient['id']}"
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    gone = api.post("/Observation", observation).body["id"]
    api.request("DELETE", f"/Observation/{gone}")

    told = [
        api.get(address, If_None_Match='W/"1"'),
        api.get(f"{address}/_history/1"),
        api.request("HEAD", address),
        api.get(f"/Observation/{gone}"),
        api.get("/Patient/unknown"),
        api.get("/Medication/1"),
        api.get(f"{address}/_history/9"),
    ]

    assert [each.status for each in told] == [304, 200, 200, 410, 404, 404, 404]
    assert [each.headers["ETag"] for each in told[:3]] == ['W/"1"'] * 3
    assert [each.body is None for each in told[:3]] == [True, False, True]
    assert [each.issue["code"] for each in told[3:]] == [
        "deleted", "not-found", "not-supported", "not-found",
    ]  # fmt: skip


def test_h5_an_update_is_of_the_address_and_ids_are_given_here(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body

    mismatch = api.put(f"/Patient/{patient['id']}", {**patient, "id": "other"})
    own_id = api.put("/Patient/mine", {**resources.patient("2"), "id": "mine"})
    stale = api.put(f"/Patient/{patient['id']}", patient, If_Match='W/"7"')

    assert [each.status for each in (mismatch, own_id, stale)] == [400, 405, 412]
    assert Patient.objects.count() == 1


def test_h13_h14_every_refusal_is_an_outcome_with_its_request(api: Api, settings: Any) -> None:
    """400 401 403 404 405 406 409 413 415 422 429; the others stand in the tests of their rows."""
    nobody = Api()
    reader = Api(token("system/Patient.rs", client="Reader"))
    draft = resources.service_request(status="draft")
    api.post("/Patient", resources.patient("1"))
    told = {
        400: api.request("POST", "/Patient", b"{"),
        401: nobody.get("/Patient"),
        403: reader.post("/Patient", resources.patient()),
        404: api.get("/nothing/here"),
        405: api.request("PUT", "/metadata", {}),
        406: api.get("/Patient", Accept="image/png"),
        409: api.post("/Patient", resources.patient("1")),
        413: api.request("POST", "/Patient", b" " * (settings.CONFIG.fhir.body_bytes + 1)),
        415: api.post("/Patient", resources.patient(), Content_Type="text/plain"),
        422: api.post("/ServiceRequest", draft),
    }
    configure(settings, requests_per_minute=1)
    transport.throttle.take("Reader", 1)
    told[429] = reader.get("/Patient", X_Request_Id="trace-429")

    for status, answer in told.items():
        assert answer.status == status, (status, answer.body)
        assert answer.issue["severity"] in {"error", "fatal"}
        assert answer.headers["X-Request-ID"]
        assert "Traceback" not in json.dumps(answer.body)
    assert told[401].headers["WWW-Authenticate"].startswith("Bearer ")
    assert told[422].issue["expression"] == ["ServiceRequest.status"]
    assert (told[429].issue["code"], told[429].headers["Retry-After"]) == ("throttled", "60")
    assert told[429].headers["X-Request-ID"] == "trace-429"


def test_h14_a_bucket_of_requests_fills_again() -> None:
    now = 100.0
    throttle = Throttle(clock=lambda: now, most_clients=2)

    def take(client: str, per_minute: int = 2) -> str:
        try:
            throttle.take(client, per_minute)
        except HttpError as error:
            return str(error.headers["Retry-After"])
        return "ok"

    first = [take("a"), take("a"), take("a"), take("b"), take("c", 0)]
    now += 30
    later = [take("a"), take("a")]
    for client in ("c", "d"):
        take(client)

    assert first == ["ok", "ok", "31", "ok", "ok"]
    assert later == ["ok", "31"]
    assert take("a") == "ok"  # forgotten, as others came


def test_h16_the_base_takes_bundles_with_and_without_a_slash(api: Api) -> None:
    body = {"resourceType": "Bundle", "type": "batch"}

    answers = [api.post(path, body) for path in ("", "/")]

    assert [(each.status, each.body["type"]) for each in answers] == [(200, "batch-response")] * 2


def test_h17_bodies_and_answers_may_be_compressed(api: Api) -> None:
    raw = json.dumps(resources.patient("1")).encode()

    packed = api.request("POST", "/Patient", gzip.compress(raw), Content_Encoding="gzip")
    broken = api.request("POST", "/Patient", raw, Content_Encoding="gzip")
    other = api.request("POST", "/Patient", raw, Content_Encoding="br")
    bundle = {"resourceType": "Bundle", "type": "batch"}
    batch = api.request(
        "POST", "/", gzip.compress(json.dumps(bundle).encode()), Content_Encoding="gzip"
    )
    answer = api.client.get("/fhir/metadata", headers={"Accept-Encoding": "gzip"})

    assert [each.status for each in (packed, broken, other, batch)] == [201, 400, 415, 200]
    assert answer["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.content))["resourceType"] == "CapabilityStatement"
    assert "Accept-Encoding" in answer["Vary"]
    assert not api.client.get("/fhir/metadata").has_header("Content-Encoding")


def test_h17_a_small_body_that_unpacks_to_a_large_one_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)

    with pytest.raises(HttpError) as too_long:
        plain(bomb, "gzip", 10_000)
    with pytest.raises(HttpError) as cut:
        plain(bomb[:-20], "gzip", 2_000_000)

    assert (too_long.value.status, cut.value.status) == (413, 400)
    assert plain(gzip.compress(b"x" * 10_000), "X-GZIP", 10_000) == b"x" * 10_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False),
     ("", False), ("gzip;q=much", False)],
)  # fmt: skip
def test_h17_gzip_is_sent_to_who_takes_it(header: str, expected: bool) -> None:
    assert takes_gzip(header) is expected


def test_h17_scripts_of_other_origins_read_what_is_open_and_what_they_may(
    api: Api, settings: Any
) -> None:
    viewer, name = "https://viewer.example", "Access-Control-Allow-Origin"
    closed = api.get("/Patient", Origin=viewer)
    metadata = Api().get("/metadata", Origin=viewer)
    unasked = Api().request("OPTIONS", "/Patient", Origin=viewer)
    configure(settings, cors_origins=(viewer,))

    asked = Api().request("OPTIONS", "/Patient", Origin=viewer, Access_Control_Request_Method="PUT")
    opened = api.get("/Patient", Origin=viewer)
    other = api.get("/Patient", Origin="https://evil.example")
    refused = Api().get("/Patient", Origin=viewer)

    assert [name in each.headers for each in (closed, unasked, other)] == [False] * 3
    assert metadata.headers[name] == "*"
    assert (asked.status, asked.headers[name]) == (204, viewer)
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in asked.headers["Access-Control-Allow-Headers"]
    assert "ETag" in opened.headers["Access-Control-Expose-Headers"]
    assert [each.headers[name] for each in (opened, refused)] == [viewer, viewer]
    assert refused.status == 401
    assert "Origin" in opened.headers["Vary"]


def test_options_of_the_base_tell_what_is_served(api: Api) -> None:
    answer = api.request("OPTIONS", "/")

    assert (answer.status, answer.body["resourceType"]) == (200, "CapabilityStatement")
    assert {"GET", "POST"} & set(answer.headers["Allow"].split(", "))


def test_a_read_of_what_names_a_stranger_is_audited(api: Api) -> None:
    record_access(people.ehr, action="FHIR read", patients=["not-one-of-ours"])

    assert AuditEvent.objects.get(action="FHIR read").patient is None

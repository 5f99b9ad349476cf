"""The HTTP side: addresses, methods, formats, versions, limits, errors."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError

from integration.fhir import searching
from ris.models import InboundMessage, Order, Patient
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api

pytestmark = pytest.mark.django_db


# --- addresses


@pytest.mark.parametrize(
    "path",
    ["/patient", "/Patient/1/2/3", "/Patient/a b", "/$export", "/Patient/1/$nothing"],
)
def test_an_unknown_address_is_an_outcome(api: Api, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = api.request(method, path)

        assert (answer.status, answer.issue["code"]) == (404, "not-found"), (method, path)


def test_an_unknown_type_is_an_outcome(api: Api) -> None:
    answer = api.get("/Medication")

    assert (answer.status, answer.issue["code"]) == (404, "not-supported")


@pytest.mark.parametrize("public_id", ["00000000-0000-7000-8000-000000000001", "7", "x" * 64])
def test_an_unknown_id_is_an_outcome(api: Api, public_id: str) -> None:
    answer = api.get(f"/Patient/{public_id}")

    assert (answer.status, answer.issue["code"]) == (404, "not-found")


def test_a_trailing_slash_makes_no_difference(api: Api) -> None:
    created = api.post("/Patient/", resources.patient("1"))

    assert created.status == 201
    assert api.get("/Patient/?identifier=1").ids == [created.body["id"]]
    assert api.get(f"/Patient/{created.body['id']}/").body == created.body
    assert api.get("/metadata/").status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/Patient/1", "GET, HEAD, POST, PUT, PATCH"),
        ("PUT", "/Patient", "GET, HEAD, POST, PUT, PATCH"),
        ("PUT", "/metadata", "GET, HEAD"),
        ("GET", "/Patient/_search", "POST"),
    ],
)
def test_a_method_that_is_not_served_is_an_outcome(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = api.request(method, path)

    assert (answer.status, answer.issue["code"]) == (405, "not-supported")
    assert set(allowed.split(", ")) >= set(answer.headers["Allow"].split(", "))


def test_a_change_of_nothing_in_particular_is_told_how_to_name_it(api: Api) -> None:
    answer = api.put("/Patient", resources.patient())

    assert (answer.status, answer.issue["diagnostics"]) == (
        405, "which Patient is meant: Patient/[id], or a condition as the query",
    )  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [("POST", "/Task"), ("DELETE", "/Task/1"),
                                              ("PATCH", "/ImagingStudy/1")])  # fmt: skip
def test_what_comes_from_elsewhere_is_not_written(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path, {})

    assert (answer.status, answer.issue["code"]) == (405, "not-supported")
    assert InboundMessage.objects.count() == 0


def test_head_answers_like_get_without_body(api: Api) -> None:
    created = api.post("/Patient", resources.patient())

    answer = api.request("HEAD", f"/Patient/{created.body['id']}")

    assert (answer.status, answer.body) == (200, None)
    assert answer.headers["ETag"] == created.headers["ETag"]


# --- formats


def test_the_answer_has_the_name_of_json_the_client_uses(api: Api) -> None:
    for accept in ("application/json", "text/json"):
        answer = api.get("/metadata", Accept=accept)
        assert answer.headers["Content-Type"] == f"{accept}; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/Patient", "text/turtle"), ("/Patient?_format=ttl", "*/*"),
     ("/metadata", "text/html"), ("/nowhere", "text/turtle")],
)  # fmt: skip
def test_another_format_is_not_acceptable(api: Api, path: str, accept: str) -> None:
    answer = api.get(path, Accept=accept)

    assert (answer.status, answer.issue["code"]) == (406, "not-supported")
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"


def test_a_body_in_another_format_is_refused_and_kept(api: Api) -> None:
    answer = api.request("POST", "/Patient", b"a Patient .", Content_Type="text/turtle")

    assert (answer.status, answer.issue["code"]) == (415, "not-supported")
    assert InboundMessage.objects.get().outcome == "415"


def test_json_is_indented_for_people(api: Api) -> None:
    plain = api.client.get("/fhir/metadata").content
    pretty = api.client.get("/fhir/metadata?_pretty=true").content

    assert b"\n" not in plain
    assert pretty.startswith(b'{\n  "resourceType": "CapabilityStatement"')


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"resourceType":"Patient","id":"a","id":"b"}',
        b'{"resourceType":"Patient","language":"\\u0000"}',
        b'{"resourceType":"Patient","language":"\\ud800"}',
        b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
        b'{"resourceType":"Patient","language":"\xff"}',
        b'{"resourceType":"Bundle"}',
        b'{"resourceType":"ServiceRequest"}',
    ],
)
def test_a_body_that_is_no_resource_is_an_outcome(api: Api, body: bytes) -> None:
    answer = api.request("POST", "/Patient", body)

    assert answer.status == 400
    assert answer.body["resourceType"] == "OperationOutcome"
    assert Patient.objects.count() == 0
    assert InboundMessage.objects.get().state == "REJECTED"


def test_nested_extensions_within_the_limit_are_answered(api: Api) -> None:
    nested: dict = {"url": "urn:x", "valueString": "deep"}
    for _ in range(25):
        nested = {"url": "urn:x", "extension": [nested]}

    answer = api.post("/Patient", resources.patient(extension=[nested]))

    assert answer.status == 201


def test_a_body_that_is_too_long_is_an_outcome(api: Api) -> None:
    limit = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert limit == 4 * 1024 * 1024

    answer = api.request("POST", "/Patient", b" " * (limit + 1))

    assert (answer.status, answer.issue["code"]) == (413, "too-long")
    assert InboundMessage.objects.count() == 0


# --- versions


def test_a_read_tells_its_version(api: Api) -> None:
    public_id = api.post("/Patient", resources.patient()).body["id"]

    answer = api.get(f"/Patient/{public_id}")

    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.body["meta"]["versionId"] == "1"
    assert answer.headers["Last-Modified"].endswith("GMT")


def test_what_the_client_has_already_is_not_sent_again(api: Api) -> None:
    public_id = api.post("/Patient", resources.patient()).body["id"]
    first = api.get(f"/Patient/{public_id}")

    same = api.get(f"/Patient/{public_id}", If_None_Match=first.headers["ETag"])
    bare = api.get(f"/Patient/{public_id}", If_None_Match="1")
    other = api.get(f"/Patient/{public_id}", If_None_Match='W/"0"')
    since = api.get(f"/Patient/{public_id}", If_Modified_Since=first.headers["Last-Modified"])
    before = api.get(f"/Patient/{public_id}", If_Modified_Since="Mon, 01 Jan 2001 00:00:00 GMT")
    broken = api.get(f"/Patient/{public_id}", If_Modified_Since="yesterday")
    nowhere = api.get(f"/Patient/{public_id}", If_Modified_Since="Fri, 01 Jan 2100 00:00:00 -0000")
    far = api.get(f"/Patient/{public_id}", If_Modified_Since=f"Fri, 01 Jan 2100 00:00 +{'9' * 20}")

    assert [each.status for each in (same, bare, other, since, before, broken, nowhere, far)] == [
        304,
        304,
        200,
        304,
        200,
        200,
        304,
        200,
    ]
    assert (same.body, same.headers["ETag"]) == (None, 'W/"1"')


@pytest.mark.parametrize(
    ("url", "said", "status"),
    [
        ("token", {}, "404 Not Found"),
        (".well-known/smart-configuration", {}, "404 Not Found"),
        ("Patient", {"ifModifiedSince": "0001-01-01T00:00:00+14:00"}, "200 OK"),
    ],
)
def test_a_bundle_reads_what_is_fhir(api: Api, url: str, said: dict[str, str], status: str) -> None:
    request = {"method": "GET", "url": url, **said}

    answer = api.post(
        "", {"resourceType": "Bundle", "type": "batch", "entry": [{"request": request}]}
    )

    assert (answer.status, answer.body["entry"][0]["response"]["status"]) == (200, status)


def test_more_parameters_than_a_search_has_are_refused(api: Api) -> None:
    answers = [api.get("/Patient?" + "&".join(["name=a"] * many)) for many in (65, 2000)]

    assert [(each.status, each.issue["code"]) for each in answers] == [(400, "too-costly")] * 2


def test_each_version_has_an_address(api: Api) -> None:
    patient = api.post("/Patient", resources.patient()).body
    api.put(f"/Patient/{patient['id']}", {**patient, "birthDate": "1961"})

    present = api.get(f"/Patient/{patient['id']}/_history/2")
    earlier = api.get(f"/Patient/{patient['id']}/_history/1")

    assert (present.status, present.body["birthDate"]) == (200, "1961")
    assert (earlier.status, earlier.body) == (200, patient)


# --- our own faults


def test_a_fault_of_ours_is_told_by_its_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("secret detail of Anna Berg")

    monkeypatch.setattr(searching, "search", fail)

    answer = api.get("/Patient", X_Request_Id="trace-0001")

    assert (answer.status, answer.issue["code"]) == (500, "exception")
    assert answer.issue["diagnostics"] == "internal error trace-0001"
    assert answer.headers["X-Request-ID"] == "trace-0001"


def test_a_fault_while_applying_keeps_the_message_as_failed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integration.fhir.writing import servicerequests

    def fail(*_: object) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(servicerequests.servicerequest, "place_order", fail)

    answer = api.post("/ServiceRequest", resources.service_request())

    message = InboundMessage.objects.get()
    assert (message.state, message.outcome) == ("FAILED", "500")
    assert answer.status == 500
    assert answer.issue["diagnostics"] == f"internal error {message.error_id}"
    assert Order.objects.count() == 0


def test_a_busy_database_asks_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(searching, "search", fail)

    answer = api.get("/Patient")

    assert (answer.status, answer.issue["code"]) == (503, "lock-error")
    assert answer.headers["Retry-After"] == "2"


def test_what_no_database_takes_is_not_asked_for_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("Expression tree is too large (maximum depth 1000)")

    monkeypatch.setattr(searching, "search", fail)

    answer = api.get("/Patient")

    assert (answer.status, answer.issue["code"]) == (400, "too-costly")
    assert "Retry-After" not in answer.headers


def test_a_failed_message_is_applied_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from integration.fhir import inbound
    from integration.fhir.writing import servicerequests
    from ris.domain.exchange import ReplayMessage
    from ris.services import execute
    from tests import people

    assert inbound.replay
    with monkeypatch.context() as patched:
        patched.setattr(servicerequests.servicerequest, "place_order", lambda *_: 1 / 0)
        api.post("/ServiceRequest", resources.service_request("4711"))
    message = InboundMessage.objects.get()

    execute(ReplayMessage(message=str(message.public_id), reason="mended"), actor=people.admin)

    message.refresh_from_db()
    assert (message.state, message.outcome) == ("APPLIED", "201")
    assert Order.objects.get().placer_order_number == "4711"


def test_a_redirect_never_loses_a_body(api: Api) -> None:
    make.site()

    assert api.post("/Patient", resources.patient()).status == 201
    assert api.get("/Organization").link("self") == f"{BASE}/Organization"

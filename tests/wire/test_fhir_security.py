"""What strangers and broken clients try at the FHIR port, over real HTTP."""

from __future__ import annotations

import http.client
import http.server
import json
import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings as django_settings

from ris.domain.accounts import IssueToken, RevokeToken
from ris.domain.actors import OPERATOR
from ris.domain.api_clients import AddClient, DisableClient
from ris.models import ApiToken, AuditEvent, ClientAssertion, InboundMessage
from ris.services import bearer, execute, refused_calls
from tests.integration.fhir import resources
from tests.integration.fhir.api import token
from tests.integration.fhir.smart import FORM, Service, ec_key, public, rsa_key, service
from tests.running import wait_until

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

JSON = "application/fhir+json"


@pytest.fixture
def base(live_server: Any) -> Iterator[str]:
    """The FHIR base of a running server; its requests have ended when the test has."""
    refused_calls.forget()
    yield f"{live_server.url}/fhir"
    wait_until(
        lambda: not any("process_request" in each.name for each in threading.enumerate()),
        "every request ends",
    )


def call(
    method: str, url: str, body: bytes = b"", **headers: str
) -> tuple[int, http.client.HTTPMessage, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body or None, sent)
        response = connection.getresponse()
        raw = response.read()
        return response.status, response.headers, json.loads(raw) if raw else None
    finally:
        connection.close()


def bearer_of(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


# --- who comes in


def test_each_way_to_come_without_a_right_is_answered_as_rfc_6750_says(base: str) -> None:
    good = token()
    expired = token(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    elsewhere = token(addresses=("10.0.0.0/8",))
    narrow = token("system/Task.rs")
    invalid, form = 'error="invalid_token"', 'error="invalid_request"'
    tries: list[tuple[str, dict[str, str], int, str]] = [
        ("/Patient", {}, 401, ""),
        ("/Patient", {"Authorization": f"Bearer {good}x"}, 401, invalid),
        ("/Patient", {"Authorization": f"Bearer {expired}"}, 401, invalid),
        ("/Patient", {"Authorization": f"Bearer {good[:-1]}"}, 401, invalid),
        ("/Patient", {"Authorization": good}, 401, form),
        ("/Patient", {"Authorization": f"Token {good}"}, 401, form),
        ("/Patient", {"Authorization": "Bearer"}, 401, form),
        ("/Patient", {"Authorization": "Bearer " + "x" * 5000}, 401, form),
        (f"/Patient?access_token={good}", {}, 401, form),
        (f"/Patient?_id=1&Access_Token={good}", bearer_of(good), 401, form),
        ("/Patient", {"Authorization": f"Bearer {elsewhere}"}, 403, ""),
        ("/Patient", {"Authorization": f"Bearer {narrow}"}, 403, ""),
        ("/Patient", {"Authorization": f"bEARER   {good}"}, 200, ""),
        ("/Patient", {"authorization": f"Bearer {good} "}, 200, ""),
    ]

    for path, headers, status, error in tries:
        answer, given, body = call("GET", base + path, **headers)
        challenge = given.get("WWW-Authenticate", "")
        place = (path[:20], list(headers.values())[:1])
        assert answer == status, place
        if status == 401:
            assert challenge == 'Bearer realm="FHIR"' + (f", {error}" if error else ""), place
        if status != 200:
            assert body["resourceType"] == "OperationOutcome"
            assert given["Content-Type"] == "application/fhir+json; charset=utf-8"
            assert good not in json.dumps(body)


def test_a_token_is_nowhere_in_log_or_audit(base: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = token()
    with caplog.at_level("DEBUG"):
        call("GET", f"{base}/Patient?access_token={secret}")
        call("GET", f"{base}/Patient?family=a", **bearer_of(secret))
        call("POST", f"{base}/Patient", b"{", Content_Type=JSON, **bearer_of(secret))
        call("GET", f"{base}/Nothing", Authorization=f"Token {secret}")
        form = urlencode({"access_token": secret}).encode()
        call("POST", f"{base}/Patient/_search", form, Content_Type=FORM, **bearer_of(secret))

    # The server of the tests writes addresses; ours does not.
    own = [each for each in caplog.records if not each.name.startswith("django.")]
    assert secret not in " ".join(each.getMessage() for each in own)
    kept = [json.dumps(row.detail) + row.subject for row in AuditEvent.objects.all()]
    kept += [bytes(row.raw).decode() for row in InboundMessage.objects.all()]
    assert secret not in " ".join(kept)
    assert ApiToken.objects.get().digest != secret


def test_a_revoked_token_and_a_disabled_client_end_with_the_next_request(base: str) -> None:
    issued = execute(IssueToken(client="EHR", scopes=("system/*.rs",)), actor=OPERATOR)
    backend = service("system/*.rs")
    backend.url = f"{base}/token"
    short = ask(backend)[1]["access_token"]
    for secret in (issued.secret, short):
        assert call("GET", f"{base}/Patient", **bearer_of(secret))[0] == 200

    execute(RevokeToken(token=issued.public_id), actor=OPERATOR)
    execute(DisableClient(client=backend.client_id), actor=OPERATOR)

    for secret in (issued.secret, short):
        assert call("GET", f"{base}/Patient", **bearer_of(secret))[0] == 401


def test_the_use_of_a_token_is_noted_once_a_minute(base: str) -> None:
    secret = token()
    call("GET", f"{base}/Patient", **bearer_of(secret))
    wait_until(lambda: ApiToken.objects.get().last_used_at is not None, "the use is noted")
    first = ApiToken.objects.get().last_used_at

    call("GET", f"{base}/Patient", **bearer_of(secret))
    bearer.write_uses()

    assert ApiToken.objects.get().last_used_at == first


# --- what is too much


def test_what_is_too_large_or_too_deep_is_refused_as_an_outcome(base: str) -> None:
    headers = {**bearer_of(token()), "Content_Type": JSON}
    limit = django_settings.CONFIG.fhir.body_bytes
    many = urlencode([("_id", "x")] * 65)
    tries: list[tuple[str, str, bytes, int]] = [
        ("POST", "/Patient", b" " * (limit + 1), 413),
        ("POST", "/Patient", b'{"a":' * 3000 + b"1" + b"}" * 3000, 400),
        ("POST", "/Patient", b"[" * 100_000, 400),
        ("POST", "/Patient", json.dumps({"a": list(range(200_000))}).encode(), 400),
        ("POST", "/Patient", b'{"resourceType":"Patient","resourceType":"Patient"}', 400),
        ("POST", "/Patient", b'{"resourceType":"Patient","id":"\xff"}', 400),
        ("POST", "/Patient", b'{"resourceType":"Patient","birthDate":"\\u0000"}', 400),
        ("POST", "/Patient", b"", 400),
        ("GET", f"/Patient?{many}", b"", 400),
        ("GET", f"/Patient?family={'x' * 3000}", b"", 400),
        ("GET", "/Patient?_id=%00", b"", 400),
        ("GET", f"/Patient?family={'a,' * 5000}a", b"", 400),
        ("GET", f"/Patient?name={'a,' * 299}a&name={'b,' * 299}a", b"", 200),
        ("GET", f"/Patient?{urlencode([('name', 'a,' * 299 + 'b')] * 20)}", b"", 200),
        ("GET", "/Patient/" + "x" * 200, b"", 404),
        ("GET", "/" + "x" * 200, b"", 404),
    ]

    for method, path, body, status in tries:
        answer, given, found = call(method, base + path, body, **headers)
        assert answer == status, (method, path[:40], body[:20], found)
        assert found["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")
        assert given["Content-Type"].startswith(JSON)
    assert InboundMessage.objects.filter(outcome="201").count() == 0


def test_after_all_that_a_good_request_is_served(base: str) -> None:
    body = json.dumps(resources.patient()).encode()

    status, _, _ = call("POST", f"{base}/Patient", body, Content_Type=JSON, **bearer_of(token()))

    assert status == 201


# --- the token endpoint


def ask(backend: Service, **fields: str) -> tuple[int, Any]:
    body = backend.encoded("system/Patient.rs", **fields).encode()
    status, _, found = call("POST", backend.url, body, Content_Type=FORM)
    return status, found


def test_one_assertion_sent_many_times_at_once_gives_one_token(base: str) -> None:
    backend = service()
    backend.url = f"{base}/token"
    once = backend.assertion()

    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: ask(backend, assertion=once)[0], range(8)))

    # 503 is for what comes in the same moment as several others from one address.
    assert statuses[200] == 1
    assert statuses[401] + statuses[503] == 7
    assert (ApiToken.objects.count(), ClientAssertion.objects.count()) == (1, 1)


def test_bodies_that_never_end_leave_threads_for_the_others(base: str) -> None:
    parts = urlsplit(base)
    backend = service()
    backend.url = f"{base}/token"
    slow = []
    for _ in range(6):
        sender = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)
        sender.sendall(
            b"POST /fhir/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\na"
        )
        slow.append(sender)
    # Two of them are waited for, the others have their answer.
    wait_until(lambda: len(select.select(slow, [], [], 0)[0]) == 4, "four are refused")

    refused = select.select(slow, [], [], 0)[0]
    assert all(each.recv(12) == b"HTTP/1.1 503" for each in refused)
    assert ask(backend)[0] == 503
    for each in slow:
        each.close()
    wait_until(lambda: ask(backend)[0] == 200, "the token endpoint is free again")


# --- keys at the client's own address


class Keys:
    """A web server of a client; ``answer`` is (status, body, headers)."""

    def __init__(self) -> None:
        keys = self
        self.asked = 0
        self.answer: tuple[int, bytes, dict[str, str]] = (200, b"{}", {})

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.asked += 1
                status, body, headers = keys.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def serve(self, *keys: Any) -> None:
        self.answer = (200, json.dumps(public(*keys)).encode(), {})

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def keys() -> Iterator[Keys]:
    from integration.fhir.smart import keys as fetched

    fetched.forget()
    served = Keys()
    yield served
    served.close()
    fetched.forget()


def from_address(keys: Keys, base: str) -> Service:
    command = AddClient(name="Fetched", scopes=("system/Patient.rs",), jwks_uri=keys.url)
    backend = Service(execute(command, actor=OPERATOR), ec_key())
    backend.url = f"{base}/token"
    return backend


def allow(settings: Any, *hosts: str) -> None:
    fhir = settings.CONFIG.fhir.model_copy(update={"jwks_hosts": hosts})
    settings.CONFIG = settings.CONFIG.model_copy(update={"fhir": fhir})


def test_keys_are_fetched_once_and_kept(base: str, keys: Keys, settings: Any) -> None:
    allow(settings, "127.0.0.1")
    keys.serve(ec_key(), rsa_key())
    backend = from_address(keys, base)
    other = Service(backend.client_id, rsa_key(), url=backend.url)

    statuses = [ask(each)[0] for each in (backend, backend, other)]
    unknown = Service(backend.client_id, ec_key("ec-9"), url=backend.url)
    statuses += [ask(unknown)[0] for _ in range(5)]

    assert statuses == [200, 200, 200, 401, 401, 401, 401, 401]
    assert keys.asked == 1


def test_keys_are_fetched_from_listed_hosts_only(base: str, keys: Keys, settings: Any) -> None:
    allow(settings)
    keys.serve(ec_key())

    assert ask(from_address(keys, base))[0] == 401
    assert keys.asked == 0


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}", {}),
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"no json", {}),
        (200, b"[" * 5000, {}),
        (200, b'{"keys": []}', {}),
        (200, b" " * 70_000, {}),
    ],
)
def test_an_address_that_gives_no_keys_gets_no_token(
    base: str, keys: Keys, settings: Any, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    allow(settings, "127.0.0.1")
    keys.answer = answer

    status, body = ask(from_address(keys, base))

    assert (status, body["error"]) == (401, "invalid_client")
    assert keys.asked == 1

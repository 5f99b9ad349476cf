"""What every answer of the web server carries, and the addresses for machines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from ris import middleware, probes

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


@pytest.mark.django_db
def test_every_answer_has_the_strict_policy_even_a_refusal(client: Client) -> None:
    for path, status in (("/healthz", 200), ("/metrics", 403)):
        response = client.get(path, REMOTE_ADDR="192.0.2.7")

        assert response.status_code == status
        assert response["Content-Security-Policy"] == POLICY
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "given",
    [
        "7",
        "order-4711-a",
        "urn:uuid:6f1c3f5e-1b1f-4a54-9d0c-0f8f6f2b7a10",
        "Root=1-67891233-abcdef012345678912345678",
        "c2hvcnQ+aWQ/cg==",
        "x" * 128,
    ],
)
def test_a_request_id_is_kept_when_it_is_one(client: Client, given: str) -> None:
    kept = client.get("/healthz", headers={"X-Request-ID": given})

    assert kept["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "<script>alert(1)</script>",
        "two words",
        "a\tb",
        "7\r\nSet-Cookie: a=b",
        "caf\u00e9",
        "${jndi:ldap://x}",
        "x" * 129,
    ],
)
def test_a_request_id_is_made_when_none_is_given_that_a_log_can_hold(
    client: Client, given: str
) -> None:
    made = client.get("/healthz", headers={"X-Request-ID": given})

    assert re.fullmatch("[0-9a-f]{32}", made["X-Request-ID"])


def test_healthz_needs_no_database(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_says_what_it_checked(client: Client) -> None:
    response = client.get("/readyz")

    body = json.loads(response.content)
    assert body["failed"] == []
    assert body["ready"] is True
    assert response.status_code == 200


@pytest.mark.django_db
def test_readyz_is_503_when_a_probe_fails(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "READINESS", (lambda _: [probes.failed("disk", "full")],))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert json.loads(response.content)["failed"] == ["disk"]


@pytest.mark.django_db
def test_metrics_are_numbers_for_known_addresses_only(client: Client) -> None:
    here = client.get("/metrics", REMOTE_ADDR="127.0.0.1")
    there = client.get("/metrics", REMOTE_ADDR="192.0.2.7")

    assert here.status_code == 200
    assert b"\nris_deliveries_waiting 0.0\n" in here.content
    assert there.status_code == 403


def _answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.is_authenticated))


@pytest.fixture
def visit(db: None) -> Callable[..., str]:
    """Calls a page behind the session limits and says whether the user was still logged in."""
    client = Client()
    client.force_login(get_user_model().objects.create(username="uma"))
    handler = middleware.session_limits(_answer)

    def call(**headers: str) -> str:
        from django.contrib.auth.middleware import AuthenticationMiddleware
        from django.contrib.sessions.middleware import SessionMiddleware

        request = RequestFactory().get("/", headers=headers)
        request.COOKIES.update({name: morsel.value for name, morsel in client.cookies.items()})
        chain = SessionMiddleware(AuthenticationMiddleware(handler))
        return chain(request).content.decode()

    return call


def test_an_idle_session_ends_and_a_poll_does_not_count_as_a_click(
    visit: Callable[..., str],
) -> None:
    idle = timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert visit() == "True"
        clock.shift(idle - timedelta(seconds=5))
        assert visit(**{"X-Ris-Poll": "1"}) == "True"
        clock.shift(timedelta(seconds=10))
        assert visit() == "False"


def test_clicks_keep_a_session_until_its_absolute_end(visit: Callable[..., str]) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            assert visit() == "True"
            clock.shift(timedelta(minutes=14))
        assert visit() == "True"
        for _ in range(int(settings.SESSION_COOKIE_AGE / 840)):
            visit()
            clock.shift(timedelta(minutes=14))
        assert visit() == "False"


def test_a_static_address_carries_the_digest_of_its_content() -> None:
    from django.templatetags.static import static

    first = static("admin/css/base.css")

    assert first.startswith("/static/admin/css/base.css?v=")
    assert len(first.rpartition("=")[2]) == 12


def test_static_files_are_served_cacheable(client: Client) -> None:
    response = client.head("/static/admin/css/base.css")

    assert response.status_code == 200
    assert response["Cache-Control"] == "max-age=3600, public"

"""Codes of the authenticator app, at login and at signing: each is taken once by the site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from allauth.mfa.totp.internal import auth
from django.core.cache import cache
from django.test import Client

from ris import config
from ris.models import Order, Report, ReportVersion, User
from tests.web.department import opened

As = Callable[[str], Client]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PERIOD = 30  # seconds, as every app has it (RFC 6238 5.2)
NOW = 1_790_000_000


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    cache.clear()
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", "second-factor")
    # A clock that stands, so that no period ends while a test runs.
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: NOW))
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()
    cache.clear()


@pytest.fixture
def reader(as_: As) -> Client:
    client = as_("radiologist")
    auth.TOTP.activate(User.objects.get(username="radiologist"), SECRET)
    return client


def code(periods: int = 0) -> str:
    """What an app shows; with ``periods`` one whose clock is so many periods ahead."""
    return str(auth.format_hotp_value(auth.hotp_value(SECRET, NOW // PERIOD + periods)))


def sign(reader: Client, report: Report, proof: str, how: str = "preliminary") -> str:
    report.refresh_from_db()
    form = {
        "findings": "No bleeding.",
        "impression": "Normal.",
        "as": how,
        "revision": str(report.draft_revision),
        "proof": proof,
    }
    return reader.post(f"/reports/{report.public_id}/sign/", form, follow=True).content.decode()


def test_a_code_signs_once_whichever_process_is_asked(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    sign(reader, report, code())
    cache.clear()  # another process has seen nothing of it

    again = sign(reader, report, code(), "final")

    assert "This code was used already: wait for the next one." in again
    assert list(ReportVersion.objects.values_list("kind", flat=True)) == ["PRELIMINARY"]


def test_a_used_code_is_no_guess(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    sign(reader, report, code())
    for _ in range(6):
        sign(reader, report, code(), "final")

    sign(reader, report, code(1), "final")

    assert list(ReportVersion.objects.values_list("kind", flat=True)) == ["PRELIMINARY", "FINAL"]


@pytest.mark.parametrize("periods", [-1, 1])
def test_a_clock_half_a_minute_off_still_signs(reader: Client, exam: Order, periods: int) -> None:
    sign(reader, opened(reader, exam), code(periods))

    assert ReportVersion.objects.get().signed_with == "second-factor"


@pytest.mark.parametrize("periods", [-2, 2])
def test_a_clock_a_minute_off_does_not(reader: Client, exam: Order, periods: int) -> None:
    page = sign(reader, opened(reader, exam), code(periods))

    assert "Incorrect code" in page
    assert ReportVersion.objects.count() == 0


def test_an_older_code_is_not_taken_after_a_newer_one(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    sign(reader, report, code())

    page = sign(reader, report, code(-1), "final")

    assert "This code was used already: wait for the next one." in page
    assert ReportVersion.objects.count() == 1


def test_the_code_of_a_login_does_not_sign(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    fresh = Client()
    fresh.post("/login/", {"login": "radiologist", "password": "demo"})

    entered = fresh.post("/account/2fa/authenticate/", {"code": code()})
    cache.clear()
    page = sign(reader, report, code())

    assert (entered.status_code, entered["Location"]) == (302, "/")
    assert "This code was used already: wait for the next one." in page
    assert ReportVersion.objects.count() == 0


def test_a_recovery_code_signs_once(reader: Client, exam: Order) -> None:
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

    spare = RecoveryCodes.activate(User.objects.get(username="radiologist"))
    one = spare.get_unused_codes()[0]
    report = opened(reader, exam)

    sign(reader, report, one)
    again = sign(reader, report, one, "final")

    assert "Incorrect code" in again
    assert list(ReportVersion.objects.values_list("kind", "signed_with")) == [
        ("PRELIMINARY", "second-factor")
    ]

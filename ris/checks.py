"""What a start that is not the demo refuses.

The settings are a system check of Django, run by every command; the data is looked at before the
parts start (`ris.prepare`) and by `ris doctor`. The demo is exempt: whoever asked for it knows that
its passwords are public.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError

from ris import config
from ris.domain.local_time import is_one_clock

DEMO_KEY = "demo-ehr-token"  # of the demo, which is recognized by it; everybody knows it
HOLDS_DEMO = "ris.E004"
DEFAULT_PASSWORDS = ("demo", "admin", "password", "changeme")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unsafe_settings(settings: config.Configuration) -> list[CheckMessage]:
    """Debug mode, and patient data in the clear on a network."""
    if settings.demo:
        return []
    found: list[CheckMessage] = []
    if settings.debug:
        found.append(
            Error(
                "debug pages show settings and patient data",
                hint="unset RIS_DEBUG, or use `ris up --demo`",
                id="ris.E001",
            )
        )
    http = settings.http
    if not (is_loopback(http.host) or http.tls_cert or http.behind_proxy or http.allow_plain):
        found.append(
            Error(
                f"{http.host} can be reached from outside, and plain HTTP shows passwords and "
                "patients",
                hint="set RIS_HTTP__TLS_CERT and __TLS_KEY, or RIS_HTTP__BEHIND_PROXY=true, or "
                "say yes to it with RIS_HTTP__ALLOW_PLAIN=true",
                id="ris.E002",
            )
        )
    return found


@register(Tags.security)
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return unsafe_settings(config.load())


def unsafe_data(settings: config.Configuration) -> list[CheckMessage]:
    """Demo data never serves patients, and patients' data is never served as a demo."""
    from ris.models import ApiToken, Patient

    digest = hashlib.sha256(DEMO_KEY.encode()).hexdigest()
    try:
        holds_demo = ApiToken.objects.filter(digest=digest).exists()
        if settings.demo:
            if not holds_demo and Patient.objects.exists():
                return [
                    Error(
                        "the database holds a site that is not the demo",
                        hint="choose another folder with --data-dir",
                        id="ris.E003",
                    )
                ]
            return []
        if holds_demo:
            return [
                Error(
                    "the database holds the demo site, with public passwords",
                    hint="start with --demo, or choose another folder with --data-dir",
                    id=HOLDS_DEMO,
                )
            ]
        return _default_passwords()
    except DatabaseError:
        return []  # not migrated yet: nobody can log in either


def other_clocks(settings: config.Configuration) -> list[CheckMessage]:
    """Sites by another clock than the installation's: what people type and read of an exam goes by
    the one, what scanners are told and what is counted by the other.
    """
    from ris.models import Site

    try:
        sites = list(Site.objects.exclude(time_zone="").values_list("name", "time_zone"))
    except DatabaseError:
        return []  # not migrated yet
    ours, today = ZoneInfo(settings.time_zone), datetime.now(UTC).date()
    return [
        Error(
            f"the site {name} is in the time zone {zone}, and times are shown in "
            f"{settings.time_zone}",
            hint=f"set RIS_TIME_ZONE={zone}, or the site's time_zone to {settings.time_zone}; "
            "sites by different clocks need an installation each",
            id="ris.E006",
        )
        for name, zone in sites
        if not is_one_clock(ZoneInfo(zone), ours, today)
    ]


def _default_passwords() -> list[CheckMessage]:
    """Only accounts named like everybody's first account; hashing is slow on purpose."""
    names = ["admin", "root", "ris", "demo", "test"]
    users = get_user_model().objects.filter(username__in=names, is_active=True)
    return [
        Error(
            f"the password of {user.get_username()} is one that everybody tries first",
            hint=f"run `ris changepassword {user.get_username()}`",
            id="ris.E005",
        )
        for user in users
        if any(check_password(guess, user.password) for guess in DEFAULT_PASSWORDS)
    ]

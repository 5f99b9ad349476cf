"""What a start that is not the demo refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from ris import checks, config, probes
from ris.domain.accounts import CreateUser, IssueToken
from ris.domain.actors import OPERATOR, Role
from ris.services import execute
from tests import make


def configuration(**values: Any) -> config.Configuration:
    return config.Configuration(**values)


def ids(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


def test_the_defaults_are_safe() -> None:
    assert checks.unsafe_settings(configuration()) == []


def test_debug_mode_is_refused_outside_the_demo() -> None:
    assert ids(checks.unsafe_settings(configuration(debug=True))) == ["ris.E001"]
    assert checks.unsafe_settings(configuration(debug=True, demo=True)) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "ris.example"])
def test_plain_http_on_an_outside_address_needs_an_explicit_yes(host: str) -> None:
    refused = checks.unsafe_settings(configuration(http={"host": host}))
    allowed = checks.unsafe_settings(configuration(http={"host": host, "allow_plain": True}))
    proxied = checks.unsafe_settings(configuration(http={"host": host, "behind_proxy": True}))

    assert ids(refused) == ["ris.E002"]
    assert allowed == proxied == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_plain_http_on_this_machine_alone_is_fine(host: str) -> None:
    assert checks.unsafe_settings(configuration(http={"host": host})) == []


@pytest.fixture
def demo_token(db: None) -> None:
    execute(
        IssueToken(client="demo-ehr", scopes=("system/*.cruds",), secret="demo-ehr-token"),
        actor=OPERATOR,
    )


@pytest.mark.usefixtures("demo_token")
def test_a_demo_database_is_refused_outside_the_demo() -> None:
    assert ids(checks.unsafe_data(configuration())) == ["ris.E004"]


@pytest.mark.django_db
def test_a_site_without_demo_data_starts() -> None:
    assert checks.unsafe_data(configuration()) == []


@pytest.mark.django_db
def test_a_password_everybody_tries_first_is_refused() -> None:
    for name, password in (("admin", "demo"), ("root", "a long and private one")):
        execute(
            CreateUser(username=name, password=password, roles=frozenset({Role.ADMIN})),
            actor=OPERATOR,
        )

    found = checks.unsafe_data(configuration())

    assert [(message.id, message.msg) for message in found] == [
        ("ris.E005", "the password of admin is one that everybody tries first")
    ]
    assert get_user_model().objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("site", "setting", "found"),
    [
        ("Asia/Tokyo", "UTC", ["ris.E006"]),
        ("Europe/Vienna", "Europe/London", ["ris.E006"]),
        ("Europe/Vienna", "Europe/Berlin", []),  # two names of one clock
        ("Atlantic/Reykjavik", "UTC", []),
        ("", "Asia/Tokyo", []),
    ],
)
def test_a_site_by_another_clock_than_the_installation_is_named(
    site: str, setting: str, found: list[str]
) -> None:
    make.site(site)

    assert ids(checks.other_clocks(configuration(time_zone=setting))) == found


@pytest.mark.django_db
def test_doctor_says_how_to_mend_a_site_by_another_clock() -> None:
    make.site("Asia/Tokyo")

    told = probes.ask([probes.system_checks], configuration(time_zone="UTC"))

    assert [one.text for one in told if one.state is probes.State.FAILED] == [
        "the site Test site is in the time zone Asia/Tokyo, and times are shown in UTC"
    ]

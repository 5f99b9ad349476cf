"""What a device may be registered with."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.errors import InvalidValueError
from ris.models import Device
from tests import make
from worklist.device_settings import NAMES, check
from worklist.registry import Profile

GOOD: dict[str, Any] = {
    "mpps": "strict",
    "mpps_repeats": "accept",
    "mpps_close_hours": 12,
    "offer_started": True,
    "window_days": [1, 7],
    "fixed_character_set": False,
    "listens_at": "10.1.2.3:104",
    "offers": ["SCHEDULED", "ARRIVED"],
    "stations": ["CT1", "MR*"],
    "modalities": ["CT"],
    "sites": ["North"],
    "worklist": "CTLIST",
    "own_station": True,
    "shares_list_with": ["CT2"],
    "aliases": ["OLDCT"],
    "operator_names": True,
    "step_keys_at_root": False,
    "queries": "strict",
    "send_time_zone": True,
    "text": "ascii",
    "tls": "required",
    "certificate_sha256": "AB12",
    "certificate_name": "ct1.hospital.example",
    "user_name": "ct1",
    "passcode": "scrypt:c2FsdA==:aGFzaA==",
    "services": ["worklist", "mpps", "availability", "dose"],
    "associations": 4,
    "queries_per_minute": 60,
}


def test_every_name_the_listener_reads_may_be_said() -> None:
    check(GOOD, ("ISO_IR 192", "ISO_IR 100"))

    assert GOOD.keys() == NAMES.keys()
    assert all(name in (Profile.__doc__ or "") for name in NAMES)


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ({"tsl": "required"}, "settings", "a device has no setting tsl; did you mean tls?"),
        ({"color": "red"}, "settings", "a device has no setting color"),
        ({"tls": "requierd"}, "settings.tls", "tls is required"),
        ({"mpps": "lax"}, "settings.mpps", "mpps is repair or strict"),
        ({"mpps_close_hours": -1}, "settings.mpps_close_hours", "mpps_close_hours is a whole"),
        ({"offer_started": "yes"}, "settings.offer_started", "offer_started is true or false"),
        ({"window_days": [1]}, "settings.window_days", "window_days is two whole numbers"),
        ({"window_days": [True, 1]}, "settings.window_days", "window_days is two whole numbers"),
        ({"window_days": [-1, 7]}, "settings.window_days", "window_days is two whole numbers"),
        ({"window_days": [1, 9999]}, "settings.window_days", "window_days is two whole numbers"),
        ({"offers": []}, "settings.offers", "offers is a list of SCHEDULED, ARRIVED"),
        ({"offers": ["CANCELED"]}, "settings.offers", "offers is a list of SCHEDULED, ARRIVED"),
        ({"listens_at": "10.1.2.3"}, "settings.listens_at", "listens_at is host:port"),
        ({"stations": "CT1"}, "settings.stations", "stations is a list of AE titles"),
        ({"aliases": ["A\\B"]}, "settings.aliases", "aliases is a list of AE titles"),
        ({"aliases": ["A" * 17]}, "settings.aliases", "aliases is a list of AE titles"),
        ({"aliases": [" A"]}, "settings.aliases", "aliases is a list of AE titles"),
        ({"sites": [""]}, "settings.sites", "sites is a list of names of sites"),
        ({"worklist": ["CTLIST"]}, "settings.worklist", "worklist is the AE title"),
        ({"queries": "lax"}, "settings.queries", "queries is tolerant or strict"),
        ({"text": "utf-8"}, "settings.text", "text is auto, fixed or ascii"),
        ({"certificate_sha256": "xyz"}, "settings.certificate_sha256", "certificate_sha256 is the"),
        ({"certificate_name": " "}, "settings.certificate_name", "certificate_name is a host"),
        ({"passcode": "secret99"}, "settings.passcode", "passcode is what `ris passcode` prints"),
        ({"services": ["print"]}, "settings.services", "services is a list of worklist, mpps"),
        ({"associations": 0}, "settings.associations", "associations is a whole number above 0"),
        ({"associations": True}, "settings.associations", "associations is a whole number above 0"),
        ({"queries_per_minute": "9"}, "settings.queries_per_minute", "queries_per_minute is a"),
    ],
)
def test_what_means_nothing_is_refused(settings: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        check(settings, ())

    assert caught.value.path == path
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "terms", [("ISO_IR 192",), ("ISO_IR 100", "ISO_IR 144"), ("", "ISO 2022 IR 87"), ("UTF-8",)]
)
def test_character_sets_of_the_standard_are_taken(terms: tuple[str, ...]) -> None:
    check({}, terms)


def test_an_unknown_character_set_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="ISO_IR 999 is no character set"):
        check({}, ("ISO_IR 192", "ISO_IR 999"))


@pytest.mark.django_db
def test_a_device_with_a_misspelled_setting_is_not_registered() -> None:
    with pytest.raises(InvalidValueError):
        make.device("CT9", settings={"tls": "requierd"})

    assert not Device.objects.exists()

"""Settings of an HL7 endpoint: checked when configured, in force when a message comes or goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration.hl7.fields import DETAILS, NUMBERS, PROCEDURE, STEP
from integration.hl7.profiles import (
    MOVABLE,
    Settings,
    check_settings,
    for_unknown_sender,
    profile,
)
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import EndpointInfo
from ris.selectors.facility import SiteView

SITE = SiteView(
    name="Radiology",
    institution="Test Hospital",
    time_zone="Europe/Vienna",
    patient_id_issuer="HOSP",
)


def endpoint(**overrides: Any) -> EndpointInfo:
    fields: dict[str, Any] = {
        "id": 1,
        "public_id": "endpoint-1",
        "name": "EHR",
        "protocol_name": "HIS^GENERAL",
        "host": "127.0.0.1",
        "port": 2576,
        "version": "",
        "character_set": "",
        "time_zone": "",
        "sends": frozenset(),
        "settings": {},
    }
    return EndpointInfo(**{**fields, **overrides})


def test_what_is_not_said_stays_unsaid() -> None:
    assert check_settings({}) == {}
    assert check_settings({"reply": "typed"}) == {"reply": "typed"}


def test_checked_settings_are_json_and_check_again() -> None:
    given = {
        "addresses": ["10.1.0.0/16", "127.0.0.1"],
        "processing_ids": ["P", "T"],
        "paths": {"station": ["ORC-18"], "modality": []},
        "timeout_seconds": 5,
    }

    checked = check_settings(given)

    assert checked == given
    assert check_settings(checked) == checked


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"replies": "typed"}, "settings.replies", "no such setting"),
        ({"reply": "loud"}, "settings.reply", "Input should be 'ack' or 'typed'"),
        ({"strict_catalog": "yes"}, "settings.strict_catalog", "boolean"),
        ({"addresses": ["10.0.0.300"]}, "settings.addresses", "no address or network"),
        ({"paths": {"color": ["OBR-1"]}}, "settings.paths", "color is none of"),
        ({"paths": {"station": ["OBR"]}}, "settings.paths", "not a path"),
        ({"paths": {"station": ["18.1"]}}, "settings.paths", "lacks its segment"),
        ({"timeout_seconds": 0}, "settings.timeout_seconds", "greater than 0"),
        ({"timeout_seconds": 600}, "settings.timeout_seconds", "less than or equal to 60"),
        ({"tls_ca": "/no/such/file"}, "settings.tls_ca", "is no file"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(InvalidValueError, match=text) as caught:
        check_settings(settings)

    assert caught.value.path == path


def test_a_lease_outlasts_every_allowed_wait() -> None:
    from ris.services.outbox import LEASE

    most = Settings.model_fields
    waits = [
        next(limit.le for limit in most[name].metadata if hasattr(limit, "le"))
        for name in ("timeout_seconds", "connect_seconds")
    ]
    assert max(waits) < LEASE.total_seconds()


def test_every_movable_value_is_one_that_is_read() -> None:
    known = {field.name for field in (*NUMBERS, *DETAILS, *PROCEDURE, *STEP)}

    assert set(MOVABLE) <= known


def test_the_site_fills_what_an_endpoint_does_not_say() -> None:
    agreed = profile(endpoint(), SITE)

    assert str(agreed.zone) == "Europe/Vienna"
    assert agreed.charset.names == ("UNICODE UTF-8",)
    assert agreed.version == "2.5.1"
    assert agreed.peer == ("HIS", "GENERAL")
    assert agreed.own == ("RIS", "Test Hospital")
    assert agreed.default_authority == "HOSP"
    assert agreed.order_authority == "HIS"
    assert agreed.has_new_segments


def test_an_endpoint_overrules_the_site() -> None:
    agreed = profile(
        endpoint(
            version="2.3.1",
            character_set="8859/1",
            time_zone="UTC",
            settings={
                "facility": "RAD",
                "application": "XRIS",
                "default_authority": "MRN",
                "visit_authority": "VISITS",
                "order_authority": "ORDERS",
            },
        ),
        SITE,
        sender=("HIS", "GENERAL"),
    )

    assert str(agreed.zone) == "UTC"
    assert agreed.charset.names == ("8859/1",)
    assert agreed.own == ("XRIS", "RAD")
    assert agreed.default_authority == "MRN"
    assert agreed.visit_authority == "VISITS"
    assert agreed.order_authority == "ORDERS"
    assert not agreed.has_new_segments


def test_the_senders_facility_is_its_authority_where_nothing_was_agreed() -> None:
    assert profile(endpoint(), SITE, sender=("HIS", "GENERAL")).default_authority == "GENERAL"
    assert for_unknown_sender(SITE, ("HIS", "GENERAL")).default_authority == "GENERAL"
    assert for_unknown_sender(SITE, ("HIS", "")).default_authority == "HOSP"


def test_an_unknown_sender_of_the_demo_may_be_testing() -> None:
    settings = for_unknown_sender(SITE, ("HIS", "")).settings

    assert settings.processing_ids == ("P", "T", "D")


def test_every_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_certificate_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("x")

    assert check_settings({"tls_ca": str(file)}) == {"tls_ca": str(file)}

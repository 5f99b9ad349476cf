"""What a DICOM endpoint may be configured with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.exchange import Direction, Protocol, Subscription
from ris.models import Endpoint
from tests import make
from worklist import dicomweb_settings
from worklist.endpoint_settings import check_settings, read_settings

FULL: dict[str, Any] = {
    "calling": "RISFWD",
    "stations": ["CT1", "MR 1"],
    "modalities": ["CT", "MR"],
    "events": ["completed"],
    "manual": True,
    "role_selection": "offered",
    "connect_seconds": 5,
    "associate_seconds": 5.5,
    "answer_seconds": 20,
    "tls": True,
    "tls_server_name": "pacs",
}


def test_what_is_said_is_kept_and_nothing_is_added() -> None:
    assert check_settings(FULL) == FULL
    assert check_settings({}) == {}


def test_without_a_word_everything_is_told_over_plain_tcp() -> None:
    settings = read_settings({})

    assert settings.events == ("started", "completed", "discontinued", "updated")
    assert (settings.stations, settings.modalities, settings.manual) == ((), (), False)
    assert (settings.tls, settings.role_selection) == (False, "required")


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"station": ["CT1"]}, "settings.station", "did you mean stations?"),
        ({"xyzzy": 1}, "settings.xyzzy", "a DICOM endpoint has no setting xyzzy"),
        ({"calling": "SEVENTEEN LETTERS"}, "settings.calling", "no AE title"),
        ({"calling": "A\\B"}, "settings.calling", "no AE title"),
        ({"stations": ["CT1", "  "]}, "settings.stations", "no AE title"),
        ({"modalities": ["ct"]}, "settings.modalities", "ct is no modality, such as CT"),
        ({"events": ["deleted"]}, "settings.events.0", "Input should be 'started'"),
        ({"manual": "yes"}, "settings.manual", "valid boolean"),
        ({"answer_seconds": 0}, "settings.answer_seconds", "greater than 0"),
        ({"connect_seconds": 30, "answer_seconds": 60}, "settings", "together are at most 75"),
        ({"tls": True, "tls_ca": "/nowhere/ca.pem"}, "settings.tls_ca", "is no file"),
        ({"tls_fingerprint": "ab"}, "settings", "tls_fingerprint means nothing without tls"),
    ],
)
def test_what_means_nothing_is_refused(settings: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        check_settings(settings)

    assert refused.value.path == path
    assert text in refused.value.message


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    certificate = tmp_path / "ris.pem"
    certificate.write_text("")

    with pytest.raises(InvalidValueError, match="tls_cert and tls_key belong together"):
        check_settings({"tls": True, "tls_cert": str(certificate)})


def test_a_file_that_is_gone_later_does_not_make_the_settings_wrong() -> None:
    settings = read_settings({"tls": True, "tls_ca": "/nowhere/ca.pem"})

    assert settings.tls_ca == "/nowhere/ca.pem"


# --- the endpoint around them


def configure(**overrides: Any) -> str:
    fields: dict[str, Any] = {
        "protocol": Protocol.DICOM,
        "protocol_name": "PACS",
        "port": 11113,
        "version": "",
        "sends": (Subscription.MPPS, Subscription.MPPS_EVENTS),
    }
    return make.endpoint("PACS", **{**fields, **overrides})


@pytest.mark.django_db
def test_a_dicom_endpoint_is_stored_as_said() -> None:
    configure(settings={"modalities": ["CT"]})

    row = Endpoint.objects.get(name="PACS")
    assert (row.protocol, row.direction, row.protocol_name) == ("dicom", "out", "PACS")
    assert (row.sends, row.settings) == (["mpps", "mpps-events"], {"modalities": ["CT"]})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("overrides", "path", "text"),
    [
        ({"host": ""}, "host", "needs host and port"),
        ({"port": None}, "host", "needs host and port"),
        ({"protocol_name": ""}, "protocol_name", "needs its AE title"),
        ({"protocol_name": "SEVENTEEN LETTERS"}, "protocol_name", "1 to 16 ASCII characters"),
        ({"sends": (Subscription.RESULTS,)}, "sends", "results is not sent over dicom"),
        ({"settings": {"station": ["CT1"]}}, "settings.station", "did you mean stations?"),
    ],
)
def test_a_dicom_endpoint_that_cannot_work_is_refused(
    overrides: dict[str, Any], path: str, text: str
) -> None:
    with pytest.raises((InvalidValueError, MissingValueError)) as refused:
        configure(**overrides)

    assert refused.value.path == path
    assert text in refused.value.message
    assert not Endpoint.objects.exists()


@pytest.mark.django_db
def test_mpps_is_sent_over_nothing_else() -> None:
    with pytest.raises(InvalidValueError, match="mpps is not sent over hl7"):
        make.endpoint("EHR", sends=(Subscription.MPPS,))


@pytest.mark.django_db
def test_a_dicom_endpoint_that_sends_to_us_needs_no_address() -> None:
    configure(direction=Direction.IN, host="", port=None, sends=())

    assert Endpoint.objects.get().direction == "in"


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"modalities": ["ct"]}, "settings.modalities", "ct is no modality, such as CT"),
        (
            {"urls": 1},
            "settings.urls",
            "a DICOMweb endpoint has no setting urls; did you mean url?",
        ),
        ({"tls_cert": "pyproject.toml"}, "settings", "tls_cert and tls_key belong together"),
        ({"url": "http://pacs/dicom-web", "tls_fingerprint": "ab"}, "settings", "without https"),
        ({"connect_seconds": 30, "answer_seconds": 60}, "settings", "together are at most 75"),
        ({"confirm": "commitment"}, "settings.confirm", "Input should be 'query' or 'no'"),
    ],
)
def test_a_dicomweb_endpoint_is_checked_alike(
    settings: dict[str, Any], path: str, text: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        dicomweb_settings.check_settings({"url": "https://pacs/dicom-web", **settings})

    assert caught.value.path == path
    assert text in caught.value.message

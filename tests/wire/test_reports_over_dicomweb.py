"""Reports into an archive by STOW-RS: what it answers, and whether they are there afterwards."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from ris.domain.actors import Actor
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.exchange import Protocol, Subscription
from ris.models import Delivery, ReportObject
from ris.services import outbox, peers
from ris.services.peers import Peer
from tests import make
from tests.wire.dicom_certificates import Authority
from tests.wire.reports import finalize, reader, states
from tests.wire.sending import deliver, later
from tests.wire.web_archive import WebArchive
from worklist.report_pdf import ENCAPSULATED_PDF
from worklist.report_sr import BASIC_TEXT_SR

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["reader"]


def endpoint(url: str, **settings: Any) -> str:
    return make.endpoint(
        "PACS",
        protocol=Protocol.DICOMWEB,
        host="",
        port=None,
        version="",
        sends=(Subscription.REPORT_OBJECTS,),
        settings={"url": url, "connect_seconds": 5, "answer_seconds": 5, **settings},
    )


def test_a_report_is_stored_and_found_there(reader: Actor, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("Bearer let-me-in\n")
    with WebArchive() as archive:
        endpoint(archive.url, authorization_file=str(token))
        finalize(reader, impression="頭部 normal")
        deliver()

    assert [(words, state) for words, state, _ in states()] == [
        ("SR, version 1", "DELIVERED"),
        ("PDF, version 1", "DELIVERED"),
        ("SR, version 1: in the archive", "DELIVERED"),
        ("PDF, version 1: in the archive", "DELIVERED"),
    ]
    assert sorted(str(each.SOPClassUID) for each in archive.stored.values()) == sorted(
        [BASIC_TEXT_SR, ENCAPSULATED_PDF]
    )
    assert {each["Authorization"] for each in archive.headers} == {"Bearer let-me-in"}
    sr = ReportObject.objects.get(kind="sr")
    assert archive.asked[0] == (
        f"/dicom-web/studies/{sr.study_instance_uid}/series/{sr.series_instance_uid}/instances"
        f"?SOPInstanceUID={sr.sop_instance_uid}&limit=1"
    )


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        ({"reasons": [0xA700]}, "PENDING", "A700 the archive is out of resources"),
        ({"reasons": [0x0122]}, "REFUSED", "0122 the archive does not store this class of objects"),
        ({"reasons": [0x0111]}, "DELIVERED", ""),
        ({"statuses": [503]}, "PENDING", "HTTP 503 Service Unavailable"),
        ({"statuses": [401]}, "REFUSED", "HTTP 401 Unauthorized"),
        ({"silent": True}, "PENDING", "no answer: timed out"),
    ],
)
def test_what_the_archive_answers_decides(
    reader: Actor, fault: dict[str, Any], state: str, words: str
) -> None:
    if state == "REFUSED":  # asked three times in all
        fault = {name: value * 3 for name, value in fault.items()}
    with WebArchive(**fault) as archive:
        endpoint(archive.url, objects=["sr"], confirm="no", answer_seconds=0.5)
        finalize(reader)
        outbox.fan_out()
        for passes in range(3 if state == "REFUSED" else 1):
            with later(400 * passes):
                outbox.deliver_due(limit=1)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == (state, words)


def test_an_archive_that_is_away_gets_the_same_object_later(reader: Actor) -> None:
    with WebArchive() as archive:
        endpoint("http://127.0.0.1:9", objects=["sr"])
        finalize(reader)
        deliver()
        assert [state for _, state, _ in states()] == ["PENDING"]

        endpoint(archive.url, objects=["sr"])
        with later():
            outbox.reset_breaker()
            deliver()

    assert list(archive.stored) == [ReportObject.objects.get().sop_instance_uid]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "pacs.example.org"}, "url: say where the service is"),
        ({"url": "https://me:secret@pacs.example.org"}, "url: the address has neither login"),
        ({"url": "http://pacs", "tls_ca": __file__}, "tls_ca means nothing"),
        ({"url": "https://pacs", "objects": ["word"]}, "objects.0"),
        ({"url": "https://pacs", "adress": ""}, "a DICOMweb endpoint has no setting adress"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        endpoint(**settings)


def test_an_archive_needs_an_address() -> None:
    with pytest.raises(MissingValueError, match="say the address"):
        make.endpoint(
            "PACS", protocol=Protocol.DICOMWEB, sends=(Subscription.REPORT_OBJECTS,), settings={}
        )


def test_the_connection_is_secured_and_the_wrong_service_gets_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    Authority(tmp_path / "other")
    Authority(tmp_path).certify("pacs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pacs.pem", tmp_path / "pacs.key")
    with WebArchive(tls=context) as archive:
        wrong = Peer(
            host="",
            port=0,
            settings={"url": archive.url, "tls_ca": str(tmp_path / "other" / "authority.pem")},
        )
        right = Peer(
            host="",
            port=0,
            settings={"url": archive.url, "tls_ca": str(tmp_path / "authority.pem")},
        )

        refused = peers.test_connection(Protocol.DICOMWEB, wrong)
        taken = peers.test_connection(Protocol.DICOMWEB, right)
        asked = len(archive.asked)

    assert (refused.ok, taken.ok, taken.words) == (False, True, "answers")
    assert refused.words.startswith("no TLS connection: ")
    assert asked == 1

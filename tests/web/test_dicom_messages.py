"""DICOM messages as people read them, and the test of a connection that pages can offer."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.errors import UnsupportedError
from ris.domain.exchange import Protocol, Subscription
from ris.models import Delivery, Endpoint, InboundMessage
from ris.services import outbox, peers
from ris.services.peers import Peer
from ris.web.exchange.decoding import Item, decode
from tests import make
from tests.wire.pps_manager import PpsManager
from tests.wire.worklist_server import modality, running
from tests.worklist.performed import n_create
from worklist.mwl import write
from worklist.raw import StoredRequest
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP as MPPS

As = Callable[[str], Client]


def packed(**overrides: object) -> bytes:
    dataset = n_create(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg", **overrides)
    data = write(dataset, explicit=True, little_endian=True)
    return StoredRequest("N-CREATE", MPPS, "2.25.7", EXPLICIT_VR_LITTLE_ENDIAN, "CT1", data).pack()


def test_a_stored_request_is_shown_by_tag_and_keyword() -> None:
    facts, dataset = decode(packed(), "dicom").parts

    assert facts.items == (
        Item("operation", "", "N-CREATE"),
        Item("SOP class", "", f"Modality Performed Procedure Step SOP Class ({MPPS})"),
        Item("SOP instance", "", "2.25.7"),
        Item("transfer syntax", "", "Explicit VR Little Endian"),
        Item("first sent by", "", "CT1"),
    )
    assert Item("(0010,0010)", "PatientName", "Müller^Jörg") in dataset.items
    assert Item("(0040,0270)[1](0040,0009)", "ScheduledProcedureStepID", "S000000001") in (
        dataset.items
    )
    assert Item("(0040,0253)", "PerformedProcedureStepID", "PPS1") in dataset.items


def test_text_outside_its_character_set_is_not_guessed() -> None:
    broken = packed().replace(b"M\xfcller", b"M\xe4ller").replace(b"ISO_IR 100", b"ISO_IR 101")
    unknown = packed().replace(b"ISO_IR 100", b"ISO_IR 999")

    assert (
        Item("(0010,0010)", "PatientName", "Mäller^Jörg") in decode(broken, "dicom").parts[1].items
    )
    shown = decode(unknown, "dicom").parts[1].items
    assert Item("(0010,0010)", "PatientName", "(text does not fit its character set)") in shown
    assert Item("(0010,0020)", "PatientID", "MRN1") in shown


def test_what_is_no_stored_request_is_shown_as_it_is() -> None:
    assert decode(b"garbage", "dicom").text == "garbage"
    assert decode(packed()[:200], "dicom").parts == ()


@pytest.mark.django_db(transaction=True)
def test_messages_in_and_out_are_on_their_pages(as_: As) -> None:
    make.site()
    make.device("CT1", "CT")
    outbox.reset_breaker()
    with PpsManager(answers=[0x0116]) as pacs, running() as server:
        make.endpoint(
            "PACS",
            protocol=Protocol.DICOM,
            protocol_name="PACS",
            port=pacs.port,
            version="",
            sends=(Subscription.MPPS, Subscription.MPPS_EVENTS),
        )
        modality(server).create(n_create(), "2.25.11")
        outbox.fan_out()
        outbox.deliver_due()
    client = as_("admin")
    came = InboundMessage.objects.get()
    object_, event = Delivery.objects.order_by("id")

    received = client.get(f"/messages/in/{came.public_id}/").content.decode()
    sent = client.get(f"/messages/out/{object_.public_id}/").content.decode()
    told = client.get(f"/messages/out/{event.public_id}/").content.decode()
    interfaces = client.get("/interfaces/").content.decode()

    for page in (received, sent):
        assert "PerformedStationAETitle" in page
        assert "Baker^Nora" in page
    assert "0116 success, an attribute value was out of range" in sent
    assert "Performed Procedure Step In Progress" in told
    assert "Exams as MPPS, MPPS events" in interfaces


# --- the test of a connection


def test_a_peer_that_answers_a_c_echo() -> None:
    with PpsManager() as pacs:
        probed = peers.test_connection(
            Protocol.DICOM, Peer(host="127.0.0.1", port=pacs.port, name="PACS")
        )

    assert (probed.ok, probed.words) == (True, "answers")


def test_a_peer_that_is_called_something_else() -> None:
    with PpsManager() as pacs:
        probed = peers.test_connection(
            Protocol.DICOM, Peer(host="127.0.0.1", port=pacs.port, name="PACK")
        )

    assert (probed.ok, probed.words) == (False, "association rejected: it is not called PACK")


def test_nobody_at_that_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    probed = peers.test_connection(Protocol.DICOM, Peer(host="127.0.0.1", port=port, name="X"))

    assert (probed.ok, probed.words) == (False, "no connection: Connection refused")


def test_settings_that_make_no_sense_are_said_so() -> None:
    probed = peers.test_connection(
        Protocol.DICOM, Peer(host="127.0.0.1", port=1, name="X", settings={"tsl": True})
    )

    assert probed.words == "a DICOM endpoint has no setting tsl; did you mean tls?"


def test_a_protocol_without_a_test_says_so() -> None:
    assert peers.can_test(Protocol.DICOM)
    with pytest.raises(UnsupportedError):
        peers.test_connection(Protocol.FHIR, Peer(host="127.0.0.1", port=1))


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN])
def test_either_transfer_syntax_is_read(syntax: str) -> None:
    data = write(n_create(), explicit=syntax == EXPLICIT_VR_LITTLE_ENDIAN, little_endian=True)
    raw = StoredRequest("N-SET", MPPS, "2.25.8", syntax, "CT1", data).pack()

    assert Item("(0010,0020)", "PatientID", "MRN1") in decode(raw, "dicom").parts[1].items


# --- on the page of interfaces


def pacs_endpoint(port: int) -> str:
    return make.endpoint(
        "PACS",
        protocol=Protocol.DICOM,
        protocol_name="PACS",
        port=port,
        version="",
        sends=(Subscription.MPPS,),
    )


@pytest.mark.django_db
def test_a_connection_is_tested_by_a_button(as_: As) -> None:
    with PpsManager() as pacs:
        key = pacs_endpoint(pacs.port)
        page = as_("manager").get("/interfaces/").content.decode()
        well = as_("manager").post(f"/interfaces/{key}/test/", follow=True).content.decode()
    gone = as_("manager").post(f"/interfaces/{key}/test/", follow=True).content.decode()

    assert f"/interfaces/{key}/test/" in page
    assert "PACS answers (" in well
    assert "PACS: no connection: Connection refused." in gone


@pytest.mark.django_db
def test_a_connection_is_tested_by_those_who_watch_interfaces_only(as_: As) -> None:
    key = pacs_endpoint(1)

    assert as_("technologist").post(f"/interfaces/{key}/test/").status_code == 403
    assert as_("manager").post(f"/interfaces/{'0' * 32}/test/").status_code == 404


@pytest.mark.django_db
def test_an_interface_without_a_test_has_no_button(as_: As) -> None:
    key = make.endpoint("FHIR", protocol=Protocol.FHIR)

    assert f"/interfaces/{key}/test/" not in as_("admin").get("/interfaces/").content.decode()


@pytest.mark.django_db
def test_all_that_a_peer_refused_is_sent_again_by_a_button(as_: As) -> None:
    make.site()
    make.device("CT1", "CT")
    key = pacs_endpoint(1)
    other = make.endpoint("EHR")
    for uid in ("2.25.21", "2.25.22"):
        Delivery.objects.create(
            endpoint_id=endpoint_id(key), lane=uid, control_id=uid, payload=b"x",
            state="REFUSED", due_at=timezone.now(),
        )  # fmt: skip
    Delivery.objects.create(
        endpoint_id=endpoint_id(key), lane="u", control_id="u", payload=b"", state="DEAD",
        due_at=timezone.now(),
    )  # fmt: skip
    Delivery.objects.create(
        endpoint_id=endpoint_id(other), lane="o", control_id="o", payload=b"x", state="REFUSED",
        due_at=timezone.now(),
    )  # fmt: skip

    page = as_("admin").post(f"/interfaces/{key}/requeue/", follow=True).content.decode()

    states = dict(Delivery.objects.values_list("control_id", "state"))
    assert "2 messages wait to be sent again." in page
    assert states == {"2.25.21": "PENDING", "2.25.22": "PENDING", "u": "DEAD", "o": "REFUSED"}


def endpoint_id(key: str) -> int:
    return Endpoint.objects.get(public_id=key).pk

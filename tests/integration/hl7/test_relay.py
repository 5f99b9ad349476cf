"""ADT that is passed on as it came, byte for byte but for names and number (IHE RAD-12)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7 import inbound
from integration.hl7.server import Peer
from ris.domain.exchange import Subscription
from ris.domain.patients import Demographics, PatientReference, UpdatePatient
from ris.domain.values import Identifier, PersonName
from ris.models import Delivery
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7 import intake

pytestmark = pytest.mark.django_db

PEER = Peer("127.0.0.1", 1, None, 1)


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    sender("HIS", "HIS^WEST")


def sender(name: str, protocol_name: str, **settings: Any) -> None:
    intake.register(name, protocol_name, settings=settings)


def receiver(name: str = "PACS", **overrides: Any) -> None:
    fields: dict[str, Any] = {
        "sends": (Subscription.PATIENT_UPDATES,),
        "protocol_name": f"{name}^EAST",
        "settings": {"relay_adt": True, "application": "RIS", "facility": "RAD"},
    }
    make.endpoint(name, **{**fields, **overrides})


def arrives(message: bytes) -> bytes:
    reply = inbound.handle(message, PEER)
    assert reply is not None
    return reply.payload


def relayed(name: str = "PACS") -> list[bytes]:
    outbox.fan_out()
    rows = Delivery.objects.filter(endpoint__name=name).order_by("id")
    return [bytes(row.payload) for row in rows]


def expected(message: bytes, name: str = "PACS") -> bytes:
    """The message with what a relay changes."""
    control_id = Delivery.objects.get(endpoint__name=name).control_id
    changed = message.replace(
        b"HIS%WEST%RIS%X%".replace(b"%", message[3:4]),
        f"RIS%RAD%{name}%EAST%".encode().replace(b"%", message[3:4]),
        1,
    )
    return changed.replace(b"C-4711", control_id.encode(), 1)  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        (
            b"MSH|^~\\&|HIS|WEST|RIS|X|20290304||ADT^A08|C-4711|P|2.3.1|7|||AL||||\r"
            b"EVN|A08|20290304\rPID|1||4711^^^HOSP^MR||Berg^Anna~B\\T\\S||19700503|F|||||||||\r"
            b"PV1|1|I|4W\rZPI|1|what we do not know|\r"
        ),
        (
            b"MSH#*~\\&#HIS#WEST#RIS#X#20290304##ADT*A08#C-4711#P#2.5.1\n"
            b"EVN##20290304\nPID#1##4711***HOSP*MR##Berg*Anna##19700503#F\n"
        ),
        "MSH|^~\\&|HIS|WEST|RIS|X|20290304||ADT^A08|C-4711|P|2.5.1||||||8859/1\r\n"
        "EVN||20290304\r\nPID|1||4711^^^HOSP^MR||Müller^Jörg||19700503|M\r\n".encode("latin-1"),
        b"MSH|^~\\&|HIS|WEST|RIS|X|20290304||ADT^A08|C-4711|P|2.5.1||||||ISO IR6~ISO IR87\r"
        b"EVN||20290304\rPID|1||4711^^^HOSP^MR||"
        + "山田^太郎".encode("iso2022_jp")
        + b"||19700503|M\r",
    ],
    ids=["2.3.1, long", "own delimiters, LF", "Latin-1, CRLF", "Japanese"],
)
def test_only_names_and_number_of_the_header_change(message: bytes) -> None:
    receiver()

    assert b"MSA" in arrives(message)

    assert relayed() == [expected(message)]
    row = Delivery.objects.get()
    assert (row.lane, row.message_type, row.state) == ("adt", "ADT^A08", "PENDING")


A08 = (
    b"MSH|^~\\&|HIS|WEST|RIS|X|20290304||ADT^A08|C-4711|P|2.5.1\r"
    b"EVN||20290304\rPID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F\r"
)


def test_a_change_that_a_relayed_message_made_is_not_told_once_more() -> None:
    make.order(patient=make.patient("4711", name=PersonName.of("Berg", "Ann")))
    receiver()
    make.endpoint("Other", port=2577, sends=(Subscription.PATIENT_UPDATES,))

    arrives(A08)

    assert len(relayed()) == 1
    assert len(relayed("Other")) == 1  # who wants no raw messages is told of the change


def test_what_people_change_here_is_told_beside_the_feed_and_in_its_lane() -> None:
    receiver()
    arrives(A08)

    execute(
        UpdatePatient(
            patient=PatientReference(identifiers=(Identifier("4711", "HOSP", "MR"),)),
            demographics=Demographics(name=PersonName.of("Berg-Klein", "Anna")),
        ),
        actor=people.scheduler,
    )

    assert [b"Berg-Klein" in payload for payload in relayed()] == [False, True]
    assert set(Delivery.objects.values_list("lane", flat=True)) == {"adt"}


@pytest.mark.parametrize(
    "overrides",
    [
        {"name": "HIS"},
        {"protocol_name": "HIS^WEST"},
        {"sends": (Subscription.RESULTS,)},
        {"settings": {}},
        {"active": False},
    ],
    ids=["who sent it", "the same application", "wants results", "wants no raw", "inactive"],
)
def test_it_is_not_passed_on_to(overrides: dict[str, Any]) -> None:
    receiver(**overrides)

    arrives(A08)

    assert not Delivery.objects.exists()


def test_what_was_refused_here_is_not_passed_on() -> None:
    receiver()

    assert b"MSA|AE" in arrives(A08.replace(b"||19700503|", b"||no date|"))

    assert not Delivery.objects.exists()


def test_what_comes_twice_is_passed_on_once() -> None:
    receiver()

    assert arrives(A08) == arrives(A08)

    assert Delivery.objects.count() == 1


def test_a_receiver_that_cannot_be_written_to_is_no_reason_to_refuse() -> None:
    receiver(settings={"relay_adt": True, "application": "ΡΙΣ", "facility": "RAD"})

    reply = arrives(A08.replace(b"2.5.1\r", b"2.5.1||||||ASCII\r", 1))

    assert b"MSA|AA" in reply
    row = Delivery.objects.get()
    assert (row.state, row.last_error) == ("DEAD", "U+03A1 cannot be written in ASCII")

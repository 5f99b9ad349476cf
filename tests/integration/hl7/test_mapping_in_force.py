"""A mapping in force: what a peer sends is understood by it, what it is sent is written by it."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7.er7 import Message
from ris.domain.exchange import Direction, Subscription
from ris.domain.mapping import SaveMapping
from ris.models import Delivery, Endpoint, InboundMessage, MappingVersion, Order, Patient
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7.intake import answer, outcome
from tests.integration.hl7.messages import OBR, PID, order

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(refusing: None) -> None:
    make.site()
    make.definition()


def peer(content: dict[str, Any], **fields: Any) -> str:
    fields = {"direction": Direction.IN, "protocol_name": "HIS^GENERAL", **fields}
    key = make.endpoint("HIS", **fields)
    execute(SaveMapping(endpoint=key, content=content), actor=people.admin)
    return key


def test_a_peers_codes_are_understood() -> None:
    peer(
        {
            "rules": ["OBR-18 <- ZAC-1", 'PID-3[*].4 = "KIS" if empty'],
            "maps": {
                "sex": {"values": {"2": "F"}},
                "authority": {"values": {"KIS": "HOSP"}},
                "procedure": {"values": {"SCHAEDEL": "CTHEAD^CT head^L"}},
            },
        }
    )
    sent = order(
        pid="PID|1||4711||Berg^Anna||19700503|2",
        obr=OBR.replace("CTHEAD^CT head^L", "SCHAEDEL^Schaedel^KIS"),
        more=("ZAC|A100",),
    )

    assert outcome(sent)[0] == "AA"

    patient = Patient.objects.get()
    assert patient.sex == "F"
    assert [(each.issuer, each.value) for each in patient.identifiers.all()] == [("HOSP", "4711")]
    placed = Order.objects.get()
    assert placed.accession_number == "A100"
    assert placed.procedures.get().code_value == "CTHEAD"
    assert bytes(InboundMessage.objects.get().raw) == sent.encode()


def test_what_the_tables_do_not_have_is_refused_with_everything_else_that_is_wrong() -> None:
    peer({"maps": {"sex": {"otherwise": "refuse", "values": {"2": "F"}}}})

    code, faults = outcome(order(pid="PID|1||4711^^^HOSP||Berg^Anna||1970-05|3"))

    assert code == "AE"
    assert [each for each in faults if "PID" in each]
    assert not Order.objects.exists()


def test_a_saved_change_counts_from_the_next_message() -> None:
    key = peer({"maps": {"sex": {"values": {"2": "F"}}}})
    assert outcome(order(pid=PID.replace("|F", "|2"), key="M1"))[0] == "AA"

    execute(SaveMapping(endpoint=key, content={}), actor=people.admin)

    code, faults = outcome(order(pid=PID.replace("|F", "|2"), key="M2"))
    assert code == "AE"
    assert faults == ["103 PID^1^8"]


def test_a_mapping_that_is_not_there_is_never_done_without() -> None:
    peer({"maps": {"sex": {"values": {"2": "F"}}}})
    Endpoint.objects.update(mapping_version=9)
    assert MappingVersion.objects.count() == 1

    segments = answer(order())

    assert segments[1].startswith("MSA|AE|M1|the settings for this sender cannot be used")
    assert not Order.objects.exists()


def test_what_a_peer_is_told_is_written_in_its_codes() -> None:
    peer(
        {
            "rules": ['ZST-1 = "x"', 'MSH-6 = "WEST"', "add ZST after OBR", 'ZST-1 = "new"'],
            "maps": {"order_status": {"values": {"SC": "ZP"}}},
        },
        direction=Direction.OUT,
        host="127.0.0.1",
        port=2576,
        version="2.5.1",
        sends=(Subscription.ORDER_STATUS,),
    )
    make.device()
    make.booked()
    outbox.fan_out()

    message = Message.from_bytes(bytes(Delivery.objects.order_by("id")[0].payload))
    assert message.get("MSH-6") == "WEST"
    assert message.get("ORC-5") == "ZP"
    assert message.get("ZST-1") == "new"

"""A message that was refused says so in every list, and what became of it: the same came later."""

from __future__ import annotations

import pytest

from ris.domain.exchange import Direction, StartRun
from ris.models import InboundMessage, MessageRun, Patient
from ris.services import execute, message_runs
from ris.services.became import became
from tests import make, people
from tests.integration.hl7.intake import answered, register
from tests.integration.hl7.messages import OBR, ORC, PID, order, text
from tests.web.interface_desk import As, text_of

pytestmark = pytest.mark.django_db

WRONG = ORC.replace("^^S|", "^^EMERGENCY|")
WORDS = "The same was asked for again and applied"


@pytest.fixture(autouse=True)
def _sender() -> None:
    make.site()
    make.device()
    register()


def message(key: str) -> InboundMessage:
    return InboundMessage.objects.get(key=key)


def fate(key: str) -> str:
    """The key of the message that the refused one became."""
    row = message(key)
    found = became([str(row.public_id)]).get(str(row.public_id))
    return InboundMessage.objects.get(public_id=found.message).key if found else ""


@pytest.mark.database
def test_an_order_that_was_mended_and_sent_anew_is_found() -> None:
    assert answered(order(orc=WRONG, key="M1")) == ["AE", "103 ORC^1^7"]
    assert answered(order(key="M2")) == ["AA"]

    assert fate("M1") == "M2"


@pytest.mark.parametrize(
    "later",
    [
        order(orc=ORC.replace("PL1", "PL2"), obr=OBR.replace("PL1", "PL2"), more=(), key="M2"),
        order(orc=WRONG, key="M2"),
    ],
    ids=["another order", "refused again"],
)
def test_another_order_or_another_refusal_is_not_what_became_of_it(later: str) -> None:
    answered(order(orc=WRONG, key="M1"))
    answered(later)

    assert fate("M1") == ""


def test_a_cancellation_is_not_done_by_a_change_of_the_same_order() -> None:
    answered(order(key="M0"))
    eva = PID.replace("4711", "4712").replace("Berg^Anna^Maria", "Wald^Eva")
    answered(text("EVN|A08", eva, message_type="ADT^A08", key="A1"))
    answered(order(orc="ORC|CA|PL1^HIS", pid=eva, more=(), key="M1"))
    answered(order(orc="ORC|XO|PL1^HIS", more=(), key="M2"))

    assert (message("M1").state, fate("M1")) == ("REJECTED", "")


def test_what_a_message_became_came_after_it_and_from_the_same_sender() -> None:
    answered(order(key="M0"))
    answered(order(orc=WRONG, key="M1"))
    register("OTHER", "OTHER^GENERAL")
    answered(order(key="M2").replace("|HIS|GENERAL|", "|OTHER|GENERAL|"))

    assert fate("M1") == ""


@pytest.mark.database
def test_patient_data_that_were_mended_are_found_by_the_patient() -> None:
    wrong = PID.replace("|F", "|Q")
    answered(text("EVN|A08", wrong, message_type="ADT^A08", key="A1"))
    answered(text("EVN|A08", PID, message_type="ADT^A08", key="A2"))

    assert fate("A1") == "A2"


def test_long_messages_are_not_read_for_a_list() -> None:
    """Those with documents in them: a page of them would be hundreds of megabytes."""
    note = f"NTE|1||{'x' * 70_000}"
    answered(order(orc=WRONG, more=(note,), key="M1"))
    answered(order(key="M2"))

    assert (message("M1").state, fate("M1")) == ("REJECTED", "")


def test_every_list_says_what_became_of_it(as_: As) -> None:
    answered(order(orc=WRONG, key="M1"))
    answered(order(key="M2"))
    client = as_("admin")
    refused, applied = message("M1"), message("M2")
    assert refused.endpoint is not None

    for address in (
        "/exceptions/",
        "/messages/",
        "/messages/parked/",
        f"/interfaces/{refused.endpoint.public_id}/",
        f"/messages/in/{refused.public_id}/",
    ):
        page = text_of(client.get(address))
        assert WORDS in page, address
        assert f'href="/messages/in/{applied.public_id}/"' in page, address

    note = f'value="{WORDS}"'
    assert note in text_of(client.get("/exceptions/"))
    assert note in text_of(client.get(f"/messages/in/{refused.public_id}/"))
    assert WORDS not in text_of(client.get(f"/messages/in/{applied.public_id}/"))


def test_a_run_does_not_put_what_is_older_over_what_is_newer() -> None:
    """Two could not be changed; then the interface was mended, and one of them was told anew."""
    other = PID.replace("4711", "4712").replace("Berg^Anna", "Wald^Eva")
    register(settings={"accepts": ["ORM^O01"]})
    for key, pid in (("A1", f"{PID}|||Old Street 1"), ("A2", f"{other}|||Third Street 3")):
        assert answered(text("EVN|A08", pid, message_type="ADT^A08", key=key))[0] == "AR"
    register(settings={})
    answered(text("EVN|A08", f"{PID}|||New Street 2", message_type="ADT^A08", key="A3"))
    execute(
        StartRun(
            direction=Direction.IN,
            filters={"state": "open"},
            reason="The interface was mended",
            per_minute=60,
            expected=2,
        ),
        actor=people.admin,
    )

    message_runs.advance()

    addresses = dict(Patient.objects.values_list("name", "address"))
    assert addresses == {
        "Berg^Anna^Maria": "New Street 2",
        "Wald^Eva^Maria": "Third Street 3",
    }
    assert (message("A1").state, message("A2").state) == ("REJECTED", "APPLIED")
    run = MessageRun.objects.get()
    assert (run.state, run.done, run.refused) == ("FINISHED", 1, 1)

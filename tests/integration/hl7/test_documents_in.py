"""MDM in: documents kept as they came, with their order or their patient."""

from __future__ import annotations

import base64

import pytest

from ris.domain.patients import MergePatients, PatientReference, UnmergePatients
from ris.domain.values import Identifier, PersonName
from ris.models import Document, DomainEvent, InboundMessage, Order, Patient
from ris.services import execute
from tests import make, people
from tests.integration.hl7.intake import answered
from tests.integration.hl7.messages import text

pytestmark = pytest.mark.django_db

PID = "PID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F"
PDF = f"^Application^PDF^Base64^{base64.b64encode(b'%PDF-1.4 scanned').decode()}"
_keys = iter(range(1, 10_000))


@pytest.fixture(autouse=True)
def _order(accepting: None) -> Order:
    make.site()
    return make.order(placer=Identifier("PL1", "HIS"), patient=make.patient("4711"))


def txa(
    number: str = "D1^HIS", *, parent: str = "", placer: str = "PL1^HIS", status: str = "AU",
    available: str = "AV",
) -> str:  # fmt: skip
    return (
        f"TXA|1|CN|TX|20290310090000|||||0300^Radic^Rita|||{number}|{parent}|{placer}|||"
        f"{status}||{available}"
    )


def ed(value: str = PDF, kind: str = "ED") -> str:
    return f"OBX|1|{kind}|SCAN^Consent form||{value}"


def mdm(trigger: str, *segments: str) -> list[str]:
    """MSA-1, and code and place of each fault of the answer."""
    message = text(*segments, message_type=f"MDM^{trigger}", key=f"D{next(_keys)}", version="2.5.1")
    return answered(message)


def stored() -> list[tuple[str, str, bytes]]:
    """Number, status and content of each, oldest first."""
    return [
        (document.number, document.status, bytes(document.content))
        for document in Document.objects.order_by("id")
    ]


def test_a_document_is_kept_with_its_order() -> None:
    assert mdm("T02", PID, txa(), ed()) == ["AA"]

    document = Document.objects.get()
    assert document.order == Order.objects.get()
    assert bytes(document.content) == b"%PDF-1.4 scanned"
    assert (document.media_type, document.title, document.kind, document.completion) == (
        "application/pdf", "Consent form", "CN", "AU",
    )  # fmt: skip
    assert (document.author, document.source) == ("Radic^Rita", "HIS^GENERAL")
    assert DomainEvent.objects.filter(name="DocumentFiled").count() == 1


def test_a_text_is_a_document_too() -> None:
    mdm("T02", PID, txa(), "OBX|1|TX|N^Note||Line one.~Line two.", "OBX|2|TX|||Line three.")

    document = Document.objects.get()
    assert bytes(document.content) == b"Line one.\nLine two.\nLine three."
    assert document.media_type == "text/plain"


def test_without_an_order_it_is_kept_with_the_patient() -> None:
    assert mdm("T02", PID, txa(placer=""), ed()) == ["AA"]

    document = Document.objects.get()
    assert (document.order, document.patient) == (None, Order.objects.get().patient)


def test_an_order_or_patient_nobody_knows_is_refused() -> None:
    assert mdm("T02", PID, txa(placer="PL9^HIS"), ed()) == ["AE", "204 TXA^1^14"]
    other = "PID|1||9999^^^HOSP^MR||Nobody^Known"
    assert mdm("T02", other, txa(placer=""), ed()) == ["AE", "204 PID^1^3"]
    assert stored() == []


def test_another_patients_order_is_refused() -> None:
    make.order(patient=make.patient("4712"))

    told = mdm("T02", "PID|1||4712^^^HOSP^MR||Berg^Anna||19700503|F", txa(), ed())

    assert told == ["AE", "207 PID^1^3"]


def test_the_same_document_again_is_one() -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm("T02", PID, txa(), ed()) == ["AA"]
    assert len(stored()) == 1


def test_a_known_number_with_other_content_is_refused() -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm("T02", PID, txa(), ed("other text", "TX")) == ["AE", "205 TXA^1^12"]


def test_a_status_change_is_kept() -> None:
    mdm("T02", PID, txa(status="DO"), ed())

    assert mdm("T04", PID, txa(status="LA"), ed()) == ["AA"]

    assert Document.objects.get().completion == "LA"


def test_an_addendum_stands_beside_what_it_adds_to() -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm("T06", PID, txa("D2^HIS", parent="D1^HIS"), ed("more", "TX")) == ["AA"]

    assert stored() == [("D1", "CURRENT", b"%PDF-1.4 scanned"), ("D2", "CURRENT", b"more")]
    assert Document.objects.get(number="D2").parent == Document.objects.get(number="D1")


def test_an_addendum_to_nothing_is_refused() -> None:
    told = mdm("T06", PID, txa("D2^HIS", parent="D1^HIS"), ed())

    assert told == ["AE", "204 TXA^1^13"]


def test_an_edit_keeps_what_stood_before() -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm("T08", PID, txa(), ed("as edited", "TX")) == ["AA"]

    assert stored() == [("D1", "REPLACED", b"%PDF-1.4 scanned"), ("D1", "CURRENT", b"as edited")]
    assert Document.objects.get(status="CURRENT").revision == 2


def test_a_replacement_takes_the_place_of_its_parent() -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm("T10", PID, txa("D2^HIS", parent="D1^HIS"), ed("new", "TX")) == ["AA"]

    assert [(number, status) for number, status, _ in stored()] == [
        ("D1", "REPLACED"),
        ("D2", "CURRENT"),
    ]


@pytest.mark.parametrize(
    ("trigger", "available"), [("T11", "AV"), ("T04", "CA")], ids=["T11", "T04"]
)
def test_a_canceled_document_is_marked_and_kept(trigger: str, available: str) -> None:
    mdm("T02", PID, txa(), ed())

    assert mdm(trigger, PID, txa(available=available)) == ["AA"]
    assert mdm(trigger, PID, txa(available=available)) == ["AA"]

    assert stored() == [("D1", "CANCELED", b"%PDF-1.4 scanned")]
    assert DomainEvent.objects.filter(name="DocumentCanceled").count() == 1
    assert mdm("T02", PID, txa(), ed()) == ["AE", "207 TXA^1^12"]


def test_a_number_may_stand_in_the_third_component() -> None:
    assert mdm("T02", PID, txa("^^D7"), ed()) == ["AA"]
    assert Document.objects.get().number == "D7"


def test_all_faults_are_told_at_once() -> None:
    told = mdm("T02", PID, txa("", status="XX"), ed("^Application^PDF^Base64^%%"))

    assert told == ["AE", "101 TXA^1^12", "103 TXA^1^17", "102 OBX^1^5^1^5"]


def test_what_has_no_content_is_refused() -> None:
    assert mdm("T02", PID, txa()) == ["AE", "101 OBX^1^5"]


def test_text_and_document_in_one_message_are_both_kept() -> None:
    assert mdm("T02", PID, txa(), ed(), "OBX|2|TX|N^Note||As dictated.") == ["AA"]

    assert [number for number, _, _ in stored()] == ["D1", "D1#2"]
    mdm("T11", PID, txa())
    assert {status for _, status, _ in stored()} == {"CANCELED"}


def test_documents_follow_their_patient_through_a_merge_and_back() -> None:
    mdm("T02", PID, txa(placer=""), ed())
    document = Document.objects.get()
    before = document.patient
    make.order(patient=make.patient("4712"))
    survivor = Patient.objects.exclude(pk=before.pk).get()

    execute(
        MergePatients(
            survivor=PatientReference(public_id=str(survivor.public_id)),
            subsumed=PatientReference(public_id=str(before.public_id)),
        ),
        actor=people.ehr,
    )

    document.refresh_from_db()
    assert document.patient == survivor
    execute(
        UnmergePatients(subsumed_id=str(before.public_id), reason="two people"),
        actor=people.manager,
    )
    document.refresh_from_db()
    assert document.patient == before


def test_what_is_refused_is_shown_with_the_order_it_names() -> None:
    other = "PID|1||4799^^^HOSP^MR||Berg^Otto||19400101|M"
    make.order(patient=make.patient("4799", name=PersonName.of("Berg", "Otto")))

    assert mdm("T02", other, txa(), ed())[0] == "AE"

    message = InboundMessage.objects.get()
    assert [order.placer_order_number for order in message.orders.all()] == ["PL1"]

"""The handlers of queries against the real core, and who is let in to ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from ris.domain.values import PersonName
from ris.models import (
    AuditEvent,
    Patient,
    WorklistQueryLog,
    WorklistSighting,
)
from ris.selectors import worklist as selector
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier
from tests.worklist.handled import NOON
from worklist.handlers import Handlers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device(character_sets=("ISO_IR 100",))


@pytest.fixture
def server() -> Handlers:
    return requests.handlers()


# --- C-FIND


def test_a_query_is_answered_with_what_matches(server: Handlers) -> None:
    order = make.booked(NOON)
    query = identifier(
        PatientName="berg*", AccessionNumber="", step={"Modality": "CT",
        "ScheduledStationAETitle": "CT1", "ScheduledProcedureStepStartDate": "20260302",
        "ScheduledProcedureStepStartTime": ""},
    )  # fmt: skip

    answer = requests.find(server, query)

    (row,) = requests.rows(answer)
    assert answer.pending == 0xFF00
    assert answer.final.status == 0
    assert row.PatientName == "Berg^Anna"
    assert row.AccessionNumber == order.accession_number
    assert row.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "130000"
    assert "SpecificCharacterSet" not in row


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_the_answer_is_in_the_requests_transfer_syntax(server: Handlers, syntax: str) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(PatientName=""), syntax=syntax)

    assert [row.PatientName for row in requests.rows(answer, syntax)] == ["Berg^Anna"]


@pytest.mark.parametrize(
    ("change", "comment"),
    [
        ({"active": False}, "device is not active"),
        ({"address": "10.0.0.9"}, "address is not that of the device"),
        ({"settings": {"services": ["mpps"]}}, "device is not offered the worklist"),
    ],
)
def test_who_is_let_in_no_more_gets_no_list_on_an_association_it_has_open(
    server: Handlers, change: dict[str, Any], comment: str
) -> None:
    make.booked(NOON)
    before = requests.find(server, identifier(PatientName=""))
    make.device(**change)

    after = requests.find(server, identifier(PatientName=""))

    assert before.final.status == 0x0000
    assert len(requests.rows(before)) == 1
    assert (after.final.status, after.final.comment) == (0x0124, comment)
    assert requests.rows(after) == []
    assert WorklistQueryLog.objects.order_by("id").last().status == 0x0124


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_a_patient_with_too_many_allergies_leaves_the_list_as_it_is(
    server: Handlers, syntax: str
) -> None:
    make.booked(NOON)
    Patient.objects.update(allergies=[f"{'Substance' * 6} {number:05}" for number in range(1_500)])
    make.booked(NOON + timedelta(hours=1))

    answer = requests.find(server, identifier(PatientName="", Allergies=""), syntax=syntax)

    many, none = requests.rows(answer, syntax)
    assert answer.final.status == 0x0000
    assert many.Allergies[0] == f"{'Substance' * 6} 00000"
    assert (
        len(many.Allergies) == 1_500 if syntax == "implicit" else 400 < len(many.Allergies) < 1_500
    )
    assert not none.Allergies


def test_a_step_that_cannot_be_shown_takes_nobody_else_off_the_list(server: Handlers) -> None:
    make.booked(NOON)
    Patient.objects.update(birth_date="1970-02-31")  # which no door lets in
    make.booked(NOON + timedelta(hours=1), patient=make.patient(name=PersonName.of("Olm", "Eva")))
    query = identifier(PatientName="", PatientAge="")

    first, again = requests.find(server, query), requests.find(server, query)

    assert [row.PatientName for row in requests.rows(first)] == ["Olm^Eva"]
    assert (first.final.status, first.final.comment) == (0xC000, "1 of the steps cannot be shown")
    assert again.final == first.final


def test_a_query_that_matches_nothing_succeeds(server: Handlers) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(PatientID="NOBODY"))

    assert list(answer.identifiers) == []
    assert answer.final.status == 0


def test_a_key_we_do_not_have_makes_the_warning(server: Handlers) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(PatientName="", PatientReligiousPreference=""))

    assert answer.pending == 0xFF01
    assert [element.keyword for element in requests.rows(answer)[0]] == ["PatientName"]


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
@pytest.mark.parametrize(
    ("keys", "status", "tags"),
    [
        ({"EthnicGroup": "X"}, 0xFF00, ["EthnicGroup"]),
        ({"OtherPatientIDsSequence": [], "PatientSize": ""}, 0xFF00,
         ["OtherPatientIDsSequence", "PatientSize"]),
        ({"Manufacturer": "Acme"}, 0xFF01, ["SpecificCharacterSet"]),
        ({"Manufacturer": "Acme", "EthnicGroup": ""}, 0xFF01, ["EthnicGroup"]),
        ({"Manufacturer": "Acme", "PatientID": "nobody"}, 0xFF01, None),
    ],
)  # fmt: skip
def test_keys_that_say_nothing_of_a_step_take_it_from_no_list(
    server: Handlers, keys: dict[str, Any], status: int, tags: list[str] | None, syntax: str
) -> None:
    """Not supported, they are ignored for matching (PS3.4 K.2.2.1.1.2): each step matches."""
    make.booked(NOON)

    answer = requests.find(server, identifier(**keys), syntax=syntax)

    found = [[element.keyword for element in row] for row in requests.rows(answer, syntax)]
    assert found == ([] if tags is None else [tags])
    assert (answer.pending, answer.final.status) == (status, 0)


def test_matching_on_a_returned_only_key_is_no_warning(server: Handlers) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(PatientName="", PatientState="odd"))

    assert answer.pending == 0xFF00
    assert len(requests.rows(answer)) == 1


def test_garbage_is_refused_and_on_record(server: Handlers) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(step={"ScheduledProcedureStepStartDate": "someday"}))

    assert list(answer.identifiers) == []
    assert answer.final.status == 0xA900
    assert answer.final.offending_elements == (0x00400002,)
    assert answer.final.comment == "(0040,0002) not a date (YYYYMMDD)"
    assert WorklistQueryLog.objects.get().status == 0xA900


def test_more_than_the_limit_is_never_a_success() -> None:
    for _ in range(3):
        make.order(start_at=NOON, station="CT1")

    answer = requests.find(requests.handlers(matches=2), identifier(PatientName=""))

    assert len(requests.rows(answer)) == 2
    assert answer.final.status == 0xA700
    assert WorklistQueryLog.objects.get().truncated is True


def test_each_query_is_on_record_with_what_was_shown(server: Handlers) -> None:
    order = make.booked(NOON)

    for _ in range(2):
        requests.find(server, identifier(PatientName="Berg*", PatientID=""))

    log = WorklistQueryLog.objects.order_by("id")[0]
    sighting = WorklistSighting.objects.get()
    assert (log.calling_ae_title, log.called_ae_title, log.address) == ("CT1", "RIS", "127.0.0.1")
    assert (log.keys, log.matches, log.status) == ({"PatientName": "Berg*"}, 1, 0)
    assert log.steps == [make.step_of(order).pk]
    assert (sighting.ae_title, sighting.step, sighting.count) == ("CT1", make.step_of(order), 2)
    audit = AuditEvent.objects.filter(action="QueryWorklist")[0]
    assert (audit.actor_name, audit.patients) == ("CT1", [str(order.patient.public_id)])


def test_the_answer_is_in_the_devices_character_set(server: Handlers) -> None:
    make.booked(NOON, patient=make.patient(name=make.PersonName.parse("Müller^Jörg")))

    (row,) = requests.rows(requests.find(server, identifier(PatientName="MULLER*")))

    assert row.SpecificCharacterSet == "ISO_IR 100"
    assert row.PatientName == "Müller^Jörg"


def test_a_changed_order_is_seen_in_the_next_query(server: Handlers) -> None:
    order = make.booked(NOON, patient=make.patient("P1"))
    query = identifier(PatientName="", PatientID="")
    first = requests.rows(requests.find(server, query))

    from ris.domain.patients import UpdatePatient

    execute(
        UpdatePatient(
            patient=make.patient("P1"),
            demographics=make.demographics(name=make.PersonName.of("Berger", "Anna")),
        ),
        actor=people.ehr,
    )
    second = requests.rows(requests.find(server, query))

    assert [row.PatientName for row in first] == ["Berg^Anna"]
    assert [row.PatientName for row in second] == ["Berger^Anna"]
    assert order.pk


def test_a_cancelled_query_ends_so(server: Handlers) -> None:
    make.booked(NOON)

    answer = requests.find(server, identifier(PatientName=""), is_cancelled=lambda: True)

    assert list(answer.identifiers) == []
    assert answer.final.status == 0xFE00


def test_a_device_may_be_offered_what_was_started() -> None:
    make.device(settings={"offer_started": True})
    order = make.booked(NOON)
    execute(make.start(order), actor=people.ct1)

    assert len(requests.rows(requests.find(requests.handlers(), identifier(PatientName="")))) == 1


@pytest.mark.parametrize(("days", "count"), [([1, 7], 0), ([100_000, 100_000], 1)])
def test_a_device_may_have_a_window_for_broad_queries(days: list[int], count: int) -> None:
    make.device(settings={"window_days": days if days[0] < 1000 else [300, 300]})
    server = requests.handlers()
    start = NOON if count == 0 else datetime.now(UTC)
    order = make.order(start_at=start, station="CT1")

    broad = requests.rows(requests.find(server, identifier(PatientName="")))
    named = requests.rows(requests.find(server, identifier(AccessionNumber=order.accession_number)))

    assert len(broad) == count
    assert len(named) == 1


def test_without_a_database_the_scanner_is_asked_to_try_again(
    server: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise OperationalError("server closed the connection")

    server.registry.snapshot()
    monkeypatch.setattr(selector, "entries", gone)

    answer = requests.find(server, identifier(PatientName=""))

    assert answer.final.status == 0xA700
    assert "try again" in answer.final.comment


# --- admission


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"called": "OTHER"}, (1, 1, 7)),
        ({"ae_title": "NOBODY"}, (1, 1, 3)),
        ({"address": "10.9.9.9"}, (1, 1, 3)),
    ],
)
def test_strangers_are_turned_away(overrides: dict[str, str], reason: tuple[int, ...]) -> None:
    make.device(address="127.0.0.1")
    server = requests.handlers()

    verdict = server.admit(requests.caller(**overrides))

    assert (verdict.result, verdict.source, verdict.diagnostic) == reason  # type: ignore[union-attr]
    assert AuditEvent.objects.filter(action="RefuseAssociation").count() == 1


def test_a_stranger_that_keeps_trying_is_audited_once_a_minute(server: Handlers) -> None:
    for _ in range(5):
        server.admit(requests.caller("NOBODY"))

    assert AuditEvent.objects.filter(action="RefuseAssociation").count() == 1


def test_in_the_demo_strangers_are_let_in() -> None:
    verdict = requests.handlers(accept_unknown=True).admit(requests.caller("NOBODY"))

    assert verdict.peer.name == "NOBODY"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("device", "caller", "admitted"),
    [
        ({"address": "127.0.0.0/8"}, {}, True),
        ({"address": "10.0.0.0/8"}, {"address": "::ffff:10.1.2.3"}, True),
        ({"address": "fd00::/8"}, {"address": "fd00::1%eth0"}, True),
        ({"address": "fd00::/8"}, {}, False),
        ({"address": "127.0.0.1"}, {"address": "not an address"}, False),
        ({"active": False}, {}, False),
        ({"settings": {"tls": "required"}}, {}, False),
        ({"settings": {"tls": "required"}}, {"tls": True}, True),
        ({"settings": {"certificate_sha256": "AB12"}}, {"tls": True}, False),
        ({}, {"calling_ae_title": " CT1 "}, True),
        ({}, {"calling_ae_title": "ct1"}, False),
    ],
)
def test_a_device_is_known_by_title_address_and_certificate(
    device: dict[str, Any], caller: dict[str, Any], admitted: bool
) -> None:
    make.device(**device)

    verdict = requests.handlers().admit(requests.caller(**caller))

    assert hasattr(verdict, "peer") is admitted


def test_the_certificate_of_a_device_lets_it_in() -> None:
    from worklist.service import PeerCertificate

    make.device(settings={"certificate_sha256": "AB12"})

    verdict = requests.handlers().admit(
        requests.caller(tls=True, certificate=PeerCertificate("ab12"))
    )

    assert hasattr(verdict, "peer")


def test_a_stored_answer_reads_back_as_it_was() -> None:
    from worklist.handlers import from_answer, to_answer
    from worklist.service import Outcome

    outcome = Outcome(
        0x0110, "ended", error_id=0xA710, attribute_identifiers=(0x00400252,), dataset=b"\x01"
    )

    answer = to_answer(outcome)

    assert from_answer(answer) == outcome
    assert answer.outcome == "0110"
    assert json.loads(answer.payload)["error_id"] == 0xA710

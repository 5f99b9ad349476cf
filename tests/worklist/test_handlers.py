"""The handlers against the real core: what is answered, and what is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from django.db import OperationalError
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pynetdicom.dsutils import decode

from ris.domain.exchange import MessageState, ReplayMessage, ReplyState
from ris.domain.identifiers import new_uid
from ris.domain.orders import StepStatus
from ris.domain.performing import Match, PerformedStatus
from ris.models import (
    AuditEvent,
    DomainEvent,
    InboundMessage,
    Order,
    PerformedProcedureStep,
    WorklistQueryLog,
    WorklistSighting,
)
from ris.selectors import worklist as selector
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier
from tests.worklist.performed import n_create, n_set, scheduled, series
from worklist.elements import tag_of
from worklist.handlers import Handlers
from worklist.raw import StoredRequest

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device(character_sets=("ISO_IR 100",))


@pytest.fixture
def server() -> Handlers:
    return requests.handlers()


def created(order: Order, **overrides: Any) -> Dataset:
    """The N-CREATE for the order's first step."""
    step = make.step_of(order)
    item = scheduled(
        StudyInstanceUID=step.procedure.study_instance_uid,
        AccessionNumber=order.accession_number,
        RequestedProcedureID=step.procedure.procedure_id,
        ScheduledProcedureStepID=step.step_id,
    )
    fields: dict[str, Any] = {
        "PatientID": order.patient.identifiers.get().value,
        "PerformedProcedureStepStartDate": "20260302",
        "PerformedProcedureStepStartTime": "131000",
        "ScheduledStepAttributesSequence": [item],
    }
    return n_create(**fields | overrides)


def ended(status: str = "COMPLETED", **overrides: Any) -> Dataset:
    fields = {
        "PerformedProcedureStepEndDate": "20260302",
        "PerformedProcedureStepEndTime": "133000",
    }
    return n_set(status, **fields | overrides)


def stored(uid: str) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=uid)


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


# --- N-CREATE


def test_an_n_create_starts_the_scheduled_step(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()

    outcome = requests.create(server, created(order), uid)

    assert outcome.status == 0
    assert make.step_of(order).status == StepStatus.STARTED.value
    assert stored(uid).match == Match.MATCHED.value
    assert stored(uid).started_at == datetime(2026, 3, 2, 12, 10, tzinfo=UTC)
    assert stored(uid).dataset["00400253"]["Value"] == ["PPS1"]


def test_the_message_is_kept_as_a_dicom_file(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()

    outcome = requests.create(server, created(order), uid)
    before = InboundMessage.objects.get().reply_state
    assert outcome.sent is not None
    outcome.sent(True)

    message = InboundMessage.objects.get(message_type="MPPS N-CREATE")
    file = dcmread(BytesIO(message.raw))
    assert (message.protocol, message.sender, message.peer) == ("dicom", "CT1", "127.0.0.1")
    assert (message.state, message.outcome) == (MessageState.APPLIED.value, "0000")
    assert (before, message.reply_state) == (ReplyState.PENDING.value, ReplyState.SENT.value)
    assert list(message.orders.all()) == [order]
    assert file.file_meta.MediaStorageSOPInstanceUID == uid
    assert file.file_meta.SourceApplicationEntityTitle == "CT1"
    assert file.PerformedProcedureStepID == "PPS1"
    assert StoredRequest.unpack(bytes(message.raw)).operation == "N-CREATE"


def test_a_device_may_be_answered_alike_when_it_repeats_itself(server: Handlers) -> None:
    make.device(settings={"mpps_repeats": "accept"})
    uid = new_uid()

    first = requests.create(server, n_create(), uid)
    same = requests.create(server, n_create(), uid)
    other = requests.create(server, n_create(StudyID="2"), uid)

    assert [one.status for one in (first, same, other)] == [0x0000, 0x0000, 0x0111]
    assert PerformedProcedureStep.objects.count() == 1


def test_an_n_create_without_uid_gets_one(server: Handlers) -> None:
    order = make.booked(NOON)

    outcome = requests.create(server, created(order), "")

    assert outcome.status == 0
    assert outcome.sop_instance_uid.startswith("2.25.")
    assert stored(outcome.sop_instance_uid).status == PerformedStatus.IN_PROGRESS.value


@pytest.mark.parametrize("same", [True, False])
def test_a_used_uid_is_refused_even_with_the_same_content(server: Handlers, same: bool) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)
    events = DomainEvent.objects.count()

    outcome = requests.create(server, created(order) if same else created(order, StudyID="2"), uid)

    assert outcome.status == 0x0111
    assert PerformedProcedureStep.objects.count() == 1
    assert DomainEvent.objects.count() == events
    assert InboundMessage.objects.filter(state=MessageState.REJECTED.value).count() == 1


def test_a_start_in_another_status_is_refused_by_its_attribute(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()

    outcome = requests.create(server, created(order, PerformedProcedureStepStatus="COMPLETED"), uid)

    assert outcome.status == 0x0106
    assert outcome.attribute_identifiers == (0x00400252,)
    offending = decode(BytesIO(outcome.dataset), False, True)
    assert offending.PerformedProcedureStepStatus == "COMPLETED"
    assert PerformedProcedureStep.objects.count() == 0
    assert make.step_of(order).status == StepStatus.SCHEDULED.value
    message = InboundMessage.objects.get(message_type="MPPS N-CREATE")
    assert message.state == MessageState.REJECTED.value
    assert list(message.orders.all()) == [order]


def test_an_incomplete_start_is_mended_and_noted(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()

    outcome = requests.create(
        server, created(order, PerformedProcedureStepID=None, PerformedStationAETitle=None), uid
    )

    assert outcome.status == 0
    assert stored(uid).station_ae_title == "CT1"
    assert len(stored(uid).flags) == 2


@pytest.mark.parametrize(("empty", "status"), [(None, 0x0120), ("", 0x0121)])
def test_an_incomplete_start_is_refused_for_a_strict_device(empty: Any, status: int) -> None:
    make.device(settings={"mpps": "strict"})
    order, uid = make.booked(NOON), new_uid()

    outcome = requests.create(
        requests.handlers(), created(order, PerformedProcedureStepID=empty), uid
    )

    assert outcome.status == status
    assert outcome.comment.startswith("(0040,0253) PerformedProcedureStepID")
    assert PerformedProcedureStep.objects.count() == 0


def test_an_exam_that_matches_no_step_is_kept(server: Handlers) -> None:
    uid = new_uid()

    outcome = requests.create(server, n_create(), uid)

    assert outcome.status == 0
    assert stored(uid).match == Match.UNMATCHED.value


# --- N-SET


def test_an_n_set_completes_step_and_exam(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)

    outcome = requests.change(server, ended(), uid)

    assert outcome.status == 0
    assert make.step_of(order).status == StepStatus.COMPLETED.value
    assert stored(uid).ended_at == datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    assert stored(uid).series.get().instance_count == 2


def test_series_lists_replace_each_other(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)

    for uids in (["2.25.1"], ["2.25.1", "2.25.2"]):
        requests.change(
            server,
            n_set("IN PROGRESS", PerformedSeriesSequence=[series(one) for one in uids],
                  PerformedProcedureStepEndDate=None, PerformedProcedureStepEndTime=None),
            uid,
        )  # fmt: skip

    rows = stored(uid).series.order_by("series_instance_uid")
    assert [row.series_instance_uid for row in rows] == ["2.25.1", "2.25.2"]
    assert make.step_of(order).status == StepStatus.STARTED.value


def test_the_wrong_worklist_entry_goes_back_on_the_list(server: Handlers) -> None:
    from tests.worklist.performed import code

    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)

    reason = [code("110514", "Incorrect worklist entry selected", "DCM")]
    requests.change(
        server,
        ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason),
        uid,
    )

    assert len(requests.rows(requests.find(server, identifier(PatientName="")))) == 1
    assert stored(uid).match == Match.QUARANTINED.value


def test_after_the_end_another_change_is_refused_with_the_error_id(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)
    requests.change(server, ended(), uid)

    outcome = requests.change(server, ended("DISCONTINUED"), uid)

    assert outcome.status == 0x0110
    assert outcome.error_id == 0xA710
    assert stored(uid).status == PerformedStatus.COMPLETED.value


def test_the_same_n_set_again_gets_the_same_answer(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)
    first = requests.change(server, ended(), uid)
    events = DomainEvent.objects.count()

    second = requests.change(server, ended(), uid)

    assert (first.status, second.status) == (0, 0)
    assert DomainEvent.objects.count() == events
    assert InboundMessage.objects.get(message_type="MPPS N-SET").repeats == 1


def test_an_unknown_uid_is_refused_until_it_is_created(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()

    before = requests.change(server, ended(), uid)
    requests.create(server, created(order), uid)
    after = requests.change(server, ended(), uid)

    assert before.status == 0x0112
    assert after.status == 0
    assert stored(uid).status == PerformedStatus.COMPLETED.value


def test_another_patient_in_an_n_set_is_ignored_and_noted(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)

    outcome = requests.change(server, ended(PatientID="SOMEBODY"), uid)

    assert outcome.status == 0
    assert stored(uid).patient_identifier == order.patient.identifiers.get().value
    assert stored(uid).flags == ["(0010,0020): not allowed in an N-SET"]


def test_a_fault_of_ours_shows_only_its_reference(
    server: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, uid = make.booked(NOON), new_uid()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("Berg^Anna")

    monkeypatch.setattr("worklist.handlers.execute", broken)
    outcome = requests.create(server, created(order), uid)

    assert outcome.status == 0x0110
    assert outcome.comment.startswith("internal error ")
    assert "Berg" not in outcome.comment
    assert InboundMessage.objects.get().state == MessageState.FAILED.value


def test_a_failed_message_can_be_applied_again(
    server: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import worklist.replay  # noqa: F401 - registers itself

    order, uid = make.booked(NOON), new_uid()
    with monkeypatch.context() as patch:
        patch.setattr("worklist.handlers.execute", lambda *_, **__: 1 / 0)
        requests.create(server, created(order), uid)
    message = InboundMessage.objects.get()

    execute(ReplayMessage(message=str(message.public_id), reason="fixed"), actor=people.admin)

    assert stored(uid).match == Match.MATCHED.value
    assert make.step_of(order).status == StepStatus.STARTED.value


# --- N-GET


def test_an_n_get_returns_everything_said_so_far(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order, PatientName="Berg^Anna"), uid)
    requests.change(server, ended(), uid)

    outcome = requests.get(server, uid)

    found = decode(BytesIO(outcome.dataset), False, True)
    assert outcome.status == 0
    assert found.SOPInstanceUID == uid
    assert found.PerformedProcedureStepStatus == "COMPLETED"
    assert found.PatientName == "Berg^Anna"
    assert found.PerformedSeriesSequence[0].ProtocolName == "Abdomen, portal venous"
    assert len(found.PerformedSeriesSequence[0].ReferencedImageSequence) == 2
    assert AuditEvent.objects.filter(action="ReadPerformedStep").count() == 1


def test_an_n_get_of_some_attributes_returns_those(server: Handlers) -> None:
    uid = new_uid()
    requests.create(server, n_create(), uid)

    outcome = requests.get(
        server, uid, tag_of("PatientID"), tag_of("CommentsOnThePerformedProcedureStep"), 0x00091001
    )

    found = decode(BytesIO(outcome.dataset), False, True)
    assert outcome.status == 0x0001
    assert outcome.attribute_identifiers == (0x00091001,)
    assert found.PatientID == "MRN1"
    assert found.CommentsOnThePerformedProcedureStep == ""
    assert len(found) == 2


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
@pytest.mark.parametrize(
    ("name", "terms"),
    [("Müller^Jörg", "ISO_IR 100"), ("Łukasz^Jan", "ISO_IR 192"), ("Berg^Anna", None)],
)
def test_an_n_get_names_the_character_set_it_needs(
    server: Handlers, name: str, terms: str | None, syntax: str
) -> None:
    uid = new_uid()
    requests.create(server, n_create(SpecificCharacterSet="ISO_IR 192", PatientName=name), uid)

    outcome = requests.get(server, uid, syntax=syntax)

    found = decode(BytesIO(outcome.dataset), syntax == "implicit", syntax != "big")
    assert found.PatientName == name
    assert found.get("SpecificCharacterSet") == terms


def test_an_n_get_of_an_unknown_uid_is_refused(server: Handlers) -> None:
    assert requests.get(server, "2.25.404").status == 0x0112


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

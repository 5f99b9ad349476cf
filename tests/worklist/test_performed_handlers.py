"""The handlers of performed steps against the real core: what is answered, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
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
)
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier
from tests.worklist.handled import NOON, ended
from tests.worklist.performed import code, n_create, n_set, scheduled, series
from worklist.elements import tag_of
from worklist.handlers import Handlers
from worklist.raw import StoredRequest

pytestmark = pytest.mark.django_db


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


def stored(uid: str) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=uid)


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
    assert outcome.comment == "(0040,0252) performed procedure step may no longer be updated"
    assert outcome.attribute_identifiers == (0x00400252,)
    assert InboundMessage.objects.get(state="REJECTED").error_path == "(0040,0252)"
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


def damage(uid: str) -> Any:
    """What nothing of ours writes; what was there before."""
    before = stored(uid).dataset
    PerformedProcedureStep.objects.filter(sop_instance_uid=uid).update(dataset=["Berg^Anna"])
    return before


def test_a_fault_of_ours_shows_only_its_reference(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)
    damage(uid)

    outcome = requests.change(server, ended(), uid)

    message = InboundMessage.objects.get(message_type="MPPS N-SET")
    assert message.state == MessageState.FAILED.value
    assert (outcome.status, outcome.comment) == (0x0110, f"internal error {message.error_id}")
    assert make.step_of(order).status == StepStatus.STARTED.value


def test_a_failed_message_can_be_applied_again(server: Handlers) -> None:
    order, uid = make.booked(NOON), new_uid()
    requests.create(server, created(order), uid)
    before = damage(uid)
    requests.change(server, ended(), uid)
    PerformedProcedureStep.objects.filter(sop_instance_uid=uid).update(dataset=before)
    message = InboundMessage.objects.get(message_type="MPPS N-SET")

    execute(ReplayMessage(message=str(message.public_id), reason="mended"), actor=people.admin)

    assert stored(uid).status == PerformedStatus.COMPLETED.value
    assert make.step_of(order).status == StepStatus.COMPLETED.value


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
    outcome = requests.get(server, "2.25.404")

    assert outcome.status == 0x0112
    assert outcome.comment == "(0000,1001) no performed step with this SOP Instance UID"


@pytest.mark.parametrize(
    ("ae_title", "flags"),
    [
        ("CT1", []),
        ("CT1OLD", []),
        ("MR1", ["told by MR1, which did not begin it"]),
        ("BROKER", []),
    ],
)
def test_an_end_told_by_another_device_is_noted(ae_title: str, flags: list[str]) -> None:
    make.device(character_sets=("ISO_IR 100",), settings={"aliases": ["CT1OLD"]})
    make.device("MR1", "MR")
    server, uid = requests.handlers(accept_unknown=True), new_uid()
    requests.create(server, n_create(), uid)

    outcome = requests.change(server, n_set(), uid, ae_title=ae_title)

    performed = PerformedProcedureStep.objects.get()
    assert (outcome.status, performed.status, performed.flags) == (0x0000, "COMPLETED", flags)


def test_a_console_ends_what_it_began_for_the_scanner_it_names() -> None:
    make.device()
    make.device("CT1WS")
    server, uid = requests.handlers(), new_uid()
    requests.create(server, n_create(), uid, ae_title="CT1WS")

    requests.change(server, n_set(), uid, ae_title="CT1WS")

    performed = PerformedProcedureStep.objects.get()
    assert (performed.station_ae_title, performed.flags) == ("CT1", [])

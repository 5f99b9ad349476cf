"""What devices say of an exam that is not so: of clocks, patients, reasons and further steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset

from ris.domain.discontinuation import FollowUpKind
from ris.domain.identifiers import new_uid
from ris.domain.orders import StepStatus
from ris.domain.performing import Match, PerformedStatus
from ris.models import FollowUp, Order
from tests import make
from tests.wire.exams import NOON, order, server, status_of, stored
from tests.wire.worklist_server import modality
from tests.worklist.performed import scheduled
from worklist.modality import Modality, begun, ended, query
from worklist.server import ServerThread

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["order", "server"]

OTHER_PATIENT = "the patient is not the one of the scheduled step"
OTHER_NAME = "the name sent is not the one of the scheduled step's patient"


def started(server: ServerThread, **overrides: Any) -> tuple[Modality, Dataset, str]:
    """An exam of the only entry on the list, with what the device says otherwise."""
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query()).identifiers
    sent = begun(entry, station="CT1", at=NOON)
    for keyword, value in overrides.items():
        setattr(sent, keyword, value)
    scanner.create(sent, uid)
    return scanner, entry, uid


# --- clocks


def test_a_clock_that_was_reset_makes_no_exam_of_years(server: ServerThread, order: Order) -> None:
    before = timezone.now()
    scanner, entry, uid = started(
        server,
        PerformedProcedureStepStartDate="20000101",
        PerformedProcedureStepStartTime="000512",
    )
    scanner.set(ended(entry, at=NOON.replace(year=2000, month=1, day=1)), uid)

    performed = stored(uid)
    assert before <= performed.started_at <= performed.ended_at <= timezone.now()
    assert performed.flags == [
        "(0040,0244): a time long gone; the message's is used",
        "(0040,0250): a time long gone; the message's is used",
    ]
    assert status_of(order) is StepStatus.COMPLETED


def test_a_start_that_is_told_late_is_believed(server: ServerThread, order: Order) -> None:
    told = timezone.now() - timedelta(days=20)
    _, _, uid = started(
        server,
        PerformedProcedureStepStartDate=f"{told:%Y%m%d}",
        PerformedProcedureStepStartTime="120000",
    )

    assert timezone.now() - stored(uid).started_at > timedelta(days=18)
    assert stored(uid).flags == []


# --- patients


@pytest.mark.parametrize(
    ("said", "match", "flags"),
    [
        ({"PatientID": "", "PatientName": "Stone^Ada"}, Match.MISMATCH, [OTHER_PATIENT]),
        ({"PatientName": "Stone^Ada"}, Match.MATCHED, [OTHER_NAME]),
        ({"PatientID": "", "PatientName": ""}, Match.MATCHED, []),
        ({"PatientID": "", "PatientName": "BERG ANNA"}, Match.MATCHED, []),
        ({"PatientID": "", "PatientName": "Anna^Berg"}, Match.MATCHED, []),
        ({"PatientID": "", "PatientName": "Stone^Anna"}, Match.MATCHED, []),
        ({"PatientID": "", "PatientName": "B^A"}, Match.MATCHED, []),
        ({"PatientID": "", "PatientName": "B?RG^?NNA"}, Match.MATCHED, []),
    ],
)
def test_who_was_examined_is_told_by_the_name_where_no_number_is(
    server: ServerThread, order: Order, said: dict[str, str], match: Match, flags: list[str]
) -> None:
    _, _, uid = started(server, PatientBirthDate="", IssuerOfPatientID="", **said)

    assert (stored(uid).match, stored(uid).flags) == (match.value, flags)
    begun_here = match is Match.MATCHED
    assert status_of(order) is (StepStatus.STARTED if begun_here else StepStatus.SCHEDULED)


def test_a_patient_who_was_renamed_meanwhile_is_known_by_the_birth_date(
    server: ServerThread, order: Order
) -> None:
    _, _, uid = started(server, PatientID="", IssuerOfPatientID="", PatientName="Stone^Ada")

    assert (stored(uid).match, stored(uid).flags) == (Match.MATCHED.value, [])


def test_what_a_barcode_reader_types_at_the_end_is_not_part_of_a_number(
    server: ServerThread, order: Order
) -> None:
    number = order.patient.identifiers.get().value
    asked = query(Modality="CT")
    asked.PatientID, asked.AccessionNumber = f"{number}\r\n", f"{order.accession_number}\r"

    found = modality(server).find(asked).identifiers
    _, _, uid = started(server, PatientID=f"{number}\r\n")

    assert [entry.PatientID for entry in found] == [number]
    assert (stored(uid).match, stored(uid).patient_identifier) == (Match.MATCHED.value, number)


# --- reasons


@pytest.mark.parametrize("images", [0, 2])
def test_a_reason_that_nobody_here_knows_asks_whether_it_is_to_be_done_still(
    server: ServerThread, order: Order, images: int
) -> None:
    scanner, entry, uid = started(server)
    last = ended(entry, at=NOON, images=images, reason=("XX1", "Patient moved"))
    code = last.PerformedProcedureStepDiscontinuationReasonCodeSequence[0]
    code.CodingSchemeDesignator = "99VENDOR"

    scanner.set(last, uid)

    (asked,) = FollowUp.objects.filter(performed__sop_instance_uid=uid)
    assert (asked.kind, asked.settled_at) == (FollowUpKind.REBOOK.value, None)
    assert stored(uid).status == PerformedStatus.DISCONTINUED.value


# --- several values, several steps


def test_of_several_modalities_the_first_is_kept(server: ServerThread, order: Order) -> None:
    _, _, uid = started(server, Modality=["CT", "PT"])

    assert stored(uid).modality == "CT"
    assert stored(uid).flags == ["(0008,0060): more than one value"]


def test_a_further_step_that_is_not_known_is_noted(server: ServerThread, order: Order) -> None:
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query()).identifiers
    sent = begun(entry, station="CT1", at=NOON)
    unknown = scheduled(
        StudyInstanceUID=new_uid(), AccessionNumber="NOPE", ScheduledProcedureStepID="NOPE"
    )
    sent.ScheduledStepAttributesSequence.append(unknown)

    scanner.create(sent, uid)

    assert status_of(order) is StepStatus.STARTED
    assert stored(uid).flags == ["another scheduled step that it names was not found"]


def test_a_number_typed_at_the_device_in_place_of_the_orders_is_noted(
    server: ServerThread, order: Order
) -> None:
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query()).identifiers
    sent = begun(entry, station="CT1", at=NOON)
    sent.ScheduledStepAttributesSequence[0].AccessionNumber = "TYPED"

    scanner.create(sent, uid)

    assert status_of(order) is StepStatus.STARTED
    assert stored(uid).flags == ["an accession number sent is not the one of the scheduled step"]


def test_two_known_steps_are_both_found(server: ServerThread) -> None:
    patient = make.patient()
    first, second = (
        make.booked(NOON, patient=patient),
        make.booked(NOON + timedelta(hours=1), patient=patient),
    )
    scanner, uid = modality(server), new_uid()
    entries = scanner.find(query()).identifiers
    sent = begun(entries[0], station="CT1", at=NOON)
    sent.ScheduledStepAttributesSequence.extend(
        begun(entries[1], station="CT1", at=NOON).ScheduledStepAttributesSequence
    )

    scanner.create(sent, uid)

    assert {status_of(first), status_of(second)} == {StepStatus.STARTED}
    assert stored(uid).flags == []

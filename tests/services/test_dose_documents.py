"""Dose documents through the door: whose they are, and what they make together."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from ris.domain.actors import TIMER
from ris.domain.dose import (
    DoseMatch,
    JoinDoses,
    LinkDose,
)
from ris.domain.values import Identifier
from ris.models import (
    DomainEvent,
    DoseRecord,
    ExamDose,
    IrradiationEvent,
    Order,
    PerformedProcedureStep,
)
from ris.services import execute
from ris.services.timers import run_due
from tests import make, people
from tests.make import NOON
from tests.services.dosing import (
    another,
    dlp,
    document,
    event,
    record,
    total,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


# --- whose dose it is


@pytest.mark.parametrize(
    ("left_out", "how"),
    [
        ((), "accession number"),
        (("accession_number",), "Study Instance UID"),
        (("accession_number", "study_instance_uid"), "patient, device and time"),
    ],
)
def test_a_document_finds_its_exam(left_out: tuple[str, ...], how: str) -> None:
    order = make.performed()
    another()

    row = record(document(order, **dict.fromkeys(left_out, "")))

    assert (row.order, row.match, row.joined_by) == (order, DoseMatch.MATCHED.value, how)
    assert row.procedure == make.step_of(order).procedure
    assert total(order) == "410.2"


def test_a_document_finds_its_exam_by_the_performed_step() -> None:
    order = make.performed()
    uid = PerformedProcedureStep.objects.get().sop_instance_uid

    row = record(
        document(order, accession_number="", study_instance_uid="2.25.99", performed_uids=(uid,))
    )

    assert (row.order, row.joined_by) == (order, "performed procedure step")
    assert row.performed is not None


def test_a_study_performed_under_a_uid_of_the_devices_own_is_known() -> None:
    order = make.booked()
    command = make.start(order)
    own = "2.25.4711"
    references = (
        type(command.references[0])(
            study_instance_uid=own,
            accession_number=order.accession_number,
            step_id=command.references[0].step_id,
        ),
    )
    execute(make.start(order, references=references), actor=people.ct1)

    row = record(document(order, accession_number="", study_instance_uid=own))

    assert (row.order, row.joined_by) == (order, "Study Instance UID")


def test_the_dose_of_another_patient_is_never_joined() -> None:
    order, other = make.performed(), another()
    number = other.patient.identifiers.get(primary=True)

    row = record(document(order, patient_identifier=Identifier(number.value, number.issuer)))

    assert (row.order, row.match) == (None, DoseMatch.MISMATCH.value)
    assert row.flags == ["the patient is not the one of the exam it names"]
    assert not ExamDose.objects.exists()


def test_two_orders_named_at_once_are_no_order() -> None:
    order, other = make.performed(), another()

    row = record(document(order, accession_number=other.accession_number))

    assert (row.order, row.match) == (None, DoseMatch.WAITING.value)
    assert row.flags == ["accession number and Study Instance UID name different orders"]


def test_one_accession_number_of_two_issuers_is_no_exam() -> None:
    order, other = make.performed(), another()
    Order.objects.filter(pk=other.pk).update(
        accession_number=order.accession_number, accession_issuer="OTHER"
    )
    said = {"study_instance_uid": "", "patient_identifier": None}

    silent = record(document(order, **said))
    named = record(document(order, accession_issuer="OTHER", **said))

    assert (silent.order, named.order) == (None, other)


def test_an_issuer_by_its_universal_id_is_the_same_however_it_is_written() -> None:
    order = make.performed()
    Order.objects.filter(pk=order.pk).update(accession_issuer="urn:oid:1.2.3")

    row = record(document(order, accession_issuer="1.2.3", study_instance_uid=""))

    assert (row.order, row.joined_by) == (order, "accession number")


def test_a_patient_with_two_exams_at_that_time_is_not_guessed() -> None:
    patient = make.patient("P1")
    first = make.performed(patient=patient)
    another(patient=patient)

    row = record(document(first, accession_number="", study_instance_uid=""))

    assert (row.order, row.match) == (None, DoseMatch.WAITING.value)


def test_a_document_that_names_nothing_waits() -> None:
    make.performed()

    row = record(document())

    assert (row.order, row.match, row.joined_by) == (None, DoseMatch.WAITING.value, "")
    assert DomainEvent.objects.get(name="DoseRecorded").payload["match"] == "WAITING"


def test_dose_that_comes_before_its_order_is_joined_by_the_clock() -> None:
    patient = make.patient("P1")
    early = record(
        document(
            accession_number="A9900000001",
            patient_identifier=Identifier("P1", "HOSP"),
        )
    )
    order = make.performed(patient=patient)
    Order.objects.filter(pk=order.pk).update(accession_number="A9900000001")

    run_due()

    early.refresh_from_db()
    assert (early.order, early.match) == (order, DoseMatch.MATCHED.value)
    assert total(order) == "410.2"
    linked = DomainEvent.objects.get(name="DoseLinked")
    assert (linked.order, linked.payload["how"]) == (order, "accession number")


def test_what_still_waits_is_looked_at_once_for_each_news() -> None:
    record(document(accession_number="A9900000001"))

    assert execute(JoinDoses(), actor=TIMER) == 0
    run_due()

    assert not DomainEvent.objects.filter(name="DoseLinked").exists()


# --- what several documents make


def test_the_same_document_again_changes_nothing() -> None:
    order = make.performed()
    command = document(order)

    first = execute(command, actor=people.ct1)
    again = execute(command, actor=people.ct1)

    assert first == again
    assert (DoseRecord.objects.count(), IrradiationEvent.objects.count()) == (1, 1)
    assert total(order) == "410.2"
    assert DomainEvent.objects.filter(name="DoseRecorded").count() == 1


def test_a_later_report_extends_an_earlier_one_and_both_are_kept() -> None:
    order = make.performed()
    shared = event("2.25.81", "100")
    record(document(order, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            order,
            totals=(dlp("150"),),
            events=(shared, event("2.25.82", "50")),
            content_at=NOON + timedelta(hours=1),
        )
    )

    assert total(order) == "150"
    assert DoseRecord.objects.filter(order=order).count() == 2
    assert IrradiationEvent.objects.count() == 2
    assert list(ExamDose.objects.get().left_out.values()) == [
        "all its events are in another report"
    ]


def test_an_event_has_the_values_of_the_latest_report() -> None:
    order = make.performed()
    later = document(order, events=(event("2.25.81", "90"),), content_at=NOON + timedelta(hours=1))
    earlier = document(order, events=(event("2.25.81", "100"),))

    for command in (later, earlier):
        record(command)

    row = IrradiationEvent.objects.get()
    assert row.record.source_uid == later.source_uid
    assert row.details["quantities"][0]["value"] == "90"
    assert row.records.count() == 2


def test_a_document_that_comes_again_with_other_values_is_the_later_one() -> None:
    order = make.performed()
    first = document(order, totals=(dlp("100"),), events=())
    second = document(
        order,
        source_uid=first.source_uid,
        totals=(dlp("90"),),
        events=(),
        content_at=NOON + timedelta(hours=2),
    )

    for commands in ((first, second), (second, first)):
        for command in commands:
            record(command)
        row = DoseRecord.objects.get()
        assert total(order) == "90"
        assert "came again with other values" in row.flags
        DoseRecord.objects.all().delete()


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_arrival_changes_the_dose_of_an_exam(seed: int) -> None:
    order = make.performed()
    chance = random.Random(seed)
    commands = [
        document(
            order,
            source_uid=f"2.25.7{number}",
            totals=(dlp(str(100 + number)),),
            events=tuple(
                event(f"2.25.8{uid}", str(uid * 10 + number))
                for uid in chance.sample(range(1, 6), 3)
            ),
            content_at=NOON + timedelta(minutes=number),
        )
        for number in range(4)
    ]
    found = []

    for _ in range(3):
        arriving = [*commands, *chance.choices(commands, k=2)]
        chance.shuffle(arriving)
        for command in arriving:
            execute(command, actor=people.ct1)
        dose = ExamDose.objects.get(order=order)
        found.append((dose.totals, dose.left_out, dose.notes))
        DoseRecord.objects.all().delete()

    assert found[0] == found[1] == found[2]


def test_an_event_that_two_exams_tell_of_counts_for_the_first() -> None:
    first, second = make.performed(), another()
    shared = event("2.25.81", "100")
    own = event("2.25.82", "30")
    record(document(first, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            second,
            totals=(dlp("130"),),
            events=(shared, own),
            content_at=NOON + timedelta(hours=1),
        )
    )

    assert (total(first), total(second)) == ("100", "30")


def test_such_an_event_moves_when_the_first_exam_loses_its_report() -> None:
    first, second = make.performed(), another()
    shared = event("2.25.81", "100")
    row = record(document(first, totals=(dlp("100"),), events=(shared,)))
    record(
        document(
            second, totals=(dlp("100"),), events=(shared,), content_at=NOON + timedelta(hours=1)
        )
    )

    execute(
        LinkDose(dose=str(row.public_id), order="", reason="a phantom"), actor=people.technologist
    )

    assert not ExamDose.objects.filter(order=first).exists()
    assert total(second) == "100"

"""Dose that is told with the exam itself (MPPS), and how it follows what becomes of the exam."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.dose import (
    DoseKind,
    DoseMatch,
)
from ris.domain.measures import Measure, quantity
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    StartPerformedStep,
)
from ris.domain.values import Code
from ris.models import (
    DoseRecord,
    ExamDose,
    PerformedProcedureStep,
)
from ris.selectors.dose_waiting import waiting_lines
from ris.services import execute
from ris.services.timers import run_due
from tests import make, people
from tests.make import NOON
from tests.services.dosing import (
    complete,
    document,
    dose_in,
    record,
    total,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def test_dose_told_with_the_performed_step_is_the_fallback() -> None:
    order = make.booked()

    uid = complete(order, dose_in(area="31.5", fluoro=95, exposures=4), modality="XA")

    row = DoseRecord.objects.get()
    assert (row.source, row.source_uid, row.order) == ("MPPS", uid, order)
    assert total(order, Measure.DAP) == "3.15"
    assert total(order, Measure.FLUORO_TIME) == "95"
    assert total(order, Measure.EXPOSURES) == "4"
    assert row.totals[0]["sent_unit"] == "dGy.cm2"


def test_a_report_counts_before_the_performed_step_whichever_comes_first() -> None:
    for report_first in (True, False):
        order = make.booked(start_at=NOON + timedelta(hours=report_first))
        report = document(
            order,
            kind=DoseKind.PROJECTION,
            totals=(quantity(Measure.DAP, "0.0003", "Gy.m2"),),
            events=(),
        )
        if report_first:
            record(report)
        complete(order, dose_in(area="31.5"), modality="XA")
        if not report_first:
            record(report)

        assert total(order, Measure.DAP) == "3"
        assert DoseRecord.objects.filter(order=order).count() == 2


def test_an_exam_that_states_no_dose_leaves_no_record() -> None:
    make.performed()

    assert not DoseRecord.objects.exists()


def test_numbers_that_make_no_sense_stop_no_exam() -> None:
    order = make.booked()

    complete(order, dose_in(area="many", fluoro=None))

    (row,) = DoseRecord.objects.get().totals
    assert (row["value"], row["problem"]) == (None, "not a number")
    assert make.step_of(order).status == "COMPLETED"


def end_as_wrong_entry(command: StartPerformedStep) -> None:
    """What the scanner says when the technologist sees that another patient was picked."""
    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(
                ended_at=NOON + timedelta(minutes=9),
                discontinuation_reason=Code("110514", "DCM", "Incorrect worklist entry selected"),
            ),
            dataset=dose_in(area="31.5"),
        ),
        actor=people.ct1,
    )


def test_dose_of_the_wrong_entry_belongs_to_no_exam() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    end_as_wrong_entry(command)
    report = record(document(order))

    mpps = DoseRecord.objects.get(source="MPPS")
    assert (mpps.order, mpps.match) == (None, DoseMatch.WAITING.value)
    assert (report.order, report.match) == (None, DoseMatch.WAITING.value)
    assert report.flags == ["the exam was ended as the wrong worklist entry"]


def test_a_report_that_came_before_is_taken_from_the_wrong_entry() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    early = record(document(order))
    assert early.order_id == order.pk

    end_as_wrong_entry(command)

    early.refresh_from_db()
    assert (early.order, early.match) == (None, DoseMatch.WAITING.value)
    assert not ExamDose.objects.exists()
    # What the MPPS said goes with its performed step, which is an exception itself.
    assert [line.source for line in waiting_lines()] == ["RDSR"]


def test_a_performed_step_that_comes_later_is_known_then() -> None:
    order = make.booked()
    command = make.start(order)
    early = record(
        document(order, accession_number="", study_instance_uid="2.25.99",
                 performed_uids=(command.sop_instance_uid,))
    )  # fmt: skip
    execute(command, actor=people.ct1)

    run_due()

    early.refresh_from_db()
    assert (early.order, early.performed) == (order, PerformedProcedureStep.objects.get())


def test_dose_follows_an_exam_that_is_tied_to_another_order() -> None:
    wrong, right = make.booked(), make.booked(start_at=NOON + timedelta(hours=1))
    uid = complete(wrong, dose_in(area="31.5"))
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=uid)
    report = record(document(wrong, performed_uids=(uid,)))

    make.relink(performed, right)
    run_due()

    report.refresh_from_db()
    mpps = DoseRecord.objects.get(source="MPPS")
    assert (mpps.order, report.order) == (right, right)
    assert report.joined_by == "performed procedure step, tied by hand"
    assert not ExamDose.objects.filter(order=wrong).exists()
    assert total(right, Measure.DAP) == "3.15"
    assert total(right) == "410.2"


@pytest.mark.parametrize("own", ["", "2.25.4711"])
def test_a_report_that_names_no_performed_step_follows_the_exam_of_its_study(own: str) -> None:
    """Most devices leave the reference out; what names the study is the exam's all the same."""
    wrong, right = make.booked(), make.booked(start_at=NOON + timedelta(hours=1))
    said = make.start(wrong).references[0]
    study = own or said.study_instance_uid
    command = make.start(wrong, references=(replace(said, study_instance_uid=study),))
    execute(command, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(ended_at=NOON + timedelta(minutes=9)),
        ),
        actor=people.ct1,
    )
    report = record(document(wrong, study_instance_uid=study, patient_identifier=None))
    performed = PerformedProcedureStep.objects.get()
    assert report.order == wrong

    make.relink(performed, right)

    report.refresh_from_db()
    assert (report.order, report.match) == (right, DoseMatch.MATCHED.value)
    assert report.joined_by == "performed procedure step, tied by hand"
    assert not ExamDose.objects.filter(order=wrong).exists()
    assert total(right) == "410.2"


def test_a_report_goes_with_its_exam_when_that_is_untied() -> None:
    order = make.performed()
    report = record(document(order))
    assert report.order == order

    make.relink(PerformedProcedureStep.objects.get())

    report.refresh_from_db()
    assert (report.order, report.match) == (None, DoseMatch.WAITING.value)
    assert not ExamDose.objects.exists()

"""What a report is about: exams that are taken away while it is written, and several in one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.errors import StateConflictError
from ris.domain.patients import MergePatients
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    OpenReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.models import Order, Report, ReportVersion
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, stop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def another(patient: str) -> Order:
    return make.booked(make.NOON + timedelta(hours=3), patient=make.patient(patient))


def written(order: Order) -> str:
    key = str(make.opened_report(order).public_id)
    execute(SaveDraft(report=key, sections=dict(make.TEXT)), actor=people.radiologist)
    return key


# --- the exam is taken away while its report is written


@pytest.mark.parametrize("sign", [SignPreliminary, FinalizeReport])
def test_what_was_seen_in_another_patients_images_is_not_signed(
    sign: type[SignPreliminary | FinalizeReport],
) -> None:
    order, right = make.performed(patient=make.patient("A")), another("B")
    key = written(order)
    make.relink(order.performed.get(), right)

    with pytest.raises(StateConflictError, match="has no exam any more"):
        execute(sign(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    report = Report.objects.get()
    assert (report.status, report.draft, report.versions.count()) == ("DRAFT", make.TEXT, 0)


def test_a_wrong_worklist_entry_keeps_the_text_from_being_signed() -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = written(order)
    stop(performed, "110514")

    with pytest.raises(StateConflictError, match="has no exam any more"):
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)


def test_an_exam_that_was_tied_again_is_signed() -> None:
    order, right = make.performed(patient=make.patient("A")), another("A")
    key = written(order)
    performed = order.performed.get()
    make.relink(performed, right)
    make.relink(performed, order)

    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    assert Report.objects.get().status == "FINAL"


def test_what_was_stopped_half_way_is_signed_all_the_same() -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = written(order)
    stop(performed, "110513")

    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    assert Report.objects.get().status == "FINAL"


def test_of_two_exams_read_together_the_one_that_went_is_named() -> None:
    first = make.performed(patient=make.patient("A"))
    second = make.performed(start_at=make.NOON + timedelta(hours=2), patient=make.patient("A"))
    keys = [str(each.procedures.get().public_id) for each in (first, second)]
    key = execute(OpenReport(procedures=tuple(keys)), actor=people.radiologist)
    make.relink(second.performed.get(), another("B"))

    with pytest.raises(StateConflictError, match=second.accession_number):
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)


# --- the report becomes another patient's while it is written


def test_who_saw_another_name_does_not_sign() -> None:
    order = make.performed(patient=make.patient("A"))
    key, seen = written(order), str(order.patient.public_id)
    execute(MergePatients(survivor=make.patient("B"), subsumed=make.patient("A")), actor=people.ehr)
    sign = FinalizeReport(report=key, sections=dict(make.TEXT), patient=seen)

    with pytest.raises(StateConflictError, match="another patient's since you opened it"):
        execute(sign, actor=people.radiologist)

    order.refresh_from_db()
    now = replace(sign, patient=str(order.patient.public_id))
    execute(now, actor=people.radiologist)
    assert list(ReportVersion.objects.values_list("number", "kind")) == [(1, "FINAL")]


def test_who_saw_another_name_adds_nothing() -> None:
    order = make.performed(patient=make.patient("A"))
    seen = str(order.patient.public_id)
    report = make.final_report(order)
    execute(MergePatients(survivor=make.patient("B"), subsumed=make.patient("A")), actor=people.ehr)

    with pytest.raises(StateConflictError, match="another patient's since you opened it"):
        execute(
            AmendReport(
                report=str(report.public_id),
                kind=VersionKind.ADDENDUM,
                sections={"addendum": "Compared with 2024."},
                patient=seen,
            ),
            actor=people.radiologist,
        )

    assert report.versions.count() == 1

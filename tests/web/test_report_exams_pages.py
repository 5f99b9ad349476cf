"""The exams and the patient of a report, as its page names them to whoever signs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from ris.domain.patients import MergePatients
from ris.domain.reporting import OpenReport
from ris.models import Order, Report, ReportVersion
from ris.services import execute
from tests import make, people
from tests.services.dosing import dlp, document
from tests.services.exams import begin, stop
from tests.web.department import booked_at, opened, today_at
from tests.web.test_report_states import TEXT, look, send, words

As = Callable[[str], Client]
SECOND = make.NOON + timedelta(hours=2)


@pytest.fixture
def second(exam: Order) -> Order:
    """Another exam of the same patient, under an order of its own."""
    number = exam.patient.identifiers.get(primary=True).value
    return make.performed(start_at=SECOND, patient=make.patient(number))


def test_exams_of_two_orders_are_all_named_before_they_are_signed(
    exam: Order, second: Order, as_: As
) -> None:
    keys = tuple(str(each.procedures.get().public_id) for each in (exam, second))
    key = execute(OpenReport(procedures=keys), actor=people.radiologist)
    page = as_("radiologist").get(f"/reports/{key}/").content.decode()

    heading = page.partition("<h1>")[2].partition("</h1>")[0]
    question = page.partition('class="sign-what"')[2].partition("</dl>")[0]

    assert heading == "CT head without contrast; CT head without contrast"
    assert exam.accession_number in question
    assert second.accession_number in question


def test_the_page_says_that_the_exam_was_taken_away(exam: Order, as_: As) -> None:
    radiologist = as_("radiologist")
    report = opened(radiologist, exam)
    other = make.booked(SECOND, patient=make.patient("OTHER"))
    make.relink(exam.performed.get(), other)

    warned = f"CT head without contrast ({exam.accession_number}) has no exam any more."
    assert warned in look(radiologist, report)
    assert warned.removesuffix(".") in send(radiologist, report, "final")
    assert not ReportVersion.objects.exists()


def test_who_signs_sees_that_the_patient_is_another_one(exam: Order, as_: As) -> None:
    radiologist = as_("radiologist")
    report = opened(radiologist, exam)
    seen = str(exam.patient.public_id)
    survivor = make.patient("SURVIVOR")
    number = exam.patient.identifiers.get(primary=True).value
    execute(MergePatients(survivor=survivor, subsumed=make.patient(number)), actor=people.ehr)
    exam.refresh_from_db()

    refused = radiologist.post(
        f"/reports/{report.public_id}/sign/",
        {**TEXT, "as": "final", "revision": "0", "patient": seen},
    )
    page = refused.content.decode()

    assert refused.status_code == 409
    assert "This report became another patient" in page
    assert TEXT["findings"] in page
    assert f'name="patient" value="{exam.patient.public_id}"' in page
    assert "load the present state" not in page
    send(radiologist, report, "final", patient=str(exam.patient.public_id))
    assert Report.objects.get().status == "FINAL"


def test_an_exam_is_taken_in_and_left_out_again_with_what_was_just_typed(
    exam: Order, second: Order, as_: As
) -> None:
    radiologist = as_("radiologist")
    report = opened(radiologist, exam)
    also = str(second.procedures.get().public_id)
    part = look(radiologist, report, "together/")

    taken = radiologist.post(
        f"/reports/{report.public_id}/cover/", {**TEXT, "revision": "0", "also": also}, follow=True
    ).content.decode()

    report.refresh_from_db()
    assert f"Read in this report CT head without contrast, {second.accession_number}" in part
    assert "This exam is read in the same report." in taken
    assert (report.draft, report.procedures.count()) == (TEXT, 2)
    assert f"Leave out CT head without contrast, {second.accession_number}" in look(
        radiologist, report, "together/?editor=yes"
    )
    radiologist.post(f"/reports/{report.public_id}/cover/", {"without": also})
    assert report.procedures.count() == 1


def test_what_is_signed_shows_its_exams_and_changes_none(
    exam: Order, second: Order, as_: As
) -> None:
    radiologist = as_("radiologist")
    report = opened(radiologist, exam)
    send(radiologist, report, "preliminary")

    part = look(radiologist, report, "together/")

    assert exam.accession_number in part
    assert second.accession_number not in part
    assert "Leave out" not in part


def test_the_questions_and_the_doses_of_all_orders_stand_beside_the_text(
    exam: Order, second: Order, as_: As
) -> None:
    for order, dose in ((exam, "100"), (second, "200")):
        execute(document(order, totals=(dlp(dose),), events=()), actor=people.ct1)
    Order.objects.filter(pk=second.pk).update(reason="fall from a ladder")
    keys = tuple(str(each.procedures.get().public_id) for each in (exam, second))
    key = execute(OpenReport(procedures=keys), actor=people.radiologist)
    report = Report.objects.get(public_id=key)
    radiologist = as_("radiologist")

    page, part = look(radiologist, report), look(radiologist, report, "exam/")

    assert "headache" in page
    assert f"{second.accession_number} fall from a ladder" in page
    assert re.findall(r"(\d+) mGy·cm", part) == ["100", "200"]


def test_an_exam_that_was_stopped_early_is_reported_from_a_list_of_its_own(
    rooms: None, as_: As
) -> None:
    order = booked_at(today_at(11))
    stop(begin(order), "110505")
    radiologist = as_("radiologist")

    listed = words(radiologist.get("/reading/?pile=stopped").content.decode())
    report = opened(radiologist, order)
    signed = send(radiologist, report, "final")

    assert f"CT · {order.accession_number}" in listed
    assert "Discontinued" in listed
    assert "Signed. The report is on its way" in signed

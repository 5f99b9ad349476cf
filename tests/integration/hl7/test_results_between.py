"""ORU in: several senders of one report, and people who write on what a sender brought."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.reporting import SaveDraft
from ris.models import Report
from ris.services import execute
from tests import make, people
from tests.integration.hl7.intake import register
from tests.integration.hl7.reports import PID, body, exam, kinds, named, obr, oru, trust
from tests.services.exams import begin, stop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(accepting: None) -> None:
    make.site()
    make.device()
    trust(withdraw_results=True)
    register("Other", "OTHER^GENERAL", settings={"results": "final", "withdraw_results": True})


def test_a_sender_corrects_nobody_elses_report() -> None:
    order = exam()
    oru(PID, obr(order), *body())

    told = named("OTHER", PID, obr(order, "C"), "OBX|1|TX|&IMP||Bleeding.||||||C")

    assert told == ["AE", "207 OBR^1^25"]
    assert kinds() == ["FINAL"]
    assert oru(PID, obr(order, "C"), "OBX|1|TX|&IMP||Normal.||||||C") == ["AA"]
    assert kinds() == ["FINAL", "CORRECTION"]


def test_what_one_called_preliminary_another_may_sign() -> None:
    """The night is read elsewhere, and verified here in the morning."""
    order = exam()
    oru(PID, obr(order, "P"), *body("P"))

    assert named("OTHER", PID, obr(order), "OBX|1|TX|&IMP||Normal.||||||F") == ["AA"]
    assert kinds() == ["PRELIMINARY", "FINAL"]


def test_what_somebody_writes_on_a_preliminary_report_is_not_lost_by_its_withdrawal() -> None:
    order = exam()
    oru(PID, obr(order, "P"), *body("P"))
    report = Report.objects.get()
    mine = {"findings": "Small bleeding on the left.", "impression": "Bleeding."}
    execute(SaveDraft(report=str(report.public_id), sections=mine), actor=people.radiologist)

    told = oru(PID, obr(order, "C"), *body("W"))

    report.refresh_from_db()
    assert told == ["AE", "207 OBR^1^25"]
    assert (report.status, report.draft) == ("PRELIMINARY", mine)


def test_the_dictation_on_an_exam_that_was_stopped_is_filed() -> None:
    order = make.booked(patient=make.patient("4711"))
    stop(begin(order), "110505")

    assert oru(PID, obr(order), *body()) == ["AA"]
    assert kinds() == ["FINAL"]


def test_a_draft_takes_in_no_exam_that_was_not_done() -> None:
    done = exam()
    planned = make.booked(make.NOON + timedelta(hours=3), patient=make.patient("4711"))
    oru(PID, obr(done, "R"), *body("R"))

    told = oru(PID, obr(done, "R"), obr(planned, "R"), *body("R"))

    assert told == ["AE", "207 OBR^2^18"]
    assert [each.order for each in Report.objects.get().procedures.all()] == [done]

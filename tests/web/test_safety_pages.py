"""The pages of safety questions: answered with what is known, overridden, edited, uploaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.domain.actors import OPERATOR
from ris.domain.patients import PatientReference
from ris.domain.protocoling import ChangeProtocolNeed, ProtocolNeed
from ris.domain.safety import ImportSafetyQuestions, Observed, RecordObservations
from ris.domain.safety_starter import STARTER
from ris.domain.scheduling import BookAppointment
from ris.models import (
    ProcedureDefinition,
    SafetyAnswer,
    SafetyOverride,
    SafetyQuestion,
    ScheduledProcedureStep,
)
from ris.selectors import safety
from ris.services import execute
from tests import make, people

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())

pytestmark = pytest.mark.django_db

As = Callable[[str], Client]


@pytest.fixture
def step() -> str:
    """A CT with contrast of a woman of 30, who is asked everything."""
    make.device()
    make.definition(contrast="80 ml iodinated")
    execute(ImportSafetyQuestions(questions=STARTER), actor=OPERATOR)
    order = make.order(
        patient=make.patient(
            birth_date=make.PartialDate("1995-05-03"), allergies=("Iodinated contrast: hives",)
        )
    )
    execute(
        RecordObservations(
            patient=PatientReference(public_id=str(order.patient.public_id)),
            observations=(
                Observed(
                    code="98979-8", value="27", observed_at=timezone.now() - timedelta(days=2)
                ),
            ),
        ),
        actor=people.ehr,
    )
    return str(make.step_of(order).public_id)


def test_what_is_known_stands_in_the_form_and_is_saved_only_if_confirmed(
    as_: As, step: str
) -> None:
    client = as_("technologist")
    page = client.get(f"/safety/{step}/").content.decode()
    assert 'value="27"' in page
    assert "Iodinated contrast: hives" in page
    day = (timezone.localdate() - timedelta(days=2)).isoformat()
    form = {"a-EGFR": "27", "on-EGFR": day, "a-WEIGHT": "80"}

    client.post(f"/safety/{step}/", form)
    assert [row.question.code for row in SafetyAnswer.objects.all()] == ["WEIGHT"]
    client.post(f"/safety/{step}/", {**form, "confirm-EGFR": "1"})

    answer = SafetyAnswer.objects.get(question__code="EGFR")
    assert (answer.value, answer.source, answer.unsafe, answer.answered_by) == (
        "27",
        "FHIR",
        True,
        "Technologist Muster",
    )


def test_what_was_typed_is_not_lost_when_something_is_wrong(as_: As, step: str) -> None:
    answer = as_("frontdesk").post(f"/safety/{step}/", {"a-WEIGHT": "heavy", "a-THYROID": "no"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "a number is needed" in page
    assert 'value="heavy"' in page
    assert SafetyAnswer.objects.count() == 0


def test_all_answered_leads_back_to_where_one_came_from(as_: As, step: str) -> None:
    SafetyQuestion.objects.exclude(code="THYROID").update(active=False)

    answer = as_("technologist").post(f"/safety/{step}/", {"a-THYROID": "no", "next": "/room/CT1/"})

    assert (answer.status_code, answer["Location"]) == (303, "/room/CT1/")


def test_an_unsafe_answer_keeps_one_at_the_questions(as_: As, step: str) -> None:
    SafetyQuestion.objects.exclude(code="THYROID").update(active=False)

    answer = as_("technologist").post(
        f"/safety/{step}/", {"a-THYROID": "yes", "next": "/room/CT1/"}
    )

    assert answer["Location"] == f"/safety/{step}/?next=/room/CT1/"


def test_an_orders_page_names_an_exam_once_for_its_safety_and_its_protocol(
    as_: As, step: str
) -> None:
    definition = str(ProcedureDefinition.objects.get().public_id)
    need = ChangeProtocolNeed(definition=definition, need=ProtocolNeed.START)
    execute(need, actor=people.manager)
    order = ScheduledProcedureStep.objects.get(public_id=step).procedure.order

    part = as_("scheduler").get(
        f"/orders/{order.public_id}/clearance/", headers={"HX-Request": "true"}
    )

    panel = part.content.decode().partition("<details")[0]
    assert panel.count("CT head without contrast") == 1
    assert (panel.count("badge-state"), f"/safety/{step}/" in panel) == (2, True)


def test_the_override_is_offered_to_who_may(as_: As, step: str) -> None:
    form = {"a-THYROID": "yes"}
    technologist = as_("technologist")
    technologist.post(f"/safety/{step}/", form)
    assert (
        "Let the exam go on all the same" in technologist.get(f"/safety/{step}/").content.decode()
    )

    refused = technologist.post(
        f"/safety/{step}/override/", {"question": "THYROID", "reason": "urgent"}
    )
    allowed = as_("radiologist").post(
        f"/safety/{step}/override/", {"question": "THYROID", "reason": "urgent"}
    )

    assert (refused.status_code, allowed.status_code) == (403, 303)
    assert [row.reason for row in SafetyOverride.objects.all()] == ["urgent"]


def test_a_start_that_is_refused_leads_to_the_questions(as_: As, step: str) -> None:
    execute(BookAppointment(step=step, device="CT1", start_at=make.NOON), actor=people.scheduler)
    version = ScheduledProcedureStep.objects.get(public_id=step).version

    answer = as_("technologist").post("/room/CT1/begin/", {"step": step, "version": str(version)})

    page = answer.content.decode()
    assert answer.status_code == 409
    assert f"/safety/{step}/" in page


def test_the_page_stays_within_its_budget(as_: As, step: str) -> None:
    client = as_("technologist")
    client.get(f"/safety/{step}/")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(f"/safety/{step}/")

    assert len(queries) <= BUDGETS["page_safety"]


# --- the editor


def test_the_starter_set_is_taken_by_a_click(as_: As) -> None:
    manager = as_("manager")
    assert "Take the 14 common questions" in manager.get("/catalog/safety/").content.decode()

    manager.post("/catalog/safety/starter/")

    assert len(safety.question_lines()) == 14
    assert "Take the" not in manager.get("/catalog/safety/").content.decode()


def test_a_question_is_made_changed_and_retired(as_: As) -> None:
    manager = as_("manager")
    form = {
        "code": "tattoo", "words": "Any tattoo?", "kind": "YES_NO", "gate": "START",
        "unsafe": "is yes", "modalities": "mr", "override": ["technologist"], "told": "",
        "offer_days": "30", "position": "70",
    }  # fmt: skip

    made = manager.post("/catalog/safety/new/", form)
    line = safety.question_line("TATTOO")
    assert made.status_code == 303
    assert line is not None
    assert (line.details.modalities, line.rules) == (("MR",), "is yes")
    manager.post("/catalog/safety/TATTOO/", {**form, "code": "TATTOO", "words": "Tattoos?"})
    manager.post("/catalog/safety/TATTOO/retire/")

    row = SafetyQuestion.objects.get(code="TATTOO")
    assert (row.words, row.active) == ("Tattoos?", False)


def test_a_rule_that_cannot_be_read_is_shown_at_its_field(as_: As) -> None:
    answer = as_("manager").post(
        "/catalog/safety/new/",
        {"code": "X", "words": "X?", "kind": "YES_NO", "gate": "START", "unsafe": "perhaps",
         "told": "", "offer_days": "1", "position": "1"},
    )  # fmt: skip

    assert answer.status_code == 422
    assert "“perhaps” is no rule" in answer.content.decode()
    assert SafetyQuestion.objects.count() == 0


def test_a_file_that_was_written_changes_nothing_when_it_is_read(as_: As) -> None:
    execute(ImportSafetyQuestions(questions=STARTER), actor=OPERATOR)
    manager = as_("manager")
    content = manager.get("/catalog/safety/download/").content

    page = manager.post(
        "/catalog/safety/upload/", {"file": SimpleUploadedFile("q.csv", content)}
    ).content.decode()

    assert "0 new, 0 changed, 0 no longer offered, 14 the same" in page


def test_a_file_is_shown_first_then_applied(as_: As) -> None:
    manager = as_("manager")
    raw = b"code,words,unsafe,modalities\nLENS,Contact lenses?,is yes,mr\n"

    manager.post("/catalog/safety/upload/", {"file": SimpleUploadedFile("q.csv", raw)})
    assert SafetyQuestion.objects.count() == 0
    manager.post(
        "/catalog/safety/upload/", {"file": SimpleUploadedFile("q.csv", raw), "apply": "1"}
    )

    assert [line.details.code for line in safety.question_lines()] == ["LENS"]


@pytest.mark.parametrize("role", ["scheduler", "frontdesk", "technologist", "radiologist"])
def test_the_editor_is_not_for_everybody(as_: As, role: str) -> None:
    client = as_(role)

    assert client.get("/catalog/safety/").status_code == 403
    assert client.post("/catalog/safety/starter/").status_code == 403
    assert SafetyQuestion.objects.count() == 0

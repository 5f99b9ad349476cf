"""The pages about breast exams, as each role sees and uses them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris import config
from ris.domain.actors import OPERATOR
from ris.domain.exchange import Protocol
from ris.domain.identifiers import new_uid
from ris.domain.letterheads import ChangeLetterhead
from ris.domain.mammography import AssessBreast, Assessed, SetBreastExam
from ris.domain.mammography_letters import MarkLettersSent, PrintLetters, mail_id
from ris.domain.orders import ProcedureRequest
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.values import Code
from ris.models import (
    AuditEvent,
    BreastAssessment,
    BreastLetter,
    BreastOutcome,
    BreastRecall,
    Delivery,
    Endpoint,
    Order,
    ProcedureDefinition,
    Site,
    User,
)
from ris.printing.letters import letters_pdf
from ris.selectors import letters as letter_words
from ris.selectors.letters import pages
from ris.services import execute
from ris.web.mammography import words
from tests import ground, make, people
from tests.programs import requires
from tests.web import department

pytestmark = pytest.mark.django_db

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]
SCREEN = Code("MGSCREEN", "TEST", "Screening mammography")


@dataclass(slots=True)
class Clinic:
    """A recall that is open, a report that waits for its assessment."""

    users: dict[str, User]
    recalled: BreastAssessment
    waiting: str
    order: Order


def _build() -> Clinic:
    users = department.users()
    make.site("UTC")
    make.device("MG1", "MG", room="Mammography")
    key = make.definition(SCREEN, modality="MG")
    execute(SetBreastExam(procedure=key, exam="SCREENING"), actor=people.manager)
    reader = department.radiologist()
    first, second = _exam("MRN1", "Berg", 3), _exam("MRN2", "Ito", 5)
    report = execute(OpenReport(procedures=(str(first.procedures.get().public_id),)), actor=reader)
    said = Assessed(right="1", left="4A", density="C")
    key = execute(AssessBreast(report=report, assessed=said), actor=reader)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=reader)
    waiting = execute(
        OpenReport(procedures=(str(second.procedures.get().public_id),)), actor=reader
    )
    row = BreastAssessment.objects.get(public_id=key)
    return Clinic(users=users, recalled=row, waiting=waiting, order=second)


def _exam(number: str, family: str, hours: int) -> Order:
    order = make.order(
        patient=department.person(family, "Anna", number),
        procedures=(ProcedureRequest(code=SCREEN, steps=(make.step_request(modality="MG"),)),),
    )
    start = make.start(
        order,
        sop_instance_uid=new_uid(),
        station_ae_title="MG1",
        modality="MG",
        started_at=timezone.now() - timedelta(hours=hours),
    )
    execute(start, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=start.sop_instance_uid,
            details=PerformedDetails(ended_at=timezone.now(), series=(make.series(),)),
        ),
        actor=people.ct1,
    )
    return order


@pytest.fixture
def clinic(noon: time_machine.Traveller) -> Clinic:
    made, at = ground.begin("mammography pages", _build)
    noon.move_to(at)
    cache.clear()
    return made


@pytest.fixture
def as_(clinic: Clinic) -> As:
    def log_in(name: str) -> Client:
        client = Client()
        client.force_login(clinic.users[name])
        return client

    return log_in


def text(client: Client, path: str) -> str:
    """The words of a page, one space between them."""
    content = client.get(path, follow=True).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content))


def day_later(noon: time_machine.Traveller) -> None:
    noon.move_to(timezone.now() + timedelta(hours=25))


# --- the report


def test_the_form_stands_beside_the_report_and_is_noted(as_: As, clinic: Clinic) -> None:
    client, path = as_("radiologist"), f"/reports/{clinic.waiting}/"
    before = text(client, path)

    form = {"right": "0", "left": "2", "density": "D"}
    answer = client.post(f"{path}assessment/", form)

    row = BreastAssessment.objects.get(report__public_id=clinic.waiting)
    assert "Assess the exam before the report is signed as final." in before
    assert answer.status_code == 303
    assert (row.right, row.left, row.overall, row.density) == ("0", "2", "0", "D")
    assert "Overall 0 needs more imaging Density D very dense" in text(client, path)


def test_a_report_that_was_not_assessed_is_not_signed(as_: As, clinic: Clinic) -> None:
    client, path = as_("radiologist"), f"/reports/{clinic.waiting}/"

    answer = client.post(f"{path}sign/", {"as": "final", "findings": "Nothing.", "revision": "0"})

    assert answer.status_code == 422
    assert "A breast exam is assessed before its report is signed" in answer.content.decode()
    assert BreastAssessment.objects.filter(report__public_id=clinic.waiting).count() == 0


def test_half_an_assessment_says_what_is_missing(as_: As, clinic: Clinic) -> None:
    path = f"/reports/{clinic.waiting}/assessment/"

    answer = as_("radiologist").post(path, {"right": "1", "density": "B"})

    assert answer.status_code == 422
    assert "assesses both breasts" in answer.content.decode()


def test_a_signed_assessment_is_changed_with_a_reason(as_: As, clinic: Clinic) -> None:
    report = clinic.recalled.report.public_id
    form = {"right": "1", "left": "2", "density": "C", "reason": "old images", "version": "1"}

    answer = as_("radiologist").post(f"/reports/{report}/reassessment/", form)

    clinic.recalled.refresh_from_db()
    assert answer.status_code == 303
    assert clinic.recalled.overall == "2"
    assert BreastRecall.objects.get().state == "WITHDRAWN"


@pytest.fixture
def password_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", "password")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.mark.usefixtures("password_asked")
def test_a_change_is_signed_as_the_site_asks(as_: As, clinic: Clinic) -> None:
    client, report = as_("radiologist"), clinic.recalled.report.public_id
    form = {"right": "1", "left": "2", "density": "C", "reason": "old images", "version": "1"}

    shown = client.get(f"/reports/{report}/").content.decode()
    without = client.post(f"/reports/{report}/reassessment/", form)
    signed = client.post(f"/reports/{report}/reassessment/", {**form, "proof": "demo"})

    assert 'id="proof-reassessment"' in shown
    assert (without.status_code, signed.status_code) == (422, 303)
    assert clinic.recalled.report.versions.latest("number").signed_with == "password"


# --- what is awaited


def test_the_list_says_who_is_awaited_for_what(as_: As, clinic: Clinic) -> None:
    words = text(as_("frontdesk"), "/mammography/")

    assert "Open 1" in words
    assert "BERG, Anna" in words
    assert "Biopsy" in words
    assert "4A suspicious, low" in words
    assert AuditEvent.objects.get(action="ListRecalls").patients == [
        str(clinic.recalled.report.order.patient.public_id)
    ]


def test_what_is_late_is_said_in_words(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    noon.move_to(timezone.now() + timedelta(days=17))

    assert "3 days late" in text(as_("manager"), "/mammography/?tab=overdue")


@pytest.mark.parametrize("tab", ["overdue", "settled"])
def test_an_empty_tab_says_what_comes_there(as_: As, clinic: Clinic, tab: str) -> None:
    words = text(as_("radiologist"), f"/mammography/?tab={tab}")

    assert "Nobody is awaited" in words or "Nothing was settled lately" in words


def test_pathology_is_noted_and_settles_the_recall(as_: As, clinic: Clinic) -> None:
    client, key = as_("radiologist"), clinic.recalled.public_id
    form = {"result": "MALIGNANT", "taken_on": f"{timezone.localdate()}", "side": "L",
            "source": "Pathology Muster"}  # fmt: skip

    answer = client.post(f"/mammography/exams/{key}/pathology/", form)

    outcome = BreastOutcome.objects.get()
    assert answer.status_code == 303
    assert (outcome.result, outcome.side) == ("MALIGNANT", "L")
    assert BreastRecall.objects.get().state == "DONE"
    assert "Malignant taken" in text(client, f"/mammography/exams/{key}/")
    client.post(f"/mammography/pathology/{outcome.public_id}/withdraw/", {"reason": "typo"})
    assert BreastRecall.objects.get().state == "OPEN"


@pytest.mark.parametrize(
    "form", [{}, {"result": "MALIGNANT"}, {"result": "X", "taken_on": "2026-03-02"},
             {"result": "BENIGN", "taken_on": "2026-02-31"}],
)  # fmt: skip
def test_pathology_that_says_nothing_is_refused(
    as_: As, clinic: Clinic, form: dict[str, str]
) -> None:
    path = f"/mammography/exams/{clinic.recalled.public_id}/pathology/"

    assert as_("radiologist").post(path, form).status_code == 422
    assert not BreastOutcome.objects.exists()


def test_a_recall_is_closed_and_opened_on_its_page(as_: As, clinic: Clinic) -> None:
    client, recall = as_("manager"), BreastRecall.objects.get()

    client.post(f"/mammography/recalls/{recall.public_id}/close/", {"note": "declined"})
    recall.refresh_from_db()
    closed = recall.state
    client.post(f"/mammography/recalls/{recall.public_id}/reopen/", {"note": "comes after all"})

    recall.refresh_from_db()
    assert (closed, recall.state) == ("CLOSED", "OPEN")


# --- figures


def test_a_manager_sees_all_readers_and_a_reader_himself(as_: As, clinic: Clinic) -> None:
    clinic.recalled.reader = clinic.users["manager"]
    clinic.recalled.save()

    everybody = text(as_("manager"), "/mammography/outcomes/")
    own = text(as_("radiologist"), "/mammography/outcomes/")

    assert "MUSTER, Manager 1 1 100.0 % 0.0 0 0.0 % 0.0 % – 1" in everybody
    assert "No assessed exam in these days" in own


def test_the_desk_sees_no_figures(as_: As, clinic: Clinic) -> None:
    assert as_("frontdesk").get("/mammography/outcomes/").status_code == 403


# --- letters


def test_letters_are_printed_together_and_marked(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    early = text(as_("frontdesk"), "/mammography/letters/")
    day_later(noon)
    client, letter = as_("frontdesk"), BreastLetter.objects.get()
    form = {"letter": [str(letter.public_id)], "how": "HANDED"}

    listed = text(client, "/mammography/letters/")
    answer = client.post("/mammography/letters/print/", form)
    client.post("/mammography/letters/sent/", form)

    letter.refresh_from_db()
    assert "No letter is to be sent now" in early
    assert "Biopsy recommended" in listed
    assert (answer["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
    assert (letter.state, letter.sent_how, letter.sent_by) == ("SENT", "HANDED", "frontdesk")
    again = client.get(f"/mammography/letters/{letter.public_id}/")
    assert again.content == answer.content
    assert AuditEvent.objects.filter(action="PrintLetters", patients__isnull=False).exists()


def test_a_letter_keeps_the_letterhead_under_which_it_was_printed(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    day_later(noon)
    letter = BreastLetter.objects.get()
    answer = as_("frontdesk").post(
        "/mammography/letters/print/", {"letter": [str(letter.public_id)]}
    )
    day_later(noon)
    site = str(Site.objects.order_by("id")[0].public_id)
    execute(ChangeLetterhead(site=site, institution="Another Clinic"), actor=OPERATOR)

    again = as_("frontdesk").get(f"/mammography/letters/{letter.public_id}/")

    assert again.content == answer.content


def test_a_letter_says_how_far_its_mail_got_and_leaves_another_way_if_it_did_not(
    as_: As, clinic: Clinic
) -> None:
    client, letter = as_("frontdesk"), BreastLetter.objects.get()
    now = timezone.now()
    BreastLetter.objects.update(state="SENT", sent_how="MAIL", sent_at=now, printed_at=now)
    carrier = make.endpoint(
        "PATIENTS", protocol=Protocol.MAIL, settings={"transport": "folder"}, sends=()
    )
    mail = Delivery.objects.create(
        endpoint=Endpoint.objects.get(public_id=carrier),
        lane=f"letter:{letter.public_id}",
        control_id=mail_id(str(letter.public_id)),
        payload=b"{}",
        state="DELIVERED",
        due_at=now,
    )
    sent = "/mammography/letters/?tab=sent"

    handed = text(client, sent)
    Delivery.objects.filter(pk=mail.pk).update(state="REFUSED", last_error="550 no such mailbox")
    refused = text(client, sent)
    client.post("/mammography/letters/sent/", {"letter": [str(letter.public_id)], "how": "HANDED"})

    assert "Handed to the mail server" in handed
    assert "Handed over" not in handed
    assert "Refused by the mail server 550 no such mailbox" in refused
    assert "Handed over" in refused
    letter.refresh_from_db()
    assert letter.sent_how == "HANDED"


def test_a_patient_who_wants_no_letters_is_left_out(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    patient = clinic.recalled.report.order.patient.public_id
    as_("frontdesk").post(f"/mammography/patients/{patient}/choice/", {"wanted": "no"})
    day_later(noon)
    client, letter = as_("frontdesk"), BreastLetter.objects.get()

    answer = client.post("/mammography/letters/print/", {"letter": [str(letter.public_id)]})

    assert answer.status_code == 303
    assert "the patient wants no letters" in text(client, "/mammography/letters/?tab=stopped")


def test_a_letter_that_was_never_printed_cannot_be_read(as_: As, clinic: Clinic) -> None:
    letter = BreastLetter.objects.get()

    assert as_("frontdesk").get(f"/mammography/letters/{letter.public_id}/").status_code == 404


def test_nothing_chosen_is_said(as_: As, clinic: Clinic) -> None:
    client = as_("frontdesk")

    assert client.post("/mammography/letters/print/").status_code == 422
    assert client.post("/mammography/letters/sent/").status_code == 422


@requires("poppler")
@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja"])
def test_a_letter_is_on_paper_in_each_language(
    clinic: Clinic, noon: time_machine.Traveller, language: str
) -> None:
    clinic.recalled.report.order.patient.language = language
    clinic.recalled.report.order.patient.save()
    day_later(noon)
    keys = execute(
        PrintLetters(letters=(str(BreastLetter.objects.get().public_id),)), actor=people.frontdesk
    )
    execute(MarkLettersSent(letters=keys), actor=people.frontdesk)

    made = letters_pdf(pages(keys))

    said = subprocess.run(
        [shutil.which("pdftotext") or "pdftotext", "-", "-"],
        input=made, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    assert letter_words.frame_of(language).title in said
    assert "MRN1" in said


# --- set-up


def test_a_manager_says_which_procedures_are_breast_exams(as_: As, clinic: Clinic) -> None:
    definition = ProcedureDefinition.objects.get(code="MGSCREEN")

    as_("manager").post("/mammography/setup/", {f"exam-{definition.public_id}": "DIAGNOSTIC"})

    definition.refresh_from_db()
    assert definition.breast_exam == "DIAGNOSTIC"


def test_a_manager_sets_the_rules_and_words(as_: As, clinic: Clinic) -> None:
    client = as_("manager")
    rules = {"letter_hours": "48", "additional_days": "14", "interval_months": "6",
             "biopsy_days": "7", "reminder_days": "21"}  # fmt: skip

    saved = client.post("/mammography/setup/rules/", rules)
    wrong = client.post("/mammography/setup/rules/", {**rules, "biopsy_days": "0"})
    client.post("/mammography/setup/texts/normal/de/", {"body": "Alles gut am {exam_date}."})
    unknown = client.post("/mammography/setup/texts/normal/de/", {"body": "{diagnosis}"})

    words = text(client, "/mammography/setup/")
    assert (saved.status_code, wrong.status_code, unknown.status_code) == (303, 422, 422)
    assert 'value="48"' in client.get("/mammography/setup/").content.decode()
    assert "Nothing of concern Deutsch" in words
    assert "Alles gut am [exam_date]." in text(client, "/mammography/setup/texts/normal/de/")


@pytest.mark.parametrize("kind", [
    "normal", "additional", "interval", "biopsy", "known", "reminder", "recalled", "dense",
    "not-dense", "replaces",
])  # fmt: skip
def test_every_text_has_its_page(as_: As, clinic: Clinic, kind: str) -> None:
    client = as_("admin")

    assert client.get(f"/mammography/setup/texts/{kind}/ja/").status_code == 200


# --- who may not


@pytest.mark.parametrize("role", ["technologist", "scheduler", "frontdesk"])
def test_who_may_not_changes_nothing(as_: As, clinic: Clinic, role: str) -> None:
    client, row = as_(role), clinic.recalled
    recall = BreastRecall.objects.get()
    posts: dict[str, dict[str, Any]] = {
        f"/reports/{clinic.waiting}/assessment/": {"right": "1", "left": "1", "density": "A"},
        f"/reports/{row.report.public_id}/reassessment/": {"right": "1", "left": "1",
                                                           "density": "A", "reason": "x"},
        f"/mammography/exams/{row.public_id}/pathology/": {"result": "BENIGN",
                                                           "taken_on": f"{timezone.localdate()}"},
        f"/mammography/recalls/{recall.public_id}/close/": {"note": "x"},
        "/mammography/setup/rules/": dict.fromkeys(
            ("letter_hours", "additional_days", "interval_months", "biopsy_days",
             "reminder_days"), "1"),
    }  # fmt: skip

    assert {client.post(path, form).status_code for path, form in posts.items()} == {403}
    recall.refresh_from_db()
    assert (recall.state, BreastAssessment.objects.count()) == ("OPEN", 1)


# --- how much is asked


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("page_mammography", "/mammography/"),
        ("page_mammography_letters", "/mammography/letters/?tab=waiting"),
        ("page_mammography_outcomes", "/mammography/outcomes/"),
        ("page_mammography_setup", "/mammography/setup/"),
    ],
)
def test_pages_ask_a_bounded_number_of_questions(
    as_: As, clinic: Clinic, name: str, path: str
) -> None:
    client = as_("manager")
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        client.get(path)

    assert len(asked) <= BUDGETS[name]


def test_every_state_has_words() -> None:
    for kinds, table in words.TABLES.values():
        assert set(table) == {member.value for kind in kinds for member in kind}

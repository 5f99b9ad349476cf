"""Breast exams through the door: assessed, signed, followed up, changed and withdrawn."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import Actor, ActorKind, Role, endpoint_actor
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.mammography import (
    AssessBreast,
    Assessed,
    BreastExam,
    CloseRecall,
    Pathology,
    ReassessBreast,
    RecordPathology,
    ReopenRecall,
    Rules,
    SetMammographyRules,
    WithdrawPathology,
)
from ris.domain.mammography_codes import coded
from ris.domain.mammography_letters import MarkLettersSent, PrintLetters
from ris.domain.orders import OrderReference
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    RetractReport,
    SignPreliminary,
    VersionKind,
)
from ris.domain.results import FileResult, ResultLevel, ResultReference
from ris.models import (
    BreastAssessment,
    BreastLetter,
    BreastRecall,
    ProcedureDefinition,
    Report,
)
from ris.selectors import mammography
from ris.services import execute
from tests import ground, make, people
from tests.services.screening import (
    CLEAR,
    LATER,
    NOON,
    assess,
    events,
    exam,
    final,
    finalize,
    letter_of,
    posted,
    recall_of,
    site,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _site(clock: time_machine.Traveller) -> None:
    ground.begin("mammography", site)


# --- assessed before it is signed


def test_a_breast_exam_is_not_signed_without_an_assessment() -> None:
    _, report = exam()

    with pytest.raises(MissingValueError, match="assessed before its report is signed"):
        finalize(report)

    assert Report.objects.get(public_id=report).status == "DRAFT"
    assert not BreastRecall.objects.exists()


def test_other_exams_and_preliminary_reports_need_none() -> None:
    _, report = exam()
    execute(SignPreliminary(report=report, sections=dict(make.TEXT)), actor=people.radiologist)
    ProcedureDefinition.objects.update(breast_exam="")
    _, other = exam(start_at=NOON + timedelta(hours=1))
    finalize(other)

    assert Report.objects.get(public_id=report).status == "PRELIMINARY"
    assert Report.objects.get(public_id=other).status == "FINAL"


def test_the_signed_text_says_the_assessment_once() -> None:
    _, report = exam()
    assess(report, Assessed(right="1", left="4A", density="C"))
    execute(SignPreliminary(report=report, sections=dict(make.TEXT)), actor=people.radiologist)
    first = Report.objects.get(public_id=report).versions.get()
    execute(FinalizeReport(report=report, sections=first.sections), actor=people.radiologist)

    signed = Report.objects.get(public_id=report).versions.latest("number")
    assert signed.sections["impression"] == (
        "Normal CT of the head.\n"
        "Breast assessment: right 1 (nothing found), left 4A (suspicious, low); "
        "overall 4A (suspicious, low). Density C (many dense areas)."
    )


def test_the_signed_version_says_the_assessment_in_codes() -> None:
    _, report = exam()
    assess(report, Assessed(right="1", left="4A", density="C"))
    finalize(report)
    change = Assessed(right="1", left="2", overall="2", density="C")
    execute(
        ReassessBreast(report=report, assessed=change, reason="the other view"),
        actor=people.radiologist,
    )

    first, second = Report.objects.get(public_id=report).versions.order_by("number")
    assert [
        (row["meaning"], row.get("site_meaning"), row["value_scheme"], row["value_code"])
        for row in first.coded
    ] == [
        ("Overall Assessment", None, "BI", "MA.II.A.5.4A"),
        ("Assessment Category", "Right breast", "SCT", "397140005"),
        ("Assessment Category", "Left breast", "BI", "MA.II.A.5.4A"),
        ("Breast composition", None, "SCT", "129718006"),
    ]
    assert [row["value"] for row in second.coded] == ["2", "1", "2", "C"]


def test_an_ultrasound_says_its_category_without_a_code_for_mammograms() -> None:
    rows = coded(Assessed(right="2", left="2", overall="2"), BreastExam.OTHER)

    assert [row["value"] for row in rows] == ["2", "2", "2"]
    assert not any("value_code" in row for row in rows)


def test_a_report_from_elsewhere_is_taken_as_it_is() -> None:
    _, report = exam()
    machine = Actor(ActorKind.ENDPOINT, "OTHER", frozenset({Role.RADIOLOGIST}))

    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=machine)

    assert Report.objects.get(public_id=report).status == "FINAL"


def test_a_report_from_elsewhere_told_twice_is_one_version_beside_an_assessment() -> None:
    order, report = exam()
    assess(report)
    told = FileResult(
        references=(ResultReference(order=OrderReference(public_id=str(order.public_id))),),
        level=ResultLevel.FINAL,
        trusted=ResultLevel.FINAL,
        sections=dict(make.TEXT),
    )
    other = endpoint_actor("OTHER", None, "127.0.0.1")
    execute(told, actor=other)

    execute(told, actor=other)

    versions = Report.objects.get(public_id=report).versions
    assert "Breast assessment: " in versions.get().sections["impression"]


@pytest.mark.parametrize(
    ("said", "error", "path"),
    [
        (Assessed(density="B"), MissingValueError, "right"),
        (Assessed(right="1", density="B"), MissingValueError, "left"),
        (Assessed(right="1", left="1"), MissingValueError, "density"),
        (Assessed(right="7", left="1", density="B"), InvalidValueError, "right"),
        (Assessed(right="1", left="1", density="E"), InvalidValueError, "density"),
        (Assessed(right="4", left="1", overall="2", density="B"), InvalidValueError, "overall"),
    ],
)
def test_an_assessment_that_is_not_whole_is_refused(
    said: Assessed, error: type[Exception], path: str
) -> None:
    _, report = exam()

    with pytest.raises(error) as refused:
        assess(report, said)

    assert getattr(refused.value, "path", "") == path
    assert not BreastAssessment.objects.exists()


@pytest.mark.parametrize(
    ("right", "left", "overall"),
    [("1", "2", "2"), ("0", "4", "4"), ("3", "0", "0"), ("6", "2", "6")],
)
def test_the_overall_assessment_is_the_more_urgent_side(
    right: str, left: str, overall: str
) -> None:
    _, report = exam()

    assess(report, Assessed(right=right, left=left, density="B"))

    assert BreastAssessment.objects.get().overall == overall


def test_only_readers_assess_and_only_breast_exams() -> None:
    _, report = exam()
    with pytest.raises(DeniedError):
        execute(AssessBreast(report=report, assessed=CLEAR), actor=people.technologist)
    ProcedureDefinition.objects.update(breast_exam="")
    with pytest.raises(StateConflictError, match="none of the report's procedures"):
        assess(report)

    assert not BreastAssessment.objects.exists()


def test_a_signed_assessment_is_changed_by_an_addendum_only() -> None:
    row = final()
    report = str(row.report.public_id)

    with pytest.raises(StateConflictError, match="by an addendum"):
        assess(report, Assessed(right="0", left="2", density="B"))

    row.refresh_from_db()
    assert row.overall == "2"


# --- what it asks for


@pytest.mark.parametrize(
    ("left", "kind", "due_on"),
    [
        ("0", "ADDITIONAL", date(2026, 4, 1)),
        ("3", "INTERVAL", date(2026, 9, 2)),
        ("4B", "BIOPSY", date(2026, 3, 16)),
        ("5", "BIOPSY", date(2026, 3, 16)),
    ],
)
def test_an_assessment_asks_for_what_follows_by_a_day(left: str, kind: str, due_on: date) -> None:
    recall = recall_of(final(Assessed(right="1", left=left, density="B")))

    assert (recall.kind, recall.due_on, recall.state) == (kind, due_on, "OPEN")


@pytest.mark.parametrize("left", ["1", "2", "6"])
def test_what_needs_nothing_is_not_recalled(left: str) -> None:
    final(Assessed(right="1", left=left, density="B"))

    assert not BreastRecall.objects.exists()


def test_the_site_says_how_long_it_waits() -> None:
    execute(
        SetMammographyRules(rules=Rules(additional_days=7, letter_hours=0)), actor=people.manager
    )

    row = final(Assessed(right="1", left="0", density="B"))

    assert recall_of(row).due_on == date(2026, 3, 9)
    assert letter_of(row).due_at == NOON + timedelta(hours=1)


def test_a_later_exam_of_the_side_answers_the_recall() -> None:
    patient = make.patient("P1")
    first = final(Assessed(right="1", left="0", density="B"), patient=patient)
    ProcedureDefinition.objects.update(breast_exam="DIAGNOSTIC")

    other_side = final(
        Assessed(right="1", density="B"), patient=patient, start_at=NOON + timedelta(hours=1)
    )
    unanswered = recall_of(first).state
    second = final(
        Assessed(left="2", density="B"), patient=patient, start_at=NOON + timedelta(hours=2)
    )

    recall = recall_of(first)
    assert (unanswered, recall.state, recall.answered_by) == ("OPEN", "DONE", second)
    assert other_side.answers.count() == 0


def test_a_look_after_half_a_year_is_not_done_the_next_day() -> None:
    patient = make.patient("P1")
    first = final(Assessed(right="1", left="3", density="B"), patient=patient)

    final(CLEAR, patient=patient, start_at=NOON + timedelta(hours=1))

    assert recall_of(first).state == "OPEN"


def test_an_exam_of_somebody_else_answers_nothing() -> None:
    first = final(Assessed(right="1", left="0", density="B"))

    final(CLEAR, start_at=NOON + timedelta(hours=1))

    assert recall_of(first).state == "OPEN"


def test_a_recall_is_closed_with_a_word_and_opened_again() -> None:
    recall = recall_of(final(Assessed(right="1", left="0", density="B")))
    key = str(recall.public_id)

    with pytest.raises(MissingValueError):
        execute(CloseRecall(recall=key, note=" "), actor=people.radiologist)
    execute(CloseRecall(recall=key, note="moved abroad"), actor=people.radiologist)
    recall.refresh_from_db()
    closed = (recall.state, recall.note)
    execute(ReopenRecall(recall=key, note="is back"), actor=people.radiologist)

    recall.refresh_from_db()
    assert closed == ("CLOSED", "moved abroad")
    assert (recall.state, recall.settled_at) == ("OPEN", None)


# --- pathology


def test_pathology_settles_the_recall_and_is_taken_back() -> None:
    row = final(Assessed(right="1", left="4", density="B"))
    key = execute(
        RecordPathology(
            assessment=str(row.public_id),
            result=Pathology.MALIGNANT,
            taken_on=date(2026, 3, 2),
            side="L",
            source="Pathology Muster",
        ),
        actor=people.radiologist,
    )
    done = recall_of(row).state
    execute(WithdrawPathology(outcome=key, reason="another patient"), actor=people.manager)

    assert (done, recall_of(row).state) == ("DONE", "OPEN")
    assert row.outcomes.get().withdrawn_note == "another patient"
    assert (events("PathologyRecorded"), events("PathologyWithdrawn")) == (1, 1)


@pytest.mark.parametrize("taken_on", [date(2026, 3, 1), date(2026, 3, 3)])
def test_tissue_was_taken_between_the_exam_and_today(taken_on: date) -> None:
    row = final(Assessed(right="1", left="4", density="B"))

    with pytest.raises(InvalidValueError):
        execute(
            RecordPathology(
                assessment=str(row.public_id), result=Pathology.BENIGN, taken_on=taken_on
            ),
            actor=people.radiologist,
        )

    assert not row.outcomes.exists()


# --- changed and withdrawn


def test_a_changed_assessment_is_an_addendum_and_changes_recall_and_letter() -> None:
    row = final(Assessed(right="1", left="0", density="B"))
    report = Report.objects.get(pk=row.report_id)

    number = execute(
        ReassessBreast(
            report=str(report.public_id),
            assessed=Assessed(right="1", left="2", density="B"),
            reason="earlier images came",
            expected_version=1,
        ),
        actor=people.radiologist,
    )

    said = report.versions.get(number=number)
    assert (said.number, said.kind) == (2, "ADDENDUM")
    assert said.sections["addendum"] == (
        "Breast assessment changed: right 1 (nothing found), left 2 (harmless finding); "
        "overall 2 (harmless finding). Density B (some dense areas).\n"
        "Before: right 1 (nothing found), left 0 (needs more imaging); "
        "overall 0 (needs more imaging). Density B (some dense areas).\n"
        "Reason: earlier images came"
    )
    assert recall_of(row).state == "WITHDRAWN"
    letters = list(BreastLetter.objects.order_by("id").values_list("topic", "state"))
    assert letters == [("ADDITIONAL", "STOPPED"), ("NORMAL", "PLANNED")]


def test_a_correction_of_the_text_keeps_the_assessment_in_it() -> None:
    row = final()
    execute(
        AmendReport(
            report=str(row.report.public_id),
            kind=VersionKind.CORRECTION,
            sections={"impression": "Nothing new."},
            reason="typo",
        ),
        actor=people.radiologist,
    )

    said = row.report.versions.latest("number").sections["impression"]
    assert said.splitlines()[1].startswith("Breast assessment: right 1 (nothing found)")
    assert letter_of(row).state == "PLANNED"


def test_a_withdrawn_report_takes_recall_and_letter_with_it() -> None:
    row = final(Assessed(right="1", left="0", density="B"))

    execute(
        RetractReport(report=str(row.report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    row.refresh_from_db()
    letter = letter_of(row)
    assert row.withdrawn_at is not None
    assert recall_of(row).state == "WITHDRAWN"
    assert (letter.state, letter.reason) == ("STOPPED", "the report was withdrawn")
    assert not mammography.figures(date(2026, 1, 1), date(2026, 12, 31))


def test_a_letter_that_left_is_called_back_by_another(clock: time_machine.Traveller) -> None:
    row = final()
    first = posted(row, clock)

    execute(
        RetractReport(report=str(row.report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    second = BreastLetter.objects.latest("id")
    assert (first.state, second.topic, second.replaces) == ("SENT", "RECALLED", first)
    assert second.due_at == LATER
    posted(row, clock)
    second.refresh_from_db()
    assert "On 3 March 2026 we wrote to you about a breast exam." in second.text


def test_a_letter_stopped_after_it_was_printed_is_not_marked_with_the_others(
    clock: time_machine.Traveller,
) -> None:
    row = final()
    clock.move_to(LATER)
    keys = execute(PrintLetters(letters=(str(letter_of(row).public_id),)), actor=people.frontdesk)
    execute(
        RetractReport(report=str(row.report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    with pytest.raises(StateConflictError, match="1 of these letters must not be sent"):
        execute(MarkLettersSent(letters=keys), actor=people.frontdesk)

    assert letter_of(row).state == "STOPPED"


def test_a_printed_letter_is_printed_again_when_its_words_changed(
    clock: time_machine.Traveller,
) -> None:
    row = final(Assessed(right="1", left="2", density="B"))
    clock.move_to(LATER)
    keys = execute(PrintLetters(letters=(str(letter_of(row).public_id),)), actor=people.frontdesk)

    execute(
        ReassessBreast(
            report=str(row.report.public_id),
            assessed=Assessed(right="1", left="2", density="D"),
            reason="second look",
        ),
        actor=people.radiologist,
    )

    with pytest.raises(StateConflictError, match="print a letter before"):
        execute(MarkLettersSent(letters=keys), actor=people.frontdesk)
    assert (letter_of(row).state, letter_of(row).text) == ("PLANNED", "")


def test_what_a_withdrawn_exam_answered_is_open_again() -> None:
    patient = make.patient("P1")
    first = final(Assessed(right="1", left="0", density="B"), patient=patient)
    second = final(CLEAR, patient=patient, start_at=NOON + timedelta(hours=1))

    execute(
        RetractReport(report=str(second.report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    recall = recall_of(first)
    assert (recall.state, recall.answered_by) == ("OPEN", None)

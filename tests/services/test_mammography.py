"""Breast exams through the door: assessed, signed, followed up, written about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import OPERATOR, Actor, ActorKind, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.mammography import (
    AssessBreast,
    Assessed,
    CloseRecall,
    MarkLettersSent,
    Pathology,
    PrintLetters,
    ReassessBreast,
    RecordPathology,
    ReopenRecall,
    Rules,
    SetBreastExam,
    SetLetterChoice,
    SetLetterText,
    SetMammographyRules,
    StopLetter,
    WithdrawPathology,
)
from ris.domain.patients import Demographics, PatientReference, UpdatePatient
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SignPreliminary,
    VersionKind,
)
from ris.models import (
    BreastAssessment,
    BreastLetter,
    BreastRecall,
    DomainEvent,
    Order,
    ProcedureDefinition,
    Report,
)
from ris.selectors import mammography
from ris.services import execute
from ris.services.mammography import letters as letter_clock
from tests import ground, make, people

pytestmark = pytest.mark.django_db

NOON = make.NOON
LATER = datetime(2026, 3, 3, 13, 0, tzinfo=UTC)  # a letter's hour has come
CLEAR = Assessed(right="1", left="2", density="B")


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _site(clock: time_machine.Traveller) -> None:
    ground.begin("mammography", _build)


def _build() -> None:
    make.site()
    make.device()
    key = make.definition()
    execute(SetBreastExam(procedure=key, exam="SCREENING"), actor=people.manager)


def exam(**overrides: Any) -> tuple[Order, str]:
    """A screening exam that was done, and the report begun on it."""
    order = make.performed(**overrides)
    return order, str(make.opened_report(order).public_id)


def assess(report: str, said: Assessed = CLEAR) -> str:
    return execute(AssessBreast(report=report, assessed=said), actor=people.radiologist)


def finalize(report: str) -> None:
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=people.radiologist)


def final(said: Assessed = CLEAR, **overrides: Any) -> BreastAssessment:
    _, report = exam(**overrides)
    key = assess(report, said)
    finalize(report)
    return BreastAssessment.objects.get(public_id=key)


def recall_of(row: BreastAssessment) -> BreastRecall:
    return BreastRecall.objects.get(assessment=row)


def letter_of(row: BreastAssessment) -> BreastLetter:
    return BreastLetter.objects.get(assessment=row)


def posted(row: BreastAssessment, clock: time_machine.Traveller) -> BreastLetter:
    """The letter of an assessment, printed and sent when its hour had come."""
    clock.move_to(LATER)
    letter = BreastLetter.objects.filter(assessment=row).latest("id")
    keys = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)
    execute(MarkLettersSent(letters=keys), actor=people.frontdesk)
    letter.refresh_from_db()
    return letter


def events(name: str) -> int:
    return DomainEvent.objects.filter(name=name).count()


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


def test_a_report_from_elsewhere_is_taken_as_it_is() -> None:
    _, report = exam()
    machine = Actor(ActorKind.ENDPOINT, "OTHER", frozenset({Role.RADIOLOGIST}))

    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=machine)

    assert Report.objects.get(public_id=report).status == "FINAL"


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
    assert "On March 3, 2026 we wrote to you about a breast exam." in second.text


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


# --- letters


def test_a_letter_waits_for_its_hour(clock: time_machine.Traveller) -> None:
    letter = letter_of(final())
    early = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)
    clock.move_to(LATER)
    later = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)

    assert (early, later) == ((), (str(letter.public_id),))
    letter.refresh_from_db()
    assert (letter.printed_by, letter.state) == ("frontdesk", "PLANNED")


def test_a_letter_says_in_plain_words_what_was_found(clock: time_machine.Traveller) -> None:
    letter = posted(final(Assessed(right="1", left="0", density="C")), clock)

    assert letter.text == (
        "Dear Anna Berg,\n\n"
        "Your breast exam of March 2, 2026 is not complete: we need more images to be sure. "
        "Most of such further exams find nothing of concern.\n"
        "Please have them by April 1, 2026. Call Test Hospital for an appointment.\n"
        "If you were called already and have an appointment, there is nothing more to do.\n\n"
        "Breasts can be dense or not. Yours are dense. In dense tissue a mammogram can miss a "
        "cancer more easily, and the risk of breast cancer is somewhat higher. Speak with your "
        "doctor about your risk, and whether a further exam makes sense for you.\n\n"
        "Yours sincerely,\nTest Hospital"
    )
    assert (letter.state, letter.sent_by, letter.sent_how) == ("SENT", "frontdesk", "POST")
    assert letter.sent_at == LATER


@pytest.mark.parametrize(
    ("language", "first"),
    [("ger", "Guten Tag Anna Berg,"), ("ja", "Anna Berg 様"), ("xx", "Dear Anna Berg,")],
)
def test_a_letter_is_in_the_patients_language(
    clock: time_machine.Traveller, language: str, first: str
) -> None:
    row = final(patient=make.patient("P1", language=language))

    assert posted(row, clock).text.splitlines()[0] == first


def test_a_sites_own_words_are_used_and_given_up(clock: time_machine.Traveller) -> None:
    said = SetLetterText(kind="NORMAL", language="en", body="All is well since {exam_date}.")
    execute(said, actor=people.manager)
    first, second = final(), final(start_at=NOON + timedelta(hours=1))
    own = posted(first, clock).text
    execute(SetLetterText(kind="NORMAL", language="en", body=""), actor=people.manager)
    ours = posted(second, clock).text

    assert own.splitlines()[2] == "All is well since March 2, 2026."
    assert "shows no sign of cancer" not in own
    assert "density" not in own
    assert "Yours are not dense." in own  # the statement stands in every letter of a result
    assert "shows no sign of cancer" in ours


def test_a_text_names_only_what_there_is() -> None:
    with pytest.raises(InvalidValueError):
        execute(
            SetLetterText(kind="NORMAL", language="en", body="{diagnosis}"), actor=people.manager
        )


def test_who_wants_no_letters_gets_none(clock: time_machine.Traveller) -> None:
    row = final()
    choice = SetLetterChoice(patient=str(row.report.order.patient.public_id), wanted=False)
    execute(choice, actor=people.frontdesk)
    clock.move_to(LATER)

    printed = execute(
        PrintLetters(letters=(str(letter_of(row).public_id),)), actor=people.frontdesk
    )

    letter = letter_of(row)
    assert printed == ()
    assert (letter.state, letter.reason) == ("STOPPED", "the patient wants no letters")


def test_the_dead_are_not_written_to() -> None:
    patient = make.patient("P1")
    order, report = exam(patient=patient)
    assess(report)
    execute(
        UpdatePatient(
            patient=PatientReference(public_id=str(order.patient.public_id)),
            demographics=Demographics(deceased=True),
        ),
        actor=people.ehr,
    )
    finalize(report)

    assert BreastLetter.objects.get().reason == "the patient has died"


def test_a_site_may_send_none() -> None:
    execute(SetMammographyRules(rules=Rules(letters=False)), actor=people.manager)

    final()

    assert not BreastLetter.objects.exists()


def test_what_was_not_printed_cannot_be_sent() -> None:
    letter = letter_of(final())

    with pytest.raises(StateConflictError):
        execute(MarkLettersSent(letters=(str(letter.public_id),)), actor=people.frontdesk)

    assert BreastLetter.objects.get().state == "PLANNED"


def test_a_letter_is_marked_once(clock: time_machine.Traveller) -> None:
    letter = posted(final(), clock)

    again = execute(MarkLettersSent(letters=(str(letter.public_id),)), actor=people.frontdesk)

    assert (again, events("BreastLetterSent")) == (0, 1)


def test_a_person_stops_a_letter_with_a_word() -> None:
    letter = letter_of(final())
    execute(StopLetter(letter=str(letter.public_id), reason="told here"), actor=people.frontdesk)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("STOPPED", "told here")


def test_a_second_letter_follows_once_if_nothing_was_done(clock: time_machine.Traveller) -> None:
    row = final(Assessed(right="1", left="0", density="B"))
    posted(row, clock)
    clock.move_to(datetime(2026, 4, 15, 8, 0, tzinfo=UTC))
    letter_clock.run_due()
    before = BreastLetter.objects.count()
    clock.move_to(datetime(2026, 4, 16, 8, 0, tzinfo=UTC))
    for _ in range(2):
        letter_clock.run_due()

    reminder = BreastLetter.objects.get(topic="REMINDER")
    assert (before, BreastLetter.objects.count()) == (1, 2)
    assert reminder.recall == recall_of(row)
    assert reminder.state == "PLANNED"


def test_no_second_letter_for_what_was_done(clock: time_machine.Traveller) -> None:
    row = final(Assessed(right="1", left="0", density="B"))
    posted(row, clock)
    clock.move_to(datetime(2026, 5, 1, 8, 0, tzinfo=UTC))
    letter_clock.run_due()
    recall = recall_of(row)
    execute(CloseRecall(recall=str(recall.public_id), note="elsewhere", done=True),
            actor=people.radiologist)  # fmt: skip
    letter = BreastLetter.objects.get(topic="REMINDER")

    printed = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)

    letter.refresh_from_db()
    assert printed == ()
    assert letter.reason == "it was done meanwhile"


# --- how good the readings were


def reader(name: str) -> Actor:
    from ris.domain.accounts import CreateUser

    key = execute(
        CreateUser(username=name, password="demo-demo", roles=frozenset({Role.RADIOLOGIST}),
                   last_name=name.capitalize()),
        actor=OPERATOR,
    )  # fmt: skip
    return Actor(ActorKind.USER, name, frozenset({Role.RADIOLOGIST}), user_id=key)


def read(by: Actor, said: Assessed, hours: int) -> BreastAssessment:
    order = make.performed(start_at=NOON + timedelta(hours=hours))
    report = execute(OpenReport(procedures=(str(order.procedures.get().public_id),)), actor=by)
    key = execute(AssessBreast(report=report, assessed=said), actor=by)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=by)
    return BreastAssessment.objects.get(public_id=key)


def test_figures_are_counted_for_each_reader() -> None:
    anna, bert = reader("anna"), reader("bert")
    found = read(anna, Assessed(right="1", left="4", density="B"), 0)
    read(anna, Assessed(right="1", left="0", density="B"), 1)
    read(anna, CLEAR, 2)
    read(anna, CLEAR, 3)
    missed = read(bert, CLEAR, 4)
    harmless = read(bert, Assessed(right="5", left="1", density="B"), 5)
    for row, result in (
        (found, Pathology.MALIGNANT),
        (missed, Pathology.MALIGNANT),
        (harmless, Pathology.BENIGN),
    ):
        execute(
            RecordPathology(
                assessment=str(row.public_id), result=result, taken_on=date(2026, 3, 2)
            ),
            actor=people.manager,
        )

    lines = mammography.figures(date(2026, 3, 1), date(2026, 3, 31))
    alone = mammography.figures(date(2026, 3, 1), date(2026, 3, 31), anna.user_id)

    first, second = lines
    assert alone == [first]
    assert (first.reader, first.exams, first.screening, first.recalled) == ("ANNA", 4, 4, 2)
    assert (first.recall_rate, first.detection_rate) == (50.0, 250.0)
    assert (first.ppv1, first.ppv2, first.ppv3) == (50.0, 100.0, 100.0)
    assert (second.reader, second.missed, second.recall_rate) == ("BERT", 1, 50.0)
    assert (second.ppv1, second.ppv2, second.ppv3) == (0.0, 0.0, 0.0)
    both = mammography.total(lines)
    assert (both.exams, both.recall_rate, both.ppv3, both.watched) == (6, 50.0, 50.0, 6)


def test_an_outcome_after_a_year_says_nothing_of_the_exam(clock: time_machine.Traveller) -> None:
    row = final()
    clock.move_to(datetime(2027, 6, 1, 8, 0, tzinfo=UTC))
    execute(
        RecordPathology(
            assessment=str(row.public_id), result=Pathology.MALIGNANT, taken_on=date(2027, 5, 1)
        ),
        actor=people.radiologist,
    )

    (line,) = mammography.figures(date(2026, 3, 1), date(2026, 3, 31))

    assert line.missed == 0

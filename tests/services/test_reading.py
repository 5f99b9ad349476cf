"""One reader at a report: taken, kept, left, taken over; what each reads, and by when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from django.db import IntegrityError, transaction

from ris.domain.actors import TIMER, Actor, ActorKind, Role, endpoint_actor
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import OrderReference
from ris.domain.reading import (
    LEASE,
    ClaimReading,
    EndSilentReadings,
    Haste,
    ReleaseReading,
    SetReadingScope,
    SetReadingTargets,
    SkipReading,
    TakeOverReading,
    Target,
    haste,
    target_minutes,
)
from ris.domain.reporting import (
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SaveDraft,
    SignPreliminary,
)
from ris.domain.results import FileResult, ResultLevel, ResultReference
from ris.models import (
    AuditEvent,
    DomainEvent,
    ReadingLease,
    ReadingScope,
    ReadingSkip,
    ReadingTarget,
    Report,
    RequestedProcedure,
    User,
)
from ris.selectors import reading_leases
from ris.services import as_of, execute
from ris.services.reading_leases import keep_reading
from tests import make, people

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TEXT = {"findings": "No bleeding.", "impression": "Normal."}


class Exam(NamedTuple):
    ada: Actor
    ben: Actor
    procedure: str

    def open(self, actor: Actor) -> Report:
        key = execute(OpenReport(procedures=(self.procedure,)), actor=actor)
        return Report.objects.get(public_id=key)


def reader(username: str, last: str) -> Actor:
    user = User.objects.create_user(username, last_name=last, first_name="Dr")
    return Actor(ActorKind.USER, username, frozenset({Role.RADIOLOGIST}), user_id=user.pk)


@pytest.fixture
def exam() -> Exam:
    make.device()
    order = make.performed()
    return Exam(reader("ada", "Able"), reader("ben", "Bold"), str(order.procedures.get().public_id))


def holder(report: Report) -> str:
    lease = ReadingLease.objects.filter(report=report, ended_at=None).first()
    return lease.reader.username if lease is not None else ""


def endings(report: Report) -> list[tuple[str, str]]:
    rows = ReadingLease.objects.filter(report=report).order_by("id")
    return [(row.reader.username, row.ended_how) for row in rows]


def events(report: Report) -> list[str]:
    rows = DomainEvent.objects.filter(subject_id=str(report.public_id)).order_by("id")
    return list(rows.values_list("name", flat=True))


def test_who_begins_a_report_reads_it_and_one_event_says_so(exam: Exam) -> None:
    report = exam.open(exam.ada)

    assert holder(report) == "ada"
    assert events(report) == ["ReportOpened"]


def test_another_is_refused_with_the_readers_name_and_nothing_changes(exam: Exam) -> None:
    report = exam.open(exam.ada)
    key = str(report.public_id)
    attempts = (
        OpenReport(procedures=(exam.procedure,)),
        ClaimReading(report=key),
        SaveDraft(report=key, sections=TEXT),
        SignPreliminary(report=key, sections=TEXT),
        FinalizeReport(report=key, sections=TEXT),
        DiscardDraft(report=key),
    )

    for attempt in attempts:
        with pytest.raises(StateConflictError, match=r"ABLE, Dr is reading this report"):
            execute(attempt, actor=exam.ben)

    report.refresh_from_db()
    assert (report.status, report.draft, report.draft_revision) == ("DRAFT", {}, 0)
    assert holder(report) == "ada"
    assert events(report) == ["ReportOpened"]


def test_reading_ends_with_the_signature_and_the_next_reader_may_finalize(exam: Exam) -> None:
    report = exam.open(exam.ada)
    execute(SignPreliminary(report=str(report.public_id), sections=TEXT), actor=exam.ada)

    execute(FinalizeReport(report=str(report.public_id), sections=TEXT), actor=exam.ben)

    assert endings(report) == [("ada", "SIGNED")]
    assert events(report) == ["ReportOpened", "PreliminarySigned", "ReportFinalized"]


def test_a_draft_that_nobody_reads_is_taken_up_by_whoever_writes_next(exam: Exam) -> None:
    report = exam.open(exam.ada)
    key = str(report.public_id)
    execute(ReleaseReading(report=key), actor=exam.ada)

    execute(SaveDraft(report=key, sections=TEXT), actor=exam.ben)

    assert endings(report) == [("ada", "RELEASED"), ("ben", "")]
    assert events(report) == ["ReportOpened", "ReadingReleased", "ReadingClaimed"]


def test_who_does_not_read_cannot_release_it(exam: Exam) -> None:
    report = exam.open(exam.ada)

    execute(ReleaseReading(report=str(report.public_id)), actor=exam.ben)

    assert holder(report) == "ada"


def test_taking_over_needs_a_reason_and_the_one_before_is_told_it(exam: Exam) -> None:
    report = exam.open(exam.ada)
    key = str(report.public_id)
    with pytest.raises(MissingValueError):
        execute(TakeOverReading(report=key, reason="  "), actor=exam.ben)

    execute(TakeOverReading(report=key, reason="She left for theater"), actor=exam.ben)

    assert endings(report) == [("ada", "TAKEN_OVER"), ("ben", "")]
    told = reading_leases.ousted(key, exam.ada.user_id or 0)
    assert told is not None
    assert told.reader.display == "BOLD, Dr"
    assert told.reason == "She left for theater"
    event = DomainEvent.objects.get(name="ReadingTakenOver")
    assert event.payload["reason"] == "She left for theater"
    with pytest.raises(StateConflictError, match="BOLD"):
        execute(SaveDraft(report=key, sections=TEXT), actor=exam.ada)


def test_a_page_that_speaks_keeps_the_report_and_leaves_no_trace(exam: Exam) -> None:
    with as_of(T0):
        report = exam.open(exam.ada)
    key = str(report.public_id)
    before = (AuditEvent.objects.count(), DomainEvent.objects.count())

    with as_of(T0 + timedelta(minutes=4)):
        kept = keep_reading(key, exam.ada.user_id or 0)
        others = keep_reading(key, exam.ben.user_id or 0)
    with (
        as_of(T0 + timedelta(minutes=8)),
        pytest.raises(StateConflictError, match="ABLE"),
    ):
        execute(ClaimReading(report=key), actor=exam.ben)

    assert (kept, others) == (True, False)
    assert (AuditEvent.objects.count(), DomainEvent.objects.count()) == before


def test_after_five_silent_minutes_another_reads(exam: Exam) -> None:
    with as_of(T0):
        report = exam.open(exam.ada)

    with as_of(T0 + LEASE):
        execute(ClaimReading(report=str(report.public_id)), actor=exam.ben)

    assert endings(report) == [("ada", "SILENT"), ("ben", "")]


def test_a_preliminary_report_is_not_withdrawn_under_its_writer(exam: Exam) -> None:
    report = exam.open(exam.ada)
    key = str(report.public_id)
    execute(SignPreliminary(report=key, sections=TEXT), actor=exam.ada)
    execute(SaveDraft(report=key, sections={"findings": "A small bleed."}), actor=exam.ben)

    with pytest.raises(StateConflictError, match="is reading this report"):
        execute(RetractReport(report=key, reason="wrong exam"), actor=exam.ada)

    report.refresh_from_db()
    assert (report.status, report.draft) == ("PRELIMINARY", {"findings": "A small bleed."})


def test_the_timer_ends_silent_readings_and_old_skips(exam: Exam) -> None:
    with as_of(T0):
        report = exam.open(exam.ada)
        execute(SkipReading(procedure=exam.procedure), actor=exam.ben)
    with as_of(T0 + timedelta(minutes=4, seconds=59)):
        early = execute(EndSilentReadings(), actor=TIMER)

    with as_of(T0 + timedelta(days=2)):
        ended = execute(EndSilentReadings(), actor=TIMER)

    assert (early, ended) == (0, 1)
    assert endings(report) == [("ada", "SILENT")]
    assert DomainEvent.objects.get(name="ReadingReleased").payload["how"] == "SILENT"
    assert ReadingSkip.objects.count() == 0


def test_the_database_has_one_reader_for_a_report(exam: Exam) -> None:
    report = exam.open(exam.ada)

    with pytest.raises(IntegrityError), transaction.atomic():
        ReadingLease.objects.create(
            report=report, reader_id=exam.ben.user_id, taken_at=T0, alive_at=T0
        )


def test_a_signed_report_has_no_reader(exam: Exam) -> None:
    report = exam.open(exam.ada)
    key = str(report.public_id)
    execute(FinalizeReport(report=key, sections=TEXT), actor=exam.ada)

    for command in (ClaimReading(report=key), TakeOverReading(report=key, reason="Late")):
        with pytest.raises(StateConflictError, match="signed or closed"):
            execute(command, actor=exam.ben)

    assert exam.open(exam.ben).pk == report.pk
    assert holder(report) == ""


def test_skipping_leaves_the_exam_to_others(exam: Exam) -> None:
    report = exam.open(exam.ada)

    with as_of(T0):
        execute(SkipReading(procedure=exam.procedure), actor=exam.ada)

    skip = ReadingSkip.objects.get()
    assert (skip.reader_id, skip.until) == (exam.ada.user_id, T0 + timedelta(minutes=30))
    assert holder(report) == ""


def test_reading_belongs_to_a_login_and_to_readers(exam: Exam) -> None:
    report = exam.open(exam.ada)
    command = TakeOverReading(report=str(report.public_id), reason="Mine")

    for actor in (people.radiologist, people.technologist, people.manager, people.ehr):
        with pytest.raises(DeniedError):
            execute(command, actor=actor)

    assert holder(report) == "ada"


def told(exam: Exam, level: ResultLevel) -> FileResult:
    order = RequestedProcedure.objects.get(public_id=exam.procedure).order
    return FileResult(
        references=(ResultReference(order=OrderReference(public_id=str(order.public_id))),),
        level=level,
        trusted=ResultLevel.FINAL,
        sections={"impression": "Normal."},
    )


def test_a_draft_from_elsewhere_waits_while_somebody_reads(exam: Exam) -> None:
    dictation = endpoint_actor("Dictation", None, "127.0.0.1")
    with as_of(T0):
        report = exam.open(exam.ada)
    draft = told(exam, ResultLevel.DRAFT)

    with as_of(T0), pytest.raises(StateConflictError, match="somebody here is reading"):
        execute(draft, actor=dictation)
    with as_of(T0 + LEASE):
        execute(draft, actor=dictation)

    report.refresh_from_db()
    assert report.draft == {"impression": "Normal."}


def test_what_was_signed_elsewhere_does_not_wait_for_an_open_page(exam: Exam) -> None:
    dictation = endpoint_actor("Dictation", None, "127.0.0.1")
    report = exam.open(exam.ada)

    execute(told(exam, ResultLevel.FINAL), actor=dictation)

    report.refresh_from_db()
    assert report.status == "FINAL"
    assert endings(report) == [("ada", "SIGNED")]


def test_what_somebody_reads_is_kept_clean(exam: Exam) -> None:
    execute(
        SetReadingScope(subspecialties=("neuro", " neuro ", ""), modalities=("ct", "MR")),
        actor=exam.ada,
    )
    with pytest.raises(UnknownKeyError):
        execute(SetReadingScope(sites=("nowhere",)), actor=exam.ada)
    with pytest.raises(InvalidValueError):
        execute(SetReadingScope(modalities=("X" * 17,)), actor=exam.ada)

    scope = ReadingScope.objects.get()
    assert (scope.subspecialties, scope.modalities, scope.sites) == (["neuro"], ["CT", "MR"], [])


def test_times_are_replaced_together_or_not_at_all() -> None:
    good = (Target(priority="STAT", minutes=30), Target(patient_class="I", minutes=600))
    execute(SetReadingTargets(targets=good), actor=people.manager)
    bad = (
        (Target(priority="SOON", minutes=5),),
        (Target(patient_class="X", minutes=5),),
        (Target(minutes=0),),
        (Target(minutes=5), Target(minutes=6)),
    )

    for targets in bad:
        with pytest.raises(InvalidValueError):
            execute(SetReadingTargets(targets=targets), actor=people.manager)
    with pytest.raises(DeniedError):
        execute(SetReadingTargets(targets=good), actor=people.radiologist)

    rows = ReadingTarget.objects.order_by("minutes")
    assert [(row.priority, row.patient_class, row.minutes) for row in rows] == [
        ("STAT", "", 30),
        ("", "I", 600),
    ]


@pytest.mark.parametrize(
    ("priority", "patient_class", "minutes"),
    [("STAT", "O", 60), ("ROUTINE", "E", 60), ("URGENT", "I", 240), ("ROUTINE", "I", 1440)],
)
def test_the_shortest_time_that_holds_counts(
    priority: str, patient_class: str, minutes: int
) -> None:
    targets = (
        Target(priority="STAT", minutes=60),
        Target(patient_class="E", minutes=60),
        Target(priority="URGENT", minutes=240),
        Target(patient_class="I", minutes=1440),
    )

    assert target_minutes(targets, priority, patient_class) == minutes


@pytest.mark.parametrize(
    ("waited", "expected"),
    [
        (0, Haste.IN_TIME),
        (44, Haste.IN_TIME),
        (45, Haste.SOON),
        (60, Haste.SOON),
        (61, Haste.OVERDUE),
    ],
)
def test_an_exam_hurries_in_the_last_quarter_of_its_time(waited: int, expected: Haste) -> None:
    assert haste(T0, 60, T0 + timedelta(minutes=waited)) is expected


def test_an_exam_without_time_or_end_does_not_hurry() -> None:
    assert haste(None, 60, T0) is Haste.NONE
    assert haste(T0, None, T0) is Haste.NONE

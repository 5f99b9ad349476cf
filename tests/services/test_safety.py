"""Safety questions through the door: answered, overridden, in the way of booking and start."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.domain.actors import OPERATOR, Role
from ris.domain.errors import DeniedError, InvalidValueError, StateConflictError, UnknownKeyError
from ris.domain.identifiers import new_uid
from ris.domain.patients import MergePatients, PatientReference, Sex
from ris.domain.performing import Origin, StartPerformedStep
from ris.domain.safety import (
    EGFR,
    AnswerKind,
    AnswerSafetyQuestions,
    AnswerSource,
    DefineSafetyQuestion,
    Gate,
    ImportSafetyQuestions,
    NotReadyError,
    Observed,
    OverrideSafety,
    QuestionDetails,
    RecordObservations,
    RetireSafetyQuestion,
    SafetyAnswerGiven,
    Told,
    parse_rules,
)
from ris.domain.safety_starter import STARTER
from ris.domain.scheduling import BookAppointment
from ris.models import (
    AuditEvent,
    DomainEvent,
    FollowUp,
    Order,
    PerformedProcedureStep,
    SafetyAnswer,
    SafetyOverride,
    ScheduledProcedureStep,
)
from ris.selectors import safety as selected
from ris.selectors.safety_known import with_proposals
from ris.services import afterwards, execute, outbox, unsafe_starts
from tests import make, people

pytestmark = pytest.mark.django_db

IMPLANT = QuestionDetails(
    code="IMPLANT",
    words="An implant?",
    unsafe=parse_rules("is yes"),
    override=(Role.RADIOLOGIST,),
    told=Told.ALERT,
    told_words="Implant",
)


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def ask(question: QuestionDetails = IMPLANT) -> None:
    execute(DefineSafetyQuestion(question=question), actor=people.manager)


def answer(order: Order, value: str = "no", code: str = "IMPLANT", on: date | None = None) -> str:
    return execute(
        AnswerSafetyQuestions(
            step=str(make.step_of(order).public_id),
            answers=(SafetyAnswerGiven(question=code, value=value, on=on),),
        ),
        actor=people.technologist,
    )


def begin(order: Order) -> str:
    uid = new_uid()
    execute(
        StartPerformedStep(
            sop_instance_uid=uid,
            station_ae_title="CT1",
            started_at=make.NOON,
            modality="CT",
            steps=(str(make.step_of(order).public_id),),
            origin=Origin.MANUAL,
        ),
        actor=people.technologist,
    )
    return uid


def full(order: Order) -> ScheduledProcedureStep:
    step = selected.find_step(str(make.step_of(order).public_id))
    assert step is not None
    return step


def test_a_start_by_hand_waits_for_the_answer() -> None:
    ask()
    order = make.booked()

    with pytest.raises(NotReadyError, match=r"“An implant\?” is not answered yet") as refusal:
        begin(order)

    assert refusal.value.details["step"] == str(make.step_of(order).public_id)
    assert refusal.value.details["names"] == ["IMPLANT"]
    assert PerformedProcedureStep.objects.count() == 0


def test_a_safe_answer_lets_the_exam_begin() -> None:
    ask()
    order = make.booked()

    assert answer(order) == "SAFE"

    begin(order)
    assert make.step_of(order).status == "STARTED"
    event = DomainEvent.objects.get(name="SafetyQuestionsAnswered")
    assert event.payload["questions"] == ["IMPLANT"]
    assert event.order_id == order.pk


def test_an_unsafe_answer_stops_the_start_until_the_right_role_overrides_it() -> None:
    ask()
    order = make.booked()
    assert answer(order, "yes") == "UNSAFE"
    step = str(make.step_of(order).public_id)
    with pytest.raises(NotReadyError, match="is unsafe: Yes"):
        begin(order)

    override = OverrideSafety(step=step, reason="MR conditional, card seen")
    with pytest.raises(DeniedError, match="by the radiologist only"):
        execute(override, actor=people.technologist)
    assert SafetyOverride.objects.count() == 0
    execute(override, actor=people.radiologist)

    begin(order)
    assert make.step_of(order).status == "STARTED"
    row = AuditEvent.objects.get(action="OverrideSafety", outcome="success")
    assert row.actor_name == "radiologist"


def test_another_answer_asks_for_another_override() -> None:
    ask(replace(IMPLANT, kind=AnswerKind.TEXT, unsafe=parse_rules("is not none")))
    order = make.booked()
    answer(order, "clip")
    execute(
        OverrideSafety(step=str(make.step_of(order).public_id), reason="titanium"),
        actor=people.radiologist,
    )
    assert selected.state(full(order)).verdict == "OVERRIDDEN"

    answer(order, "clip and coil")

    assert selected.state(full(order)).verdict == "UNSAFE"


def test_what_nobody_may_override_stays_in_the_way() -> None:
    ask(QuestionDetails(code="IMPLANT", words="An implant?", unsafe=parse_rules("is yes"),
                        override=()))  # fmt: skip
    order = make.booked()
    answer(order, "yes")

    with pytest.raises(DeniedError, match="cannot be overridden by anybody"):
        execute(
            OverrideSafety(step=str(make.step_of(order).public_id), reason="hurry"),
            actor=people.radiologist,
        )


def test_booking_waits_only_for_questions_of_booking() -> None:
    ask()
    order = make.order()
    book = BookAppointment(
        step=str(make.step_of(order).public_id), device="CT1", start_at=make.NOON
    )
    execute(DefineSafetyQuestion(
        question=QuestionDetails(code="PACER", words="A pacemaker?", gate=Gate.BOOKING,
                                 unsafe=parse_rules("is yes"))), actor=people.manager)  # fmt: skip

    with pytest.raises(NotReadyError, match="A pacemaker"):
        execute(book, actor=people.scheduler)
    answer(order, "no", "PACER")
    execute(book, actor=people.scheduler)

    assert make.step_of(order).status == "SCHEDULED"


def test_a_time_that_the_placer_named_is_taken_all_the_same() -> None:
    execute(DefineSafetyQuestion(
        question=QuestionDetails(code="PACER", words="A pacemaker?", gate=Gate.BOOKING,
                                 unsafe=parse_rules("is yes"))), actor=people.manager)  # fmt: skip

    order = make.order(start_at=make.NOON, station="CT1")

    assert make.step_of(order).status == "SCHEDULED"


def test_a_scanner_is_not_refused_and_people_are_told_at_once() -> None:
    ask()
    order = make.booked()
    execute(make.start(order), actor=people.ct1)
    assert make.step_of(order).status == "STARTED"
    assert FollowUp.objects.count() == 0  # nothing was looked up while the scanner waited

    while outbox.fan_out():
        pass
    afterwards.follow()

    raised = FollowUp.objects.get()
    assert (raised.kind, raised.order_id, raised.detail) == ("SAFETY", order.pk, "An implant?")
    assert DomainEvent.objects.get(name="UnsafeStartNoted").payload["waits_for"] == ["An implant?"]


def test_the_clock_finds_a_start_that_was_not_looked_at_once() -> None:
    ask()
    order = make.booked()
    answer(order, "yes")
    execute(make.start(order, started_at=timezone.now()), actor=people.ct1)

    unsafe_starts.note_late()
    unsafe_starts.note_late()

    assert [row.detail for row in FollowUp.objects.all()] == ["An implant? Yes"]


def test_a_cleared_start_of_a_scanner_raises_nothing() -> None:
    ask()
    order = make.booked()
    answer(order)
    execute(make.start(order, started_at=timezone.now()), actor=people.ct1)

    unsafe_starts.note_late()

    assert FollowUp.objects.count() == 0


def test_the_clock_asks_as_much_about_three_cleared_starts_as_about_one() -> None:
    ask()
    asked = []
    for number in range(3):
        order = make.booked(make.NOON + timedelta(hours=number))
        answer(order)
        execute(make.start(order, started_at=timezone.now()), actor=people.ct1)
        with CaptureQueriesContext(connection) as queries:
            unsafe_starts.note_late()
        asked.append(len(queries))

    assert asked[2] == asked[0]
    assert FollowUp.objects.count() == 0


def test_what_a_device_tells_hours_late_is_no_news_for_the_room() -> None:
    ask()
    order = make.booked()
    hours_ago = timezone.now() - timedelta(hours=3)
    execute(make.start(order, started_at=hours_ago), actor=people.ct1)

    unsafe_starts.note_late()

    assert FollowUp.objects.count() == 0


def test_answers_reach_the_worklist_of_the_step() -> None:
    ask()
    ask(QuestionDetails(code="PREG", words="Pregnant?", kind=AnswerKind.CHOICE,
                        choices=(("no", "No"), ("possible", "Possibly")),
                        unsafe=parse_rules("is possible"), told=Told.PREGNANCY))  # fmt: skip
    ask(QuestionDetails(code="KG", words="Weight", kind=AnswerKind.NUMBER, told=Told.WEIGHT))
    order = make.booked()
    before = Order.objects.get(pk=order.pk).version

    answer(order, "yes")
    answer(order, "possible", "PREG")
    answer(order, "81", "KG")

    stored = Order.objects.get(pk=order.pk)
    assert stored.safety == {"alerts": ["Implant"], "pregnancy": "2", "weight_kg": 81.0}
    assert stored.version == before + 3


def test_an_answer_keeps_who_when_and_the_words_it_was_asked_with() -> None:
    ask()
    order = make.booked()
    answer(order, "yes")
    ask(QuestionDetails(code="IMPLANT", words="Any metal?", unsafe=parse_rules("is yes")))

    answer(order, "no")

    history = selected.history(order).history
    assert [(line.words, line.value, line.by, line.counts) for line in history] == [
        ("Any metal?", "no", "technologist", True),
        ("An implant?", "yes", "technologist", False),
    ]


def test_the_same_answer_again_changes_nothing() -> None:
    ask()
    order = make.booked()
    answer(order)

    answer(order)

    assert SafetyAnswer.objects.count() == 1
    assert DomainEvent.objects.filter(name="SafetyQuestionsAnswered").count() == 1


def test_an_answer_to_what_is_not_asked_is_refused() -> None:
    ask(QuestionDetails(code="IMPLANT", words="An implant?", modalities=("MR",)))
    order = make.booked()

    with pytest.raises(UnknownKeyError, match="is not asked before this exam"):
        answer(order)


def test_a_value_of_tomorrow_is_refused() -> None:
    ask(QuestionDetails(code="EGFR", words="eGFR", kind=AnswerKind.NUMBER, dated=True))
    order = make.booked()

    with pytest.raises(InvalidValueError, match="not here yet"):
        answer(order, "60", "EGFR", timezone.localdate() + timedelta(days=1))


def test_an_earlier_answer_is_offered_and_must_be_confirmed() -> None:
    ask()
    patient = make.patient("P77")
    first = make.order(patient=patient)
    answer(first, "yes")
    second = make.order(patient=patient)

    found = with_proposals(full(second), selected.state(full(second)))

    assert found.verdict == "OPEN"
    proposal = found.checks[0].proposal
    assert proposal is not None
    assert (proposal.value, proposal.source) == ("yes", AnswerSource.EARLIER)


def test_a_result_fills_the_answer_in_with_its_day() -> None:
    ask(QuestionDetails(code="EGFR", words="eGFR", kind=AnswerKind.NUMBER, dated=True,
                        unsafe=parse_rules("below 30"), loinc=EGFR))  # fmt: skip
    order = make.booked()
    day = timezone.now() - timedelta(days=3)
    execute(
        RecordObservations(
            patient=_named(order),
            observations=(Observed(code="98979-8", value="27", observed_at=day, key="obs-1"),),
        ),
        actor=people.ehr,
    )

    found = with_proposals(full(order), selected.state(full(order)))

    proposal = found.checks[0].proposal
    assert proposal is not None
    assert (proposal.value, proposal.on, proposal.source, proposal.origin) == (
        "27",
        timezone.localdate(day),
        AnswerSource.FHIR,
        "EHR",
    )


def test_a_withdrawn_result_is_not_offered() -> None:
    ask(QuestionDetails(code="EGFR", words="eGFR", kind=AnswerKind.NUMBER, loinc=EGFR))
    order = make.booked()
    key = _named(order)
    told = Observed(code="98979-8", value="27", key="obs-1")
    execute(RecordObservations(patient=key, observations=(told,)), actor=people.ehr)

    execute(
        RecordObservations(patient=key, observations=(), withdrawn=("obs-1",)), actor=people.ehr
    )

    found = with_proposals(full(order), selected.state(full(order)))
    assert found.checks[0].proposal is None


def test_allergies_of_the_record_answer_for_contrast() -> None:
    ask(next(question for question in STARTER if question.code == "CONTRAST_REACTION"))
    make.definition(contrast="80 ml iodinated")
    order = make.order(patient=make.patient(allergies=("Iodinated contrast: hives",)))

    found = with_proposals(full(order), selected.state(full(order)))

    proposal = found.checks[0].proposal
    assert proposal is not None
    assert (proposal.value, proposal.shown) == ("yes", "Yes: Iodinated contrast: hives")


def test_a_retired_question_is_not_asked() -> None:
    ask()
    order = make.booked()

    execute(RetireSafetyQuestion(code="IMPLANT"), actor=people.manager)

    assert selected.state(full(order)).verdict == "NONE"
    begin(order)


def test_the_starter_set_is_imported_whole() -> None:
    execute(ImportSafetyQuestions(questions=STARTER), actor=OPERATOR)

    lines = selected.question_lines()
    assert [line.details.code for line in lines][:2] == ["PREGNANCY", "MR_PACEMAKER"]
    assert {line.details for line in lines} == set(STARTER)


def test_sex_decides_what_is_asked() -> None:
    execute(ImportSafetyQuestions(questions=STARTER), actor=OPERATOR)
    woman = make.order(patient=make.patient(sex=Sex.FEMALE))
    man = make.order(patient=make.patient(sex=Sex.MALE))

    asked = [
        [check.question.code for check in selected.state(full(order)).checks]
        for order in (woman, man)
    ]

    assert asked == [["WEIGHT"], ["WEIGHT"]]  # she is 56: past the age that is asked


def test_nobody_but_the_setup_defines_questions() -> None:
    with pytest.raises(DeniedError):
        execute(DefineSafetyQuestion(question=IMPLANT), actor=people.technologist)

    assert selected.question_lines(retired=True) == []


def test_answers_go_with_a_merged_record() -> None:
    ask()
    survivor, subsumed = make.order(), make.order()
    answer(subsumed, "yes")

    execute(
        MergePatients(survivor=_named(survivor), subsumed=_named(subsumed)),
        actor=OPERATOR,
    )

    assert SafetyAnswer.objects.get().patient_id == survivor.patient_id


def _named(order: Order) -> PatientReference:
    return PatientReference(public_id=str(order.patient.public_id))


def test_an_override_without_a_reason_is_refused() -> None:
    ask()
    order = make.booked()

    with pytest.raises(Exception, match="say why"):
        execute(
            OverrideSafety(step=str(make.step_of(order).public_id), reason=" "),
            actor=people.radiologist,
        )


def test_nothing_to_override_is_said() -> None:
    order = make.booked()

    with pytest.raises(StateConflictError, match="no safety question stands in the way"):
        execute(
            OverrideSafety(step=str(make.step_of(order).public_id), reason="x"),
            actor=people.radiologist,
        )

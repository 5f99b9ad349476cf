"""Letters about breast exams, and how good the readings were."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import OPERATOR, Actor, ActorKind, Role
from ris.domain.errors import (
    InvalidValueError,
    StateConflictError,
)
from ris.domain.exchange import DeliveryState, Protocol
from ris.domain.mammography import (
    AssessBreast,
    Assessed,
    CloseRecall,
    Pathology,
    RecordPathology,
    Rules,
    SetMammographyRules,
)
from ris.domain.mammography_letters import (
    MarkLettersSent,
    PrintLetters,
    SentHow,
    SetLetterChoice,
    SetLetterText,
    StopLetter,
)
from ris.domain.patient_messages import Channel, SetContactChoice
from ris.domain.patients import Demographics, PatientReference, UpdatePatient
from ris.domain.reporting import (
    FinalizeReport,
    OpenReport,
)
from ris.models import (
    BreastAssessment,
    BreastLetter,
    Delivery,
    Patient,
)
from ris.selectors import mammography
from ris.selectors.letter_lists import Mail, letter_lines, with_patients
from ris.services import execute
from ris.services.mammography import letters as letter_clock
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
        "Your breast exam of 2 March 2026 is not complete: we need more images to be sure. "
        "Most of such further exams find nothing of concern.\n"
        "Please have them by 1 April 2026. Call Test Hospital for an appointment.\n"
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

    assert own.splitlines()[2] == "All is well since 2 March 2026."
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


def carrier() -> None:
    mail = {"protocol": Protocol.MAIL, "settings": {"transport": "folder"}, "sends": ()}
    make.endpoint("PATIENTS", **mail)


def mailed(clock: time_machine.Traveller) -> BreastLetter:
    """A letter to somebody who wants mail, on its way."""
    carrier()
    letter = letter_of(final())
    clock.move_to(LATER)
    patient = letter.assessment.report.order.patient
    Patient.objects.filter(pk=patient.pk).update(email="eva@example.org")
    choice = SetContactChoice(patient=str(patient.public_id), channel=Channel.MAIL, wanted=True)
    execute(choice, actor=people.frontdesk)
    keys = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)
    execute(MarkLettersSent(letters=keys, how=SentHow.MAIL), actor=people.frontdesk)
    letter.refresh_from_db()
    return letter


def shown(letter: BreastLetter) -> Mail | None:
    (line,) = letter_lines(with_patients(BreastLetter.objects.filter(pk=letter.pk)))
    return line.mail


def test_a_letter_goes_by_mail_to_who_said_that_mail_is_wanted(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    letter = letter_of(final())
    clock.move_to(LATER)
    keys = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)
    by_mail = MarkLettersSent(letters=keys, how=SentHow.MAIL)
    patient = letter.assessment.report.order.patient
    Patient.objects.filter(pk=patient.pk).update(email="eva@example.org")

    with pytest.raises(StateConflictError, match="did not say that mail is wanted"):
        execute(by_mail, actor=people.frontdesk)
    choice = SetContactChoice(patient=str(patient.public_id), channel=Channel.MAIL, wanted=True)
    execute(choice, actor=people.frontdesk)
    execute(by_mail, actor=people.frontdesk)
    execute(by_mail, actor=people.frontdesk)

    letter.refresh_from_db()
    queued = Delivery.objects.get()
    said = json.loads(bytes(queued.payload))
    assert (letter.state, letter.sent_how) == ("SENT", "MAIL")
    assert (said["to"], said["text"]) == ("eva@example.org", letter.text)
    assert "breast" not in said["subject"].lower()
    assert queued.patient == patient


def test_a_letter_that_the_mail_server_refused_was_not_sent_and_leaves_another_way(
    clock: time_machine.Traveller,
) -> None:
    letter = mailed(clock)
    waiting = shown(letter)
    Delivery.objects.update(state="REFUSED", last_error="bounced: 550 no such mailbox")
    refused = shown(letter)

    by_mail = execute(MarkLettersSent(letters=(str(letter.public_id),), how=SentHow.MAIL),
                      actor=people.frontdesk)  # fmt: skip
    by_post = execute(MarkLettersSent(letters=(str(letter.public_id),)), actor=people.frontdesk)

    assert waiting == Mail(DeliveryState.PENDING, "")
    assert refused == Mail(DeliveryState.REFUSED, "bounced: 550 no such mailbox")
    assert (by_mail, by_post) == (0, 1)
    letter.refresh_from_db()
    assert (letter.state, letter.sent_how, shown(letter)) == ("SENT", "POST", None)
    assert events("BreastLetterSent") == 2


def test_a_letter_that_was_handed_to_the_mail_server_is_sent_once(
    clock: time_machine.Traveller,
) -> None:
    letter = mailed(clock)
    Delivery.objects.update(state="DELIVERED")

    again = execute(MarkLettersSent(letters=(str(letter.public_id),)), actor=people.frontdesk)

    assert (again, events("BreastLetterSent")) == (0, 1)
    assert shown(letter) == Mail(DeliveryState.DELIVERED, "")


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

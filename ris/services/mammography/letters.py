"""Letters about breast exams: planned with the report, worded when printed, marked when they left.

A letter waits some hours after the report, so that a doctor can speak with the patient first and a
mistake is seen in time. What a letter told wrongly is set right by another letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ris.domain.actors import TIMER
from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.domain.mammography import RecallState
from ris.domain.mammography_letters import (
    LETTER,
    BreastLetterPlanned,
    BreastLetterSent,
    BreastLetterStopped,
    LetterState,
    LetterTrigger,
    MarkLettersSent,
    PlanReminders,
    PrintLetters,
    SentHow,
    StopLetter,
    Topic,
    topic_of,
)
from ris.models import BreastAssessment, BreastLetter, BreastRecall, Patient
from ris.selectors.letter_lists import mails_of, with_patients
from ris.selectors.letters import sender, worded
from ris.selectors.mammography import assessed_of, declined, reminders_due, rules
from ris.services import _clock
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move, touch
from ris.services.mammography import mailing

_AT_ONCE = 200


def follow(row: BreastAssessment, recall: BreastRecall | None, context: Context) -> None:
    """Plan the letter that the assessment needs; one that waits and says otherwise is stopped."""
    topic = topic_of(assessed_of(row))
    earlier = list(row.letters.exclude(state=LetterState.STOPPED.value).order_by("id"))
    for one in earlier:
        if one.topic == topic.value and one.state == LetterState.PLANNED.value:
            _print_again(one)
            return
    sent = [one for one in earlier if one.state == LetterState.SENT.value]
    for one in earlier:
        if one.state == LetterState.PLANNED.value:
            _stop(one, "the assessment changed", row, context)
    if sent and sent[-1].topic == topic.value:
        return
    site = rules()
    if not site.letters:
        return
    _plan(
        row,
        topic,
        context.now + timedelta(hours=site.letter_hours),
        context,
        recall=recall,
        replaces=sent[-1] if sent else None,
    )


def _print_again(letter: BreastLetter) -> None:
    """What was worded before the assessment changed may say what does not hold: its density."""
    if letter.printed_at is not None:
        letter.printed_at, letter.printed_by, letter.text = None, "", ""
        letter.save(update_fields=["printed_at", "printed_by", "text", "updated_at"])


def recall(row: BreastAssessment, context: Context) -> None:
    """The report was withdrawn: what waits is stopped, what left is called back by a letter."""
    sent: BreastLetter | None = None
    for one in row.letters.order_by("id"):
        if one.state == LetterState.PLANNED.value:
            _stop(one, "the report was withdrawn", row, context)
        elif one.state == LetterState.SENT.value:
            sent = one
    if sent is not None and sent.topic != Topic.RECALLED.value:
        _plan(row, Topic.RECALLED, context.now, context, replaces=sent)


def _plan(
    row: BreastAssessment,
    topic: Topic,
    due_at: datetime,
    context: Context,
    *,
    recall: BreastRecall | None = None,
    replaces: BreastLetter | None = None,
) -> None:
    letter = BreastLetter.objects.create(
        assessment=row, recall=recall, topic=topic.value, due_at=due_at, replaces=replaces
    )
    order = row.report.order
    context.emit(
        BreastLetterPlanned(
            order=str(order.public_id), letter=str(letter.public_id), topic=letter.topic
        ),
        subject=letter,
        order=order,
    )
    reason = why_not(order.patient, letter)
    if reason:
        _stop(letter, reason, row, context)


def why_not(patient: Patient, letter: BreastLetter) -> str:
    """Why the patient is not written to; empty if there is no reason."""
    if patient.deceased:
        return "the patient has died"
    is_open = letter.recall is not None and letter.recall.state == RecallState.OPEN.value
    if letter.topic == Topic.REMINDER.value and not is_open:
        return "it was done meanwhile"
    # Who was written to hears that the letter was wrong, whatever was chosen since.
    if letter.topic != Topic.RECALLED.value and declined(patient):
        return "the patient wants no letters"
    return ""


def _stop(letter: BreastLetter, reason: str, row: BreastAssessment, context: Context) -> None:
    letter.reason = reason[:500]
    move(letter, LETTER, LetterTrigger.STOP, "reason")
    order = row.report.order
    context.emit(
        BreastLetterStopped(
            order=str(order.public_id),
            letter=str(letter.public_id),
            topic=letter.topic,
            note=letter.reason,
        ),
        subject=letter,
        order=order,
    )


# --- by people


def print_letters(command: PrintLetters, context: Context) -> tuple[str, ...]:
    """Word the letters that are due; one whose patient is not to be written to is stopped."""
    printable = []
    by = sender(context.now)
    for letter in _locked(command.letters):
        patient = letter.assessment.report.order.patient
        if letter.state != LetterState.PLANNED.value or letter.due_at > context.now:
            continue
        reason = why_not(patient, letter)
        if reason:
            _stop(letter, reason, letter.assessment, context)
            continue
        words = worded(letter, by)
        letter.language, letter.text = words.language, words.text
        letter.printed_at, letter.printed_by = context.now, context.actor.name[:150]
        letter.save(update_fields=["language", "text", "printed_at", "printed_by", "updated_at"])
        context.about(letter, letter.assessment.report.order)
        printable.append(str(letter.public_id))
    return tuple(printable)


def mark_letters_sent(command: MarkLettersSent, context: Context) -> int:
    """Note who sent them, when and how; what was not printed cannot have left.

    One whose mail never left is sent once more, another way.

    What was stopped after it was printed lies among the others on the desk: nobody is let believe
    that it may leave.
    """
    letters = _locked(command.letters)
    stopped = sum(letter.state == LetterState.STOPPED.value for letter in letters)
    if stopped:
        raise StateConflictError(
            f"{stopped} of these letters must not be sent: stopped after printing. Take out what "
            "stands under Stopped, reload, and mark the others"
        )
    if any(letter.printed_at is None for letter in letters):
        raise StateConflictError("print a letter before it is marked as sent")
    waiting = [letter for letter in letters if letter.state == LetterState.PLANNED.value]
    if command.how is SentHow.MAIL:
        mailing.mail(waiting, context)
    else:
        mails = mails_of(letters)
        back = {key for key, mail in mails.items() if mail.never_left}
        waiting += [letter for letter in letters if str(letter.public_id) in back]
    for letter in waiting:
        letter.sent_at, letter.sent_by = context.now, context.actor.name[:150]
        letter.sent_how = command.how.value
        if letter.state == LetterState.PLANNED.value:
            move(letter, LETTER, LetterTrigger.SEND, "sent_at", "sent_by", "sent_how")
        else:
            touch(letter, "sent_at", "sent_by", "sent_how")
        order = letter.assessment.report.order
        context.emit(
            BreastLetterSent(
                order=str(order.public_id),
                letter=str(letter.public_id),
                topic=letter.topic,
                how=letter.sent_how,
                note=letter.sent_how.lower(),
            ),
            subject=letter,
            order=order,
        )
    return len(waiting)


def stop_letter(command: StopLetter, context: Context) -> None:
    (letter,) = _locked((command.letter,))
    reason = command.reason.strip()
    if not reason:
        raise MissingValueError("say why", path="reason")
    _stop(letter, reason, letter.assessment, context)


def _locked(public_ids: Sequence[str]) -> list[BreastLetter]:
    """The letters, with their orders locked first; what is due first stands first."""
    keys: set[UUID] = {public_key(each, "letter") for each in public_ids[:_AT_ONCE]}
    rows = BreastLetter.objects.filter(public_id__in=keys)
    lock_orders(rows.values_list("assessment__report__order_id", flat=True))
    found = list(with_patients(rows).select_for_update(of=("self",)).order_by("due_at", "id"))
    if not found or len(found) != len(keys):
        raise UnknownKeyError("no such letter", path="letters")
    return found


# --- by the clock


def plan_reminders(command: PlanReminders, context: Context) -> int:
    """A second letter, once for each recall."""
    keys = reminders_due(context.now)
    lock_orders(
        BreastRecall.objects.filter(pk__in=keys).values_list(
            "assessment__report__order_id", flat=True
        )
    )
    rows = (
        BreastRecall.objects.select_for_update(of=("self",))
        .select_related("assessment__report__order__patient")
        .filter(pk__in=reminders_due(context.now))  # what two clocks saw, one plans
        .order_by("id")
    )
    count = 0
    for row in rows:
        _plan(row.assessment, Topic.REMINDER, context.now, context, recall=row)
        count += 1
    return count


def run_due() -> None:
    """Of the timers."""
    if reminders_due(_clock.now(), 1):
        execute(PlanReminders(), actor=TIMER)

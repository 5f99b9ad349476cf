"""What patients of the demo were told, and what some of them did at their page."""

from __future__ import annotations

from datetime import datetime, timedelta

from ris.domain.actors import OPERATOR, TIMER, Actor, patient_actor
from ris.domain.patient_links import (
    MakePatientLink,
    OpenPatientLink,
    Policy,
    SetPatientPolicy,
)
from ris.domain.patient_messages import SendPatientMessages
from ris.domain.safety import AnswerKind, SafetyAnswerGiven
from ris.domain.safety_declared import DeclareSafetyAnswers
from ris.domain.scheduling import Answer, AnswerAppointment, Participant
from ris.models import Appointment
from ris.selectors.facts import first_day
from ris.selectors.patient_links import to_come
from ris.selectors.patient_messages import recent
from ris.selectors.safety_declared import asked_at
from ris.services import analytics, execute

LINKS = 6  # appointments whose patients have a page
CONFIRMED = 2  # of these patients, so many said that they come


def allow_patients() -> None:
    """What patients may do at their page, and what it tells them."""
    execute(
        SetPatientPolicy(
            policy=Policy(
                phone="+49 555 010 200",
                bring="Your insurance card\nEarlier images, if you have any",
            )
        ),
        actor=OPERATOR,
    )


def hear_from_patients(now: datetime) -> None:
    """Messages that are due leave, and the first patients answer."""
    execute(SendPatientMessages(), actor=TIMER)
    coming = to_come(now + timedelta(hours=25), LINKS)
    for message in recent(LINKS):
        if message.appointment.start_at > now:
            key = str(message.appointment.public_id)
            execute(MakePatientLink(appointment=key), actor=OPERATOR)
    for number, visit in enumerate(coming):
        link = execute(MakePatientLink(appointment=visit.appointment), actor=OPERATOR)
        if number >= CONFIRMED:
            continue
        patient = patient_actor(visit.appointment, "127.0.0.1")
        if execute(OpenPatientLink(link=link, birth_date=visit.birth_date), actor=patient):
            execute(
                AnswerAppointment(
                    appointment=visit.appointment,
                    participant=Participant.PATIENT,
                    key=visit.patient,
                    answer=Answer.ACCEPTED,
                ),
                actor=patient,
            )
            _answer(visit.appointment, patient, first="yes" if number else "no")


def _answer(appointment: str, patient: Actor, *, first: str) -> None:
    """The questions of the page that are answered by yes or no, with ``first`` for the first."""
    asked = asked_at(Appointment.objects.get(public_id=appointment))
    codes = [each.question.code for each in asked if each.question.kind is AnswerKind.YES_NO]
    answers = tuple(
        SafetyAnswerGiven(question=code, value="no" if at else first)
        for at, code in enumerate(codes)
    )
    if answers:
        execute(DeclareSafetyAnswers(appointment=appointment, answers=answers), actor=patient)


def count(now: datetime) -> None:
    """The figures for managers, for all that was told."""
    first = first_day()
    if first is not None:
        analytics.rebuild(first, now.date())

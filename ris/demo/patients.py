"""What patients of the demo were told, and what some of them did at their page."""

from __future__ import annotations

from datetime import datetime, timedelta

from ris.domain.actors import OPERATOR, TIMER, patient_actor
from ris.domain.patient_links import (
    MakePatientLink,
    OpenPatientLink,
    Policy,
    SetPatientPolicy,
)
from ris.domain.patient_messages import SendPatientMessages
from ris.domain.scheduling import Answer, AnswerAppointment, Participant
from ris.selectors.facts import first_day
from ris.selectors.patient_links import to_come
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


def count(now: datetime) -> None:
    """The figures for managers, for all that was told."""
    first = first_day()
    if first is not None:
        analytics.rebuild(first, now.date())

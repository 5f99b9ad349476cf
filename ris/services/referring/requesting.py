"""What a referring doctor asks for: exams ordered, withdrawn, and questions answered."""

from __future__ import annotations

from dataclasses import replace

from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.order_questions import AnswerInformation, AskForInformation
from ris.domain.orders import (
    CancelOrder,
    OrderDetails,
    OrderReference,
    PlacedOrder,
    PlaceOrder,
)
from ris.domain.patients import Demographics, PatientReference
from ris.domain.referring import (
    AnswerDepartment,
    IdentifiedPatient,
    RequestExams,
    WithdrawRequest,
)
from ris.domain.safety import AnswerSafetyQuestions, SafetyAnswerGiven
from ris.domain.values import PersonName
from ris.models import OrderQuestion, Patient, PatientIdentifier, ScheduledProcedureStep
from ris.selectors import referring as selected
from ris.selectors import safety as asked
from ris.selectors.patient_matches import candidates
from ris.selectors.referring import Reach
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services.orders import ending, placing, questions
from ris.services.patients.registering import register
from ris.services.referring.results import reach_of
from ris.services.safety import answer_safety_questions


def request_exams(command: RequestExams, context: Context) -> PlacedOrder:
    to = reach_of(context.actor)
    if not to.people and not to.services:
        raise DeniedError("nobody said yet whose orders this login is for; ask the department")
    if command.patient is not None and command.person is not None:
        raise InvalidValueError("say a known patient or a new one, not both", path="patient")
    if not (command.details.reason or "").strip():
        raise MissingValueError("say why the exam is needed", path="reason")
    compared = False
    if command.patient is not None:
        patient = _identified(to, command.patient)
    elif command.person is None:
        raise MissingValueError("say whom the order is for", path="patient")
    else:
        compared = _is_like_somebody(command.person)
        patient = register((), _complete(command.person), context)
    placed = placing.place_order(
        PlaceOrder(
            patient=PatientReference(public_id=str(patient.public_id)),
            procedures=command.procedures,
            details=_signed(to, command, context),
            wait_for_scheduler=True,
            strict_catalog=True,
        ),
        context,
    )
    _answer(placed.public_id, command.answers, context)
    if compared:
        questions.ask_for_information(
            AskForInformation(
                order=OrderReference(public_id=placed.public_id), question=selected.COMPARE
            ),
            context,
        )
    return placed


def _identified(to: Reach, said: IdentifiedPatient) -> Patient:
    """One's own patient, or whom a number and the birth date name together."""
    patient = (
        Patient.objects.filter(public_id=public_key(said.public_id, "patient"))
        .select_related("merged_into")
        .first()
    )
    if patient is not None:
        patient = patient.merged_into or patient
        if selected.is_own_patient(to, patient) or _is_proven(patient, said):
            return patient
    # The same words whether somebody exists or not.
    raise UnknownKeyError("no patient with this number and birth date", path="patient")


def _is_proven(patient: Patient, said: IdentifiedPatient) -> bool:
    named = PatientIdentifier.objects.filter(patient=patient, value=said.number)
    return (
        bool(said.number)
        and said.birth_date is not None
        and len(said.birth_date.text) == len("1970-05-03")
        and patient.birth_date == said.birth_date.text
        and named.exists()
    )


def _complete(person: Demographics) -> Demographics:
    """Who is entered from outside is entered whole: others must be able to compare."""
    name = person.name or PersonName()
    if not name.alphabetic.family or not name.alphabetic.given:
        raise MissingValueError("a new patient needs family and given name", path="family_name")
    if person.birth_date is None or len(person.birth_date.text) != len("1970-05-03"):
        raise MissingValueError("a new patient needs the whole birth date", path="birth_date")
    if not person.sex:
        raise MissingValueError("a new patient needs the sex", path="sex")
    if not person.phone:
        raise MissingValueError("a new patient needs a phone number", path="phone")
    return person


def _is_like_somebody(person: Demographics) -> bool:
    return bool(
        person.name and person.birth_date and candidates((), person.name, person.birth_date)
    )


def _signed(to: Reach, command: RequestExams, context: Context) -> OrderDetails:
    """With the requester that the login may speak for: nobody orders in another one's name."""
    login = context.actor.display or context.actor.name
    service = to.services[0] if to.services else ""
    details = replace(
        command.details,
        entered_by=login,
        requesting_service=service or None,
        requester_identifier=None,
    )
    chosen = next((each for each in to.people if each.public_id == command.requester), None)
    if command.requester and chosen is None:
        raise DeniedError("this login does not order for that person")
    if chosen is None and not service:
        if len(to.people) > 1:
            raise MissingValueError("say for which doctor it is", path="requester")
        chosen = to.people[0]
    if chosen is None:
        given, _, family = login.rpartition(" ")
        return replace(details, requester=PersonName.of(family, given))
    return replace(details, requester=chosen.name, requester_identifier=chosen.identifier)


def _answer(order: str, answers: tuple[SafetyAnswerGiven, ...], context: Context) -> None:
    """The safety answers, at each step that asks; one answer holds for the whole order."""
    if not answers:
        return
    by_code = {each.question: each for each in answers}
    for step in ScheduledProcedureStep.objects.filter(procedure__order__public_id=order).order_by(
        "id"
    ):
        row = asked.find_step(str(step.public_id))
        if row is None:
            continue
        given = tuple(
            by_code[check.question.code]
            for check in asked.state(row, context.now).checks
            if check.question.code in by_code and check.answer is None
        )
        if given:
            answer_safety_questions(
                AnswerSafetyQuestions(step=str(step.public_id), answers=given), context
            )


def withdraw_request(command: WithdrawRequest, context: Context) -> str:
    to = reach_of(context.actor)
    if not command.reason.strip():
        raise MissingValueError("say why the order is not needed any more", path="reason")
    order = selected.own_order(to, public_key(command.order, "order"))
    canceled = ending.cancel_order(
        CancelOrder(
            order=OrderReference(public_id=str(order.public_id)), reason=command.reason.strip()
        ),
        context,
    )
    return canceled.orders[0]


def answer_department(command: AnswerDepartment, context: Context) -> None:
    to = reach_of(context.actor)
    key = public_key(command.question, "question")
    question = OrderQuestion.objects.select_related("order").filter(public_id=key).first()
    if question is None or question.text == selected.COMPARE or not to.covers(question.order):
        raise UnknownKeyError("no such question about your own orders")
    if question.answered_at is not None:
        raise StateConflictError(f"{question.answered_by} answered this meanwhile")
    questions.answer_information(
        AnswerInformation(question=command.question, answer=command.answer), context
    )

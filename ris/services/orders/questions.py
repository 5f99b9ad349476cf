"""Ask about an order, and note the answer."""

from __future__ import annotations

from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.domain.order_questions import (
    LONGEST,
    AnswerInformation,
    AskForInformation,
    InformationAsked,
    InformationGiven,
)
from ris.domain.orders import OrderReference
from ris.models import OrderQuestion
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch
from ris.services.orders.finding import require, require_live


def ask_for_information(command: AskForInformation, context: Context) -> str:
    text = command.question.strip()[:LONGEST]
    if not text:
        raise MissingValueError("say what is to be known", path="question")
    order = require(command.order)
    require_live(order)
    question = OrderQuestion.objects.create(
        order=order,
        text=text,
        asked_by=(context.actor.display or context.actor.name)[:200],
        asked_at=context.now,
    )
    touch(order)
    context.emit(
        InformationAsked(
            order=str(order.public_id), question=str(question.public_id), note=text[:200]
        ),
        subject=order,
    )
    return str(question.public_id)


def answer_information(command: AnswerInformation, context: Context) -> None:
    text = command.answer.strip()[:LONGEST]
    if not text:
        raise MissingValueError("say what the answer is", path="answer")
    key = public_key(command.question, "question")
    asked = OrderQuestion.objects.filter(public_id=key).values_list("order__public_id").first()
    if asked is None:
        raise UnknownKeyError("no such question")
    order = require(OrderReference(public_id=str(asked[0])))
    question = OrderQuestion.objects.select_for_update(of=("self",)).get(public_id=key)
    if question.answered_at is not None:
        raise StateConflictError(f"{question.answered_by} answered this meanwhile")
    by = command.by.strip() or context.actor.display or context.actor.name
    question.answer, question.answered_by, question.answered_at = text, by[:200], context.now
    touch(question, "answer", "answered_by", "answered_at")
    touch(order)
    context.emit(
        InformationGiven(
            order=str(order.public_id), question=str(question.public_id), note=text[:200], by=by
        ),
        subject=order,
    )

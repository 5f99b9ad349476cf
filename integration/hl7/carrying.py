"""What a message asks for is carried out: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError

from integration.hl7.order_replies import Done
from integration.hl7.to_domain.request import Request, located
from ris.domain.actors import Actor
from ris.domain.commands import Command
from ris.domain.errors import (
    DuplicateKeyError,
    RisError,
    SeveralErrors,
    StateConflictError,
)
from ris.services import execute


class RefusedThereError(StateConflictError):
    """The peer says that it did not do what we had told it: for people to see, not for the peer."""


def carry_out(requests: Sequence[Request], actor: Actor) -> dict[int, Done]:
    """Execute every request; what is wrong with any of them is told together.

    A message is done as a whole: one refusal undoes the rest (the caller's savepoint).
    """
    placed: dict[int, Done] = {}
    faults: list[RisError] = []
    for number, request in enumerate(requests):
        try:
            for command in request.commands:
                result = _execute(command, actor)
                if isinstance(result, Done):
                    placed[number] = result
            if request.refusal:
                raise RefusedThereError(request.refusal, path="ORC-1")
        except RisError as error:
            faults.append(located(error, request))
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)
    return placed


def _execute(command: Command[Any], actor: Actor) -> Any:
    """Carry out one command; once more if another connection was faster with the same key.

    The second look finds what the other one stored: the same order is then no duplicate, the same
    new patient is known.
    """
    try:
        return execute(command, actor=actor)
    except DuplicateKeyError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
    return execute(command, actor=actor)


def is_told(error: RisError) -> bool:
    """Whether nothing is wrong with a message but that it tells of a refusal."""
    faults = error.errors if isinstance(error, SeveralErrors) else [error]
    return all(isinstance(fault, RefusedThereError) for fault in faults)


def keep_granted(requests: Sequence[Request], actor: Actor) -> None:
    """What was granted beside the refusals of one message counts, though they are shown."""
    carry_out([each for each in requests if not each.refusal], actor)

"""Many messages applied or sent again: one after the other, in their order, at a set pace.

A run is a row: what it is about is fixed when it starts (a filter, and the newest message then),
and how far it came is noted with each message, so that it goes on after a restart.
"""

from __future__ import annotations

import structlog

from ris.domain.actors import TIMER, Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    RisError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.exchange import (
    RUN,
    DeliveryState,
    Direction,
    MessageState,
    ReplayMessage,
    RequeueDelivery,
    ResendDelivery,
    RunEnded,
    RunStarted,
    RunState,
    RunTrigger,
    StartRun,
    StopRun,
)
from ris.models import Delivery, InboundMessage, MessageRun
from ris.selectors import message_filters
from ris.services import _clock
from ris.services._context import Context
from ris.services._execute import execute, transactional
from ris.services._locks import public_key
from ris.services._transition import move, touch
from ris.services.became import became

log = structlog.get_logger(__name__)

MOST = 10_000
FASTEST = 600  # a minute
PASSES_A_MINUTE = 2  # how often :func:`advance` is called
_OVER = {DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value}


def start_run(command: StartRun, context: Context) -> str:
    if not command.reason.strip():
        raise MissingValueError("say why they are done again", path="reason")
    if not 1 <= command.per_minute <= FASTEST:
        raise InvalidValueError(f"1 to {FASTEST} a minute", path="per_minute")
    filters = message_filters.fixed(command.direction, command.filters, context.now)
    found = message_filters.runnable(command.direction, filters)
    total = found.count()
    if not total:
        raise InvalidValueError("this filter finds nothing that could be done again", path="filter")
    if total > MOST:
        raise InvalidValueError(f"more than {MOST}: narrow the filter", path="filter")
    if total != command.expected:
        raise StateConflictError(
            f"it was {command.expected} messages when you looked, now it is {total}: look again"
        )
    last = found.order_by("-pk").values_list("pk", flat=True).first()
    run = MessageRun.objects.create(
        direction=command.direction.value,
        filters=filters,
        reason=command.reason.strip()[:200],
        per_minute=command.per_minute,
        actor=context.actor.name,
        last_id=last or 0,
        total=total,
    )
    context.emit(
        RunStarted(
            run=str(run.public_id), direction=command.direction, total=total, reason=run.reason
        ),
        subject=run,
    )
    return str(run.public_id)


def stop_run(command: StopRun, context: Context) -> None:
    run = (
        MessageRun.objects.select_for_update()
        .filter(public_id=public_key(command.run, "run"))
        .first()
    )
    if run is None:
        raise UnknownKeyError("no such run")
    run.ended_at = context.now
    move(run, RUN, RunTrigger.STOP, "ended_at")
    context.emit(RunEnded(run=str(run.public_id), done=run.done, refused=run.refused), subject=run)


def advance() -> int:
    """Go on with what runs, as far as its pace allows in half a minute; how many were done."""
    count = 0
    for run in MessageRun.objects.filter(state=RunState.RUNNING.value).order_by("id")[:5]:
        for _ in range(max(1, run.per_minute // PASSES_A_MINUTE)):
            if not _step(run.pk):
                break
            count += 1
    return count


@transactional
def _step(key: int) -> bool:
    """The next message of a run, and the note that it was done, in one transaction."""
    run = (
        MessageRun.objects.select_for_update(skip_locked=True)
        .filter(pk=key, state=RunState.RUNNING.value)
        .first()
    )
    if run is None:  # stopped, or somebody else is at it
        return False
    following = (
        message_filters.runnable(Direction(run.direction), run.filters)
        .filter(pk__gt=run.cursor, pk__lte=run.last_id)
        .order_by("pk")
        .first()
    )
    if following is None:
        run.ended_at = _clock.now()
        move(run, RUN, RunTrigger.FINISH, "ended_at")
        return False
    run.cursor = following.pk
    if _again(following, f"{run.reason} (run by {run.actor})"):
        run.done += 1
    else:
        run.refused += 1
    touch(run, "cursor", "done", "refused")
    return True


def _again(row: InboundMessage | Delivery, reason: str) -> bool:
    key = str(row.public_id)
    try:
        if isinstance(row, InboundMessage):
            if became([key]):
                # What is older would come over what is newer: a person decides.
                log.info("a message of a run was overtaken by a later one", message=key)
                return False
            execute(ReplayMessage(message=key, reason=reason), actor=TIMER)
            state = InboundMessage.objects.values_list("state", flat=True).get(pk=row.pk)
            return state == MessageState.APPLIED.value
        if row.state in _OVER:
            execute(ResendDelivery(delivery=key, reason=reason), actor=TIMER)
        else:
            execute(RequeueDelivery(delivery=key, reason=reason), actor=TIMER)
    except RisError as error:
        log.info("a message of a run was refused", message=key, code=error.code.value)
        return False
    return True


HANDLERS = {StartRun: start_run, StopRun: stop_run}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {StartRun: _ADMIN, StopRun: _ADMIN}

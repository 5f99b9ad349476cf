"""Time kept for some: reserved, changed, released by hand, removed."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.local_time import is_after
from ris.domain.orders import Priority
from ris.domain.resources import (
    BlockReleased,
    BlockRemoved,
    BlockReserved,
    ReleaseBlock,
    RemoveBlock,
    ReserveBlock,
)
from ris.domain.values import require_text
from ris.models import Block, ProcedureDefinition
from ris.selectors.freeing import of_block
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services.scheduling.freeing import note_freed
from ris.services.scheduling.resources import find_resource

MOST_HOURS = 366 * 24  # a block is released at most a year before


def reserve_block(command: ReserveBlock, context: Context) -> str:
    row = _find(command.block) if command.block else Block(resource=find_resource(command.resource))
    values: dict[str, Any] = {
        "label": _label(command.label),
        **_time(command),
        **_kept_for(command),
        "release_hours_before": _hours(command.release_hours_before),
    }
    if command.block:
        changed = {name for name, value in values.items() if getattr(row, name) != value}
        if changed - {"label"}:
            note_freed(of_block(row, context.now), context)  # of what was kept, some may be free
        if changed & {"weekday", "start_at"}:
            values |= {"released_at": None, "released_days": []}  # that was of another time
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    context.emit(
        BlockReserved(resource=str(row.resource.public_id), block=str(row.public_id)),
        subject=row.resource,
    )
    return str(row.public_id)


def release_block(command: ReleaseBlock, context: Context) -> None:
    row = _find(command.block)
    note_freed(of_block(row, context.now, day=command.day), context)
    if command.day is None:
        row.released_at = row.released_at or context.now
    else:
        _require_day(row, command.day)
        row.released_days = sorted({*row.released_days, command.day.isoformat()})
    row.save(update_fields=["released_at", "released_days", "updated_at"])
    context.emit(
        BlockReleased(
            resource=str(row.resource.public_id), block=str(row.public_id), day=command.day
        ),
        subject=row.resource,
    )


def remove_block(command: RemoveBlock, context: Context) -> None:
    row = _find(command.block)
    context.emit(
        BlockRemoved(resource=str(row.resource.public_id), block=str(row.public_id)),
        subject=row.resource,
    )
    note_freed(of_block(row, context.now), context)
    row.delete()


def _find(key: str) -> Block:
    row = (
        Block.objects.select_related("resource__site")
        .filter(public_id=public_key(key, "block"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such block", path="block")
    return row


def _require_day(row: Block, day: date) -> None:
    if row.weekday is None:
        raise InvalidValueError("the block is no weekly one: release all of it", path="day")
    if day.weekday() != row.weekday:
        raise InvalidValueError("the block is on another day of the week", path="day")


def _label(text: str) -> str:
    label = require_text(text, path="label", limit=64, name="name")
    if not label:
        raise MissingValueError("a block needs a name", path="label")
    return label


def _time(command: ReserveBlock) -> dict[str, Any]:
    """The columns of when; weekly or once, and never both."""
    weekly = (command.weekday, command.opens, command.closes)
    once = (command.start_at, command.end_at)
    found: dict[str, Any] = {
        "weekday": command.weekday,
        "opens": command.opens,
        "closes": command.closes,
        "valid_from": command.valid_from,
        "valid_until": command.valid_until,
        "start_at": command.start_at,
        "end_at": command.end_at,
    }
    if any(part is not None for part in weekly) == any(part is not None for part in once):
        raise InvalidValueError("a block is weekly, or from one time to another", path="weekday")
    if command.start_at is not None or command.end_at is not None:
        if command.start_at is None or command.end_at is None:
            raise MissingValueError("a block starts and ends", path="end_at")
        if command.end_at <= command.start_at:
            raise InvalidValueError("a block ends after it starts", path="end_at")
        return found | {
            "valid_from": None,
            "valid_until": None,
            "start_at": command.start_at.astimezone(UTC),
            "end_at": command.end_at.astimezone(UTC),
        }
    if command.weekday is None or command.opens is None or command.closes is None:
        raise MissingValueError("a weekly block needs a day, a start and an end", path="weekday")
    if not 0 <= command.weekday <= 6:
        raise InvalidValueError("there is no such day of the week", path="weekday")
    if not is_after(command.closes, command.opens):
        raise InvalidValueError("a block ends after it starts", path="closes")
    first, last = command.valid_from, command.valid_until
    if first is not None and last is not None and last < first:
        raise InvalidValueError("the last day is before the first", path="valid_until")
    return found


def _kept_for(command: ReserveBlock) -> dict[str, list[str]]:
    wanted = command.kept_for
    codes = _words(wanted.procedures, "procedures", 64)
    known = set(ProcedureDefinition.objects.filter(code__in=codes).values_list("code", flat=True))
    for code in codes:
        if code not in known:
            raise UnknownKeyError(f"no procedure {code} in the catalog", path="procedures")
    priorities = [word.upper() for word in _words(wanted.priorities, "priorities", 10)]
    known_priorities = [each.value for each in Priority]
    for word in priorities:
        if word not in known_priorities:
            raise InvalidValueError(
                f"there is no priority {word}, only {', '.join(known_priorities)}",
                path="priorities",
            )
    return {
        "procedures": codes,
        "modalities": [word.upper() for word in _words(wanted.modalities, "modalities", 16)],
        "priorities": priorities,
        "groups": _words(wanted.groups, "groups", 100),
    }


def _words(texts: tuple[str, ...], path: str, limit: int) -> list[str]:
    """Each word once, in the order they came."""
    found = [require_text(text, path=path, limit=limit, name="word").strip() for text in texts]
    return list(dict.fromkeys(word for word in found if word))


def _hours(hours: int | None) -> int | None:
    if hours is not None and not 0 <= hours <= MOST_HOURS:
        raise InvalidValueError(
            "a block is released 0 hours to a year before", path="release_hours_before"
        )
    return hours

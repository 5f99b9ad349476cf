"""The mapping of an endpoint in force: fetched once a version, applied to every message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from integration.hl7.er7 import Message
from integration.hl7.mapping.checking import check, compiled
from integration.hl7.mapping.engine import Compiled
from integration.hl7.mapping.kinds import kinds
from integration.hl7.mapping.rules import FORMS
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors, UnknownKeyError
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors import mapping as stored
from ris.services.mapping import MapKind, register_language

Moved = tuple[tuple[str, tuple[str, ...]], ...]


def of_endpoint(endpoint: EndpointInfo, moved: Mapping[str, Sequence[str]]) -> Compiled | None:
    """What rewrites the messages of this endpoint; None if nothing does.

    Raises InvalidValueError if the version in force is not there: without its mapping a message
    would be misunderstood.
    """
    if not endpoint.mapping_version:
        return None
    places = tuple(sorted((name, tuple(paths)) for name, paths in moved.items()))
    try:
        return _of_version(endpoint.public_id, endpoint.mapping_version, places)
    except UnknownKeyError as error:
        raise InvalidValueError(error.message, path="mapping") from None


@lru_cache(maxsize=256)
def _of_version(endpoint: str, number: int, moved: Moved) -> Compiled | None:
    """A version is never changed, so what was made of it is good for ever."""
    way, content = stored.in_force(endpoint, number)
    return compiled(content, way, dict(moved))


def understood(message: Message, mapping: Compiled | None) -> tuple[Message, Sequence[RisError]]:
    """The message as the translators are to read it, and what its mapping refuses."""
    if mapping is None:
        return message, ()
    made, applied = mapping.read(message)
    return made, applied.faults


def together(refused: Sequence[RisError], translate: Callable[[], object]) -> None:
    """Raise what the mapping refuses, and with it all that the translator finds wrong elsewhere."""
    if not refused:
        return
    errors = list(refused)
    places = {_place(error) for error in errors}
    try:
        translate()
    except SeveralErrors as several:
        errors += [error for error in several.errors if _place(error) not in places]
    except RisError as error:
        errors += [error] if _place(error) not in places else []
    raise errors[0] if len(errors) == 1 else SeveralErrors(errors)


def _place(error: RisError) -> str:
    return error.path.removesuffix(".1")  # a field is its first component where it has no others


def _described(way: Direction) -> list[MapKind]:
    return [
        MapKind(
            name=kind.name,
            title=kind.title,
            places=", ".join(kind.paths),
            example=kind.example,
            parts=kind.parts,
        )
        for kind in kinds(way)
    ]


register_language(Protocol.HL7, check, _described, FORMS)

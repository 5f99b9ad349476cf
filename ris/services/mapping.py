"""Mappings of endpoints: saved as versions, checked by the edge whose messages they rewrite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ris.domain.actors import Role
from ris.domain.errors import StateConflictError, UnknownKeyError, UnsupportedError
from ris.domain.exchange import Direction, Protocol
from ris.domain.mapping import MappingSaved, RollBackMapping, SaveMapping
from ris.models import Endpoint, MappingVersion
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch

# The mapping in its stored form; raises SeveralErrors whose paths name the rows.
Check = Callable[[Mapping[str, Any], Direction], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapKind:
    """One kind of value that can have a table, as the page describes it."""

    name: str
    title: str
    places: str
    example: str
    parts: int = 1


# The kinds that messages of a direction can have tables for.
Kinds = Callable[[Direction], Sequence[MapKind]]

# What a rule can look like, and what it does.
Forms = Sequence[tuple[str, str]]

_CHECKS: dict[Protocol, Check] = {}
_FORMS: dict[Protocol, Forms] = {}
_KINDS: dict[Protocol, Kinds] = {}


def register_language(protocol: Protocol, check: Check, kinds: Kinds, forms: Forms) -> None:
    _CHECKS[protocol] = check
    _FORMS[protocol] = forms
    _KINDS[protocol] = kinds


def can_map(protocol: Protocol) -> bool:
    return protocol in _CHECKS


def kinds(protocol: Protocol, direction: Direction) -> Sequence[MapKind]:
    return _KINDS[protocol](direction) if protocol in _KINDS else ()


def forms(protocol: Protocol) -> Forms:
    return _FORMS.get(protocol, ())


def check(protocol: Protocol, direction: Direction, content: Mapping[str, Any]) -> dict[str, Any]:
    """What would be stored. Raises SeveralErrors, and UnsupportedError where nothing is mapped."""
    language = _CHECKS.get(protocol)
    if language is None:
        raise UnsupportedError(f"messages of {protocol.value} are not rewritten", path="mapping")
    return language(content, direction)


def save_mapping(command: SaveMapping, context: Context) -> int:
    endpoint = _locked(command.endpoint, command.expected)
    return _put_in_force(endpoint, command.content, command.note, context)


def roll_back_mapping(command: RollBackMapping, context: Context) -> int:
    endpoint = _locked(command.endpoint, command.expected)
    older = MappingVersion.objects.filter(endpoint=endpoint, number=command.number).first()
    if older is None:
        raise UnknownKeyError("no such version", path="number")
    note = command.note.strip() or f"as version {older.number} again"
    return _put_in_force(endpoint, older.content, note, context, rolled_back_to=older.number)


def _locked(public_id: str, expected: int | None) -> Endpoint:
    endpoint = (
        Endpoint.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(public_id, "endpoint"))
        .first()
    )
    if endpoint is None:
        raise UnknownKeyError("no such interface", path="endpoint")
    if expected is not None and expected != endpoint.mapping_version:
        raise StateConflictError("somebody else saved another version meanwhile: look at it first")
    return endpoint


def _put_in_force(
    endpoint: Endpoint,
    content: Mapping[str, Any],
    note: str,
    context: Context,
    *,
    rolled_back_to: int = 0,
) -> int:
    checked = check(Protocol(endpoint.protocol), Direction(endpoint.direction), content)
    previous = endpoint.mapping_version
    versions = MappingVersion.objects.filter(endpoint=endpoint)
    present = versions.filter(number=previous).first()
    if checked == (present.content if present else {}):
        context.about(endpoint)
        return previous
    newest = versions.order_by("-number").first()
    version = MappingVersion.objects.create(
        endpoint=endpoint,
        number=newest.number + 1 if newest else 1,
        content=checked,
        note=note.strip()[:200],
        actor=(context.actor.display or context.actor.name)[:150],
        created_at=context.now,
    )
    endpoint.mapping_version = version.number
    touch(endpoint, "mapping_version")
    context.emit(
        MappingSaved(
            endpoint=str(endpoint.public_id),
            number=version.number,
            previous=previous,
            rolled_back_to=rolled_back_to,
            note=version.note,
        ),
        subject=endpoint,
    )
    return version.number


HANDLERS = {SaveMapping: save_mapping, RollBackMapping: roll_back_mapping}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {SaveMapping: _ADMIN, RollBackMapping: _ADMIN}

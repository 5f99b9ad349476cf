"""Resources that the core has no table for: kept as a FHIR client sent them, version by version.

What one says is not the core's business; that it belongs to a patient, that its changes are counted
and that a deleted one is remembered are (FHIR R4 3.1.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command, Event


class Method(StrEnum):
    """How a version came to be, in the word of HTTP (FHIR R4 Bundle.entry.request.method)."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepResource(Command[str]):
    """Keep a new resource; returns its public id.

    ``content`` is its JSON without ``id``, ``meta.versionId`` and ``meta.lastUpdated``; ``patient``
    the public id of whom it is about, empty for nobody; ``public_id`` is given by who promised it
    to others already, such as the entries of one bundle.
    """

    type: str
    content: str
    patient: str = ""
    public_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResource(Command[str]):
    """Let a kept resource say something else; ``version`` is the one that was looked at."""

    type: str
    resource: str
    content: str
    patient: str = ""
    version: int | None = None
    method: Method = Method.PUT


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResource(Command[str]):
    """Take a kept resource away; its versions stay, its address answers that it is gone."""

    type: str
    resource: str
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceKept(Event):
    type: str
    resource: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChanged(Event):
    type: str
    resource: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDeleted(Event):
    type: str
    resource: str
    revision: int

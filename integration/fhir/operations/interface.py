"""What an operation is given, and what it answers (FHIR R4 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integration.fhir.auth import Client
from integration.fhir.exchange import Reply
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.parameters import Reading


@dataclass(frozen=True, slots=True)
class Call:
    """One call: where, by whom, with what. ``body`` is the JSON as it came, None without one."""

    kind: str
    public_id: str
    client: Client
    query: tuple[tuple[str, str], ...]
    body: dict[str, Any] | None
    reading: Reading


@dataclass(frozen=True, slots=True)
class Result:
    """The answer; ``shown`` are the resources in it, for the audit of whose data was read."""

    body: Resource | None
    shown: Sequence[Resource] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def reply(self) -> Reply:
        return Reply(self.status, self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of an operation; ``search`` is the search type of a text that is read as one."""

    name: str
    type: str
    words: str = ""
    required: bool = False
    many: bool = False
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``types`` empty: of the system. ``letter`` is the scope it needs on its type (c r u d s).

    ``changes``: it is applied through the inbox, in one transaction, and only by POST.
    """

    name: str
    run: Callable[[Call], Result]
    types: tuple[str, ...] = ()
    on_type: bool = False
    on_instance: bool = False
    letter: str = "r"
    changes: bool = False
    definition: str  # canonical of the OperationDefinition
    inputs: tuple[Input, ...] = ()
    returns: str = "Bundle"
    documentation: str = ""

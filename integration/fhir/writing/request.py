"""One write: read, applied, answered (DESIGN 8).

The body is read before the transaction begins; what is wrong with it is raised inside, so that a
refused request is kept like any other. Conditional creates look and write in the same transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl

from django.utils import timezone

from integration.fhir import formats, gate, json
from integration.fhir.exchange import Incoming, Reply, etag, require_match
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError, information, status_and_issue
from integration.fhir.parameters import Reading
from integration.fhir.patch import json_patch, merge_patch
from integration.fhir.query import PRESENTATION, parse
from integration.fhir.reading import load, read, shown_for
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from integration.fhir.to_domain.servicerequest import Profile
from integration.fhir.writing.targets import references
from ris.domain.actors import Actor
from ris.domain.commands import Command
from ris.domain.errors import DeniedError, RisError, SeveralErrors
from ris.selectors import search as selectors
from ris.selectors.search import Page
from ris.services import execute
from ris.services.audit import record_access


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be done inside the transaction, and the numbers the request names."""

    todo: Callable[[], Reply]
    references: list[tuple[str, str]]


class Handler(Protocol):
    """Turns resources of one type into commands; :mod:`handlers` says whose."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        """The id of what was created, and whether it is new; within the open transaction."""

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        """Bring the resource from ``before``, as it was shown, to ``resource``."""


@dataclass(frozen=True)
class Writer:
    """One request being applied."""

    incoming: Incoming
    actor: Actor
    profile: Profile
    may_search: bool

    # --- reading the request

    @property
    def kind(self) -> Kind:
        return KINDS[self.incoming.address[0]]

    @property
    def handler(self) -> Handler:
        from integration.fhir.writing.handlers import HANDLERS

        return HANDLERS[self.kind.name]

    @property
    def public_id(self) -> str:
        return self.incoming.address[1]

    @cached_property
    def systems(self) -> Systems:
        return Systems(selectors.issuers())

    def resource(self) -> dict[str, Any]:
        """The body as a resource with the structure of R4."""
        formats.require_body_type(self.incoming.header("Content-Type"), formats.BODIES)
        return gate.check(self.kind.name, self.incoming.body)

    def patch(self) -> Any:
        media_type = formats.require_body_type(
            self.incoming.header("Content-Type"), formats.PATCHES
        )
        found = json.read(self.incoming.body)
        if media_type == formats.JSON_PATCH and not isinstance(found, list):
            raise HttpError(400, "structure", "a JSON Patch is a list of operations")
        return found

    def prepare(self) -> Prepared:
        """Read the body; a fault in it is kept, to be raised once the request is stored."""
        try:
            match self.incoming.method:
                case "POST":
                    created = self.resource()
                    return Prepared(lambda: self.create(created), references(created))
                case "PUT":
                    changed = self.resource()
                    self.require_own_id(changed)
                    return Prepared(lambda: self.update(changed), self.own_reference())
                case _:
                    change = self.patch()
                    return Prepared(lambda: self.apply_patch(change), self.own_reference())
        except RisError as error:
            fault = error

        def fail() -> Reply:
            raise fault

        return Prepared(fail, [] if self.incoming.method == "POST" else self.own_reference())

    def own_reference(self) -> list[tuple[str, str]]:
        """The order a change is about, to show a refused one beside it."""
        try:
            key = str(uuid.UUID(self.public_id))
        except ValueError:
            return []
        return [("order", key)] if self.kind.name == "ServiceRequest" else []

    def require_own_id(self, resource: Resource) -> None:
        if resource.get("id") != self.public_id:
            raise HttpError(
                400,
                "invalid",
                "the id in the body is not that of the address",
                path=f"{self.kind.name}.id",
            )

    # --- create

    def create(self, resource: Resource) -> Reply:
        existing = self.existing()
        if existing is not None:
            record_access(
                self.actor,
                action=f"FHIR conditional create {self.kind.name}",
                subject=f"{self.kind.name}/{existing}",
            )
            return self.reply(200, existing)
        public_id, created = self.handler.create(self, resource)
        return self.reply(201 if created else 200, public_id)

    def existing(self) -> str | None:
        """The one resource that ``If-None-Exist`` finds (FHIR R4 3.1.0.8.1)."""
        header = self.incoming.header("If-None-Exist")
        # Some clients send the condition as the query of the POST.
        pairs = self.incoming.query if not header else _condition(header)
        condition = [(name, value) for name, value in pairs if name not in PRESENTATION]
        if not header and not condition:
            return None
        if not self.may_search:
            raise DeniedError(f"a conditional create needs the scope to search {self.kind.name}")
        zone = timezone.get_default_timezone()
        reading = Reading(self.incoming.base, self.systems, zone)
        query = parse(self.kind, condition, reading, strict=True)
        if not query.applied:
            raise HttpError(400, "required", "If-None-Exist asks nothing")
        selectors.serialize(self.kind.name)
        hits = self.kind.finder.search(query.criteria, Page(2)).hits
        if len(hits) > 1:
            raise HttpError(412, "multiple-matches", "If-None-Exist finds several resources")
        if not hits:
            return None
        return str(self.kind.translate(hits[0], shown_for([self.kind], Systems()))["id"])

    # --- update and patch

    def update(self, resource: Resource) -> Reply:
        self.handler.update(self, resource, self.present(self.systems))
        return self.reply(200, self.public_id)

    def apply_patch(self, change: Any) -> Reply:
        before = self.present(self.systems)
        patched = (
            json_patch(before, change) if isinstance(change, list) else merge_patch(before, change)
        )
        if not isinstance(patched, dict):
            raise HttpError(400, "structure", "a patch is a list of operations or an object")
        try:
            gate.check_value(self.kind.name, patched)
        except RisError as error:
            raise _unprocessable(error) from None
        self.require_own_id(patched)
        self.handler.update(self, patched, before)
        return self.reply(200, self.public_id)

    def present(self, systems: Systems) -> Resource:
        """The resource as it stands, if the client's ``If-Match`` means this version."""
        try:
            found = read(self.kind, self.public_id, systems)
        except HttpError:
            if self.incoming.method == "PUT":
                raise HttpError(
                    405, "not-supported", "ids are given by this server: create with POST"
                ) from None
            raise
        require_match(self.incoming.header("If-Match"), found["meta"]["versionId"])
        return found

    # --- carrying out and answering

    def execute(self, command: Command[str]) -> str:
        return execute(command, actor=self.actor)

    def reply(self, status: int, public_id: str) -> Reply:
        """The resource as it is now, as ``Prefer`` wants it (FHIR R4 3.1.0.1.5)."""
        resource = load(self.kind, [public_id], shown_for([self.kind], self.systems))[0]
        version = resource["meta"]["versionId"]
        headers = {"ETag": etag(resource), "Last-Modified": last_modified(resource)}
        address = f"{self.incoming.base}/{self.kind.name}/{public_id}/_history/{version}"
        if self.incoming.method == "POST":
            headers["Location"] = address
        wanted = self.incoming.header("Prefer").replace(" ", "")
        if "return=minimal" in wanted:
            return Reply(status, None, headers)
        if "return=OperationOutcome" in wanted:
            word = {201: "created", 200: "found" if self.incoming.method == "POST" else "updated"}
            return Reply(status, information(f"{word[status]}: {address}"), headers)
        return Reply(status, resource, headers)


def _unprocessable(error: RisError) -> RisError:
    """What is wrong with the result of a patch is not the syntax of the request."""
    faults = error.errors if isinstance(error, SeveralErrors) else [error]
    return SeveralErrors(
        [
            HttpError(422, status_and_issue(fault)[1], fault.message, path=fault.path)
            for fault in faults
        ]
    )


def _condition(header: str) -> list[tuple[str, str]]:
    """The query of ``If-None-Exist``, also where a client wrote the type or a question mark."""
    return parse_qsl(header.rpartition("?")[2], keep_blank_values=True)


def last_modified(resource: Resource) -> str:
    at = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    return format_datetime(at, usegmt=True)

"""One write: read, applied, answered (DESIGN 8).

The body is read before the transaction begins; what is wrong with it is raised inside, so that a
refused request is kept like any other. A condition is looked up in the transaction that writes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Protocol

from integration.fhir import binary, formats, gate, json, overlay, rows, xml
from integration.fhir.auth import Client
from integration.fhir.exchange import Incoming, Reply, etag, preference, require_match
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError, information, status_and_issue
from integration.fhir.patch import apply_patch
from integration.fhir.reading import read, resources
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from integration.fhir.to_domain.references import Known, Target
from integration.fhir.to_domain.servicerequest import Profile
from integration.fhir.writing.conditions import condition
from integration.fhir.writing.message import Message
from integration.fhir.writing.targets import references
from ris.domain.actors import Actor
from ris.domain.commands import Command
from ris.domain.errors import RisError, SeveralErrors
from ris.selectors import search as selectors
from ris.services import execute
from ris.services import fhir as stored
from ris.services.audit import record_access

_RETURNS = frozenset({"minimal", "representation", "OperationOutcome"})


@dataclass(frozen=True, slots=True)
class Done:
    """What a write came to; ``public_id`` is empty where nothing is left to be shown."""

    status: int
    public_id: str = ""


# What is done last with a resource, whose references are by id then.
Finish = Callable[[Resource], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be done inside the transaction, and the numbers the request names."""

    todo: Callable[[], Done]
    references: list[tuple[str, str]]


class Handler(Protocol):
    """Turns resources of one type into commands; :mod:`handlers` says whose."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        """The id of what was created, and whether it is new; within the open transaction.

        Where ``writer.assigned`` is not empty, it is the id to give, because other entries of the
        bundle refer to it already (types whose Kind can take one).
        """

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        """Bring the resource from ``before``, as it was shown, to ``resource``."""


@dataclass(frozen=True)
class Writer:
    """One request being applied; of a bundle, one entry, whose resource was read already."""

    incoming: Incoming
    message: Message
    given: Any = None
    target: str = ""  # the id, where the address has a condition instead
    assigned: str = ""
    # Where references wait for the ids of other entries: what is done once they are known.
    waiting: list[Finish] | None = None

    # --- reading the request

    @property
    def kind(self) -> Kind:
        return KINDS[self.incoming.address[0]]

    @property
    def handler(self) -> Any:
        from integration.fhir.writing.handlers import HANDLERS

        return HANDLERS[self.kind.name]

    @property
    def public_id(self) -> str:
        return self.target or self.incoming.address[1]

    @property
    def is_conditional(self) -> bool:
        """Whether the address names a type, and what is meant by a query."""
        return not self.target and len(self.incoming.address) == 1

    @property
    def client(self) -> Client:
        return self.message.client

    @property
    def actor(self) -> Actor:
        return self.message.client.actor

    @property
    def profile(self) -> Profile:
        return self.message.profile

    @property
    def systems(self) -> Systems:
        return self.message.systems

    def find(self, targets: frozenset[Target]) -> Known:
        """What the references of a resource lead to."""
        return self.message.find(targets)

    def resource(self) -> dict[str, Any]:
        """The body as a resource with the structure of R4."""
        if self.given is not None:
            return gate.check_entry(self.kind.name, self.given)
        content_type = self.incoming.header("Content-Type")
        if self.kind.name == "Binary" and binary.is_content(content_type, self.incoming.body):
            public_id = "" if len(self.incoming.address) == 1 else self.public_id
            return binary.from_content(self.incoming.body, self.incoming.headers, public_id)
        said = formats.require_body_type(content_type, formats.BODIES)
        if said in formats.XML_TYPES:
            return gate.check_value(self.kind.name, xml.read(self.incoming.body))
        return gate.check(self.kind.name, self.incoming.body)

    def patch(self) -> Any:
        if self.given is not None:
            return self.given
        media_type = formats.require_body_type(
            self.incoming.header("Content-Type"), formats.PATCHES | formats.XML_TYPES
        )
        if media_type in formats.XML_TYPES:
            return _parameters(xml.read(self.incoming.body))
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
                    if not self.is_conditional:
                        self.require_own_id(changed)
                    return Prepared(lambda: self.put(changed), self.own_reference())
                case "PATCH":
                    change = self.patch()
                    return Prepared(lambda: self.change(change), self.own_reference())
                case _:
                    return Prepared(self.delete, self.own_reference())
        except RisError as error:
            fault = error

        def fail() -> Done:
            raise fault

        return Prepared(fail, [] if self.incoming.method == "POST" else self.own_reference())

    def own_reference(self) -> list[tuple[str, str]]:
        """The order a change is about, to show a refused one beside it."""
        if self.is_conditional or self.kind.name != "ServiceRequest":
            return []
        try:
            return [("order", str(uuid.UUID(self.public_id)))]
        except ValueError:
            return []

    def require_own_id(self, resource: Resource) -> None:
        if resource.get("id") != self.public_id:
            raise HttpError(
                400,
                "invalid",
                "the id in the body is not that of the address",
                path=f"{self.kind.name}.id",
            )

    # --- create

    def create(self, resource: Resource) -> Done:
        existing = self.existing()
        if existing is not None:
            record_access(
                self.actor,
                action=f"FHIR conditional create {self.kind.name}",
                subject=f"{self.kind.name}/{existing}",
            )
            return Done(200, existing)
        return self.add(resource)

    def add(self, resource: Resource) -> Done:
        public_id, created = self.handler.create(self, resource)
        if not created and self.client.filters(self.kind.name, "c") is not None:
            # It is there already, and what it was before may be beyond the client's rows.
            raise HttpError(403, "forbidden", f"this {self.kind.name} exists: change it instead")
        self.message.conditions.written(self.kind.name, resource, public_id)
        self.message.made(self.kind.name, public_id)

        def finish(said: Resource) -> None:
            if created:
                self.keep(public_id, said)
            self.require_reach(public_id, "c")

        self.finish(finish, resource)
        return Done(201 if created else 200, public_id)

    def finish(self, finish: Finish, resource: Resource) -> None:
        """Do the last of a write, now or once all that the resource refers to has its id."""
        if self.waiting is None:
            finish(resource)
        else:
            self.waiting.append(finish)

    def existing(self) -> str | None:
        """The one resource that ``If-None-Exist`` finds (FHIR R4 3.1.0.8.1)."""
        header = self.incoming.header("If-None-Exist")
        # Some clients send the condition as the query of the POST.
        pairs = condition(header or self.incoming.condition)
        if not header and not pairs:
            return None
        return self.message.conditions.one(self.kind, pairs, "a conditional create")

    # --- update, patch and delete

    def meant(self, what: str) -> str | None:
        """The id of what the query of the address finds; None for nothing."""
        pairs = condition(self.incoming.condition)
        return self.message.conditions.one(self.kind, pairs, what)

    def at(self, public_id: str) -> Writer:
        """The same request, now that its condition was looked up."""
        return replace(self, target=public_id)

    def put(self, resource: Resource) -> Done:
        """An update, by id or by condition (FHIR R4 3.1.0.4.3)."""
        if not self.is_conditional:
            return self.update(resource)
        found = self.meant("a conditional update")
        if found is not None:
            own = resource.get("id", found)
            if own != found:
                raise HttpError(
                    400,
                    "invalid",
                    "the id in the body is not that of what the condition finds",
                    path=f"{self.kind.name}.id",
                )
            return self.at(found).update({**resource, "id": found})
        if resource.get("id"):
            raise _ids_are_ours()
        if self.incoming.header("If-Match"):
            raise HttpError(412, "conflict", "there is nothing yet whose version could match")
        require_interaction(self.kind, "create")
        return self.add(resource)

    def update(self, resource: Resource) -> Done:
        before = self.present(self.systems)
        self.handler.update(self, resource, before)
        self.message.forget(self.kind.name)

        def finish(said: Resource) -> None:
            self.keep(self.public_id, said, before)
            self.message.forget(self.kind.name)
            self.require_reach(self.public_id, "u")

        self.finish(finish, resource)
        return Done(200, self.public_id)

    def change(self, change: Any) -> Done:
        """A patch, by id or by condition (FHIR R4 3.1.0.6)."""
        if not self.is_conditional:
            return self.apply_patch(change)
        found = self.meant("a conditional patch")
        if found is None:
            raise HttpError(404, "not-found", "the condition finds nothing")
        return self.at(found).apply_patch(change)

    def apply_patch(self, change: Any) -> Done:
        before = self.present(self.systems)
        patched = apply_patch(before, change)
        if not isinstance(patched, dict):
            raise HttpError(400, "structure", "a patch is a list of operations or an object")
        try:
            gate.check_value(self.kind.name, patched)
        except RisError as error:
            raise _unprocessable(error) from None
        self.require_own_id(patched)
        self.handler.update(self, patched, before)
        self.keep(self.public_id, patched, before)
        self.message.forget(self.kind.name)
        self.require_reach(self.public_id, "u")
        return Done(200, self.public_id)

    def keep(self, public_id: str, received: Resource, before: Resource | None = None) -> None:
        """Keep what was received of something the core has, to be given back."""
        if overlay.takes(self.kind):
            shown = self.message.shown(self.kind)
            self.message.written = (
                public_id,
                overlay.keep(
                    self.kind, public_id, received, before, shown, source=self.client.actor.name
                ),
            )

    def delete(self) -> Done:
        """A delete, by id or by condition; what is not there is deleted already."""
        if self.is_conditional:
            found = self.meant("a conditional delete")
            return self.at(found).delete() if found is not None else Done(204)
        self.serialize()
        self.require_reach(self.public_id, "d")
        try:
            before = read(self.kind, self.public_id, self.systems)
        except HttpError as error:
            if error.status in {404, 410}:
                return Done(204)
            raise
        require_match(self.incoming, before["meta"]["versionId"])
        self.handler.delete(self, before)
        self.message.promised.discard((self.kind.name, self.public_id))
        self.message.forget(self.kind.name)
        return Done(204)

    def require_reach(self, public_id: str, letter: str) -> None:
        """Raises HttpError 403 for a row beyond the client's scopes, as it is or as it became."""
        rows.require_write(self.client, self.kind, public_id, letter, self.message.reading)

    def serialize(self) -> None:
        """Who compares versions and writes does both before the next one looks."""
        selectors.serialize(f"{self.kind.name}/{self.public_id}")
        try:
            stored.lock(self.kind.name, self.public_id)
        except ValueError:
            return  # no id of ours: nothing is found by it

    def present(self, systems: Systems) -> Resource:
        """The resource as it stands, if the client's ``If-Match`` means this version."""
        header = self.incoming.header("If-Match")
        if self.profile.require_if_match and not header:
            raise HttpError(
                400, "required", "changes need If-Match with the version they are made to"
            )
        self.serialize()
        self.require_reach(self.public_id, "u")
        try:
            found = read(self.kind, self.public_id, systems)
        except HttpError as error:
            if self.incoming.method == "PUT" and error.status == 404:
                raise _ids_are_ours() from None
            raise
        require_match(self.incoming, found["meta"]["versionId"])
        return found

    # --- carrying out and answering

    def execute(self, command: Command[str]) -> str:
        return execute(command, actor=self.actor)

    def reply(self, done: Done) -> Reply:
        """The resource as it is now, as ``Prefer`` wants it (FHIR R4 3.1.0.1.5)."""
        if not done.public_id:
            return Reply(done.status)
        shown = self.message.shown(self.kind)
        written, hit = self.message.written
        hits = [hit] if written == done.public_id and hit else None
        if hits is None:
            hits = self.kind.finder.load([done.public_id])
        return self.show(done, resources(self.kind, hits, shown)[0])

    def show(self, done: Done, resource: Resource, default: str = "representation") -> Reply:
        """The answer, once the resource was loaded; ``default`` is for who prefers nothing."""
        headers = {"ETag": etag(resource), "Last-Modified": last_modified(resource)}
        address = self.location(resource)
        if self.incoming.method == "POST" or done.status == 201:
            headers["Location"] = address
        wanted = preference(self.incoming.header("Prefer"), "return")
        match wanted if wanted in _RETURNS else default:
            case "minimal":
                return Reply(done.status, None, headers)
            case "OperationOutcome":
                found = "found" if self.incoming.method == "POST" else "updated"
                word = "created" if done.status == 201 else found
                return Reply(done.status, information(f"{word}: {address}"), headers)
            case _:
                return Reply(done.status, resource, headers)

    def location(self, resource: Resource) -> str:
        version = resource["meta"]["versionId"]
        return f"{self.incoming.base}/{self.kind.name}/{resource['id']}/_history/{version}"


# What a method does to the type, by name of the interaction; and the letter of the scope.
INTERACTIONS: Mapping[str, tuple[str, str]] = {
    "POST": ("create", "c"),
    "PUT": ("update", "u"),
    "PATCH": ("patch", "u"),
    "DELETE": ("delete", "d"),
}


# What is refused, and what there is in its place.
_INSTEAD: Mapping[tuple[str, str], str] = {
    ("Patient", "delete"): "are not deleted: records of one person are merged",
    ("ServiceRequest", "delete"): "are not deleted: revoke it (status revoked)",
    ("Appointment", "delete"): "are not deleted: send one with the status cancelled",
    ("Task", "create"): "come with an order: send a ServiceRequest",
    ("Task", "delete"): "are not deleted: send one with the status cancelled",
    ("DiagnosticReport", "delete"): "are not deleted: withdraw it (status entered-in-error)",
    ("AppointmentResponse", "update"): "stay as they are: send another answer",
}


def require_interaction(kind: Kind, interaction: str) -> None:
    """Raises HttpError 405 for what is not done with resources of this type over FHIR."""
    if interaction not in kind.interactions:
        words = {"create": "come from elsewhere", "delete": "are not deleted"}
        said = _INSTEAD.get((kind.name, interaction)) or words.get(
            interaction, "are changed elsewhere"
        )
        raise HttpError(405, "not-supported", f"{kind.name} resources {said}")


def _parameters(found: Any) -> Any:
    """A FHIRPath Patch: in XML there is no other."""
    if found.get("resourceType") != "Parameters":
        raise HttpError(400, "invalid", "a patch in XML is Parameters (FHIRPath Patch)")
    return found


def _ids_are_ours() -> HttpError:
    return HttpError(405, "not-supported", "ids are given by this server: create with POST")


def _unprocessable(error: RisError) -> RisError:
    """What is wrong with the result of a patch is not the syntax of the request."""
    faults = error.errors if isinstance(error, SeveralErrors) else [error]
    return SeveralErrors(
        [
            HttpError(422, status_and_issue(fault)[1], fault.message, path=fault.path)
            for fault in faults
        ]
    )


def last_modified(resource: Resource) -> str:
    at = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    return format_datetime(at, usegmt=True)

"""Transactions and batches: many requests as one message (FHIR R4 3.1.0.11).

A transaction is done as a whole or not at all, in the order DELETE, POST, PUT and PATCH, GET; what
an entry needs of the others is written before it, and what it only refers to may come later. The
entries of a batch stand for themselves. What many entries ask for is looked up once, so an entry
costs what the same request costs alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from django.db import OperationalError

from integration.fhir.exchange import Incoming, Reply
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError, refusal
from integration.fhir.reading import load
from integration.fhir.resources import KINDS, Kind
from integration.fhir.to_domain.references import Target
from integration.fhir.writing.conditions import Number, condition, number_of
from integration.fhir.writing.entries import Bundle, Entry
from integration.fhir.writing.handlers import HANDLERS, LATER
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.kept import references as literal_references
from integration.fhir.writing.links import Links, in_order
from integration.fhir.writing.message import Message
from integration.fhir.writing.request import (
    INTERACTIONS,
    Done,
    Finish,
    Writer,
    require_interaction,
)
from integration.fhir.writing.targets import load_targets, references
from ris.domain.errors import DeniedError, InternalError, RisError, SeveralErrors
from ris.selectors import search as selectors
from ris.services import inbox

log = structlog.get_logger(__name__)

# Resources that are read again for the answer, in one go.
_CHUNK = 200
# Numbers by which a refused bundle is shown beside orders.
MAX_REFERENCES = 50

# Carries out what is no write of a resource: reads, searches, operations.
Fetch = Callable[[Entry], Reply]


@dataclass(slots=True)
class Written:
    """An entry that was carried out, before its answer is made."""

    entry: Entry
    writer: Writer
    done: Done

    def finish(self, links: Links) -> None:
        """Do what waited for the ids of other entries, which are all written now."""
        if self.writer.waiting:
            resource = links.linked(self.entry)
            for finish in self.writer.waiting:
                finish(resource)


@dataclass(frozen=True)
class Work:
    """One bundle being applied."""

    bundle: Bundle
    incoming: Incoming
    message: Message
    fetch: Fetch
    answers: dict[int, Resource] = field(default_factory=dict)

    def apply(self) -> Reply:
        """The answer with an entry for each that was asked, in their order."""
        if self.bundle.type == "transaction":
            self._transaction()
        else:
            self._batch()
        found: Resource = {"resourceType": "Bundle", "type": f"{self.bundle.type}-response"}
        if self.answers:
            found["entry"] = [self.answers[index] for index in sorted(self.answers)]
        return Reply(200, found)

    def references(self) -> list[tuple[str, str]]:
        """The numbers that new requests name, to show a refused bundle beside its orders."""
        resources = (
            each.resource
            for each in self.bundle.entries
            if each.method == "POST" and each.kind == "ServiceRequest"
        )
        found = (
            number
            for resource in resources
            if isinstance(resource, dict) and isinstance(resource.get("identifier", []), list)
            for number in references({"resourceType": "ServiceRequest", **resource})
        )
        return list(islice(found, MAX_REFERENCES))

    # --- a transaction

    def _transaction(self) -> None:
        self.bundle.require_sound()
        entries = self.bundle.entries
        writes = [each for each in entries if each.writes]
        links = Links(entries, self.incoming.base, self.message.conditions)
        self._require_allowed(writes, links)
        self._serialize(writes)
        self._look_ahead(writes, links)
        by_index = {each.index: each for each in writes}
        for entry in writes:
            if entry.method == "DELETE":
                with _fault_of(entry):
                    self._answer([self._write(entry, None)])
        changing = [
            *(each for each in writes if each.method == "POST"),
            *(each for each in writes if each.method in {"PUT", "PATCH"}),
        ]
        # What may be told of others later comes behind them, unless they need it.
        changing.sort(key=lambda each: each.kind in LATER)
        needs = {each.index: links.needs(each) for each in changing}
        order, cut = in_order([each.index for each in changing], needs)
        for entry in (by_index[index] for index in sorted(cut)):
            with _fault_of(entry):
                self._promise(entry, links)
        written = []
        for index in order:
            entry = by_index[index]
            with _fault_of(entry):
                carried = self._change(entry, links)
            if carried is not None:
                written.append(carried)
        for carried in written:
            with _fault_of(carried.entry):
                carried.finish(links)
        self._require_once(writes, written)
        self._answer(written)
        for entry in entries:
            if not entry.writes:
                with _fault_of(entry):
                    self.answers[entry.index] = self._fetched(entry)

    def _require_allowed(self, writes: Iterable[Entry], links: Links) -> None:
        """Scopes, interactions and references of all entries, before anything is done."""
        faults: list[RisError] = []
        for entry in writes:
            try:
                self._require(entry)
            except RisError as error:
                faults += entry.located(error)
            faults += links.faults(entry)
        if faults:
            raise SeveralErrors(faults)

    def _require(self, entry: Entry) -> None:
        if entry.is_call:
            return  # the operation asks by itself
        interaction, letter = INTERACTIONS[entry.method]
        if not self.message.client.may(entry.kind, letter):
            raise DeniedError(f"the token lacks the scope system/{entry.kind}.{letter}")
        require_interaction(KINDS[entry.kind], interaction)

    def _serialize(self, writes: Iterable[Entry]) -> None:
        """All locks at the beginning, in one order, so that two bundles never wait in a circle."""
        types = {each.kind for each in writes if _conditions(each)}
        ones = {each.path for each in writes if each.public_id and not each.is_call}
        for name in (*sorted(types), *sorted(ones)):
            selectors.serialize(name)

    def _look_ahead(self, writes: Sequence[Entry], links: Links) -> None:
        """What several entries will ask for, in few questions."""
        numbers: dict[str, dict[Number, None]] = {}
        for entry in writes:
            asked = [(entry.kind, pairs) for pairs in _conditions(entry)]
            asked += [(kind, condition(query)) for kind, query in links.searches(entry)]
            for kind, pairs in asked:
                number = number_of(pairs)
                if number is not None and kind in KINDS and self.message.client.may(kind, "s"):
                    numbers.setdefault(kind, {})[number] = None
        for kind, asked_for in numbers.items():
            self.message.conditions.look_ahead(KINDS[kind], asked_for)
        self.message.targets.update(load_targets(_named(writes, self.incoming.base)))

    def _promise(self, entry: Entry, links: Links) -> None:
        """The id an entry of a circle will have: what its condition finds, or one it is given."""
        kind = KINDS[entry.kind]
        found = None
        for pairs in _conditions(entry):
            found = self.message.conditions.one(kind, pairs, "a condition")
        if found is None and (entry.method == "PATCH" or not takes_ids(kind)):
            return
        links.ids[entry.index] = found or str(uuid.uuid4())
        links.promised[entry.index] = found is None
        self.message.promised.add((entry.kind, links.ids[entry.index]))

    def _change(self, entry: Entry, links: Links) -> Written | None:
        if entry.is_call:
            linked = replace(entry, resource=links.linked(entry))
            self.answers[entry.index] = self._fetched(linked)
            return None
        resource = links.linked(entry)
        if entry.method == "PATCH":
            resource = replace(entry, resource=resource).patch
        promised = links.ids[entry.index] if entry.index in links.promised else ""
        written = self._write(entry, resource, promised, waits=links.waits(entry))
        if promised not in {"", written.done.public_id}:
            raise HttpError(
                412,
                "conflict",
                "entries that refer to each other come to one resource, or to one that another "
                "entry deletes",
            )
        links.promised.pop(entry.index, None)
        links.ids[entry.index] = written.done.public_id
        return written

    def _require_once(self, writes: Iterable[Entry], written: Iterable[Written]) -> None:
        """No resource is changed twice, or changed and deleted, by one transaction."""
        seen: dict[str, int] = {}
        changed = [(each.path, each) for each in writes if each.method == "DELETE"]
        changed += [
            (f"{each.entry.kind}/{each.done.public_id}", each.entry)
            for each in written
            if each.entry.method != "POST"
        ]
        for name, entry in changed:
            if "/" not in name:
                continue
            first = seen.setdefault(name, entry.index)
            if first != entry.index:
                raise SeveralErrors(
                    entry.located(
                        HttpError(400, "invalid", f"{name} is changed by entry {first} as well")
                    )
                )

    # --- a batch

    def _batch(self) -> None:
        for index, faults in self.bundle.faults.items():
            self.answers[index] = _refused(SeveralErrors(list(faults)))
        links = Links(self.bundle.entries, self.incoming.base, self.message.conditions)
        for entry in self.bundle.entries:
            if entry.index in self.answers:
                continue
            try:
                if beyond := list(links.beyond(entry)):
                    raise SeveralErrors(beyond)
                self.answers[entry.index] = self._apart(entry)
            except RisError as error:
                self.answers[entry.index] = _refused(SeveralErrors(entry.located(error)))

    def _apart(self, entry: Entry) -> Resource:
        """One entry of a batch; what goes wrong undoes that entry alone."""
        if not entry.writes:
            return self._fetched(entry)

        def part() -> Resource:
            if entry.is_call:
                return self._fetched(entry)
            self._require(entry)
            links = Links([entry], self.incoming.base, self.message.conditions)
            written = self._change(entry, links)
            assert written is not None  # noqa: S101 - calls were answered above
            written.finish(links)
            self._answer([written])
            return self.answers.pop(entry.index)

        try:
            return inbox.attempt(part)
        except (RisError, OperationalError):
            raise
        except Exception:
            error_id = uuid.uuid4().hex[:12]
            log.exception("an entry of a batch failed", error_id=error_id)
            raise InternalError("internal error", details={"error_id": error_id}) from None

    # --- one entry

    def _write(
        self, entry: Entry, resource: Any, assigned: str = "", *, waits: bool = False
    ) -> Written:
        incoming = Incoming(
            entry.method,
            f"{self.incoming.base}/{entry.url}",
            {"Prefer": self.incoming.header("Prefer"), **entry.headers},
            b"",
        )
        waiting: list[Finish] | None = [] if waits else None
        writer = Writer(incoming, self.message, assigned=assigned, waiting=waiting)
        match entry.method:
            case "POST":
                done = writer.create(resource)
            case "PUT":
                done = writer.put(resource)
            case "PATCH":
                done = writer.change(resource)
            case _:
                done = writer.delete()
        return Written(entry, writer, done)

    def _answer(self, written: Iterable[Written]) -> None:
        """The answers of writes: their resources as they are now, read type by type."""
        by_type: dict[str, list[Written]] = {}
        for each in written:
            if each.done.public_id:
                by_type.setdefault(each.entry.kind, []).append(each)
            else:
                self.answers[each.entry.index] = {"response": {"status": status(each.done.status)}}
        for name, group in by_type.items():
            shown = self.message.shown(KINDS[name])
            for some in _chunks(group):
                ids = list(dict.fromkeys(each.done.public_id for each in some))
                found = {str(each["id"]): each for each in load(KINDS[name], ids, shown)}
                for each in some:
                    self.answers[each.entry.index] = self._shown(each, found[each.done.public_id])

    def _shown(self, written: Written, resource: Resource) -> Resource:
        reply = written.writer.show(written.done, resource, default="minimal")
        response = {
            "status": status(reply.status),
            "location": written.writer.location(resource),
            "etag": reply.headers["ETag"],
            "lastModified": resource["meta"]["lastUpdated"],
        }
        name = f"{resource['resourceType']}/{resource['id']}"
        entry: Resource = {"fullUrl": f"{self.incoming.base}/{name}"}
        if reply.body is not None and reply.body["resourceType"] == "OperationOutcome":
            response["outcome"] = reply.body
        elif reply.body is not None:
            entry["resource"] = reply.body
        return {**entry, "response": response}

    def _fetched(self, entry: Entry) -> Resource:
        """A read, a search or an operation: its answer, or what it was refused with, raised."""
        reply = self.fetch(entry)
        if reply.status >= 400:
            raise _error_of(reply)
        response: Resource = {"status": status(reply.status)}
        if "ETag" in reply.headers:
            response["etag"] = reply.headers["ETag"]
        if "Location" in reply.headers:
            response["location"] = reply.headers["Location"]
        modified = (reply.body or {}).get("meta", {}).get("lastUpdated")
        if modified:
            response["lastModified"] = modified
        if reply.body is None:
            return {"response": response}
        return {"resource": reply.body, "response": response}


@contextmanager
def _fault_of(entry: Entry) -> Iterator[None]:
    """What goes wrong inside is told as a fault of the entry."""
    try:
        yield
    except RisError as error:
        raise SeveralErrors(entry.located(error)) from error


def takes_ids(kind: Kind) -> bool:
    """Whether a resource of this type can be given its id before it is written."""
    return isinstance(HANDLERS.get(kind.name), KeptResources)


def status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _refused(error: RisError) -> Resource:
    """The answer to an entry of a batch that was refused."""
    found = refusal(error)
    return {"response": {"status": status(found.status), "outcome": found.body}}


def _error_of(reply: Reply) -> RisError:
    """A refused read or operation as the error it was."""
    issues = (reply.body or {}).get("issue") or [{}]
    if reply.status >= 500 and reply.status != 503:
        return InternalError(str(issues[0].get("diagnostics", "internal error")))
    errors: list[RisError] = [
        HttpError(
            reply.status,
            str(issue.get("code", "processing")),
            str(issue.get("diagnostics", "refused")),
            path=(issue.get("expression") or [""])[0],
        )
        for issue in issues
    ]
    return SeveralErrors(errors)


def _conditions(entry: Entry) -> list[list[tuple[str, str]]]:
    """The condition of a write, if it has one."""
    if entry.is_call:
        return []
    header = entry.headers.get("If-None-Exist", "") if entry.method == "POST" else ""
    found = condition(header or entry.url.partition("?")[2])
    return [found] if found else []


def _named(writes: Iterable[Entry], base: str) -> set[Target]:
    """What of ours the entries refer to by id."""
    found = set()
    for entry in writes:
        for _, text in literal_references(entry.resource, ""):
            kind, _, public_id = text.removeprefix(f"{base}/").partition("/")
            if kind in KINDS and public_id and "/" not in public_id:
                found.add(Target(kind, id=public_id))
    return found


def _chunks(group: Sequence[Written]) -> Iterator[Sequence[Written]]:
    for start in range(0, len(group), _CHUNK):
        yield group[start : start + _CHUNK]

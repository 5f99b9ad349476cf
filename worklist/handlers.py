"""The handlers: one short method for each DIMSE operation (PS3.4 A, F, K).

They run in the long-lived threads of the upper layer's pool; each thread keeps its database
connection from request to request. What a handler promises is committed before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakSet

import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
)
from django.db import connection as database
from django.db.backends.base.base import BaseDatabaseWrapper

from ris.domain.actors import Actor
from ris.domain.errors import BusyError, RisError
from ris.domain.exchange import Protocol
from ris.domain.identifiers import new_uid
from ris.domain.performing import StartPerformedStep
from ris.selectors import performing
from ris.selectors.snapshots import Snapshots
from ris.selectors.worklist_memory import DataVersion
from ris.services import execute, inbox
from ris.services.audit import record_access
from ris.services.inbox import Answer
from ris.services.queries import AnsweredQuery
from worklist import dicom_json, retrieval
from worklist.answers import from_answer, to_answer
from worklist.documents import DocumentHandlers
from worklist.elements import Element, Elements, read, tag_of, tags_in
from worklist.finding import FindHandlers, actor_of_peer, record_at_once, with_connection
from worklist.mpps import Change, Circumstances, from_n_create, from_n_set, references_in
from worklist.places import in_tags
from worklist.prompt import FindMemory
from worklist.raw import StoredRequest
from worklist.ready import Answers
from worklist.refusals import Refusals
from worklist.registry import Profile, Registry, Snapshot
from worklist.service import (
    SUCCESS,
    TEMPORARY_CONGESTION,
    Admission,
    AssociationRequest,
    Outcome,
    Rejection,
    Request,
)
from worklist.sop_classes import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    MODALITY_PERFORMED_PROCEDURE_STEP,
)
from worklist.status import (
    INVALID_ATTRIBUTE_VALUE,
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    refusal,
)

log = structlog.get_logger(__name__)

R = TypeVar("R")


@dataclass(slots=True)
class Handlers(FindHandlers, DocumentHandlers):
    """Implements ``worklist.service.Service``."""

    registry: Registry
    matches: int = 500
    answers: Answers = field(default_factory=Answers)
    refusals: Refusals = field(default_factory=Refusals)
    record: Callable[[AnsweredQuery], None] = record_at_once
    memory: FindMemory = field(default_factory=FindMemory)
    version: DataVersion = field(default_factory=DataVersion)
    snapshots: Snapshots = field(default_factory=Snapshots)
    _connections: WeakSet[BaseDatabaseWrapper] = field(default_factory=WeakSet)

    def admit(self, request: AssociationRequest) -> Admission | Rejection:
        try:
            with self._database():
                return self.registry.admit(request)
        except BusyError:
            return TEMPORARY_CONGESTION

    def note_refusal(
        self, ae_title: str, address: str, operation: str, status: str, reason: str
    ) -> None:
        """Implements ``worklist.noting.Noting``: what ended before any of the others was asked."""
        with suppress(BusyError), self._database():
            self.refusals.note(ae_title, address, operation, status, reason)

    def c_echo(self, request: Request) -> Outcome:
        return SUCCESS

    def close(self) -> None:
        """Close the connections of the pool's threads; they must have ended."""
        self.version.close()
        self.snapshots.close()
        for one in list(self._connections):
            one.inc_thread_sharing()
            one.close()

    @contextmanager
    def _database(self) -> Iterator[None]:
        """Keep the thread's connection, unless it broke: then the next request gets a new one.

        Raises BusyError when the database does not answer, so that the peer is asked to try again.
        """
        if not database.in_atomic_block:  # there is none around a request
            close_old_connections()
        with self._kept_connection():
            yield

    @contextmanager
    def _kept_connection(self) -> Iterator[None]:
        """The same without looking at the connection first, for what notices itself."""
        self._connections.add(connections[DEFAULT_DB_ALIAS])
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            log.warning("database unavailable", error=str(error)[:200])
            if not database.in_atomic_block:
                close_old_connections()
            raise BusyError("database unavailable, try again") from None

    # --- performed procedure steps

    def n_create(self, request: Request) -> Outcome:
        if request.sop_class_uid == INSTANCE_AVAILABILITY_NOTIFICATION:
            return self.notify(request)
        uid = request.sop_instance_uid or new_uid()
        outcome = self._receive(request, "N-CREATE", uid, repeatable=False)
        return outcome if request.sop_instance_uid else replace(outcome, sop_instance_uid=uid)

    def n_set(self, request: Request) -> Outcome:
        return self._receive(request, "N-SET", request.sop_instance_uid, repeatable=True)

    def _receive(self, request: Request, operation: str, uid: str, *, repeatable: bool) -> Outcome:
        """Store, apply and answer in one transaction."""
        stored = StoredRequest(
            operation,
            MODALITY_PERFORMED_PROCEDURE_STEP,
            uid,
            request.transfer_syntax,
            request.association.calling_ae_title.strip(),
            request.dataset,
        )
        actor = actor_of_peer(request.association)
        try:
            with self._database():
                snapshot = self.registry.snapshot()
                again = repeatable or snapshot.profile(stored.ae_title).accept_repeats
                receipt = receive(stored, actor, snapshot, dedupe=again)
                if receipt.duplicate and from_answer(receipt.answer).status != SUCCESS.status:
                    # A refusal had no effect, and what was wrong then may be right now.
                    receipt = receive(stored, actor, snapshot, dedupe=False)
        except BusyError as error:
            return refusal(error)
        return replace(
            from_answer(receipt.answer), sent=lambda sent: self._replied(receipt.message, sent)
        )

    def _replied(self, message: str, sent: bool) -> None:
        """The answer left, or there was nobody to take it."""
        inbox.mark_replied_soon(message, sent=sent)

    def n_get(self, request: Request) -> Outcome:
        """What was said of a performed step so far (PS3.4 F.8.2)."""
        uid = request.sop_instance_uid
        try:
            with in_tags(), self._database():
                profile = self.registry.snapshot().profile(request.association.calling_ae_title)
                data = with_connection(lambda: performing.performed_dataset(uid))
                record_access(
                    actor_of_peer(request.association), action="ReadPerformedStep", subject=uid
                )
        except RisError as error:
            return refusal(error)
        data = retrieval.with_identity(data, uid)
        chosen, unknown = retrieval.select(data, request.attribute_identifiers)
        encoded = retrieval.encode(chosen, request.transfer_syntax, profile.answer_sets(()))
        status = OPTIONAL_ATTRIBUTES_NOT_SUPPORTED if unknown else SUCCESS.status
        return Outcome(status, dataset=encoded, attribute_identifiers=unknown)


# --- MPPS messages through the inbox


def receive(
    stored: StoredRequest, actor: Actor, snapshot: Snapshot, *, dedupe: bool
) -> inbox.Receipt:
    """One message through the inbox; raises OperationalError if nothing could be stored."""
    apply, refuse = application(stored, actor, snapshot.profile(stored.ae_title), snapshot)
    return inbox.receive(
        protocol=Protocol.DICOM,
        actor=actor,
        key=f"{stored.operation} {stored.sop_instance_uid}",
        raw=stored.pack(),
        message_type=f"MPPS {stored.operation}",
        apply=apply,
        refuse=refuse,
        sender=stored.ae_title,
        references=references_in(stored.dataset, stored.transfer_syntax),
        dedupe=dedupe,
        in_turn=turn_of(stored.sop_instance_uid),
    )


def turn_of(sop_instance_uid: str) -> str:
    """What is said of one performed step is heard in turn, on however many associations.

    An N-SET that comes before its N-CREATE is committed waits for it and finds the step.
    """
    return f"mpps {sop_instance_uid}"


def application(
    stored: StoredRequest, actor: Actor, profile: Profile, snapshot: Snapshot
) -> tuple[Callable[[], Answer], Callable[[RisError], Answer]]:
    """What applying a message means, and what refusing it is answered with."""
    circumstances = Circumstances(
        ae_title=stored.ae_title,
        received_at=datetime.now(UTC),
        zone=snapshot.zone,
        modality=profile.modality,
        strict=profile.strict_mpps,
        default=profile.default_character_set,
    )

    @in_tags()
    def apply() -> Answer:
        uid, data, syntax = stored.sop_instance_uid, stored.dataset, stored.transfer_syntax
        command: StartPerformedStep | Change
        if stored.operation == "N-CREATE":
            command = from_n_create(uid, data, syntax, circumstances)
        else:
            so_far = performing.told(uid)
            command = from_n_set(uid, data, syntax, circumstances, so_far.dataset)
            if _is_of_another(so_far.dataset, stored.ae_title, snapshot) and (
                performing.begun_by(so_far.public_id) != stored.ae_title
            ):
                told = f"told by {stored.ae_title}, which did not begin it"
                command = replace(command, flags=(*command.flags, told))
        execute(command, actor=actor, joined=True)
        return to_answer(SUCCESS)

    def refuse(error: RisError) -> Answer:
        log.info(
            "performed step refused",
            operation=stored.operation,
            sop_instance_uid=stored.sop_instance_uid,
            ae_title=stored.ae_title,
            code=error.code.value,
            path=error.path,
        )
        return to_answer(_with_offender(refusal(error), error, stored))

    return apply, refuse


def _is_of_another(so_far: Mapping[str, Any], ae_title: str, snapshot: Snapshot) -> bool:
    """Whether a device speaks of an exam of another one.

    It may (a workstation ends what a scanner began), but people should see it. Whoever is no
    device with images of its own, a broker for one, speaks for others by trade. A console may have
    begun it itself and named the scanner as the station.
    """
    station = dicom_json.text_of(so_far, tag_of("PerformedStationAETitle"))
    own, other = snapshot.profile(ae_title), snapshot.profile(station)
    return bool(own.modality and other.modality) and own.ae_title != other.ae_title


def _with_offender(outcome: Outcome, error: RisError, stored: StoredRequest) -> Outcome:
    """The attribute a message was refused for, in the Attribute List (PS3.7 C.5.9)."""
    if outcome.status != INVALID_ATTRIBUTE_VALUE:
        return outcome
    try:
        elements = read(stored.dataset, stored.transfer_syntax)
    except RisError:
        return outcome
    offending: Elements = {
        tag: Element(element.vr, element.value)
        for tag in tags_in(error.path)
        if (element := elements.get(tag)) is not None and element.items is None
    }
    return replace(outcome, dataset=retrieval.write_elements(offending, stored.transfer_syntax))

"""Create, update and retrieve performed procedure steps (PS3.18 15.4 to 15.6).

The payload becomes the dataset that an N-CREATE or N-SET would have brought, and everything from
there on is theirs: rules, state machine, inbox. Only the answer is written differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ris.domain.actors import Actor
from ris.domain.errors import ErrorCode, RisError
from ris.domain.exchange import Protocol
from ris.services import inbox
from ris.services.inbox import Answer
from worklist.elements import tags_in
from worklist.handlers import application, turn_of
from worklist.mpps import references_in
from worklist.mpps_attributes import FIXED
from worklist.raw import StoredRequest
from worklist.registry import Profile, Snapshot
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from worklist.web.access import Client
from worklist.web.exchange import Incoming, refused, stored, success
from worklist.web.parameters import Pairs, included
from worklist.web.refusal import HttpError, Report, report

_UID = re.compile(r"(?=.{1,64}\Z)\d+(?:\.\d+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Receipt:
    """``answer`` is the status of a success, or why it was refused."""

    answer: Report | int
    message: str


def require_uid(uid: str) -> str:
    """The UID of the address; raises HttpError (400)."""
    if not _UID.fullmatch(uid):
        raise HttpError(400, "the address does not end in a UID")
    return uid


def receive(incoming: Incoming, client: Client, snapshot: Snapshot) -> Receipt:
    """One request through the inbox; raises OperationalError if nothing could be stored.

    As with DIMSE a repeated update is given its first answer, if that was a success; a repeated
    create is a duplicate.
    """
    receipt = _receive(incoming, client, snapshot, dedupe=incoming.is_update)
    if receipt.duplicate and not isinstance(stored(receipt.answer), int):
        # A refusal had no effect, and what was wrong then may be right now.
        receipt = _receive(incoming, client, snapshot, dedupe=False)
    return Receipt(stored(receipt.answer), receipt.message)


def _receive(
    incoming: Incoming, client: Client, snapshot: Snapshot, *, dedupe: bool
) -> inbox.Receipt:
    prepared = _Prepared.of(incoming, client.name)
    apply, refuse = prepared.steps(client.actor, snapshot.profile(client.name), snapshot)
    return inbox.receive(
        protocol=Protocol.DICOMWEB,
        actor=client.actor,
        key=f"{prepared.request.operation} {incoming.uid}",
        raw=incoming.to_bytes(),
        message_type=f"MPPS {prepared.request.operation}",
        apply=apply,
        refuse=refuse,
        sender=client.name,
        references=references_in(prepared.request.dataset, EXPLICIT_VR_LITTLE_ENDIAN),
        dedupe=dedupe,
        in_turn=turn_of(incoming.uid),
    )


def replayed(
    raw: bytes, actor: Actor, sender: str, snapshot: Snapshot
) -> tuple[inbox.Apply, inbox.Refuse]:
    """What applying a stored request means now."""
    prepared = _Prepared.of(Incoming.from_bytes(raw), sender)
    return prepared.steps(actor, snapshot.profile(sender), snapshot)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request in the form of DIMSE; ``fault`` is what is wrong with its payload.

    It is read before the transaction begins, and what is wrong is raised inside, so that a refused
    request is kept like any other.
    """

    request: StoredRequest
    fault: RisError | None

    @classmethod
    def of(cls, incoming: Incoming, ae_title: str) -> _Prepared:
        try:
            return cls(incoming.request(ae_title), None)
        except RisError as error:
            return cls(incoming.request_without_dataset(ae_title), error)

    def steps(
        self, actor: Actor, profile: Profile, snapshot: Snapshot
    ) -> tuple[Callable[[], Answer], Callable[[RisError], Answer]]:
        apply_it, refuse_it = application(self.request, actor, profile, snapshot)

        def apply() -> Answer:
            if self.fault is not None:
                raise self.fault
            apply_it()
            return success(200 if self.request.operation == "N-SET" else 201)

        def refuse(error: RisError) -> Answer:
            refuse_it(error)  # writes the log; its answer is that of DIMSE
            return refused(self._report(error))

        return apply, refuse

    def _report(self, error: RisError) -> Report:
        found = report(error)
        if (
            self.request.operation == "N-SET"
            and error.code is ErrorCode.INVALID_VALUE
            and FIXED.intersection(tags_in(error.path))
        ):
            # Not malformed, but at odds with what was said at the beginning (15.5.3 note).
            return replace(found, status=409)
        return found


def fields(pairs: Pairs) -> tuple[int, ...]:
    """The attributes to retrieve, none for all of them (15.6.1.2); raises HttpError (400).

    A path into a sequence gets the whole sequence: an N-GET cannot take one apart either.
    """
    paths = included(pairs, everything=()) or []
    return tuple(dict.fromkeys(path[0] for path in paths))

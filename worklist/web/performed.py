"""Create, update and retrieve performed procedure steps (PS3.18 15.4 to 15.6).

The payload becomes the dataset that an N-CREATE or N-SET would have brought, and everything from
there on is theirs: rules, state machine, inbox. Only the answer is written differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ris.domain.actors import Actor
from ris.domain.errors import ErrorCode, InvalidValueError, RisError
from ris.domain.exchange import Protocol
from ris.services import inbox
from ris.services.inbox import Answer
from worklist.elements import tags_in
from worklist.handlers import application
from worklist.mpps import references_in
from worklist.mpps_attributes import FIXED
from worklist.prescan import prescan
from worklist.raw import StoredRequest
from worklist.registry import Profile, Snapshot
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    SOP_CLASSES,
)
from worklist.web.access import Client
from worklist.web.encoding import encode
from worklist.web.exchange import Incoming, refused, stored, success
from worklist.web.parameters import Pairs, included
from worklist.web.refusal import HttpError, Report, report

SOP_CLASS = next(one for one in SOP_CLASSES if one.uid == MODALITY_PERFORMED_PROCEDURE_STEP)
_UID = re.compile(r"(?=.{1,64}\Z)(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+")
_OF_THE_ADDRESS = {"00080016": MODALITY_PERFORMED_PROCEDURE_STEP, "00080018": ""}
_PATHS = {"00080016": "(0008,0016)", "00080018": "(0008,0018)"}


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
        key=f"{prepared.operation} {incoming.uid}",
        raw=incoming.to_bytes(),
        message_type=f"MPPS {prepared.operation}",
        apply=apply,
        refuse=refuse,
        sender=client.name,
        references=references_in(prepared.request.dataset, EXPLICIT_VR_LITTLE_ENDIAN),
        dedupe=dedupe,
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

    operation: str
    request: StoredRequest
    fault: RisError | None

    @classmethod
    def of(cls, incoming: Incoming, ae_title: str) -> _Prepared:
        operation = "N-SET" if incoming.is_update else "N-CREATE"
        request = StoredRequest(
            operation,
            MODALITY_PERFORMED_PROCEDURE_STEP,
            incoming.uid,
            EXPLICIT_VR_LITTLE_ENDIAN,
            ae_title,
            b"",
        )
        try:
            dataset = encode(_without_identity(incoming.dataset(), incoming.uid))
            prescan(
                dataset,
                EXPLICIT_VR_LITTLE_ENDIAN,
                depth=SOP_CLASS.dataset_depth,
                elements=SOP_CLASS.dataset_elements,
            )
        except RisError as error:
            return cls(operation, request, error)
        return cls(operation, replace(request, dataset=dataset), None)

    def steps(
        self, actor: Actor, profile: Profile, snapshot: Snapshot
    ) -> tuple[Callable[[], Answer], Callable[[RisError], Answer]]:
        apply_it, refuse_it = application(self.request, actor, profile, snapshot)

        def apply() -> Answer:
            if self.fault is not None:
                raise self.fault
            apply_it()
            return success(200 if self.operation == "N-SET" else 201)

        def refuse(error: RisError) -> Answer:
            refuse_it(error)  # writes the log; its answer is that of DIMSE
            return refused(self._report(error))

        return apply, refuse

    def _report(self, error: RisError) -> Report:
        found = report(error)
        if (
            self.operation == "N-SET"
            and error.code is ErrorCode.INVALID_VALUE
            and FIXED.intersection(tags_in(error.path))
        ):
            # Not malformed, but at odds with what was said at the beginning (15.5.3 note).
            return replace(found, status=409)
        return found


def _without_identity(data: dict[str, Any], uid: str) -> dict[str, Any]:
    """The dataset without the SOP Common module, which the address says; it must not differ."""
    for key, expected in _OF_THE_ADDRESS.items():
        attribute = data.get(key)
        values = attribute.get("Value") if isinstance(attribute, dict) else None
        if values and values != [expected or uid]:
            raise InvalidValueError("is not that of the address", path=_PATHS[key])
    return {key: value for key, value in data.items() if key not in _OF_THE_ADDRESS}


def fields(pairs: Pairs) -> tuple[int, ...]:
    """The attributes to retrieve, none for all of them (15.6.1.2); raises HttpError (400).

    A path into a sequence gets the whole sequence: an N-GET cannot take one apart either.
    """
    paths = included(pairs, everything=()) or []
    return tuple(dict.fromkeys(path[0] for path in paths))

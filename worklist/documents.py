"""Handlers of what is stored rather than asked or performed.

Dose reports, notices of images and answers to requests for storage commitment. All of them go
through the inbox like every message: the bytes are kept first, then applied, and both are committed
with the answer, or none of it (PS3.4 B, J, R).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import structlog

from ris.domain.actors import Actor
from ris.domain.availability import RecordAvailability
from ris.domain.dose import RecordDose
from ris.domain.errors import BusyError, DeniedError, RisError
from ris.domain.exchange import Protocol
from ris.domain.identifiers import new_uid
from ris.domain.report_objects import RecordCommitment
from ris.services import execute, inbox
from ris.services.inbox import Answer
from worklist import commitment, dose, ian
from worklist.answers import from_answer, to_answer
from worklist.places import in_tags
from worklist.raw import StoredRequest
from worklist.registry import Profile, Registry, Snapshot, actor_of
from worklist.service import SUCCESS, Outcome, Request
from worklist.sop_classes import (
    DOSE_REPORTS,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    STORAGE_COMMITMENT,
)
from worklist.status import NO_SUCH_EVENT_TYPE, event_refusal, refusal, store_refusal

log = structlog.get_logger(__name__)

Apply = Callable[[], Answer]
Refuse = Callable[[RisError], Answer]


class DocumentHandlers:
    """Mixed into the handlers; what they share is named here."""

    __slots__ = ()

    registry: Registry

    def _database(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _replied(self, message: str, sent: bool) -> None:
        raise NotImplementedError

    def c_store(self, request: Request) -> Outcome:
        """Keep a dose report; nothing else is offered (PS3.4 B.2)."""
        return self._keep(request, "C-STORE", request.sop_instance_uid, store_refusal)

    def notify(self, request: Request) -> Outcome:
        """Keep what an archive says of its images (PS3.4 R.3.2)."""
        uid = request.sop_instance_uid or new_uid()
        outcome = self._keep(request, "N-CREATE", uid, refusal)
        return outcome if request.sop_instance_uid else replace(outcome, sop_instance_uid=uid)

    def n_event_report(self, request: Request) -> Outcome:
        """Keep what an archive answers to a request for storage commitment (PS3.4 J.3.3)."""
        if request.event_type not in {commitment.ALL_COMMITTED, commitment.FAILURES_EXIST}:
            return Outcome(NO_SUCH_EVENT_TYPE, "no event of this class")
        transaction = commitment.transaction_of(request.dataset, request.transfer_syntax)
        uid = transaction or request.sop_instance_uid
        # The answer is about the one instance of the class, whatever it is kept under.
        outcome = self._keep(request, "N-EVENT-REPORT", uid, event_refusal)
        return replace(outcome, sop_instance_uid=request.sop_instance_uid)

    def _keep(
        self,
        request: Request,
        operation: str,
        uid: str,
        refused: Callable[[RisError], Outcome],
    ) -> Outcome:
        stored = StoredRequest(
            operation,
            request.sop_class_uid,
            uid,
            request.transfer_syntax,
            request.association.calling_ae_title.strip(),
            request.dataset,
        )
        peer = request.association.peer
        actor = peer if isinstance(peer, Actor) else actor_of(request.association.request)
        try:
            with self._database():
                snapshot = self.registry.snapshot()
                profile = snapshot.profile(stored.ae_title)
                _require_right(profile, stored)
                receipt = receive(stored, actor, snapshot, dedupe=True)
                if receipt.duplicate and from_answer(receipt.answer).status != SUCCESS.status:
                    # A refusal had no effect, and what was wrong then may be right now.
                    receipt = receive(stored, actor, snapshot, dedupe=False)
        except (BusyError, DeniedError) as error:
            return refused(error)
        return replace(
            from_answer(receipt.answer), sent=lambda sent: self._replied(receipt.message, sent)
        )


def _require_right(profile: Profile, stored: StoredRequest) -> None:
    """Raise DeniedError unless the register lets this AE title send it; nothing is kept then.

    A modality sends dose reports unless its ``services`` leave them out. What an archive has only
    an archive tells: ``services`` must name it. Whoever answers a request of ours must know its
    number.
    """
    named = profile.access.sop_classes
    if stored.sop_class_uid in {*DOSE_REPORTS, STORAGE_COMMITMENT}:
        allowed = named is None or stored.sop_class_uid in named
    else:
        allowed = not profile.known or (named is not None and stored.sop_class_uid in named)
    if not allowed:
        log.info("document refused", ae_title=stored.ae_title, sop_class_uid=stored.sop_class_uid)
        raise DeniedError("this AE title may not send that")


@dataclass(frozen=True, slots=True)
class _Kind:
    message_type: str
    command: Callable[
        [StoredRequest, Profile, Snapshot], RecordDose | RecordAvailability | RecordCommitment
    ]
    references: Callable[[bytes, str], tuple[tuple[str, str], ...]]
    refused: Callable[[RisError], Outcome]


def _dose(stored: StoredRequest, profile: Profile, snapshot: Snapshot) -> RecordDose:
    return dose.from_report(
        stored.sop_class_uid,
        stored.sop_instance_uid,
        stored.dataset,
        stored.transfer_syntax,
        dose.Circumstances(
            ae_title=stored.ae_title,
            zone=snapshot.zone,
            default=profile.default_character_set,
        ),
    )


def _availability(
    stored: StoredRequest, profile: Profile, snapshot: Snapshot
) -> RecordAvailability:
    return ian.from_notification(stored.dataset, stored.transfer_syntax, stored.ae_title)


def _commitment(stored: StoredRequest, profile: Profile, snapshot: Snapshot) -> RecordCommitment:
    return commitment.from_event_report(stored.dataset, stored.transfer_syntax)


def _no_references(data: bytes, transfer_syntax: str) -> tuple[tuple[str, str], ...]:
    """It names objects of ours only, which the command finds by itself."""
    return ()


_REPORT = _Kind("Dose SR C-STORE", _dose, dose.references_in, store_refusal)
# By SOP class.
_KINDS = {
    **dict.fromkeys(DOSE_REPORTS, _REPORT),
    INSTANCE_AVAILABILITY_NOTIFICATION: _Kind(
        "IAN N-CREATE", _availability, ian.references_in, refusal
    ),
    STORAGE_COMMITMENT: _Kind(
        "Storage Commitment N-EVENT-REPORT", _commitment, _no_references, event_refusal
    ),
}


def is_document(stored: StoredRequest) -> bool:
    """Whether a stored message is one of these, for who applies it again."""
    return stored.sop_class_uid in _KINDS


def receive(
    stored: StoredRequest, actor: Actor, snapshot: Snapshot, *, dedupe: bool
) -> inbox.Receipt:
    """One message through the inbox; raises OperationalError if nothing could be stored."""
    kind = _KINDS[stored.sop_class_uid]
    apply, refuse = application(stored, actor, snapshot.profile(stored.ae_title), snapshot)
    return inbox.receive(
        protocol=Protocol.DICOM,
        actor=actor,
        key=f"{stored.operation} {stored.sop_instance_uid}",
        raw=stored.pack(),
        message_type=kind.message_type,
        apply=apply,
        refuse=refuse,
        sender=stored.ae_title,
        references=kind.references(stored.dataset, stored.transfer_syntax),
        dedupe=dedupe,
    )


def application(
    stored: StoredRequest, actor: Actor, profile: Profile, snapshot: Snapshot
) -> tuple[Apply, Refuse]:
    """What applying a document means, and what refusing it is answered with."""
    kind = _KINDS[stored.sop_class_uid]

    @in_tags()
    def apply() -> Answer:
        execute(kind.command(stored, profile, snapshot), actor=actor)
        return to_answer(SUCCESS)

    def refuse(error: RisError) -> Answer:
        log.info(
            "document refused",
            message_type=kind.message_type,
            sop_instance_uid=stored.sop_instance_uid,
            ae_title=stored.ae_title,
            code=error.code.value,
            path=error.path,
        )
        return to_answer(kind.refused(error))

    return apply, refuse

"""What we ask of other applications: C-ECHO, C-STORE, N-CREATE, N-SET, N-ACTION, N-EVENT-REPORT.

Each call is an association of its own, so that one peer's trouble is never another's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ris.domain.errors import RisError
from ris.domain.protocol import Result
from worklist import charset, commitment, retrieval
from worklist.command_sets import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    EVENT_TYPE_ID,
    PRIORITY,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    Response,
)
from worklist.dicom_json import Json
from worklist.dimse import Command
from worklist.raw import StoredRequest
from worklist.recode import recode
from worklist.requestor import (
    Accepted,
    Association,
    CallError,
    NotAcceptedError,
    Proposal,
    Target,
    associate,
)
from worklist.service import Outcome
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    VERIFICATION,
    Operation,
)

MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"

WRITABLE = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def echo(target: Target) -> Response:
    """C-ECHO (PS3.7 9.1.5); raises CallError."""
    with associate(target, [Proposal(VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,))]) as association:
        return association.request(
            association.accepted[0],
            {AFFECTED_SOP_CLASS_UID: VERIFICATION, COMMAND_FIELD: Operation.C_ECHO},
        )


_MEDIUM = 0


def store(target: Target, request: StoredRequest) -> Response:
    """C-STORE of a whole object (PS3.7 9.1.1), in a transfer syntax that the peer takes.

    Raises CallError.
    """
    with associate(target, _proposals(request.sop_class_uid, request, WRITABLE)) as association:
        context = association.accepted[0]
        return association.request(
            context,
            {
                AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
                COMMAND_FIELD: Operation.C_STORE,
                PRIORITY: _MEDIUM,
                AFFECTED_SOP_INSTANCE_UID: request.sop_instance_uid,
            },
            _recoded(request, context),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The matches of a C-FIND as they came, and the response that ended it."""

    matches: list[bytes]
    transfer_syntax: str
    end: Response


def find(target: Target, sop_class_uid: str, data: Json, most: int) -> Found:
    """C-FIND (PS3.7 9.1.2) for DICOM JSON; of more than ``most`` the rest is not waited for.

    Raises CallError.
    """
    with associate(target, [Proposal(sop_class_uid, WRITABLE)]) as association:
        context = association.accepted[0]
        matches, end = association.matches(
            context,
            {
                AFFECTED_SOP_CLASS_UID: sop_class_uid,
                COMMAND_FIELD: Operation.C_FIND,
                PRIORITY: _MEDIUM,
            },
            retrieval.encode(data, context.transfer_syntax, charset.candidates((), ())),
            most,
        )
    return Found(matches, context.transfer_syntax, end)


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request for storage commitment of one object (PS3.4 J.3.2)."""

    transaction_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def commit(
    target: Target,
    asked: Commitment,
    seconds: float,
    taken: Callable[[], None],
    report: Callable[[bytes, str], Outcome],
) -> Response:
    """N-ACTION for storage commitment; what the archive reports at once is given to ``report``.

    Most report on an association of their own, some on this one, for which it stays open for a
    moment (PS3.4 J.3.3). ``taken`` is called when the archive took the request. Raises CallError.
    """
    with associate(target, [Proposal(STORAGE_COMMITMENT, WRITABLE)]) as association:
        context = association.accepted[0]
        syntax = context.transfer_syntax
        told: list[int] = []

        def take(command: Command, data: bytes) -> Outcome:
            told.append(command.event_type)
            return report(data, syntax)

        response = association.request(
            context,
            {
                REQUESTED_SOP_CLASS_UID: STORAGE_COMMITMENT,
                COMMAND_FIELD: Operation.N_ACTION,
                REQUESTED_SOP_INSTANCE_UID: STORAGE_COMMITMENT_INSTANCE,
                ACTION_TYPE_ID: commitment.REQUEST_STORAGE_COMMITMENT,
            },
            commitment.request(
                asked.transaction_uid, asked.sop_class_uid, asked.sop_instance_uid, syntax
            ),
            take,
        )
        if response.status == 0:
            taken()
            if not told:
                association.await_report(context, seconds, take)
        return response


def _proposals(
    sop_class_uid: str, request: StoredRequest, syntaxes: Sequence[str]
) -> list[Proposal]:
    """The transfer syntax the dataset is in, then the others."""
    others = tuple(one for one in syntaxes if one != request.transfer_syntax)
    proposals = [Proposal(sop_class_uid, (request.transfer_syntax,))]
    if others:
        proposals.append(Proposal(sop_class_uid, others))
    return proposals


def _recoded(request: StoredRequest, context: Accepted) -> bytes:
    try:
        return recode(request.dataset, request.transfer_syntax, context.transfer_syntax)
    except RisError as error:
        raise CallError(
            Result.REFUSED, f"not to be written in the peer's transfer syntax: {error.message}"
        ) from None


def perform(target: Target, request: StoredRequest, syntaxes: Sequence[str] = WRITABLE) -> Response:
    """An N-CREATE or N-SET of MPPS, in the transfer syntax it came in if the peer takes that.

    Raises CallError.
    """
    proposals = _proposals(MODALITY_PERFORMED_PROCEDURE_STEP, request, syntaxes)
    with associate(target, proposals) as association:
        context = association.accepted[0]
        return association.request(context, _fields(request), _recoded(request, context))


def _fields(request: StoredRequest) -> Mapping[int, int | str]:
    if request.operation == "N-CREATE":
        return {
            AFFECTED_SOP_CLASS_UID: MODALITY_PERFORMED_PROCEDURE_STEP,
            COMMAND_FIELD: Operation.N_CREATE,
            AFFECTED_SOP_INSTANCE_UID: request.sop_instance_uid,
        }
    return {
        REQUESTED_SOP_CLASS_UID: MODALITY_PERFORMED_PROCEDURE_STEP,
        COMMAND_FIELD: Operation.N_SET,
        REQUESTED_SOP_INSTANCE_UID: request.sop_instance_uid,
    }


def notify(
    target: Target, sop_instance_uid: str, event_type: int, *, confirmed: bool = True
) -> Response:
    """An N-EVENT-REPORT of the MPPS Notification class (PS3.4 F.9), without event information.

    We are its SCP and request the association, so the roles are negotiated the other way round
    (PS3.7 D.3.3.4). With ``confirmed`` a peer that does not say yes to that is sent nothing.
    """
    uid = MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION
    with associate(target, [Proposal(uid, WRITABLE, as_scp=True)]) as association:
        context = _as_provider(association, uid, confirmed=confirmed)
        return association.request(
            context,
            {
                AFFECTED_SOP_CLASS_UID: uid,
                COMMAND_FIELD: Operation.N_EVENT_REPORT,
                AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
                EVENT_TYPE_ID: event_type,
            },
        )


def _as_provider(association: Association, uid: str, *, confirmed: bool) -> Accepted:
    roles = association.roles.get(uid)
    if (roles is None and confirmed) or (roles is not None and not roles[1]):
        raise NotAcceptedError(
            Result.REFUSED, "the peer did not accept us as provider of the notification class"
        )
    return association.accepted[0]

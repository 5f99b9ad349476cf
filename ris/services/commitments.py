"""Storage commitment: what archives are asked to take responsibility for, and what they answer.

A request is bookkeeping of the queue, like the UIDs of the objects (:mod:`.report_objects`); what
an archive answers is a command like everything that comes from outside.
"""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.identifiers import new_uid
from ris.domain.places import Place
from ris.domain.protocol import EndpointInfo
from ris.domain.report_objects import RecordCommitment, confirmation_id
from ris.models import CommitmentRequest, ReportObject
from ris.services import _clock, outbox
from ris.services._context import Context


def ask(sop_instance_uid: str, endpoint: EndpointInfo) -> str:
    """Note that an archive is about to be asked; the Transaction UID of the request.

    Noted before it is sent: the answer may be here before the request is known to have arrived.
    """
    made = ReportObject.objects.filter(sop_instance_uid=sop_instance_uid).first()
    if made is None:
        raise UnknownKeyError("no such object")
    transaction = new_uid()
    CommitmentRequest.objects.create(
        made=made, endpoint_id=endpoint.id, transaction_uid=transaction, asked_at=_clock.now()
    )
    return transaction


def wait_for(transaction_uid: str) -> None:
    """The archive took the request: its answer is waited for."""
    CommitmentRequest.objects.filter(transaction_uid=transaction_uid).update(is_open=True)


def give_up(transaction_uid: str) -> None:
    """Its answer has been told, or is no longer waited for: the next look asks anew."""
    CommitmentRequest.objects.filter(transaction_uid=transaction_uid).update(is_open=False)


def record_commitment(command: RecordCommitment, context: Context) -> None:
    """Keep the answer to a request of ours, once, and have whoever waits for it look at once."""
    request = (
        CommitmentRequest.objects.select_for_update(of=("self",))
        .select_related("made__report__order__patient", "endpoint")
        .filter(transaction_uid=command.transaction_uid)
        .first()
    )
    if request is None:
        raise UnknownKeyError("no request of ours has this transaction", path=Place.TRANSACTION_UID)
    made = request.made
    context.about(made, made.report.order)
    if request.answered_at is not None:
        return
    reasons = dict(command.failed)
    if made.sop_instance_uid not in {*command.committed, *reasons}:
        raise InvalidValueError("the object that was asked for is not named", path=Place.COMMITTED)
    request.answered_at, request.reason = context.now, reasons.get(made.sop_instance_uid)
    request.save(update_fields=["answered_at", "reason"])
    outbox.wake(request.endpoint_id, confirmation_id(str(made.public_id)))


HANDLERS = {RecordCommitment: record_commitment}

PERMISSIONS = {RecordCommitment: {Role.MODALITY, Role.SYSTEM}}

"""Whether an archive takes responsibility for an object it stored (PS3.4 J.3, IHE RAD-10).

It is asked once and answers when it likes: on the same association, or on one of its own to our
listener, hours later. Until then the delivery waits, longer each time, and is due the moment the
answer is here. A transaction has one request and one answer: what failed is asked for with a new
one.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ris.domain.actors import device_actor
from ris.domain.protocol import REFUSALS_BEFORE_PARKING, Attempt, EndpointInfo, Result
from ris.selectors import report_objects as objects
from ris.services import commitments, inbox
from worklist import documents, scu, storing_results
from worklist.answers import from_answer
from worklist.commitment import REASONS, transaction_of
from worklist.confirming import TRIES, unconfirmed
from worklist.raw import StoredRequest
from worklist.registry import present
from worklist.requestor import NotAcceptedError, Target
from worklist.service import Outcome
from worklist.sop_classes import STORAGE_COMMITMENT
from worklist.storing import Confirmation

# An archive on tape may take a night; then it is asked anew.
PATIENCE: Final = timedelta(hours=24)
_LEAST_PAUSE: Final = timedelta(seconds=5)


def look(wanted: Confirmation, endpoint: EndpointInfo, whom: Target, seconds: float) -> Attempt:
    """Ask, or look whether the answer is here; raises CallError if it cannot be asked."""
    told = _told(wanted, endpoint)
    if told is not None:
        return told
    try:
        return _ask(wanted, endpoint, whom, seconds)
    except NotAcceptedError as refused:
        return unconfirmed(refused)


def _told(wanted: Confirmation, endpoint: EndpointInfo) -> Attempt | None:
    """What is known without asking; None if it has to be asked."""
    known = objects.commitment(wanted.sop_instance_uid, endpoint.id)
    if known is None:
        return None
    if known.is_answered and known.reason is None:
        return Attempt(
            result=Result.DELIVERED,
            reply=_reply("the archive committed itself to keep it", known.transaction_uid),
        )
    if known.is_answered:
        commitments.give_up(known.transaction_uid)
        words = f"{known.reason:04X} {REASONS.get(known.reason or 0, 'it gives no known reason')}"
        return Attempt(
            result=Result.REFUSED,
            error=f"the archive does not commit itself: {words}",
            reply=_reply(words, known.transaction_uid),
            # It may file what it took a moment later.
            park_after=_park_after(known.requests, TRIES),
        )
    waited = datetime.now(UTC) - known.asked_at
    if waited < PATIENCE:
        return Attempt(
            result=Result.TRANSIENT,
            error="the archive was asked to commit itself; it has not answered yet",
            answered=True,
            # An answer that came while this was being sent wakes nobody: so it is looked for soon
            # at first, and later less and less often.
            pause=max(_LEAST_PAUSE, waited),
        )
    commitments.give_up(known.transaction_uid)
    return Attempt(
        result=Result.REFUSED,
        error="the archive was asked to commit itself and never answered",
        park_after=_park_after(known.requests, REFUSALS_BEFORE_PARKING),
    )


def _park_after(requests: int, most: int) -> int:
    """Whether a person must look now; refusals are not in a row where each is waited for."""
    return 1 if requests >= most else most + 1


def _ask(wanted: Confirmation, endpoint: EndpointInfo, whom: Target, seconds: float) -> Attempt:
    transaction = commitments.ask(wanted.sop_instance_uid, endpoint)
    response = scu.commit(
        whom,
        scu.Commitment(transaction, wanted.sop_class_uid, wanted.sop_instance_uid),
        seconds,
        lambda: commitments.wait_for(transaction),
        lambda data, syntax: _take(data, syntax, endpoint),
    )
    if response.status == 0:
        # It may have answered at once, here or at the listener.
        return _told(wanted, endpoint) or Attempt(
            result=Result.AMBIGUOUS, error="what was asked of the archive is not known any more"
        )
    result, words = storing_results.verdict(response.status, response.comment)
    return Attempt(
        # Taken with a remark is no commitment either.
        result=Result.REFUSED if result is Result.DELIVERED else result,
        error=words,
        reply=_reply(words, transaction),
    )


def _take(data: bytes, transfer_syntax: str, endpoint: EndpointInfo) -> Outcome:
    """What the archive reports on the association that asked it: kept like any other message."""
    stored = StoredRequest(
        "N-EVENT-REPORT",
        STORAGE_COMMITMENT,
        transaction_of(data, transfer_syntax) or STORAGE_COMMITMENT,
        transfer_syntax,
        endpoint.protocol_name,
        data,
    )
    actor = device_actor(endpoint.protocol_name, endpoint.host)
    receipt = documents.receive(stored, actor, present(), dedupe=True)
    return replace(
        from_answer(receipt.answer),
        sent=lambda sent: inbox.mark_replied(receipt.message, sent=sent),
    )


def _reply(words: str, transaction_uid: str) -> bytes:
    return json.dumps({"meaning": words, "transaction": transaction_uid}).encode()

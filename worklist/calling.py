"""One delivery over DIMSE: what is sent, and what the answer means for the outbox.

=====================  ===========================================================================
0000, warnings         delivered; a warning stands at the attempt
0213, A7xx             short of resources: tried again later
0111                   to an N-CREATE that may have arrived before: it did, so delivered; else the
                       object is not ours and a person must look
0110 with A710         the same for the last N-SET
0112                   the peer lost (or never had) the object: refused, in sight
anything else          refused
no answer              ambiguous: sent again with the same SOP Instance UID
C-STORE                see :mod:`.storing_results`
N-ACTION               see :mod:`.committing`
=====================  ===========================================================================
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ris.client_tls import ClientTls
from ris.domain.errors import InvalidValueError
from ris.domain.protocol import Attempt, EndpointInfo, Result
from ris.selectors.performed_messages import was_unclear
from worklist import committing, confirming, notification, outbound, scu, storing, storing_results
from worklist.asking import Dimse
from worklist.command_sets import Response
from worklist.endpoint_settings import Settings
from worklist.raw import StoredRequest
from worklist.requestor import CallError, Target

DUPLICATE_SOP_INSTANCE: Final = 0x0111
NO_SUCH_SOP_INSTANCE: Final = 0x0112
PROCESSING_FAILURE: Final = 0x0110
RESOURCE_LIMITATION: Final = 0x0213
MAY_NO_LONGER_BE_UPDATED: Final = 0xA710  # Error ID of a final MPPS (PS3.4 F.7.2.2.4)

# PS3.7 Annex C, PS3.4 F.7.2: the statuses that MPPS and its notification may end with.
MEANINGS: Final = {
    0x0000: "success",
    0x0001: "success, optional attributes were not taken",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "success, some attributes were not taken",
    0x0110: "processing failure",
    0x0111: "the peer has this object already",
    0x0112: "the peer does not have this object",
    0x0113: "no such event type",
    0x0114: "no such argument",
    0x0115: "invalid argument value",
    0x0116: "success, an attribute value was out of range",
    0x0117: "invalid SOP Instance UID",
    0x0118: "no such SOP class",
    0x0119: "class and instance do not fit",
    0x0120: "a required attribute is missing",
    0x0121: "a required attribute has no value",
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "operation not known",
    0x0212: "mistyped argument",
    0x0213: "the peer is short of resources",
}
# PS3.7 C.4: what was asked is done, with a remark.
WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})


def send(payload: bytes, control_id: str, endpoint: EndpointInfo, settings: Settings) -> Attempt:
    """Send one stored message; never raises for a peer's fault."""
    try:
        whom = outbound.target(endpoint.host, endpoint.port or 0, endpoint.protocol_name, settings)
        if storing.is_confirmation(payload):
            wanted = storing.read_confirmation(payload)
            if wanted.by_commitment:
                return committing.look(wanted, endpoint, whom, settings.commitment_seconds)
            return confirming.look(wanted, Dimse(whom))
        if notification.is_report(payload):
            return _notify(payload, whom, settings)
        request = StoredRequest.unpack(payload)
        if request.operation == storing.C_STORE:
            return _store(request, whom, settings)
        return _perform(request, whom, control_id, endpoint)
    except CallError as failed:
        return Attempt(result=failed.result, error=str(failed))
    except InvalidValueError as error:
        return Attempt(result=Result.REFUSED, error=error.message)


def _store(request: StoredRequest, whom: Target, settings: Settings) -> Attempt:
    response = scu.store(whom, request)
    result, words = storing_results.verdict(response.status, response.comment)
    return Attempt(
        result=result,
        error=words,
        reply=as_reply(response, storing_results.meaning(response.status)),
        says_more=result is Result.DELIVERED and settings.confirm != "no",
    )


def _notify(payload: bytes, whom: Target, settings: Settings) -> Attempt:
    report = notification.read(payload)
    response = scu.notify(
        whom,
        report.sop_instance_uid,
        report.event_type,
        confirmed=settings.role_selection == "required",
    )
    return _attempt(response, *_verdict(response))


def _perform(
    request: StoredRequest, whom: Target, control_id: str, endpoint: EndpointInfo
) -> Attempt:
    response = scu.perform(whom, request)
    repeated = (
        response.status == DUPLICATE_SOP_INSTANCE
        if request.operation == "N-CREATE"
        else response.error_id == MAY_NO_LONGER_BE_UPDATED
    )
    if repeated and was_unclear(endpoint.id, control_id):
        return _attempt(
            response, Result.DELIVERED, "an earlier try without answer had reached the peer"
        )
    return _attempt(response, *_verdict(response))


def _verdict(response: Response) -> tuple[Result, str]:
    status = response.status
    if status == 0:
        return Result.DELIVERED, ""
    words = MEANINGS.get(status, "failure")
    # B000 and the like: warnings of a service (PS3.7 C).
    if status in WARNINGS or status >> 12 == 0xB:
        return Result.DELIVERED, f"{status:04X} {words}"
    text = ": ".join(part for part in (f"{status:04X} {words}", response.comment) if part)
    if status == RESOURCE_LIMITATION or status >> 8 == 0xA7:
        return Result.TRANSIENT, text
    return Result.REFUSED, text


def _attempt(response: Response, result: Result, words: str) -> Attempt:
    return Attempt(result=result, error=words, reply=as_reply(response))


def as_reply(response: Response, meaning: str = "") -> bytes:
    """The response's command set for people, as JSON."""
    said: dict[str, object] = {
        "status": f"{response.status:04X}",
        "meaning": meaning or MEANINGS.get(response.status, ""),
    }
    if response.comment:
        said["comment"] = response.comment
    if response.error_id is not None:
        said["error id"] = f"{response.error_id:04X}"
    if response.attributes:
        said["attributes"] = [
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in response.attributes
        ]
    return json.dumps(said).encode()


def client_tls(settings: Settings) -> ClientTls | None:
    if not settings.tls:
        return None
    return ClientTls(
        ca=_file(settings.tls_ca),
        certificate=_file(settings.tls_cert),
        key=_file(settings.tls_key),
        server_name=settings.tls_server_name,
        fingerprint=settings.tls_fingerprint,
    )


def _file(name: str) -> Path | None:
    return Path(name) if name else None

"""One delivery over DICOMweb: an object by STOW-RS, or a look whether it is there (PS3.18 10.5).

=======================  =========================================================================
200, 202                 stored if the answer names the object, or says nothing of it; what it says
                         of the object itself counts as it would over DIMSE
409                      not stored: by the reason it gives, see :mod:`.storing_results`
408 425 429, 5xx         tried again later
anything else            refused
no answer                ambiguous: sent again with the same SOP Instance UID
=======================  =========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ris.domain.errors import InvalidValueError
from ris.domain.identifiers import new_uid
from ris.domain.protocol import Attempt, Result
from worklist import confirming, dicomweb, storing, storing_results
from worklist.asking import Web
from worklist.dicom_json import items_of, sound
from worklist.dicomweb_settings import WebSettings
from worklist.elements import tag_of
from worklist.raw import StoredRequest
from worklist.requestor import CallError
from worklist.web_client import Answer, Service, ask

_LATER: Final = frozenset({408, 425, 429})
_REPLY_BYTES: Final = 16 * 1024  # of an answer, kept to be shown


def send(payload: bytes, settings: WebSettings) -> Attempt:
    """Send one stored message; never raises for a peer's fault."""
    try:
        service = dicomweb.service(settings)
        if storing.is_confirmation(payload):
            return confirming.look(storing.read_confirmation(payload), Web(service))
        return _store(StoredRequest.unpack(payload), payload, service, settings)
    except CallError as failed:
        return Attempt(result=failed.result, error=str(failed))
    except InvalidValueError as error:
        return Attempt(result=Result.TRANSIENT, error=error.message)


def _store(
    request: StoredRequest, payload: bytes, service: Service, settings: WebSettings
) -> Attempt:
    boundary = f"ris-{new_uid()}"
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(),
            payload,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    answer = ask(
        service,
        "POST",
        "/studies",
        {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary="{boundary}"',
            "Accept": "application/dicom+json",
        },
        body,
    )
    result, words = verdict(answer, request.sop_instance_uid)
    return Attempt(
        result=result,
        error=words,
        reply=_reply(answer),
        answered=result is Result.TRANSIENT and answer.status in _LATER,
        says_more=result is Result.DELIVERED and settings.confirm != "no",
    )


def verdict(answer: Answer, uid: str) -> tuple[Result, str]:
    """What the answer says of the object (PS3.18 Tables 10.5.3-1, I.2-1)."""
    said = _response(answer)
    if answer.status in {200, 202, 409} and said is not None:
        failed = _number(said, "FailedSOPSequence", uid, "FailureReason")
        if failed is not None:
            return storing_results.verdict(failed or storing_results.PROCESSING_FAILURE)
        warned = _number(said, "ReferencedSOPSequence", uid, "WarningReason")
        if warned is not None and answer.status != 409:
            return storing_results.verdict(warned)
    if answer.status in {200, 202}:
        return Result.DELIVERED, ""
    words = f"HTTP {answer.status} {answer.reason}".strip()
    if answer.status in _LATER or answer.status >= 500:
        return Result.TRANSIENT, words
    return Result.REFUSED, words


def _response(answer: Answer) -> Mapping[str, Any] | None:
    """The Store Instances Response Module as DICOM JSON; some services wrap it in a list."""
    if "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        said = json.loads(answer.body)
        if isinstance(said, list):
            said = said[0] if said else None
        return sound(said) if isinstance(said, dict) else None
    except (ValueError, RecursionError):
        return None


def _number(said: Mapping[str, Any], sequence: str, uid: str, keyword: str) -> int | None:
    """A reason that is given for the object, 0 if it is named without one; None if it is not."""
    for item in items_of(said, tag_of(sequence)):
        values = item.get(f"{tag_of('ReferencedSOPInstanceUID'):08X}", {}).get("Value", ())
        if uid in values:
            reasons = item.get(f"{tag_of(keyword):08X}", {}).get("Value", ())
            number = reasons[0] if reasons else 0
            return number if isinstance(number, int) else 0
    return None


def _reply(answer: Answer) -> bytes:
    head = f"HTTP {answer.status} {answer.reason}".strip().encode("latin-1", "replace")
    return b"\n".join(part for part in (head, answer.body[:_REPLY_BYTES]) if part)

"""The Search Transaction (PS3.18 14.4): a C-FIND that came by HTTP.

The query goes to the handler that answers modalities, with the client as its caller; what comes
back is the same answers, decoded. So what is offered to whom, the record of the query and the audit
cannot differ between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ris.domain.errors import ErrorCode, InvalidValueError
from worklist import dicom_json
from worklist.elements import (
    SPECIFIC_CHARACTER_SET,
    Texts,
    character_set_terms,
    read,
    tag_path,
)
from worklist.handlers import Handlers
from worklist.service import (
    PENDING_KEYS_IGNORED_STATUS,
    Association,
    AssociationRequest,
    FindAnswer,
    Outcome,
    Page,
    Request,
)
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND, Operation
from worklist.status import NOT_AUTHORIZED, OUT_OF_RESOURCES, UNABLE_TO_PROCESS, find_refusal
from worklist.web.access import Client
from worklist.web.encoding import encode
from worklist.web.parameters import SearchParameters
from worklist.web.refusal import RETRY_AFTER_SECONDS, STATUS, Report, report

UNSUPPORTED_WARNING = "Some of the requested attributes are not supported and were ignored."


@dataclass(frozen=True, slots=True)
class Found:
    """``datasets`` are DICOM JSON; ``refusal`` is set if the query was refused."""

    datasets: list[dict[str, Any]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    refusal: Report | None = None


def search(asked: SearchParameters, client: Client, handlers: Handlers) -> Found:
    """The page of matches that is asked for."""
    caller = association(client, handlers)
    try:
        identifier = encode(asked.identifier)
    except InvalidValueError as error:
        # A key that no identifier could hold; on record like one that makes no sense.
        handlers.note_query(caller, b"", EXPLICIT_VR_LITTLE_ENDIAN, find_refusal(error))
        return Found(warnings=asked.warnings, refusal=report(error, query=True))
    most = handlers.matches if asked.limit is None else min(asked.limit, handlers.matches)
    answer = handlers.c_find(
        Request(
            caller,
            Operation.C_FIND,
            context_id=1,
            message_id=1,
            sop_class_uid=MODALITY_WORKLIST_FIND,
            transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN,
            dataset=identifier,
            page=Page(asked.offset, most),
        )
    )
    rows = list(answer.identifiers)
    refusal = _refusal(answer)
    if _is_truncated(answer) and asked.offset >= answer.matches:
        # There is more, but not even page by page.
        words = f"a query finds at most {answer.matches} steps: ask for less"
        refusal = Report(413, words, OUT_OF_RESOURCES)
    if refusal is not None:
        return Found(warnings=asked.warnings, refusal=refusal)
    return Found(
        [decoded(row) for row in rows],
        (*asked.warnings, *_remarks(asked, answer, len(rows), handlers.matches)),
    )


def association(client: Client, handlers: Handlers) -> Association:
    """The client as the handlers of DIMSE know a caller."""
    request = AssociationRequest(
        calling_ae_title=client.name,
        called_ae_title=handlers.registry.ae_title,
        address=client.actor.address,
    )
    return Association(0, request, peer=client.actor)


def decoded(identifier: bytes) -> dict[str, Any]:
    """An answer as DICOM JSON, with (0008,0005) if DIMSE would have it; the JSON is UTF-8."""
    elements = read(identifier, EXPLICIT_VR_LITTLE_ENDIAN)
    data = dicom_json.to_json(Texts.of(elements))
    terms = character_set_terms(elements)
    if not terms:
        return data
    return {f"{SPECIFIC_CHARACTER_SET:08X}": {"vr": "CS", "Value": list(terms)}, **data}


def _is_truncated(answer: FindAnswer) -> bool:
    return answer.final.status == OUT_OF_RESOURCES and answer.matches > 0


# Final statuses of a C-FIND that refuse it → what happened.
_CODES: Mapping[int, ErrorCode] = {
    OUT_OF_RESOURCES: ErrorCode.BUSY,
    NOT_AUTHORIZED: ErrorCode.DENIED,
    UNABLE_TO_PROCESS: ErrorCode.INTERNAL,
}


def _refusal(answer: FindAnswer) -> Report | None:
    final: Outcome = answer.final
    if final.status == 0 or _is_truncated(answer):
        return None
    status = STATUS[_CODES.get(final.status, ErrorCode.INVALID_VALUE)]
    return Report(
        status,
        final.comment or "the query was refused",
        final.status,
        attributes=tuple(tag_path(tag) for tag in final.offending_elements),
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {},
    )


def _remarks(
    asked: SearchParameters, answer: FindAnswer, shown: int, matches: int
) -> tuple[str, ...]:
    """What the client should know besides the matches themselves."""
    found = []
    if answer.pending == PENDING_KEYS_IGNORED_STATUS:
        found.append(UNSUPPORTED_WARNING)
    remaining = answer.matches - asked.offset - shown
    if shown and remaining > 0:
        # The words of 8.3.4.4.1, which clients look for.
        found.append(f"There are {remaining} additional results that can be requested")
    if _is_truncated(answer):
        found.append(f"A700 There are more than {matches} matches; ask for less.")
    return tuple(found)

"""ErrorCode → DIMSE status, Error ID and comment (DESIGN 9; PS3.7 C, PS3.4 Table K.4-1)."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.errors import ErrorCode, RisError
from worklist.elements import tags_in
from worklist.service import SUCCESS_STATUS, Outcome

OUT_OF_RESOURCES = 0xA700
IDENTIFIER_DOES_NOT_MATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
NO_SUCH_ARGUMENT = 0x0114
INVALID_ARGUMENT_VALUE = 0x0115
INVALID_SOP_INSTANCE = 0x0117
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
# Warning of N-GET (PS3.4 F.8.2.2): an attribute asked for is not supported.
OPTIONAL_ATTRIBUTES_NOT_SUPPORTED = 0x0001
# PS3.4 F.7.2.2.4: the Error ID that tells the modality why 0110 came back.
NO_LONGER_UPDATABLE = 0xA710

C_FIND: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: IDENTIFIER_DOES_NOT_MATCH,
    ErrorCode.INVALID_VALUE: IDENTIFIER_DOES_NOT_MATCH,
    ErrorCode.UNKNOWN_KEY: SUCCESS_STATUS,  # who asks for what is not there gets no match
    ErrorCode.DUPLICATE_KEY: UNABLE_TO_PROCESS,  # a query creates and changes nothing,
    ErrorCode.STATE_CONFLICT: UNABLE_TO_PROCESS,  # so these two would be a fault of ours
    ErrorCode.BUSY: OUT_OF_RESOURCES,
    ErrorCode.DENIED: NOT_AUTHORIZED,
    ErrorCode.UNSUPPORTED: IDENTIFIER_DOES_NOT_MATCH,
    ErrorCode.INTERNAL: UNABLE_TO_PROCESS,
}

DIMSE_N: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: MISSING_ATTRIBUTE,
    ErrorCode.INVALID_VALUE: INVALID_ATTRIBUTE_VALUE,
    ErrorCode.UNKNOWN_KEY: NO_SUCH_SOP_INSTANCE,
    ErrorCode.DUPLICATE_KEY: DUPLICATE_SOP_INSTANCE,
    ErrorCode.STATE_CONFLICT: PROCESSING_FAILURE,
    ErrorCode.BUSY: RESOURCE_LIMITATION,
    ErrorCode.DENIED: NOT_AUTHORIZED,
    ErrorCode.UNSUPPORTED: SOP_CLASS_NOT_SUPPORTED,
    ErrorCode.INTERNAL: PROCESSING_FAILURE,
}


# PS3.4 Table B.2-1: A9xx for what is not the SOP class, Cxxx for what cannot be understood.
C_STORE: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: UNABLE_TO_PROCESS,
    ErrorCode.INVALID_VALUE: UNABLE_TO_PROCESS,
    ErrorCode.UNKNOWN_KEY: UNABLE_TO_PROCESS,
    ErrorCode.DUPLICATE_KEY: UNABLE_TO_PROCESS,
    ErrorCode.STATE_CONFLICT: UNABLE_TO_PROCESS,
    ErrorCode.BUSY: OUT_OF_RESOURCES,
    ErrorCode.DENIED: NOT_AUTHORIZED,
    ErrorCode.UNSUPPORTED: IDENTIFIER_DOES_NOT_MATCH,
    ErrorCode.INTERNAL: UNABLE_TO_PROCESS,
}


# PS3.7 10.1.1.1.8: the event's information are its arguments; not to be allowed is no status of it.
N_EVENT_REPORT: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: NO_SUCH_ARGUMENT,
    ErrorCode.INVALID_VALUE: INVALID_ARGUMENT_VALUE,
    ErrorCode.UNKNOWN_KEY: INVALID_ARGUMENT_VALUE,
    ErrorCode.DUPLICATE_KEY: PROCESSING_FAILURE,
    ErrorCode.STATE_CONFLICT: PROCESSING_FAILURE,
    ErrorCode.BUSY: RESOURCE_LIMITATION,
    ErrorCode.DENIED: PROCESSING_FAILURE,
    ErrorCode.UNSUPPORTED: INVALID_ARGUMENT_VALUE,
    ErrorCode.INTERNAL: PROCESSING_FAILURE,
}


def event_refusal(error: RisError) -> Outcome:
    """The response of an N-EVENT-REPORT that was refused."""
    return Outcome(N_EVENT_REPORT[error.code], comment(error))


def store_refusal(error: RisError) -> Outcome:
    """The response of a C-STORE that was refused; ``mismatch``: it is not of its SOP class."""
    status = IDENTIFIER_DOES_NOT_MATCH if error.details.get("mismatch") else C_STORE[error.code]
    return Outcome(status, comment(error), offending_elements=tags_in(error.path))


def find_refusal(error: RisError) -> Outcome:
    """The final response of a C-FIND that was refused."""
    return Outcome(C_FIND[error.code], comment(error), offending_elements=tags_in(error.path))


def refusal(error: RisError) -> Outcome:
    """The response of a DIMSE-N operation that was refused.

    ``details`` of the error tell apart what one code has several statuses for: ``empty`` (the
    attribute is there, its value is not), ``attribute`` (it has no place in this request),
    ``instance`` (it is the object's own name), ``operation`` (not the class, but what is to be done
    with it) and ``final`` (the performed step has ended).
    """
    status = DIMSE_N[error.code]
    error_id = None
    if error.code is ErrorCode.MISSING_VALUE and error.details.get("empty"):
        status = MISSING_ATTRIBUTE_VALUE
    elif error.code is ErrorCode.INVALID_VALUE and error.details.get("attribute"):
        status = NO_SUCH_ATTRIBUTE
    elif error.code is ErrorCode.INVALID_VALUE and error.details.get("instance"):
        status = INVALID_SOP_INSTANCE
    elif error.code is ErrorCode.UNSUPPORTED and error.details.get("operation"):
        status = UNRECOGNIZED_OPERATION
    elif error.code is ErrorCode.STATE_CONFLICT and error.details.get("final"):
        error_id = NO_LONGER_UPDATABLE
    return Outcome(
        status,
        comment(error),
        error_id=error_id,
        attribute_identifiers=_of_dataset(tags_in(error.path)),
    )


def comment(error: RisError) -> str:
    """Error Comment (0000,0902), LO: where and what, in ASCII, at most 64 characters.

    Our messages never quote a value, so nothing of a patient is in here.
    """
    if error.code is ErrorCode.INTERNAL:
        return f"internal error {error.details.get('error_id', '')}".strip()
    text = f"{error.path} {error.message}" if tags_in(error.path) else error.message
    return text.encode("ascii", "ignore").decode()[:64].strip()


def _of_dataset(tags: tuple[int, ...]) -> tuple[int, ...]:
    """Without the command set's own elements, which are no attributes of an object."""
    return tuple(tag for tag in tags if tag >> 16)

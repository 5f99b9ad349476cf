"""ErrorCode → HTTP status, Status Report and Warning (PS3.18 8.5, 8.6.3; DESIGN 9): one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ris.domain.errors import ErrorCode, RisError
from worklist.elements import tags_in
from worklist.service import SUCCESS_STATUS, Outcome
from worklist.status import C_FIND, refusal

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: 400,
    ErrorCode.INVALID_VALUE: 400,
    ErrorCode.UNKNOWN_KEY: 404,
    ErrorCode.DUPLICATE_KEY: 409,
    ErrorCode.STATE_CONFLICT: 409,
    ErrorCode.BUSY: 503,
    ErrorCode.DENIED: 403,
    ErrorCode.UNSUPPORTED: 400,
    ErrorCode.INTERNAL: 500,
}
RETRY_AFTER_SECONDS = 2

_CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    400: ErrorCode.INVALID_VALUE,
    401: ErrorCode.DENIED,
    403: ErrorCode.DENIED,
    404: ErrorCode.UNKNOWN_KEY,
    405: ErrorCode.UNSUPPORTED,
    406: ErrorCode.UNSUPPORTED,
    409: ErrorCode.STATE_CONFLICT,
    411: ErrorCode.INVALID_VALUE,
    413: ErrorCode.INVALID_VALUE,
    415: ErrorCode.UNSUPPORTED,
    429: ErrorCode.BUSY,
    503: ErrorCode.BUSY,
}


class HttpError(RisError):
    """A refusal by the HTTP layer itself, which knows its own status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, path=path)
        self.code = _CODE_OF_STATUS[status]
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Report:
    """A refused request: its status, what the body says, and further header fields."""

    status: int
    message: str
    dimse: int | None = None  # the status that DIMSE would have answered
    error_id: int | None = None
    attributes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """One line: status, place and reason; our messages never quote a value."""
        words = [f"{self.error_id or self.dimse:04X}"] if self.dimse else []
        words += [path for path in self.attributes if path not in self.message]
        return " ".join([*words, self.message])

    def body(self) -> bytes:
        """The Status Report."""
        found: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.dimse:
            found["dicomStatus"] = f"{self.dimse:04X}"
        if self.error_id is not None:
            found["errorID"] = f"{self.error_id:04X}"
        if self.attributes:
            found["attributes"] = list(self.attributes)
        return json.dumps(found, ensure_ascii=False).encode()

    def to_json(self) -> dict[str, Any]:
        """The form in which the inbox keeps it."""
        return {
            "status": self.status,
            "message": self.message,
            "dimse": self.dimse,
            "error_id": self.error_id,
            "attributes": list(self.attributes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Report:
        return cls(
            stored["status"],
            stored["message"],
            stored.get("dimse"),
            stored.get("error_id"),
            tuple(stored.get("attributes", ())),
            _headers(stored["status"]),
        )


def report(error: RisError, *, request_id: str = "", query: bool = False) -> Report:
    """What is answered to ``error``; ``query`` if it came from a search."""
    if isinstance(error, HttpError):
        return Report(
            error.status, error.message, attributes=_paths(error.path), headers=error.headers
        )
    status = STATUS[error.code]
    headers = _headers(status)
    if error.code is ErrorCode.INTERNAL:
        # Our own fault: what is told is an identifier the operator finds in the log, no text.
        identifier = error.details.get("error_id") or request_id
        return Report(status, f"internal error {identifier}".rstrip(), headers=headers)
    outcome = Outcome(C_FIND[error.code]) if query else refusal(error)
    return Report(
        status,
        error.message,
        None if outcome.status == SUCCESS_STATUS else outcome.status,
        outcome.error_id,
        _paths(error.path),
        headers,
    )


def _headers(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}


def _paths(path: str) -> tuple[str, ...]:
    """The attributes of the dataset that a path names; those of the command set mean nothing."""
    return tuple(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in tags_in(path) if tag >> 16)

"""Errors as HTTP status and OperationOutcome (FHIR R4 3.1.0.1.4 and 2.36): one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integration.fhir import elements
from integration.fhir.places import EXPRESSIONS
from ris.domain.errors import ErrorCode, RisError, SeveralErrors

# ErrorCode → (HTTP status, issue code of value set issue-type); DESIGN 9.
TABLE: Mapping[ErrorCode, tuple[int, str]] = {
    ErrorCode.MISSING_VALUE: (422, "required"),
    ErrorCode.INVALID_VALUE: (422, "value"),
    ErrorCode.UNKNOWN_KEY: (404, "not-found"),
    ErrorCode.DUPLICATE_KEY: (409, "duplicate"),
    ErrorCode.STATE_CONFLICT: (409, "conflict"),
    ErrorCode.BUSY: (503, "lock-error"),
    ErrorCode.DENIED: (403, "forbidden"),
    ErrorCode.UNSUPPORTED: (422, "not-supported"),  # good R4, against a rule of ours (3.1.0.5)
    ErrorCode.INTERNAL: (500, "exception"),
}

_FHIRPATH = re.compile(r"[A-Z][A-Za-z]+(\.([a-z_]\w*(\[\d+\])?|ofType\([A-Z][A-Za-z]+\)))*")

# A structurally hopeless body can give thousands of faults; the first ones tell enough.
MAX_ISSUES = 20
RETRY_AFTER_SECONDS = 2

_CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    400: ErrorCode.INVALID_VALUE,
    401: ErrorCode.DENIED,
    403: ErrorCode.DENIED,
    404: ErrorCode.UNKNOWN_KEY,
    405: ErrorCode.UNSUPPORTED,
    406: ErrorCode.UNSUPPORTED,
    409: ErrorCode.STATE_CONFLICT,
    410: ErrorCode.UNKNOWN_KEY,
    412: ErrorCode.STATE_CONFLICT,
    413: ErrorCode.INVALID_VALUE,
    415: ErrorCode.UNSUPPORTED,
    422: ErrorCode.INVALID_VALUE,
    429: ErrorCode.BUSY,
    503: ErrorCode.BUSY,
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One OperationOutcome.issue; ``expression`` is a FHIRPath to the element."""

    severity: str
    code: str
    diagnostics: str
    expression: str = ""

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "severity": self.severity,
            "code": self.code,
            "diagnostics": self.diagnostics,
        }
        if self.expression:
            found["expression"] = [self.expression]
        return found


class HttpError(RisError):
    """A refusal by the HTTP or FHIR layer itself, which knows its own status."""

    def __init__(
        self,
        status: int,
        issue: str,
        message: str,
        *,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, path=path)
        self.code = _CODE_OF_STATUS[status]
        self.status = status
        self.issue = issue
        self.headers = dict(headers or {})


class InvalidCodeError(HttpError):
    """A code outside a required binding."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(422, "code-invalid", message, path=path)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is answered when its request is refused."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def outcome(issues: list[Issue]) -> dict[str, Any]:
    """An OperationOutcome; the number of issues is capped."""
    shown = issues[:MAX_ISSUES]
    if len(issues) > MAX_ISSUES:
        left = len(issues) - MAX_ISSUES
        shown.append(Issue("information", "incomplete", f"{left} more issues are not shown"))
    return {"resourceType": "OperationOutcome", "issue": [issue.as_json() for issue in shown]}


def information(message: str) -> dict[str, Any]:
    """The outcome of a success, for ``Prefer: return=OperationOutcome``."""
    return outcome([Issue("information", "informational", message)])


def refusal(error: RisError, *, request_id: str = "") -> Refusal:
    """The answer to ``error``; status and headers are those of its first fault."""
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    status, _ = status_and_issue(errors[0])
    headers: dict[str, str] = dict(errors[0].headers) if isinstance(errors[0], HttpError) else {}
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return Refusal(status, outcome([_issue(each, request_id) for each in errors]), headers)


def status_and_issue(error: RisError) -> tuple[int, str]:
    """The status of the answer, and the issue code unless the error brings a closer one."""
    if isinstance(error, HttpError):
        return error.status, error.issue
    status, issue = TABLE[error.code]
    return status, str(error.details.get("issue", issue))


def _issue(error: RisError, request_id: str) -> Issue:
    status, code = status_and_issue(error)
    if error.code is ErrorCode.INTERNAL:
        # Our own fault: what is told is an identifier the operator finds in the log, no text.
        identifier = error.details.get("error_id") or request_id
        return Issue("fatal", code, f"internal error {identifier}".rstrip())
    severity = error.details.get("severity") or ("fatal" if status == 503 else "error")
    return Issue(severity, code, words(error), expression(error.path))


def words(error: RisError) -> str:
    """What is told: the message, and the order that stands in the way."""
    other = error.details.get("order")
    return f"{error.message}: ServiceRequest/{other}" if other else error.message


def expression(path: str) -> str:
    """The FHIRPath of a place; empty for one that FHIR has no words for."""
    if path in EXPRESSIONS:
        return EXPRESSIONS[path]
    return elements.fhirpath(path) if _FHIRPATH.fullmatch(path) else ""

"""Errors the product expects, and the one code each carries to every protocol.

::

    RisError
    ├── RequestError             what is asked cannot be done, whoever asks
    │   ├── MissingValueError        a required value is absent
    │   ├── InvalidValueError        a value is malformed, too long or outside its table
    │   ├── UnknownKeyError          the named thing does not exist
    │   ├── DuplicateKeyError        the named thing exists already
    │   ├── StateConflictError       not possible in the present state
    │   │   ├── IllegalTransitionError   the state table has no such transition
    │   │   └── SlotTakenError           the resource is booked at that time
    │   ├── BusyError                try again: locked or temporarily unavailable
    │   ├── UnsupportedError         a message, event, version or operation not served
    │   └── SeveralErrors            several of these, told together
    ├── DeniedError              this actor may not do that
    └── InternalError            our own fault

Each edge holds one table from :class:`ErrorCode` to its protocol (DESIGN 9); a test asserts that
every table covers every code. Anything that is not a ``RisError`` is a bug: it is answered as
``INTERNAL`` with an identifier, and its text never leaves the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """What went wrong, independent of any protocol."""

    MISSING_VALUE = "missing-value"
    INVALID_VALUE = "invalid-value"
    UNKNOWN_KEY = "unknown-key"
    DUPLICATE_KEY = "duplicate-key"
    STATE_CONFLICT = "state-conflict"
    BUSY = "busy"
    DENIED = "denied"
    UNSUPPORTED = "unsupported"
    INTERNAL = "internal"


class RisError(Exception):
    """An expected refusal.

    ``path`` names the place: in the core by its own name (:mod:`ris.domain.places`), which each
    edge says in the sender's words (``PID-3.1``, ``(0040,0252)``, ``ServiceRequest.subject``, the
    field of a form). ``details`` holds values an edge may need, never patient data that the sender
    did not send itself.
    """

    code: ErrorCode = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.details: dict[str, Any] = dict(details or {})


class RequestError(RisError):
    """What is asked cannot be done, whoever asks: a form shows it where it can be mended."""


class MissingValueError(RequestError):
    """A required value is absent or empty."""

    code = ErrorCode.MISSING_VALUE


class InvalidValueError(RequestError):
    """A value is malformed, too long, or outside its table."""

    code = ErrorCode.INVALID_VALUE


class UnknownKeyError(RequestError):
    """The thing that was named does not exist."""

    code = ErrorCode.UNKNOWN_KEY


class DuplicateKeyError(RequestError):
    """The thing that was to be created exists already."""

    code = ErrorCode.DUPLICATE_KEY


class StateConflictError(RequestError):
    """Possible in principle, but not in the present state."""

    code = ErrorCode.STATE_CONFLICT


class IllegalTransitionError(StateConflictError):
    """A state machine has no row for this state and trigger."""

    def __init__(self, machine: str, state: str, trigger: str) -> None:
        super().__init__(
            f"{machine} is {state}: cannot {trigger.replace('_', ' ')}",
            details={"machine": machine, "state": state, "trigger": trigger},
        )


class SlotTakenError(StateConflictError):
    """A resource is already booked in that interval."""


class BusyError(RequestError):
    """Locked or overloaded; the same request may succeed later."""

    code = ErrorCode.BUSY


def unavailable(error: Exception) -> BusyError:
    """What whoever asks is told when the database fails, as far as it says why."""
    said = str(error).lower()
    if "disk is full" in said or "no space left" in said:
        return BusyError("the disk of the database is full")
    if "no such table" in said or "no such column" in said:
        return BusyError("the database is not of this release; run `ris migrate`")
    if "connect" in said:  # refused, closed, terminated, timed out
        return BusyError("the database does not answer")
    return BusyError("the database is busy, try again")


class DeniedError(RisError):
    """The actor lacks the permission."""

    code = ErrorCode.DENIED


class UnsupportedError(RequestError):
    """A message type, event, version, operation or format that is not served."""

    code = ErrorCode.UNSUPPORTED


class InternalError(RisError):
    """Our own fault, shown to a peer only as an identifier (``details["error_id"]``)."""

    code = ErrorCode.INTERNAL


class SeveralErrors(RequestError):  # noqa: N818 - holds errors, and is raised for them
    """Several faults of one message, told together; ``errors`` keeps their order.

    Its code is that of the first fault.
    """

    def __init__(self, errors: list[RisError]) -> None:
        first = errors[0]
        super().__init__(
            "; ".join(error.message for error in errors), path=first.path, details=first.details
        )
        self.code = first.code
        self.errors = errors

"""The sequence number protocol for peers that want it (HL7 v2.5.1 2.10.1, MSH-13, MSA-4).

=========  ========================================================================
MSH-13     means
=========  ========================================================================
0          tell me what you expect (MSA-4); the next message must have that number
-1         I do not know: begin anew with whatever number comes next
1, 2, …    one more than the last; anything else is refused, and MSA-4 says what is
           expected
=========  ========================================================================

A refused message has used its number up, unless it is the number that was refused.
"""

from __future__ import annotations

from integration.hl7.er7 import Header
from ris.domain.errors import InvalidValueError, MissingValueError, RisError, StateConflictError
from ris.services import sequence

_PATH = "MSH-13"
_ASK, _RESTART = 0, -1


class Link:
    """The number of one message against what its sender's next one must be."""

    def __init__(self, header: Header, endpoint_id: int | None, *, strict: bool) -> None:
        self._text = (header.get("13") or "").strip()
        self._endpoint_id = endpoint_id if strict else None
        self._expected = sequence.UNKNOWN
        self._next: int | None = None  # what to note in the end
        self._checked = False

    @property
    def told(self) -> str:
        """MSA-4, empty where numbers are ignored."""
        if not self._checked:
            return ""
        return str(self._expected if self._next is None else self._next)

    def check(self) -> None:
        """Look at the number within the message's transaction; raises RisError."""
        if self._endpoint_id is None:
            return
        self._expected = sequence.expected(self._endpoint_id)
        self._checked = True
        given = self._given()
        if given == _RESTART:
            self._next = sequence.UNKNOWN
        elif given != _ASK:
            if self._expected not in (sequence.UNKNOWN, given):
                raise StateConflictError(f"number {self._expected} was expected", path=_PATH)
            self._next = given + 1

    def note(self) -> None:
        """Note what is next, in the transaction that stores the message."""
        if self._endpoint_id is not None and self._next is not None:
            sequence.expect(self._endpoint_id, self._next)

    def _given(self) -> int:
        if not self._text:
            raise MissingValueError("the sequence number is required", path=_PATH)
        try:
            given = int(self._text)
        except ValueError:
            given = -2
        if not -1 <= given < 2**31 or len(self._text) > 10:
            raise InvalidValueError("not a sequence number", path=_PATH)
        return given


def refuses(error: RisError) -> bool:
    """Whether it is the number itself that was refused."""
    return error.path == _PATH

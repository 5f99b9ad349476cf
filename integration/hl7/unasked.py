"""Acknowledgements that come as messages of their own (HL7 v2.5.1 2.9.2, 2.9.3, 2.14.1).

An acknowledgement is never answered with one: two systems that did would never stop. Only who asks
for it in MSH-15 is told that we have it (CA), which asks for nothing. One that accepts is kept; one
that refuses what we sent is shown among what was not applied, because nobody else would hear of it:
a receiver in enhanced mode has taken the message (CA) long before it says what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from integration.hl7 import acks
from integration.hl7.er7 import Header, Message
from integration.hl7.senders import Sender
from ris.domain.errors import MissingValueError, RisError, StateConflictError
from ris.services.inbox import Answer

OUTCOME = "noted"
_ACCEPTED = frozenset({"AA", "CA"})


class Unasked:
    """One acknowledgement, with what the inbox wants of a message."""

    references: Sequence[tuple[str, str]] = ()

    def __init__(self, raw: bytes, header: Header, sender: Sender) -> None:
        self._raw = raw
        self._header = header
        self._sender = sender

    def apply(self) -> Answer:
        """Keep it; raises RisError if it is a refusal, or from somebody who may not send."""
        if self._sender.refusal is not None:
            raise self._sender.refusal
        charset = self._sender.profile.charset.label
        message = Message.from_bytes(self._raw, default_charset=charset)
        code = (message.get("MSA-1") or "").strip().upper()
        if not code:
            raise MissingValueError("the acknowledgement code is required", path="MSA-1")
        if code not in _ACCEPTED:
            about = (message.get("MSA-2") or "").strip()[:40]
            why = (message.get("ERR-8") or message.get("MSA-3") or "").strip()[:200]
            told = f"{code[:2]} to our message {about}"
            raise StateConflictError(f"{told}: {why}" if why else told, path="MSA-1")
        return self._answer()

    def refuse(self, error: RisError) -> Answer:
        """The same: whatever is wrong with it, we have it."""
        return self._answer()

    def _answer(self) -> Answer:
        if not acks.accept_wanted(self._header, failed=False):
            return Answer(payload=b"", outcome=OUTCOME)
        return Answer(payload=acks.acknowledge(self._header, accept=True), outcome=OUTCOME)

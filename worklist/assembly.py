"""Puts DIMSE messages together from presentation data values (PS3.7 6.3, PS3.8 Annex E)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from worklist.dimse import Command, read_command
from worklist.negotiation import Context
from worklist.pdu import AbortReason, PduError, data_values


class Assembler:
    """Holds what has arrived of one message; within the limits of its SOP class."""

    __slots__ = ("_command", "_command_bytes", "_context", "_contexts", "_parts", "_size")

    def __init__(self, contexts: Mapping[int, Context], command_bytes: int) -> None:
        self._contexts = contexts
        self._command_bytes = command_bytes
        self._context: Context | None = None
        self._command: Command | None = None
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """How many bytes of it are here."""
        return self._size

    @property
    def is_begun(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._context is not None

    def receive(
        self, buffer: bytes | bytearray, start: int, end: int
    ) -> Iterator[tuple[Context, Command, bytes]]:
        """The messages that a P-DATA-TF completes.

        Raises PduError, or CommandError if a command set cannot be read.
        """
        for context_id, is_command, is_last, part in data_values(buffer, start, end):
            context = self._contexts.get(context_id)
            if context is None:
                raise PduError(AbortReason.INVALID_PARAMETER, "not an accepted context")
            if self._context is None:
                self._context = context
            elif context is not self._context:
                raise PduError(AbortReason.UNEXPECTED_PARAMETER, "a message changed its context")
            if is_command is (self._command is not None):
                raise PduError(AbortReason.UNEXPECTED_PARAMETER, "command and dataset are mixed up")
            self._size += len(part)
            if self._size > (
                self._command_bytes if is_command else context.sop_class.dataset_bytes
            ):
                raise PduError(AbortReason.INVALID_PARAMETER, "the message is too long")
            self._parts.append(part)
            if not is_last:
                continue
            whole = part if len(self._parts) == 1 else b"".join(self._parts)
            self._parts, self._size = [], 0
            if is_command:
                self._command = read_command(whole)
                if self._command.has_dataset:
                    continue
                whole = b""
            command, self._command, self._context = self._command, None, None
            if command is not None:
                yield context, command, whole

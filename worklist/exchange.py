"""One request and its answer: checked, handed to the service, coded. Runs in pool threads.

Whatever happens in here ends in a response: a request is never left without one (PS3.7 C).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from secrets import token_hex
from time import monotonic
from typing import Final

import structlog

from ris.domain.errors import InvalidValueError
from worklist.dimse import Command, Reply
from worklist.negotiation import Context
from worklist.noting import Noting
from worklist.pdu import data_frames
from worklist.prescan import prescan
from worklist.service import (
    CANCEL_STATUS,
    Association,
    FindAnswer,
    Outcome,
    Refused,
    Request,
    Service,
)
from worklist.sop_classes import Operation

log = structlog.get_logger(__name__)

IDENTIFIER_DOES_NOT_MATCH: Final = 0xA900
UNABLE_TO_PROCESS: Final = 0xC000
INVALID_ATTRIBUTE_VALUE: Final = 0x0106
PROCESSING_FAILURE: Final = 0x0110
INVALID_SOP_INSTANCE: Final = 0x0117
NO_SUCH_SOP_CLASS: Final = 0x0118
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
UNRECOGNIZED_OPERATION: Final = 0x0211

CANCELLED: Final = Outcome(CANCEL_STATUS)

_UID = re.compile(r"(?=.{1,64}\Z)\d+(\.\d+)+", re.ASCII)
_TAG_PATH = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")

# A generator that finds a row only now and then still reports what it has this often.
_LONGEST_PAGE_SECONDS: Final = 0.05
_END: Final = b"no more rows"  # told from a row by identity

_METHODS: Final = {
    Operation.C_ECHO: "c_echo",
    Operation.C_STORE: "c_store",
    Operation.N_CREATE: "n_create",
    Operation.N_SET: "n_set",
    Operation.N_GET: "n_get",
    Operation.N_EVENT_REPORT: "n_event_report",
}
_NAMES: Final[dict[int, str]] = {one: one.name.replace("_", "-") for one in Operation}


class Exchange:
    """A request being served; the connection asks it for one step at a time."""

    __slots__ = (
        "_association",
        "_command",
        "_context",
        "_dataset",
        "_final",
        "_page",
        "_pages",
        "_pending",
        "_refused",
        "_request",
        "_rows",
        "_service",
        "_write_bytes",
        "answered",
        "began",
        "failed",
        "outcome",
        "reply",
        "stopped",
    )

    def __init__(
        self,
        service: Service,
        association: Association,
        context: Context,
        command: Command,
        dataset: bytes,
        *,
        fragment: int,
        write_bytes: int,
        began: float = 0.0,
        refusal: Outcome | None = None,
    ) -> None:
        self._service = service
        self._association = association
        self._context = context
        self._command = command
        self._dataset = dataset
        self._write_bytes = write_bytes
        self._rows: Iterator[bytes] | None = None
        self._pages: Sequence[list[bytes]] | None = None
        self._page = 0
        self._pending = b""
        self._final = Outcome()
        self._request: Request | None = None
        self.began = began
        # What was answered in the end; None if there was nobody to answer.
        self.outcome: Outcome | None = None
        self.failed = False  # by a fault of ours
        self.reply = Reply(
            context.context_id,
            command.field,
            command.message_id,
            command.sop_class_uid or context.sop_class.uid,
            command.sop_instance_uid if _UID.fullmatch(command.sop_instance_uid) else "",
            fragment,
        )
        self._refused = refusal or self._refusal()
        # Set by the connection, read here between rows.
        self.stopped = False
        # The connection has sent a final response already, or can send none any more.
        self.answered = False

    @property
    def message_id(self) -> int:
        return self._command.message_id

    @property
    def size(self) -> int:
        """Of its dataset."""
        return len(self._dataset)

    @property
    def field(self) -> int:
        """The Command Field of the request."""
        return self._command.field

    @property
    def is_find(self) -> bool:
        return self._command.field == Operation.C_FIND

    def step(self) -> tuple[bytes, bool]:
        """Begin or go on; return frames to send and whether they end the answer."""
        try:
            if self._rows is not None:
                return self._draw(self._rows)
            if self._pages is not None and not self.stopped:
                return self._turn(self._pages)
            if self.stopped:
                return b"", True
            return self._begin()
        except Refused as refused:
            outcome = refused.outcome
        except BaseException as error:
            # Also SystemExit and the like: a handler must not end the listener.
            outcome = self._failure(error)
        try:
            return self._end(outcome), True
        except Exception as error:
            return self._end(self._failure(error)), True

    def _end(self, outcome: Outcome) -> bytes:
        """The final response."""
        frames = self.reply.final(outcome)
        if self.outcome is None:  # or it was cancelled meanwhile
            self.outcome = outcome
        return frames

    def _begin(self) -> tuple[bytes, bool]:
        refusal = self._refused
        if refusal is not None:
            self._note(refusal, refusal.comment)
            return self._end(refusal), True
        sop_class = self._context.sop_class
        if self._dataset and sop_class.prescanned:
            try:
                prescan(
                    self._dataset,
                    self._context.transfer_syntax,
                    depth=sop_class.dataset_depth,
                    elements=sop_class.dataset_elements,
                )
            except InvalidValueError as error:
                outcome = self._malformed(error)
                self._note(outcome, error.message)
                return self._end(outcome), True
        request, self._request = self._asked(), None
        if self.is_find:
            return self._answer(self._service.c_find(request))
        return self._end(self._handler(request.operation)(request)), True

    def at_once(self) -> tuple[bytes, bool] | None:
        """Begin on the event loop, if the service has the answer; else None.

        What was answered before in the same bytes has been looked through before.
        """
        find = getattr(self._service, "c_find_at_once", None)
        if find is None or not self._may_be_known():
            return None
        try:
            return self._known(find(self._asked()))
        except Exception as error:
            log.error("a known answer cannot be given", **fault(error))
            return None

    def when_known(self, then: Callable[[tuple[bytes, bool] | None], None]) -> bool:
        """The same where the service needs a moment to tell; False if it cannot."""
        find = getattr(self._service, "c_find_when_known", None)
        if find is None or not self._may_be_known():
            return False

        def told(answer: FindAnswer | None) -> None:
            try:
                begun = self._known(answer)
            except Exception as error:
                log.error("a known answer cannot be given", **fault(error))
                begun = None
            then(begun)

        return bool(find(self._asked(), told))

    def _may_be_known(self) -> bool:
        return self.is_find and self._refused is None

    def _known(self, answer: FindAnswer | None) -> tuple[bytes, bool] | None:
        return None if answer is None or self.stopped else self._answer(answer)

    @property
    def is_ready(self) -> bool:
        """Whether the rest of the answer needs no work."""
        return self._pages is not None

    def _asked(self) -> Request:
        """The request as the service gets it; kept until it is answered, for it refers to us."""
        if self._request is None:
            self._request = self._made()
        return self._request

    def _made(self) -> Request:
        return Request(
            self._association,
            Operation(self._command.field),
            self._context.context_id,
            self._command.message_id,
            self._context.sop_class.uid,
            self._context.transfer_syntax,
            self._dataset,
            self._command.sop_instance_uid,
            self._command.attribute_identifiers,
            lambda: self.stopped,
            event_type=self._command.event_type,
        )

    def _answer(self, answer: FindAnswer) -> tuple[bytes, bool]:
        self._request = None
        self._pending = self.reply.pending(answer.pending)
        self._final = answer.final
        identifiers = answer.identifiers
        # Asking whether it is an instance of the protocol takes longer than the rest of this.
        pages = getattr(identifiers, "pages", None)
        if pages is not None:
            self._pages = pages(self._context.context_id, self.reply.fragment, self._write_bytes)
            return self._turn(self._pages)
        self._rows = iter(identifiers)
        return self._draw(self._rows)

    def _handler(self, operation: Operation) -> Callable[[Request], Outcome]:
        handler: Callable[[Request], Outcome] = getattr(self._service, _METHODS[operation])
        return handler

    def _refusal(self) -> Outcome | None:
        """Why this request is not for any handler, or None (PS3.7 C.5)."""
        command, sop_class = self._command, self._context.sop_class
        if command.field not in sop_class.operations:
            return Outcome(UNRECOGNIZED_OPERATION, f"not an operation of {sop_class.name}")
        normalized = Operation(command.field).is_normalized
        if command.sop_class_uid and not sop_class.is_named(command.sop_class_uid):
            status = NO_SUCH_SOP_CLASS if normalized else SOP_CLASS_NOT_SUPPORTED
            return Outcome(status, "not the SOP class of the presentation context")
        if self.is_find and not self._dataset:
            return Outcome(IDENTIFIER_DOES_NOT_MATCH, "the request has no identifier")
        stores = command.field == Operation.C_STORE
        if stores and not self._dataset:
            return Outcome(IDENTIFIER_DOES_NOT_MATCH, "the request has no dataset")
        if normalized or stores:
            uid = command.sop_instance_uid
            may_be_absent = command.field == Operation.N_CREATE
            if not (uid or may_be_absent) or (uid and not _UID.fullmatch(uid)):
                return Outcome(INVALID_SOP_INSTANCE, "the SOP Instance UID is missing or malformed")
        return None

    def _turn(self, pages: Sequence[list[bytes]]) -> tuple[bytes, bool]:
        """The next page of an answer that is framed already; the end goes with the last one."""
        frames = b""
        if pages:
            frames = self._pending + self._pending.join(pages[self._page])
            self._page += 1
        if self._page < len(pages):
            return frames, False
        return frames + self._end(self._final), True

    def _draw(self, rows: Iterator[bytes]) -> tuple[bytes, bool]:
        """The next matches, framed: as many as fit one write, or all that are left."""
        parts: list[bytes] = []
        size = 0
        context_id, fragment = self._context.context_id, self.reply.fragment
        page_ends = monotonic() + _LONGEST_PAGE_SECONDS
        try:
            while not self.stopped:
                row = next(rows, _END)
                if row is _END:
                    self._rows = None
                    parts.append(self._end(self._final))
                    return b"".join(parts), True
                frames = data_frames(context_id, row, fragment, command=False)
                parts += (self._pending, frames)
                size += len(frames) + len(self._pending)
                if size >= self._write_bytes or monotonic() > page_ends:
                    return b"".join(parts), False
        except BaseException as error:
            # What was found before stays: matches first, then the reason for the end.
            outcome = error.outcome if isinstance(error, Refused) else self._failure(error)
            parts.append(self._end(outcome))
            return b"".join(parts), True
        self._close(rows)
        return b"", True

    def _close(self, rows: Iterator[bytes]) -> None:
        """End a generator in the middle, so that it can give back what it holds."""
        self._rows = None
        close = getattr(rows, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:
                self._failure(error)

    def _malformed(self, error: InvalidValueError) -> Outcome:
        comment = f"{error.path}: {error.message}" if error.path else error.message
        if not self.is_find:
            return Outcome(INVALID_ATTRIBUTE_VALUE, comment)
        found = _TAG_PATH.fullmatch(error.path)
        tags = (int(found[1] + found[2], 16),) if found else ()
        return Outcome(IDENTIFIER_DOES_NOT_MATCH, comment, offending_elements=tags)

    def _failure(self, error: BaseException) -> Outcome:
        """Our own fault: the peer gets a reference, the log the traceback."""
        self.failed = True
        reference = token_hex(4)
        log.error(
            "dicom handler failed",
            reference=reference,
            operation=f"{self._command.field:04X}",
            calling_ae_title=self._association.calling_ae_title,
            address=self._association.address,
            **fault(error),
        )
        log.debug("dicom handler failed", reference=reference, message=str(error))
        normalized = self._command.field >= Operation.N_EVENT_REPORT
        status = PROCESSING_FAILURE if normalized else UNABLE_TO_PROCESS
        outcome = Outcome(status, f"internal error, reference {reference}")
        self._note(outcome, "internal error; the log has the traceback")
        return outcome

    def _note(self, outcome: Outcome, reason: str) -> None:
        """Have a refusal kept that no handler knows of."""
        service = self._service
        if not isinstance(service, Noting):
            return
        ae_title, address = self._association.calling_ae_title, self._association.address
        try:
            if self.is_find and outcome.status == IDENTIFIER_DOES_NOT_MATCH:
                syntax = self._context.transfer_syntax
                service.note_query(self._association, self._dataset, syntax, outcome)
            else:
                operation = _NAMES.get(self._command.field, f"{self._command.field:04X}")
                service.note_refusal(ae_title, address, operation, f"{outcome.status:04X}", reason)
        except Exception as error:
            # The peer is answered all the same.
            log.error("a refusal could not be kept", **fault(error))


def fault(error: BaseException) -> dict[str, str]:
    """An exception for the log, without its text, which may quote patient data."""
    return {
        "error": type(error).__name__,
        "traceback": "".join(traceback.format_tb(error.__traceback__)),
    }

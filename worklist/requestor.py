"""Associations that we request: one socket, one request at a time, a deadline on every wait.

pynetdicom's PDU classes code the negotiation (PS3.8 9.3.2, 9.3.3), as they do for the listener. Its
own requestor waits in ``recv`` without a deadline, so a peer that sends half a PDU would keep a
worker and two threads for as long as it likes; here nothing outlasts the target's seconds.

What went wrong is sorted by what the peer may have got of the request:

==========  ======================================================================================
TRANSIENT   it cannot have got it: no connection, no association for now, broken off while sending
AMBIGUOUS   it may have: no answer, an unreadable one, the end of the connection
REFUSED     it will not: association rejected for good, class or role not supported
==========  ======================================================================================
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from ris.client_tls import ClientTls, client_context, is_expected, words_of
from ris.domain.protocol import Result
from ris.version import version
from worklist.command_sets import (
    DATASET_TYPE,
    MESSAGE_ID,
    NO_DATASET,
    WITH_DATASET,
    Response,
    command_set,
    has_dataset,
    read_response,
)
from worklist.config import IMPLEMENTATION_CLASS_UID
from worklist.dimse import Command, CommandError, Reply, read_command
from worklist.negotiation import APPLICATION_CONTEXT_NAME
from worklist.pdu import (
    HEADER,
    HEADER_BYTES,
    RELEASE_RQ,
    USER_ABORT,
    PduError,
    PduType,
    data_frames,
    data_values,
    fragment_bytes,
)
from worklist.service import Outcome
from worklist.sop_classes import Operation

_PDU_BYTES: Final = 128 * 1024  # announced, and all that is taken
_MESSAGE_BYTES: Final = 1 << 20  # of a whole response
_MATCHES_BYTES: Final = 8 << 20  # of all matches of a question
_SMALLEST_PEER_PDU: Final = 64
_RELEASE_SECONDS: Final = 2.0
_READ: Final = 65_536
PENDING: Final = frozenset({0xFF00, 0xFF01})  # more matches follow (PS3.4 C.4.1.1.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A peer that is called, and how long to wait for what."""

    host: str
    port: int
    called: str
    calling: str
    tls: ClientTls | None = None
    connect_seconds: float = 10.0  # TCP and TLS
    associate_seconds: float = 15.0
    answer_seconds: float = 30.0  # from the first byte of the request to the last of the answer


@dataclass(frozen=True, slots=True)
class Proposal:
    """One presentation context; ``as_scp`` proposes that we play the provider (PS3.7 D.3.3.4)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    context_id: int
    abstract_syntax: str
    transfer_syntax: str


class CallError(Exception):
    """The call ended without an answer; ``result`` says what the peer may have got."""

    def __init__(self, result: Result, text: str) -> None:
        super().__init__(text)
        self.result = result


class NotAcceptedError(CallError):
    """No association that would do, by the peer's own word."""


# What is done with an event that the peer reports, and how that is answered.
Take = Callable[[Command, bytes], Outcome]


@dataclass(slots=True)
class Association:
    """An open association."""

    accepted: tuple[Accepted, ...]
    # By SOP class: whether the peer agreed that we play (SCU, SCP); absent: it did not say.
    roles: Mapping[str, tuple[bool, bool]]
    _line: _Line
    _fragment: int
    _seconds: float
    _message_id: int = 0

    def request(
        self,
        context: Accepted,
        fields: Mapping[int, int | str],
        dataset: bytes = b"",
        take: Take | None = None,
    ) -> Response:
        """Send a request and wait for its response; ``fields`` are those of its command set.

        With ``take`` the peer may report an event of the class before it responds.
        """
        self._message_id += 1
        command = command_set(
            {
                **fields,
                MESSAGE_ID: self._message_id,
                DATASET_TYPE: WITH_DATASET if dataset else NO_DATASET,
            }
        )
        frames = data_frames(context.context_id, command, self._fragment, command=True)
        if dataset:
            frames += data_frames(context.context_id, dataset, self._fragment, command=False)
        deadline = monotonic() + self._seconds
        self._line.send(frames, deadline)
        return self._response(deadline, context, take)[0]

    def matches(
        self, context: Accepted, fields: Mapping[int, int | str], identifier: bytes, most: int
    ) -> tuple[list[bytes], Response]:
        """Send a C-FIND and collect its matches, all within one wait; the final response as well.

        Of more than ``most`` the rest is not waited for: the last response says pending then.
        """
        self._message_id += 1
        command = command_set({**fields, MESSAGE_ID: self._message_id, DATASET_TYPE: WITH_DATASET})
        frames = data_frames(context.context_id, command, self._fragment, command=True)
        frames += data_frames(context.context_id, identifier, self._fragment, command=False)
        deadline = monotonic() + self._seconds
        self._line.send(frames, deadline)
        found: list[bytes] = []
        size = 0
        while True:
            response, dataset = self._response(deadline, context)
            if response.status not in PENDING:
                return found, response
            found.append(dataset)
            size += len(dataset)
            if size > _MATCHES_BYTES:
                raise CallError(Result.AMBIGUOUS, "the answer is larger than any answer is")
            if len(found) >= most:
                return found, response

    def await_report(self, context: Accepted, seconds: float, take: Take) -> None:
        """Give the peer time to report an event, and answer it; it may report elsewhere as well."""
        with _readable():
            try:
                raw, dataset = self._message(monotonic() + seconds)
            except CallError:
                return  # what was asked has been answered
            self._is_event(context, raw, dataset, take)

    def _is_event(self, context: Accepted, raw: bytes, dataset: bytes, take: Take) -> bool:
        """Whether a message is an N-EVENT-REPORT, which is then answered."""
        command = read_command(raw)
        if command.field != Operation.N_EVENT_REPORT:
            return False
        reply = Reply(
            context.context_id,
            command.field,
            command.message_id,
            command.sop_class_uid,
            command.sop_instance_uid,
            self._fragment,
        )
        outcome, sent = take(command, dataset), False
        try:
            self._line.send(reply.final(outcome), monotonic() + self._seconds)
            sent = True
        finally:
            if outcome.sent is not None:
                outcome.sent(sent)
        return True

    def _response(
        self, deadline: float, context: Accepted, take: Take | None = None
    ) -> tuple[Response, bytes]:
        """The next response to the last request, and the dataset behind it."""
        with _readable():
            command, dataset = self._message(deadline)
            while take is not None and self._is_event(context, command, dataset, take):
                command, dataset = self._message(deadline)
            response, answered = read_response(command)
        if answered != self._message_id:
            raise CallError(Result.AMBIGUOUS, "the answer belongs to another request")
        return response, dataset

    def _message(self, deadline: float) -> tuple[bytes, bytes]:
        """The command set of the next message and its dataset, if it has one."""
        command, dataset = bytearray(), bytearray()
        is_command_whole = False
        while True:
            kind, raw = self._line.pdu(deadline, Result.AMBIGUOUS)
            if kind == PduType.ABORT:
                raise CallError(Result.AMBIGUOUS, "the peer aborted before it answered")
            if kind != PduType.P_DATA_TF:
                raise CallError(Result.AMBIGUOUS, "the peer ended the association unanswered")
            for _, is_command, is_last, data in data_values(raw, 0, len(raw)):
                if is_command:
                    command += data
                    is_command_whole = is_command_whole or is_last
                else:
                    dataset += data
                if len(command) + len(dataset) > _MESSAGE_BYTES:
                    raise CallError(Result.AMBIGUOUS, "the answer is larger than any answer is")
                if is_last and is_command_whole and not (is_command and has_dataset(command)):
                    return bytes(command), bytes(dataset)


@contextmanager
def _readable() -> Iterator[None]:
    """Inside, what the peer says is read; raises CallError if nobody could."""
    try:
        yield
    except PduError as broken:
        raise CallError(Result.AMBIGUOUS, f"unreadable answer: {broken}") from None
    except CommandError as broken:
        raise CallError(Result.AMBIGUOUS, str(broken)) from None


@contextmanager
def associate(target: Target, proposals: Sequence[Proposal]) -> Iterator[Association]:
    """An association, released at the end and aborted on an error; raises CallError."""
    line = _Line(connected(target))
    try:
        association = _negotiated(line, target, proposals)
        yield association
    except BaseException:
        with suppress(OSError):
            line.sock.settimeout(0.2)
            line.sock.send(USER_ABORT)
        raise
    else:
        _release(line)
    finally:
        with suppress(OSError):
            line.sock.close()


# --- the connection


@dataclass(slots=True)
class _Line:
    """A socket whose every operation ends at a deadline, however slowly the peer moves."""

    sock: socket.socket
    _ahead: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        try:
            while view:
                self.sock.settimeout(_left(deadline))
                view = view[self.sock.send(view[:_READ]) :]
        except OSError as failed:
            # Not all of it was taken, so the peer cannot have the whole message.
            raise CallError(Result.TRANSIENT, f"not sent: {words_of(failed)}") from None

    def pdu(self, deadline: float, result: Result) -> tuple[int, bytes]:
        """The next PDU as (type, all of it); ``result`` is what a failure means at this point."""
        try:
            self._fill(HEADER_BYTES, deadline)
            kind, length = HEADER.unpack_from(self._ahead)
            if length > _PDU_BYTES:
                raise CallError(result, "the peer announced a PDU larger than was agreed")
            self._fill(HEADER_BYTES + length, deadline)
        except EOFError:
            raise CallError(result, "the peer closed the connection without an answer") from None
        except OSError as failed:
            raise CallError(result, f"no answer: {words_of(failed)}") from None
        raw = bytes(self._ahead[: HEADER_BYTES + length])
        del self._ahead[: HEADER_BYTES + length]
        return kind, raw

    def _fill(self, size: int, deadline: float) -> None:
        while len(self._ahead) < size:
            self.sock.settimeout(_left(deadline))
            data = self.sock.recv(_READ)
            if not data:
                raise EOFError
            self._ahead += data


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connected(target: Target) -> socket.socket:
    """A socket to the peer, with TLS if it is wanted; raises CallError."""
    deadline = monotonic() + target.connect_seconds
    try:
        sock = _reached(target, deadline)
    except (OSError, UnicodeError) as failed:  # the latter for what can be no host name
        raise CallError(Result.TRANSIENT, f"no connection: {words_of(failed)}") from None
    if target.tls is None:
        return sock
    try:
        return _secured(sock, target, target.tls, deadline)
    except (OSError, ValueError) as failed:
        sock.close()
        raise CallError(Result.TRANSIENT, f"no TLS connection: {words_of(failed)}") from None


def _reached(target: Target, deadline: float) -> socket.socket:
    """The first address of the host that answers, all within the deadline."""
    last: OSError = TimeoutError()
    for family, kind, number, _, address in socket.getaddrinfo(
        target.host, target.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, number)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as failed:
            sock.close()
            last = failed
            continue
        return sock
    raise last


def _secured(
    plain: socket.socket, target: Target, tls: ClientTls, deadline: float
) -> ssl.SSLSocket:
    secured = client_context(tls).wrap_socket(
        plain, server_hostname=tls.server_name or target.host, do_handshake_on_connect=False
    )
    try:
        secured.settimeout(_left(deadline))
        secured.do_handshake()
        if not is_expected(secured, tls.fingerprint):
            raise OSError("the peer's certificate is not the one expected")
    except BaseException:
        secured.close()
        raise
    return secured


def _release(line: _Line) -> None:
    """A-RELEASE; what was asked is answered already, so how this ends changes nothing."""
    deadline = monotonic() + _RELEASE_SECONDS
    with suppress(CallError):
        line.send(RELEASE_RQ, deadline)
        line.pdu(deadline, Result.TRANSIENT)


# --- negotiation

# PS3.8 Table 9-21: (source, reason) in words.
_REJECTIONS: Final = {
    (1, 1): "it gave no reason",
    (1, 2): "it does not know the application context",
    (1, 3): "it does not know our AE title {calling}",
    (1, 7): "it is not called {called}",
    (2, 1): "it gave no reason",
    (2, 2): "it does not speak this protocol version",
    (3, 1): "it is congested",
    (3, 2): "it has too many associations",
}
_TRANSIENT_REJECTION: Final = 2


def _negotiated(line: _Line, target: Target, proposals: Sequence[Proposal]) -> Association:
    deadline = monotonic() + target.associate_seconds
    line.send(_associate_rq(target, proposals), deadline)
    kind, raw = line.pdu(deadline, Result.TRANSIENT)
    if kind == PduType.ASSOCIATE_RJ:
        raise _rejected(raw, target)
    if kind != PduType.ASSOCIATE_AC:
        raise CallError(Result.TRANSIENT, "the peer aborted instead of taking the association")
    try:
        answer: Any = A_ASSOCIATE_AC()
        answer.decode(raw)
        results = answer.to_primitive().presentation_context_definition_results_list
        if not results:
            raise ValueError("an answer that says nothing of what was proposed")
        user = answer.user_information
        maximum = (user.maximum_length if user else None) or 0
        accepted = tuple(_accepted(result, proposals) for result in results if result.result == 0)
        roles = {
            str(uid): (bool(item.scu_role), bool(item.scp_role))
            for uid, item in (user.role_selection if user else {}).items()
        }
    except Exception as failed:
        # The decoder reports faults by whatever happens to fail.
        raise CallError(
            Result.TRANSIENT, f"unreadable answer to the association ({type(failed).__name__})"
        ) from None
    if 0 < maximum < _SMALLEST_PEER_PDU:
        raise CallError(Result.TRANSIENT, "the peer takes no PDU of a useful size")
    if not accepted:
        raise NotAcceptedError(Result.REFUSED, "the peer does not support this service")
    fragment = fragment_bytes(maximum, _PDU_BYTES)
    return Association(accepted, roles, line, fragment, target.answer_seconds)


def _accepted(result: Any, proposals: Sequence[Proposal]) -> Accepted:
    context_id = int(result.context_id)
    proposal = proposals[context_id // 2]
    chosen = str(result.transfer_syntax[0])
    if chosen not in proposal.transfer_syntaxes:
        raise ValueError("a transfer syntax that was not proposed")
    return Accepted(context_id, proposal.abstract_syntax, chosen)


def _rejected(raw: bytes, target: Target) -> NotAcceptedError:
    verdict, source, reason = (*raw[7:10], 0, 0, 0)[:3]
    words = _REJECTIONS.get((source, reason), f"reason {source}/{reason}")
    words = words.format(calling=target.calling, called=target.called)
    is_for_now = verdict == _TRANSIENT_REJECTION
    return NotAcceptedError(
        Result.TRANSIENT if is_for_now else Result.REFUSED, f"association rejected: {words}"
    )


def _associate_rq(target: Target, proposals: Sequence[Proposal]) -> bytes:
    request: Any = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT_NAME
    request.calling_ae_title = target.calling
    request.called_ae_title = target.called
    contexts = []
    for number, proposal in enumerate(proposals):
        context = PresentationContext()
        context.context_id = 2 * number + 1
        context.abstract_syntax = proposal.abstract_syntax
        context.transfer_syntax = list(proposal.transfer_syntaxes)
        contexts.append(context)
    request.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = _PDU_BYTES
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    named = ImplementationVersionNameNotification()
    named.implementation_version_name = f"RIS_{version()}"[:16]
    request.user_information = [maximum, implementation, named, *_role_items(proposals)]
    encoded: bytes = A_ASSOCIATE_RQ(request).encode()
    return encoded


def _role_items(proposals: Sequence[Proposal]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    items = []
    for uid in dict.fromkeys(one.abstract_syntax for one in proposals if one.as_scp):
        item = SCP_SCU_RoleSelectionNegotiation()
        item.sop_class_uid = uid
        item.scu_role = False
        item.scp_role = True
        items.append(item)
    return items

"""Calls to peers that are silent, slow or broken end at their deadlines, with the right verdict."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pydicom.dataset import Dataset

from ris.client_tls import ClientTls
from ris.domain.protocol import Result
from tests.wire.dicom_peer import element, item, message, pdu
from tests.worklist.performed import n_create
from worklist.mwl import write
from worklist.raw import StoredRequest
from worklist.requestor import CallError, NotAcceptedError, Target
from worklist.scu import Commitment, commit, echo, notify, perform
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP as MPPS

pytestmark = pytest.mark.wire

# The deadline that a test waits for; all others are longer than a loaded machine needs.
SECONDS = 0.4
PATIENCE = 20.0
AT_MOST = 10.0

Act = Callable[[socket.socket], None]

RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"


@contextmanager
def peer(act: Act) -> Iterator[int]:
    """A listener that does ``act`` with its one caller and then waits for it to go."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def run() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                act(connection)
                while connection.recv(65_536):
                    pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(15)
        assert not thread.is_alive()


def target(port: int, short: str = "", *, tls: ClientTls | None = None) -> Target:
    """A peer whose ``short`` phase (connect, associate, answer) has the short deadline."""
    seconds = {f"{phase}_seconds": PATIENCE for phase in ("connect", "associate", "answer")}
    if short:
        seconds[f"{short}_seconds"] = SECONDS
    return Target(
        host="127.0.0.1",
        port=port,
        called="PACS",
        calling="RIS",
        tls=tls,
        **seconds,
    )


def request(dataset: Dataset | None = None) -> StoredRequest:
    data = write(dataset or n_create(), explicit=True, little_endian=True)
    return StoredRequest("N-CREATE", MPPS, "2.25.1", EXPLICIT_VR_LITTLE_ENDIAN, "CT1", data)


def failed(
    port: int, short: str, *, tls: ClientTls | None = None, dataset: Dataset | None = None
) -> CallError:
    """How a call ended; it must end in time."""
    started = time.monotonic()
    with pytest.raises(CallError) as caught:
        perform(target(port, short, tls=tls), request(dataset))
    assert time.monotonic() - started < AT_MOST
    return caught.value


def read_pdu(connection: socket.socket) -> bytes:
    head = connection.recv(6, socket.MSG_WAITALL)
    return head + connection.recv(struct.unpack(">L", head[2:6])[0], socket.MSG_WAITALL)


def accept(connection: socket.socket, *, maximum: int = 16_384, context_id: int = 1) -> None:
    """Take the association, with the first context in Explicit VR Little Endian."""
    asked = read_pdu(connection)
    user = item(0x51, struct.pack(">L", maximum)) + item(0x52, b"2.25.9")
    context = bytes((context_id, 0, 0, 0)) + item(0x40, EXPLICIT_VR_LITTLE_ENDIAN.encode())
    body = (
        asked[6:74] + item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x21, context) + item(0x50, user)
    )
    connection.sendall(pdu(2, body))


def read_request(connection: socket.socket) -> int:
    """All fragments of a request with dataset; how many PDUs it took."""
    lasts, count = 0, 0
    while lasts < 2:
        lasts += bool(read_pdu(connection)[11] & 2)
        count += 1
    return count


def response(status: int = 0, *, answers: int = 1, field: int = 0x8140) -> bytes:
    command = (
        element(0x0100, struct.pack("<H", field))
        + element(0x0120, struct.pack("<H", answers))
        + element(0x0800, struct.pack("<H", 0x0101))
        + element(0x0900, struct.pack("<H", status))
    )
    return message(1, command)


# --- before anything was asked: it can be tried again


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    error = failed(port, "associate")

    assert (error.result, str(error)) == (Result.TRANSIENT, "no connection: Connection refused")


def test_a_peer_that_takes_the_connection_and_is_silent() -> None:
    with peer(lambda connection: None) as port:
        error = failed(port, "associate")

    assert (error.result, str(error)) == (Result.TRANSIENT, "no answer: timed out")


def test_a_peer_that_is_silent_when_tls_begins() -> None:
    with peer(lambda connection: None) as port:
        error = failed(port, "connect", tls=ClientTls())

    assert (error.result, str(error)) == (Result.TRANSIENT, "no TLS connection: timed out")


def test_a_peer_without_tls() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(RELEASE_RQ)

    with peer(answer) as port:
        error = failed(port, "connect", tls=ClientTls())

    assert error.result is Result.TRANSIENT
    assert str(error).startswith("no TLS connection: ")


def test_half_an_answer_to_the_association() -> None:
    def half(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(b"\x02\x00\x00\x00\x01\x00half")

    with peer(half) as port:
        error = failed(port, "associate")

    assert (error.result, str(error)) == (Result.TRANSIENT, "no answer: timed out")


def test_one_byte_now_and_then() -> None:
    def drip(connection: socket.socket) -> None:
        read_pdu(connection)
        with suppress(OSError):
            for byte in b"\x02\x00\x00\x00\x01\x00" + b"\x00" * 200:
                connection.sendall(bytes((byte,)))
                time.sleep(0.05)

    with peer(drip) as port:
        error = failed(port, "associate")

    assert (error.result, str(error)) == (Result.TRANSIENT, "no answer: timed out")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "the peer announced a PDU larger than was agreed"),
        (b"\x02\x00\xff\xff\xff\xff", "the peer announced a PDU larger than was agreed"),
        (RELEASE_RQ, "the peer aborted instead of taking the association"),
        (b"\x02\x00\x00\x00\x00\x02ab", "unreadable answer to the association (ValueError)"),
    ],
    ids=["http", "4 GiB", "release", "too short"],
)
def test_something_else_than_an_answer_to_the_association(answer: bytes, text: str) -> None:
    def say(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(answer)

    with peer(say) as port:
        error = failed(port, "associate")

    assert (error.result, str(error)) == (Result.TRANSIENT, text)


@pytest.mark.parametrize(
    ("verdict", "result", "text"),
    [
        ((2, 3, 2), Result.TRANSIENT, "it has too many associations"),
        ((2, 3, 1), Result.TRANSIENT, "it is congested"),
        ((1, 1, 3), Result.REFUSED, "it does not know our AE title RIS"),
        ((1, 1, 7), Result.REFUSED, "it is not called PACS"),
        ((1, 2, 9), Result.REFUSED, "reason 2/9"),
    ],
)
def test_a_rejection_is_for_now_or_for_good(
    verdict: tuple[int, int, int], result: Result, text: str
) -> None:
    def reject(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(b"\x03\x00\x00\x00\x00\x04\x00" + bytes(verdict))

    with peer(reject) as port:
        error = failed(port, "associate")

    assert (error.result, str(error)) == (result, f"association rejected: {text}")


def test_a_context_that_was_never_proposed() -> None:
    with peer(lambda connection: accept(connection, context_id=99)) as port:
        error = failed(port, "associate")

    assert error.result is Result.TRANSIENT
    assert str(error).startswith("unreadable answer to the association")


# --- after the request left: it may have arrived


def after(act: Act) -> CallError:
    """How a call ended whose request the peer has read whole before it does ``act``."""

    def take(connection: socket.socket) -> None:
        accept(connection)
        read_request(connection)
        act(connection)

    with peer(take) as port:
        return failed(port, "answer")


def test_no_answer_to_the_request() -> None:
    error = after(lambda connection: None)

    assert (error.result, str(error)) == (Result.AMBIGUOUS, "no answer: timed out")


def test_half_an_answer_to_the_request() -> None:
    error = after(lambda connection: connection.sendall(response()[:20]))

    assert (error.result, str(error)) == (Result.AMBIGUOUS, "no answer: timed out")


def test_the_end_of_the_connection_instead_of_an_answer() -> None:
    error = after(lambda connection: connection.shutdown(socket.SHUT_WR))

    assert error.result is Result.AMBIGUOUS
    assert str(error) == "the peer closed the connection without an answer"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (response(answers=7), "the answer belongs to another request"),
        (response(field=0x0030), "the peer asked something instead of answering"),
        (b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00", "the peer aborted before it answered"),
        (RELEASE_RQ, "the peer ended the association unanswered"),
        (b"\x04\x00\x00\x0f\xff\xff", "the peer announced a PDU larger than was agreed"),
        (b"\x04\x00\x00\x00\x00\x04\x00\x00\x00\x99", "unreadable answer: a P-DATA-TF ends inside"),
        (
            b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x06\x01\x03\x00\x00\x02\x00",
            "the answer ends inside an element",
        ),
    ],
    ids=["other message", "request", "abort", "release", "too long", "no value", "no command"],
)
def test_something_else_than_an_answer_to_the_request(answer: bytes, text: str) -> None:
    error = after(lambda connection: connection.sendall(answer))

    assert error.result is Result.AMBIGUOUS
    assert str(error).startswith(text)


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        (b"\x04\x00\x00\x00\x00\x04\x00\x00\x00\x99", "unreadable answer: a P-DATA-TF ends inside"),
        (response(field=0x0100), "the command set lacks a field"),
    ],
    ids=["no value", "half an event"],
)
def test_what_stands_behind_an_answer_is_an_event_or_the_peers_fault(
    behind: bytes, text: str
) -> None:
    def answer(connection: socket.socket) -> None:
        accept(connection)
        read_request(connection)
        connection.sendall(response(field=0x8130) + behind)

    taken: list[bool] = []
    with peer(answer) as port, pytest.raises(CallError) as caught:
        commit(
            target(port),
            Commitment("2.25.7", "2.25.8", "2.25.9"),
            AT_MOST,
            lambda: taken.append(True),
            lambda data, syntax: pytest.fail("nothing was reported"),
        )

    assert taken == [True]
    assert caught.value.result is Result.AMBIGUOUS
    assert str(caught.value).startswith(text)


def test_an_answer_that_never_ends() -> None:
    def talk(connection: socket.socket) -> None:
        pdv = struct.pack(">LBB", 16_002, 1, 1) + b"\0" * 16_000
        with suppress(OSError):
            for _ in range(1_000):
                connection.sendall(struct.pack(">BBL", 4, 0, len(pdv)) + pdv)

    error = after(talk)

    assert error.result is Result.AMBIGUOUS


def test_a_peer_that_stops_reading() -> None:
    def take(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        accept(connection)
        stalled.wait(10)
        connection.close()

    stalled = threading.Event()
    large = n_create()
    large.add_new(0x7FE00010, "OB", bytes(24_000_000))
    with peer(take) as port:
        error = failed(port, "answer", dataset=large)
        stalled.set()

    assert (error.result, str(error)) == (Result.TRANSIENT, "not sent: timed out")


# --- what goes well


def test_a_request_is_sent_in_fragments_of_the_peers_size() -> None:
    counts: list[int] = []

    def answer(connection: socket.socket) -> None:
        accept(connection, maximum=128)
        counts.append(read_request(connection))
        connection.sendall(response())

    with peer(answer) as port:
        done = perform(target(port), request())

    assert done.status == 0
    assert counts[0] > 3


def test_a_peer_that_does_not_answer_the_release_changes_nothing() -> None:
    def answer(connection: socket.socket) -> None:
        accept(connection)
        read_request(connection)
        connection.sendall(response(0x0107))

    started = time.monotonic()
    with peer(answer) as port:
        done = perform(target(port), request())

    assert done.status == 0x0107
    assert time.monotonic() - started < AT_MOST


def test_a_report_of_an_event_says_which_and_of_what() -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        accept(connection)
        asked.append(read_pdu(connection))
        connection.sendall(response(field=0x8100))

    with peer(answer) as port:
        done = notify(target(port), "2.25.1", 3, confirmed=False)

    (raw,) = asked
    assert done.status == 0
    assert element(0x0002, b"1.2.840.10008.3.1.2.3.5\0") in raw
    assert element(0x0100, b"\x00\x01") in raw  # N-EVENT-REPORT-RQ
    assert element(0x0800, b"\x01\x01") in raw  # no event information
    assert element(0x1000, b"2.25.1") in raw
    assert element(0x1002, b"\x03\x00") in raw


def test_without_the_peers_word_on_roles_nothing_is_reported() -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        accept(connection)
        asked.append(read_pdu(connection))

    with peer(answer) as port, pytest.raises(NotAcceptedError, match="as provider") as failure:
        notify(target(port), "2.25.1", 3)

    assert failure.value.result is Result.REFUSED
    assert asked == [b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00"]  # A-ABORT, nothing else


def test_echo_is_bounded_too() -> None:
    with peer(lambda connection: None) as port, pytest.raises(CallError, match="timed out"):
        echo(target(port, "associate"))

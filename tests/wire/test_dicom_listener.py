"""The DICOM listener with real clients: pynetdicom and dcmtk."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from tests.programs import demand
from tests.wire.dicom_client import associate, client, query, rows
from tests.wire.dicom_exam import UID, step
from tests.wire.dicom_peer import (
    MPPS,
    VERIFICATION,
    WORKLIST,
    Peer,
    associate_rq,
    until,
    user_identity,
)
from tests.wire.dicom_service import CONFIG, Handlers, Rows, config, listening
from worklist.config import IMPLEMENTATION_CLASS_UID
from worklist.server import ServerThread
from worklist.service import (
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    IDENTITY_REFUSED,
    SUCCESS,
    Admission,
    AssociationRequest,
    FindAnswer,
    Outcome,
    Rejection,
    Request,
)

pytestmark = pytest.mark.wire


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def server(handlers: Handlers) -> Iterator[ServerThread]:
    with listening(handlers) as running:
        yield running


# --- association


def test_an_echo_is_answered(server: ServerThread, handlers: Handlers) -> None:
    association = associate(server, client())
    status = association.send_c_echo()
    association.release()

    assert status.Status == 0x0000
    assert association.is_released
    request = handlers.requests[0]
    assert request.association.calling_ae_title == "CT1"
    assert request.association.called_ae_title == "RIS"
    assert request.association.address == "127.0.0.1"
    assert request.association.peer == "CT1"


def test_the_listener_names_its_own_implementation(server: ServerThread) -> None:
    association = associate(server, client())
    association.release()

    assert association.acceptor.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert association.acceptor.implementation_version_name == "RIS"
    assert association.acceptor.maximum_length == 128 * 1024


def answer_to(server: ServerThread, request: bytes) -> tuple[int, tuple[int, ...]]:
    """Type and reason of the PDU that comes back to a request on a bare socket.

    pynetdicom's requestor now and then gives up on a rejection before it has noted it.
    """
    with Peer(server.port) as peer:
        peer.send(request)
        kind, raw = peer.read()
    return kind, tuple(raw[7:10])


@pytest.mark.parametrize(
    ("verdict", "diagnostic"),
    [(CALLED_AE_NOT_RECOGNIZED, (1, 1, 7)), (CALLING_AE_NOT_RECOGNIZED, (1, 1, 3))],
)
def test_a_stranger_is_rejected_in_the_words_of_the_service(
    server: ServerThread, handlers: Handlers, verdict: Rejection, diagnostic: tuple[int, int, int]
) -> None:
    handlers.admit = lambda _: verdict

    assert answer_to(server, associate_rq(called="ELSE")) == (3, diagnostic)
    until(lambda: server.layer.metrics.rejected.total() == 1)


def test_a_failing_admission_is_answered_as_congestion(
    server: ServerThread, handlers: Handlers
) -> None:
    def fail(_: AssociationRequest) -> Admission:
        raise RuntimeError("the database is away")

    handlers.admit = fail

    assert answer_to(server, associate_rq()) == (3, (2, 3, 1))


@pytest.mark.parametrize(
    ("proposed", "accepted"),
    [
        ([ImplicitVRLittleEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([ImplicitVRLittleEndian, ExplicitVRBigEndian], ImplicitVRLittleEndian),
        ([ExplicitVRBigEndian], ExplicitVRBigEndian),
    ],
)
def test_the_transfer_syntax_is_chosen_in_our_order(
    server: ServerThread, proposed: list[Any], accepted: str
) -> None:
    association = associate(server, client(WORKLIST, syntaxes=proposed))
    association.release()

    assert association.accepted_contexts[0].transfer_syntax == [accepted]


def test_a_deflated_or_unknown_context_is_refused_and_the_others_stay(
    server: ServerThread,
) -> None:
    ae = client(VERIFICATION)
    ae.add_requested_context(WORKLIST, "1.2.840.10008.1.2.1.99")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.2", ImplicitVRLittleEndian)

    association = associate(server, ae)
    association.release()

    assert [context.abstract_syntax for context in association.accepted_contexts] == [VERIFICATION]
    assert {c.abstract_syntax: c.result for c in association.rejected_contexts} == {
        WORKLIST: 4,
        "1.2.840.10008.5.1.4.1.1.2": 3,
    }


@pytest.mark.parametrize(
    ("offered", "answered"),
    [(b"\1\1\1", b"\1\1\0"), (b"\1\1\1\1", b"\1\1\0\1"), (b"\0\0\0\0\1", b"\1\1\0\0\0")],
)
def test_extended_negotiation_is_answered_in_the_offered_length(
    handlers: Handlers, offered: bytes, answered: bytes
) -> None:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = WORKLIST
    item.service_class_application_information = offered

    with listening(handlers, replace(CONFIG, timezone_adjustment=True)) as server:
        association = associate(server, client(WORKLIST), ext_neg=[item])
        list(association.send_c_find(query(), WORKLIST))
        association.release()

    assert association.acceptor.sop_class_extended == {WORKLIST: answered}
    assert handlers.requests[0].association.application_information == {WORKLIST: offered}
    assert handlers.requests[0].association.agreed_information == {WORKLIST: answered}


def test_one_operation_at_a_time_is_agreed(server: ServerThread) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 0
    window.maximum_number_operations_performed = 5

    association = associate(server, client(), ext_neg=[window])
    association.release()

    assert association.acceptor.asynchronous_operations == (1, 1)


def identity(name: bytes, passcode: bytes) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = 2
    item.positive_response_requested = True
    item.primary_field = name
    item.secondary_field = passcode
    return item


def test_a_user_identity_is_shown_to_the_service_and_acknowledged(
    server: ServerThread, handlers: Handlers
) -> None:
    seen: list[AssociationRequest] = []

    def admit(request: AssociationRequest) -> Admission:
        seen.append(request)
        return Admission(identity_response=b"")

    handlers.admit = admit

    association = associate(server, client(), ext_neg=[identity(b"ct1", b"secret")])
    association.release()

    assert seen[0].identity is not None
    assert (seen[0].identity.primary, seen[0].identity.secondary) == (b"ct1", b"secret")
    assert "secret" not in repr(seen[0])
    assert association.acceptor.user_identity is not None


def test_a_refused_user_identity_rejects_the_association(
    server: ServerThread, handlers: Handlers
) -> None:
    handlers.admit = lambda _: IDENTITY_REFUSED

    request = associate_rq(user_items=user_identity(2, b"ct1", b"wrong"))

    assert answer_to(server, request) == (3, (1, 2, 1))


# --- dcmtk


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=20, check=False, errors="replace"
    )


def test_dcmtk_echoes(server: ServerThread) -> None:
    demand("dcmtk")
    done = run("echoscu", "-aet", "CT1", "-aec", "RIS", "127.0.0.1", str(server.port))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["-x=", "-xe", "-xb", "-xi"])
def test_dcmtk_finds(server: ServerThread, handlers: Handlers, option: str) -> None:
    demand("dcmtk")
    handlers.c_find = lambda request: FindAnswer(rows(request, "Doe^Jane", "Roe^Rita"))

    done = run(
        "findscu", option, "-W", "-v", "-aet", "CT1", "-aec", "RIS",
        "-k", "PatientName", "-k", "(0040,0100)[0].Modality=CT",
        "127.0.0.1", str(server.port),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "[Doe^Jane]" in said or "[Doe^Jane ]" in said
    assert "[Roe^Rita]" in said or "[Roe^Rita ]" in said


def test_dcmtk_cancels(server: ServerThread, handlers: Handlers) -> None:
    demand("dcmtk")
    endless = Rows(encode(query(PatientName="A^B"), True, True) or b"")
    handlers.c_find = lambda _: FindAnswer(endless)

    done = run(
        "findscu", "-xi", "-W", "-d", "--cancel", "5", "-aet", "CT1", "-aec", "RIS",
        "-k", "PatientName", "127.0.0.1", str(server.port),
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    assert "0xfe00" in (done.stdout + done.stderr)
    assert endless.closed.wait(5)


# --- stopping


def test_a_stop_lets_the_running_request_be_answered(handlers: Handlers) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Request) -> Outcome:
        begun.set()
        assert go_on.wait(5)
        return SUCCESS

    handlers.n_set = slow
    server = ServerThread(config(), handlers)
    server.start()
    association = associate(server, client(MPPS))
    answers: list[Dataset] = []
    asking = threading.Thread(
        target=lambda: answers.append(association.send_n_set(step(Modality="CT"), MPPS, UID)[0])
    )
    asking.start()
    assert begun.wait(5)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    asking.join(5)
    stopping.join(5)

    assert answers[0].Status == 0x0000
    assert not stopping.is_alive()
    until(lambda: not association.is_established)
    assert association.is_released
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_stopped_listener_lets_the_service_close_what_its_threads_hold() -> None:
    ended: list[str] = []

    class Connected(Handlers):
        def thread_ended(self) -> None:
            ended.append(threading.current_thread().name)

    connected = Connected()
    with listening(connected) as server:
        association = associate(server, client())
        association.send_c_echo()
        association.release()

    assert len(ended) == CONFIG.threads


def test_a_stop_does_not_wait_for_a_hanging_handler(handlers: Handlers) -> None:
    begun, never = threading.Event(), threading.Event()

    def hang(_: Request) -> Outcome:
        begun.set()
        never.wait(10)
        return SUCCESS

    handlers.c_echo = hang
    server = ServerThread(config(), handlers)
    server.start()
    association = associate(server, client())
    asking = threading.Thread(target=association.send_c_echo)
    asking.start()
    assert begun.wait(5)

    server.stop(drain_seconds=0.2)

    asking.join(5)
    until(lambda: association.is_aborted)
    never.set()


FOREGROUND = """
from tests.wire.dicom_service import CONFIG, Handlers
from worklist.server import serve

serve(CONFIG, Handlers(), on_ready=lambda layer: print(f"port={layer.port}", flush=True))
print("ended", flush=True)
"""


def test_the_foreground_server_ends_cleanly_on_a_signal() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("port="):
                association = client().associate(
                    "127.0.0.1", int(line.removeprefix("port=")), ae_title="RIS"
                )
                assert association.send_c_echo().Status == 0x0000
                association.release()
                process.send_signal(signal.SIGTERM)

    assert process.returncode == 0, said
    assert said[-1] == "ended\n"

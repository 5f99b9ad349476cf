"""The DICOM listener with real clients: pynetdicom and dcmtk."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from tests.programs import demand
from tests.wire.dicom_client import associate, client, found, long_rows, query, rows
from tests.wire.dicom_peer import (
    MPPS,
    MPPS_RETRIEVE,
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
    PENDING_KEYS_IGNORED_STATUS,
    SUCCESS,
    Admission,
    AssociationRequest,
    FindAnswer,
    Outcome,
    Refused,
    Rejection,
    Request,
)

pytestmark = pytest.mark.wire

UID = "1.2.826.0.1.3680043.2.1"


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def server(handlers: Handlers) -> Iterator[ServerThread]:
    with listening(handlers) as running:
        yield running


# Association


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

    assert answer_to(server, request) == (3, (2, 2, 1))


# Worklist queries


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_matches_come_in_order_and_then_success(
    server: ServerThread, handlers: Handlers, syntax: Any
) -> None:
    handlers.c_find = lambda request: FindAnswer(rows(request, "A^B", "C^D", "E^F"))

    association = associate(server, client(WORKLIST, syntaxes=[syntax]))
    names, statuses = found(association, query())
    association.release()

    assert names == ["A^B", "C^D", "E^F"]
    assert [status.Status for status in statuses] == [0xFF00, 0xFF00, 0xFF00, 0x0000]


def test_the_handler_gets_the_raw_identifier(server: ServerThread, handlers: Handlers) -> None:
    association = associate(server, client(WORKLIST))
    found(association, query(PatientName="DOE*"))
    association.release()

    request = handlers.requests[0]
    assert request.transfer_syntax == ImplicitVRLittleEndian
    assert request.sop_class_uid == WORKLIST
    assert decode(BytesIO(request.dataset), True, True).PatientName == "DOE*"
    assert "DOE" not in repr(request)


def test_an_unsupported_key_is_told_with_each_match(
    server: ServerThread, handlers: Handlers
) -> None:
    handlers.c_find = lambda request: FindAnswer(
        rows(request, "A^B"), pending=PENDING_KEYS_IGNORED_STATUS
    )

    association = associate(server, client(WORKLIST))
    _, statuses = found(association, query())
    association.release()

    assert [status.Status for status in statuses] == [0xFF01, 0x0000]


@pytest.mark.parametrize("as_generator", [True, False])
def test_a_long_list_arrives_whole(
    server: ServerThread, handlers: Handlers, as_generator: bool
) -> None:
    names = [f"NAME^{number:04d}" for number in range(400)]

    def find(request: Request) -> FindAnswer:
        encoded = long_rows(*names)
        return FindAnswer(iter(encoded) if as_generator else encoded)

    handlers.c_find = find

    association = associate(server, client(WORKLIST))
    received, statuses = found(association, query())
    association.release()

    assert received == names
    assert statuses[-1].Status == 0x0000


def test_a_refusal_after_some_matches_keeps_them(server: ServerThread, handlers: Handlers) -> None:
    def matches(request: Request) -> Iterator[bytes]:
        yield from rows(request, "A^B", "C^D")
        raise Refused(Outcome(0xA700, "more than 2 matches, narrow the query"))

    handlers.c_find = lambda request: FindAnswer(matches(request))

    association = associate(server, client(WORKLIST))
    names, statuses = found(association, query())
    association.release()

    assert names == ["A^B", "C^D"]
    assert statuses[-1].Status == 0xA700
    assert statuses[-1].ErrorComment == "more than 2 matches, narrow the query"


def test_a_refusal_names_the_offending_key(server: ServerThread, handlers: Handlers) -> None:
    def refuse(_: Request) -> FindAnswer:
        raise Refused(Outcome(0xA900, "no date: \\ü" + "x" * 80, offending_elements=(0x00400002,)))

    handlers.c_find = refuse

    association = associate(server, client(WORKLIST))
    _, statuses = found(association, query())
    association.release()

    assert statuses[0].Status == 0xA900
    assert statuses[0].OffendingElement == 0x00400002
    assert statuses[0].ErrorComment == "no date: ??" + "x" * 53


@pytest.mark.parametrize("error", [RuntimeError, RecursionError, MemoryError, SystemExit])
def test_a_fault_of_ours_is_answered_and_the_association_lives_on(
    server: ServerThread,
    handlers: Handlers,
    error: type[BaseException],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: Request) -> FindAnswer:
        raise error("Doe^John is broken")

    handlers.c_find = fail

    association = associate(server, client(WORKLIST, VERIFICATION))
    _, statuses = found(association, query())
    echo = association.send_c_echo()
    association.release()

    assert statuses[0].Status == 0xC000
    assert statuses[0].ErrorComment.startswith("internal error, reference ")
    assert echo.Status == 0x0000


def test_a_cancel_stops_the_matches(server: ServerThread, handlers: Handlers) -> None:
    endless = Rows(*long_rows("A^B", size=10_000))
    handlers.c_find = lambda _: FindAnswer(endless)

    association = associate(server, client(WORKLIST))
    statuses = []
    for status, _ in association.send_c_find(query(), WORKLIST, msg_id=7):
        statuses.append(status.Status)
        if len(statuses) == 5:
            association.send_c_cancel(7, query_model=WORKLIST)
    association.release()

    assert statuses[-1] == 0xFE00
    assert endless.closed.wait(5)


# Performed procedure steps


def step(**values: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_a_performed_step_is_created_and_set_with_roles_negotiated(
    server: ServerThread, handlers: Handlers
) -> None:
    role = build_role(MPPS, scu_role=True, scp_role=False)
    association = associate(server, client(MPPS), ext_neg=[role])
    created, _ = association.send_n_create(
        step(PerformedProcedureStepStatus="IN PROGRESS"), MPPS, UID
    )
    changed, _ = association.send_n_set(step(PerformedProcedureStepStatus="COMPLETED"), MPPS, UID)
    association.release()

    assert (created.Status, changed.Status) == (0x0000, 0x0000)
    answered = association.acceptor.role_selection[MPPS]
    assert (answered.scu_role, answered.scp_role) == (True, False)
    assert [request.sop_instance_uid for request in handlers.requests] == [UID, UID]
    assert [request.operation.name for request in handlers.requests] == ["N_CREATE", "N_SET"]


def test_a_uid_left_to_us_is_returned(server: ServerThread, handlers: Handlers) -> None:
    handlers.n_create = lambda request: Outcome(
        sop_instance_uid=UID,
        dataset=encode(step(PerformedProcedureStepStatus="IN PROGRESS"), True, True) or b"",
    )
    association = associate(server, client(MPPS))
    status, attributes = association.send_n_create(
        step(PerformedProcedureStepStatus="IN PROGRESS"), MPPS, None
    )
    association.release()

    assert status.Status == 0x0000
    assert attributes.PerformedProcedureStepStatus == "IN PROGRESS"


def test_a_final_step_is_refused_with_its_error_id(
    server: ServerThread, handlers: Handlers
) -> None:
    handlers.n_set = lambda _: Outcome(
        0x0110, "may no longer be updated", error_id=0xA710, attribute_identifiers=(0x00400252,)
    )
    association = associate(server, client(MPPS))
    status, _ = association.send_n_set(step(PerformedProcedureStepStatus="COMPLETED"), MPPS, UID)
    association.release()

    assert status.Status == 0x0110
    assert status.ErrorID == 0xA710
    assert status.ErrorComment == "may no longer be updated"
    assert status.AttributeIdentifierList == 0x00400252


def test_a_fault_of_ours_in_a_performed_step_is_a_processing_failure(
    server: ServerThread, handlers: Handlers
) -> None:
    def fail(_: Request) -> Outcome:
        raise KeyError("Doe^John")

    handlers.n_create = fail
    association = associate(server, client(MPPS))
    status, _ = association.send_n_create(step(Modality="CT"), MPPS, UID)
    association.release()

    assert status.Status == 0x0110
    assert "Doe" not in status.ErrorComment


def test_attributes_are_retrieved(server: ServerThread, handlers: Handlers) -> None:
    asked: list[Request] = []

    def get(request: Request) -> Outcome:
        asked.append(request)
        return Outcome(dataset=encode(step(Modality="CT"), True, True) or b"")

    handlers.n_get = get
    association = associate(server, client(MPPS_RETRIEVE))
    status, attributes = association.send_n_get(
        [0x00080060, 0x00400252], MPPS, UID, meta_uid=MPPS_RETRIEVE
    )
    association.release()

    assert status.Status == 0x0000
    assert attributes.Modality == "CT"
    assert asked[0].attribute_identifiers == (0x00080060, 0x00400252)
    assert asked[0].sop_instance_uid == UID


# dcmtk


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


# Stopping


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

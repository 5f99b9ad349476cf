"""What a DICOM listener answers to real clients: queries and performed steps."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role
from pynetdicom.dsutils import decode, encode

from tests.wire.dicom_client import associate, client, found, long_rows, query, rows
from tests.wire.dicom_exam import UID, step
from tests.wire.dicom_peer import (
    MPPS,
    MPPS_RETRIEVE,
    VERIFICATION,
    WORKLIST,
)
from tests.wire.dicom_service import Handlers, Rows, listening
from worklist.server import ServerThread
from worklist.service import (
    PENDING_KEYS_IGNORED_STATUS,
    FindAnswer,
    Outcome,
    Refused,
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


# --- worklist queries


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


# --- performed procedure steps


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

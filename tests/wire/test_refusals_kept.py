"""What ends before any handler is kept for the device's page."""

from __future__ import annotations

import socket

import pytest

from ris.domain.errors import DeniedError
from ris.models import DeviceRefusal, WorklistQueryLog
from tests.running import wait_until
from tests.wire.dicom_peer import Peer, associate_rq, context, find_rq
from tests.wire.exams import server
from tests.wire.worklist_server import modality
from worklist.server import ServerThread
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["server"]


def kept() -> list[tuple[str, str, str, str, int]]:
    return list(
        DeviceRefusal.objects.order_by("id").values_list(
            "ae_title", "operation", "status", "reason", "count"
        )
    )


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_caller_that_nobody_registered_is_kept_once(server: ServerThread) -> None:
    for _ in range(2):
        with pytest.raises(DeniedError):
            modality(server, "NOBODY").echo()

    wait_until(lambda: bool(kept()), "the refusal is kept")
    assert kept() == [("NOBODY", "A-ASSOCIATE", "1/1/3", "AE title is not registered", 1)]
    assert DeviceRefusal.objects.get().address == "127.0.0.1"


def test_a_query_that_is_no_dataset_is_kept_byte_for_byte(server: ServerThread) -> None:
    broken = b"\x10\x00\x10\x00PN\xff\x00Berg"

    with Peer(server.port) as scanner:
        scanner.associate(
            context(1, MODALITY_WORKLIST_FIND, EXPLICIT_VR_LITTLE_ENDIAN), calling="CT1"
        )
        scanner.send(find_rq(identifier=broken))
        response = scanner.response()

    assert response.status == 0xA900
    row = WorklistQueryLog.objects.get()
    assert bytes(row.identifier) == broken
    assert (row.calling_ae_title, row.status) == ("CT1", 0xA900)
    assert row.comment == response.comment
    assert kept() == []


def test_bytes_that_are_no_pdu_are_kept_for_the_device_that_sent_them(
    server: ServerThread,
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as scanner:
        scanner.sendall(associate_rq(calling="CT1", called="RIS"))
        assert scanner.recv(1) == b"\x02"  # A-ASSOCIATE-AC
        scanner.sendall(b"\x04\x00\x00\x00\x00\x01x")
        wait_until(lambda: bool(kept()), "the abort is kept")

    ((ae_title, operation, status, _, count),) = kept()
    assert (ae_title, operation, status, count) == ("CT1", "A-ASSOCIATE", "abort", 1)


def test_who_never_says_who_it_is_is_not_kept(server: ServerThread) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while stranger.recv(100):
            pass

    assert kept() == []

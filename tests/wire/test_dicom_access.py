"""What the register demands of a device and allows it, over the wire and without a restart."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import Device
from tests.wire.dicom_peer import (
    EXPLICIT,
    MPPS,
    VERIFICATION,
    WORKLIST,
    Peer,
    associate_rq,
    associated,
    context,
    echo_rq,
    find_rq,
    until,
    user_identity,
)
from tests.wire.exams import server
from worklist.passcodes import hashed
from worklist.server import ServerThread
from worklist.sop_classes import Operation

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["server"]

PASSCODE = "correct horse"
REJECTED, ACCEPTED = 3, 2


def register(**settings: Any) -> None:
    Device.objects.filter(ae_title="CT1").update(settings=settings)


def asked(server: ServerThread, **options: Any) -> tuple[int, bytes]:
    """The PDU that answers a request for an association."""
    with Peer(server.port) as peer:
        peer.send(associate_rq(context(1, VERIFICATION), **options))
        return peer.read()


def test_only_the_services_of_the_device_are_accepted(server: ServerThread) -> None:
    register(services=["worklist"])

    with Peer(server.port) as peer:
        answer = peer.associate(
            context(1, WORKLIST, EXPLICIT), context(3, MPPS), context(5, VERIFICATION)
        )
        at, results = 74, {}
        while at < len(answer):
            length = int.from_bytes(answer[at + 2 : at + 4], "big")
            if answer[at] == 0x21:
                results[answer[at + 4]] = answer[at + 6]
            at += 4 + length
        peer.send(echo_rq(number=5))
        assert peer.response().status == 0x0000

    assert results == {1: 0, 3: 3, 5: 0}


def test_more_queries_than_allowed_are_answered_a700(server: ServerThread) -> None:
    register(queries_per_minute=2)

    with associated(server.port, WORKLIST) as peer:
        finals = []
        for number in range(1, 4):
            peer.send(find_rq(number))
            finals.append(peer.answer()[1])
    # Nor does another association help.
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(4))
        finals.append(peer.answer()[1])

    assert [one.status for one in finals] == [0x0000, 0x0000, 0xA700, 0xA700]
    assert finals[2].comment == "too many queries, ask again later"
    until(lambda: server.layer.metrics.requests["C-FIND", "A700"] == 2)


def test_a_device_has_no_more_associations_than_allowed_and_a_change_counts_at_once(
    server: ServerThread,
) -> None:
    register(associations=1)

    with associated(server.port, VERIFICATION):
        kind, raw = asked(server)
        assert (kind, tuple(raw[7:10])) == (REJECTED, (2, 3, 2))
        register(associations=2)
        assert asked(server)[0] == ACCEPTED


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        (b"", REJECTED),
        (user_identity(1, b"ct1"), REJECTED),
        (user_identity(2, b"ct1", b"wrong passcode"), REJECTED),
        (user_identity(2, b"ct1", PASSCODE.encode()), ACCEPTED),
        (user_identity(5, b"e30.e30.e30"), REJECTED),
    ],
    ids=["none", "name only", "wrong", "right", "token"],
)
def test_a_device_that_must_identify_itself_does(
    server: ServerThread, identity: bytes, kind: int
) -> None:
    register(user_name="ct1", passcode=hashed(PASSCODE))

    answered, raw = asked(server, user_items=identity)

    assert answered == kind
    if kind == REJECTED:
        assert tuple(raw[7:10]) == (1, 2, 1)


def test_a_checked_identity_is_confirmed_if_the_device_wants_to_hear_it(
    server: ServerThread,
) -> None:
    confirmation = b"\x59\x00\x00\x02\x00\x00"
    checked = user_identity(2, b"ct1", PASSCODE.encode(), respond=1)
    free = asked(server, user_items=checked)[1]
    register(user_name="ct1", passcode=hashed(PASSCODE))

    bound = asked(server, user_items=checked)[1]

    assert confirmation not in free
    assert bound.endswith(confirmation)


def test_what_happens_is_counted(server: ServerThread) -> None:
    with associated(server.port, VERIFICATION, WORKLIST) as peer:
        peer.send(echo_rq())
        assert peer.response().status == 0x0000
        peer.send(find_rq(2, number=3))
        assert peer.answer()[1].status == 0x0000
    asked(server, calling="NOBODY")

    metrics = server.layer.metrics
    until(lambda: metrics.requests.total() == 2)
    assert metrics.accepted == 1
    assert metrics.rejected == {"AE title is not registered": 1}
    assert metrics.requests == {("C-ECHO", "0000"): 1, ("C-FIND", "0000"): 1}
    assert metrics.pdus == {1: 2, 4: 3}
    assert metrics.faults == {}
    assert sum(metrics.durations[Operation.C_FIND.name.replace("_", "-")].counts) == 1

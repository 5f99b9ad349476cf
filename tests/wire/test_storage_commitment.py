"""An archive is asked to commit itself to a report's objects, and answers when it likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.actors import Actor
from ris.models import CommitmentRequest, Delivery, InboundMessage, ReportObject
from ris.selectors import receipts
from ris.web.templatetags.ris_receipts import sent_as, why_waiting
from tests.wire.archive import Archive
from tests.wire.reports import archive_endpoint, finalize, reader, states
from tests.wire.sending import deliver, later
from tests.wire.worklist_server import running
from worklist.confirming import TRIES
from worklist.report_sr import BASIC_TEXT_SR
from worklist.server import ServerThread
from worklist.sop_classes import (
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["reader"]

COMMITTED = "SR, version 1: committed by the archive"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with running() as listener:
        yield listener


def asks(archive: Archive, *, seconds: float = 0.1) -> str:
    return archive_endpoint(
        archive, objects=["sr"], confirm="commitment", commitment_seconds=seconds
    )


def transactions() -> list[str]:
    return list(CommitmentRequest.objects.values_list("transaction_uid", flat=True))


def test_what_is_reported_on_the_same_association_settles_it_at_once(reader: Actor) -> None:
    with Archive(commits="here", finds=False) as archive:
        asks(archive, seconds=10)
        report = finalize(reader)
        deliver()

    assert states() == [("SR, version 1", "DELIVERED", ""), (COMMITTED, "DELIVERED", "")]
    made = ReportObject.objects.get()
    (request,) = archive.requests
    (item,) = request.ReferencedSOPSequence
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (
        BASIC_TEXT_SR,
        made.sop_instance_uid,
    )
    assert transactions() == [str(request.TransactionUID)]
    assert archive.reported == [0x0000]
    message = InboundMessage.objects.get()
    assert (message.message_type, message.sender) == ("Storage Commitment N-EVENT-REPORT", "PACS")
    assert (message.state, message.reply_state) == ("APPLIED", "SENT")
    (group,) = receipts.of_report(str(report.public_id))
    assert [(sent_as(each), each.state) for each in group.receipts] == [
        ("into the archive (SR, version 1)", "DELIVERED"),
        ("the archive's word that it keeps it (SR, version 1)", "DELIVERED"),
    ]


@pytest.mark.parametrize("roles", [True, False], ids=["roles", "no roles"])
def test_what_is_reported_later_to_the_listener_settles_it_then(
    reader: Actor, server: ServerThread, roles: bool
) -> None:
    with Archive(commits="later", finds=False) as archive:
        asks(archive)
        finalize(reader)
        deliver()
        waiting = states()[1]

        status = archive.report(server.port, archive.requests[0], roles=roles)
        deliver()

    assert waiting == (
        COMMITTED,
        "PENDING",
        "the archive was asked to commit itself; it has not answered yet",
    )
    assert status == 0x0000
    assert states()[1] == (COMMITTED, "DELIVERED", "")
    assert len(archive.requests) == 1
    reply = Delivery.objects.get(message_type=COMMITTED).attempts.last()
    assert reply is not None
    assert b"the archive committed itself to keep it" in bytes(reply.reply)


def test_an_object_it_does_not_have_is_asked_for_anew_and_then_pointed_out(reader: Actor) -> None:
    with Archive(commits="here", lost=True, finds=False) as archive:
        asks(archive, seconds=10)
        finalize(reader)
        for passes in range(TRIES + 2):
            with later(400 * passes):
                deliver()

    assert states()[1] == (
        COMMITTED,
        "REFUSED",
        "the archive does not commit itself: 0112 it does not have the object",
    )
    assert len(set(transactions())) == TRIES == len(archive.requests)


def test_one_that_says_no_on_its_own_association_is_asked_no_oftener(
    reader: Actor, server: ServerThread
) -> None:
    with Archive(commits="later", lost=True, finds=False) as archive:
        asks(archive, seconds=0)
        finalize(reader)
        for passes in range(TRIES + 2):
            with later(400 * passes):
                deliver()
                if len(archive.reported) < len(archive.requests):
                    archive.report(server.port, archive.requests[-1])
                    deliver()

    assert states()[1][1:] == (
        "REFUSED",
        "the archive does not commit itself: 0112 it does not have the object",
    )
    assert len(archive.requests) == TRIES


def test_an_archive_that_never_answers_is_asked_anew_after_a_day(reader: Actor) -> None:
    with Archive(commits="later", finds=False) as archive:
        asks(archive, seconds=0)
        finalize(reader)
        deliver()
        with later(3600):
            deliver()
        in_an_hour = len(archive.requests)
        with later(25 * 3600):
            deliver()
        with later(26 * 3600):
            deliver()

        after_two = len(archive.requests)
        for day in range(3, 8):
            with later(day * 26 * 3600):
                deliver()

    assert (in_an_hour, after_two, len(archive.requests)) == (1, 2, 3)
    assert len(set(transactions())) == 3
    assert states()[1][1:] == (
        "REFUSED",
        "the archive was asked to commit itself and never answered",
    )


def test_a_late_yes_to_the_first_request_is_one(reader: Actor, server: ServerThread) -> None:
    with Archive(commits="later", finds=False) as archive:
        asks(archive, seconds=0)
        finalize(reader)
        deliver()
        with later(25 * 3600):
            deliver()
        with later(26 * 3600):
            deliver()
            first, second = archive.requests

            archive.report(server.port, first)
            deliver()

    assert first.TransactionUID != second.TransactionUID
    assert states()[1] == (COMMITTED, "DELIVERED", "")


def test_an_archive_that_does_not_know_the_service_has_it_unconfirmed(reader: Actor) -> None:
    with Archive() as archive:
        asks(archive)
        report = finalize(reader)
        deliver()

    (group,) = receipts.of_report(str(report.public_id))
    assert [why_waiting(each) for each in group.receipts] == ["", ""]  # for it does have it
    assert states()[1] == (
        COMMITTED,
        "SKIPPED",
        "stored, but not confirmed: the peer does not support this service",
    )


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (0x0213, "PENDING", "0213 the archive is short of resources"),
        (0x0112, "PENDING", "0112 the archive does not know the object"),
    ],
)
def test_a_request_that_is_not_taken_is_made_again(
    reader: Actor, answer: int, state: str, words: str
) -> None:
    with Archive(commits="later", finds=False, answers=[0, answer]) as archive:
        asks(archive)
        finalize(reader)
        deliver()
        before = states()[1]
        with later(60):
            deliver()

    assert before == (COMMITTED, state, words)
    assert len(set(transactions())) == 2 == len(archive.requests)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"TransactionUID": "1.2.3.4"}, 0x0115),
        ({"TransactionUID": ""}, 0x0114),
        ({"other": True}, 0x0115),
    ],
    ids=["a transaction that is not ours", "no transaction", "another object"],
)
def test_an_answer_to_nothing_we_asked_changes_nothing(
    reader: Actor, server: ServerThread, changes: dict[str, object], status: int
) -> None:
    with Archive(commits="later", finds=False) as archive:
        asks(archive)
        finalize(reader)
        deliver()
        request = archive.requests[0]
        if "TransactionUID" in changes:
            request.TransactionUID = changes["TransactionUID"]
        else:
            request.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"

        answered = archive.report(server.port, request)

    assert answered == status
    assert CommitmentRequest.objects.get().answered_at is None
    assert states()[1][1] == "PENDING"


@pytest.mark.database  # what is locked, and a key looked for in settings
def test_the_same_answer_twice_is_one(reader: Actor, server: ServerThread) -> None:
    with Archive(commits="later", finds=False) as archive:
        asks(archive)
        finalize(reader)
        deliver()
        twice = [archive.report(server.port, archive.requests[0]) for _ in range(2)]
        archive.lost = True
        archive.report(server.port, archive.requests[0])  # it cannot take it back

    assert twice == [0x0000, 0x0000]
    assert CommitmentRequest.objects.get().reason is None


@pytest.mark.parametrize("confirm", ["commitment", "query"])
def test_an_archive_is_let_in_to_answer_and_for_nothing_else(
    server: ServerThread, confirm: str
) -> None:
    with Archive() as archive:
        archive_endpoint(archive, confirm=confirm)
        ae = AE(ae_title="PACS")
        for uid in (STORAGE_COMMITMENT, MODALITY_WORKLIST_FIND):
            ae.add_requested_context(uid)

        association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
        accepted = [str(each.abstract_syntax) for each in association.accepted_contexts]
        association.release()

    assert accepted == ([STORAGE_COMMITMENT] if confirm == "commitment" else [])


def test_another_event_of_the_class_is_refused(server: ServerThread) -> None:
    with Archive() as archive:
        archive_endpoint(archive, confirm="commitment")
    ae = AE(ae_title="PACS")
    ae.add_requested_context(STORAGE_COMMITMENT)
    association = ae.associate("127.0.0.1", server.port, ae_title="RIS")

    event = Dataset()
    event.TransactionUID = "1.2.3"
    said, _ = association.send_n_event_report(
        event, 3, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
    )
    association.release()

    assert said.Status == 0x0113

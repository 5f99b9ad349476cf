"""MPPS over the wire: from the worklist entry to the end of the exam, with clients not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from ris.domain.identifiers import new_uid
from ris.domain.orders import StepStatus
from ris.domain.performing import Match, PerformedStatus
from ris.models import DomainEvent, InboundMessage, Order, PerformedProcedureStep
from ris.services import timers
from tests import make
from tests.running import wait_until
from tests.wire.exams import NOON, order, server, status_of, stored
from tests.wire.worklist_server import modality
from tests.worklist.performed import n_create, n_set, series
from worklist.config import Deadlines, ListenerConfig
from worklist.elements import tag_of, tag_path
from worklist.handlers import Handlers
from worklist.modality import begun, ended, query
from worklist.mpps_attributes import PERFORMED
from worklist.registry import Registry
from worklist.server import ServerThread
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_WORKLIST_FIND,
)
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP as MPPS
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE as RETRIEVE

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["order", "server"]


@pytest.fixture
def association(server: ServerThread) -> Iterator[Callable[..., Association]]:
    """Opens associations that are released at the end."""
    opened: list[Association] = []

    def open_one(*syntaxes: str) -> Association:
        ae = AE("CT1")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        for sop_class in (MPPS, RETRIEVE):
            ae.add_requested_context(sop_class, list(syntaxes) or [EXPLICIT_VR_LITTLE_ENDIAN])
        made = ae.associate("127.0.0.1", server.port, ae_title="RIS")
        assert made.is_established
        opened.append(made)
        return made

    yield open_one
    for one in opened:
        if one.is_established:
            one.release()


def test_a_scanner_performs_what_the_worklist_offers(server: ServerThread, order: Order) -> None:
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query(Modality="CT")).identifiers

    scanner.create(begun(entry, station="CT1", at=NOON), uid)
    during = status_of(order), len(scanner.find(query()).identifiers)
    scanner.set(ended(entry, at=NOON.replace(minute=20), images=3), uid)

    assert during == (StepStatus.STARTED, 0)
    assert status_of(order) is StepStatus.COMPLETED
    assert (stored(uid).match, stored(uid).status) == (
        Match.MATCHED.value,
        PerformedStatus.COMPLETED.value,
    )
    assert stored(uid).series.get().instance_count == 3


def test_a_stopped_exam_is_discontinued(server: ServerThread, order: Order) -> None:
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query()).identifiers

    scanner.create(begun(entry, station="CT1", at=NOON), uid)
    scanner.set(ended(entry, at=NOON, reason=("110505", "Patient refused")), uid)

    assert status_of(order) is StepStatus.DISCONTINUED
    assert stored(uid).discontinuation_reason["value"] == "110505"


def test_the_wrong_entry_goes_back_to_the_worklist(server: ServerThread, order: Order) -> None:
    scanner, uid = modality(server), new_uid()
    (entry,) = scanner.find(query()).identifiers

    scanner.create(begun(entry, station="CT1", at=NOON), uid)
    reason = ("110514", "Incorrect worklist entry selected")
    scanner.set(ended(entry, at=NOON, reason=reason), uid)

    assert len(scanner.find(query()).identifiers) == 1
    assert status_of(order) is StepStatus.SCHEDULED


def test_each_refusal_has_its_status(association: Callable[..., Association]) -> None:
    scanner, uid = association(), new_uid()

    created, _ = scanner.send_n_create(n_create(), MPPS, uid)
    again, _ = scanner.send_n_create(n_create(), MPPS, uid)
    not_begun, _ = scanner.send_n_create(
        n_create(PerformedProcedureStepStatus="COMPLETED"), MPPS, new_uid()
    )
    unknown, _ = scanner.send_n_set(n_set(), MPPS, new_uid())
    completed, _ = scanner.send_n_set(n_set(), MPPS, uid)
    too_late, _ = scanner.send_n_set(n_set("DISCONTINUED"), MPPS, uid)
    not_here, _ = scanner.send_n_set(n_set(), RETRIEVE, uid)

    assert created.Status == 0x0000
    assert again.Status == 0x0111
    assert not_begun.Status == 0x0106
    assert unknown.Status == 0x0112
    assert completed.Status == 0x0000
    assert too_late.Status == 0x0110
    assert too_late.ErrorID == 0xA710
    assert "no longer be updated" in too_late.ErrorComment
    assert not_here.Status == 0x0211


def test_an_exam_of_tens_of_thousands_of_images_ends(
    association: Callable[..., Association],
) -> None:
    scanner, uid = association(), new_uid()
    scanner.send_n_create(n_create(), MPPS, uid)

    status, _ = scanner.send_n_set(
        n_set(PerformedSeriesSequence=[series(images=20_000)]), MPPS, uid
    )

    assert status.Status == 0x0000
    assert stored(uid).series.get().instance_count == 20_000


def test_an_n_create_without_uid_is_told_its_uid(
    association: Callable[..., Association], order: Order
) -> None:
    scanner = association()

    status, _ = scanner.send_n_create(n_create(), MPPS, None)

    assert status.Status == 0x0000
    assert PerformedProcedureStep.objects.get().sop_instance_uid.startswith("2.25.")


@pytest.mark.parametrize(
    "syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
)
def test_every_transfer_syntax_round_trips(
    association: Callable[..., Association], syntax: str
) -> None:
    scanner, uid = association(syntax), new_uid()
    sent = n_create(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")

    created, _ = scanner.send_n_create(sent, MPPS, uid)
    changed, _ = scanner.send_n_set(n_set(), MPPS, uid)
    got, found = scanner.send_n_get([], RETRIEVE, uid)

    assert (created.Status, changed.Status, got.Status) == (0, 0, 0)
    assert found.PatientName == "Müller^Jörg"
    assert found.PerformedProcedureStepStatus == "COMPLETED"
    assert found.PerformedSeriesSequence[0].SeriesInstanceUID == "2.25.2001"


def test_an_n_get_names_what_it_does_not_know(association: Callable[..., Association]) -> None:
    scanner, uid = association(), new_uid()
    scanner.send_n_create(n_create(), MPPS, uid)

    status, found = scanner.send_n_get(
        [tag_of("PatientID"), tag_of("PatientComments")], RETRIEVE, uid
    )
    missing, _ = scanner.send_n_get([tag_of("PatientID")], RETRIEVE, new_uid())

    assert status.Status == 0x0001
    assert found.PatientID == "MRN1"
    assert missing.Status == 0x0112


def test_of_twenty_n_creates_with_one_uid_one_wins(
    server: ServerThread, association: Callable[..., Association], order: Order
) -> None:
    uid = new_uid()
    scanners = [association() for _ in range(5)]

    def create(scanner: Association) -> list[int]:
        return [scanner.send_n_create(n_create(), MPPS, uid)[0].Status for _ in range(4)]

    with ThreadPoolExecutor(5) as pool:
        statuses = [status for found in pool.map(create, scanners) for status in found]

    assert sorted(statuses) == [0x0000] + [0x0111] * 19
    assert PerformedProcedureStep.objects.count() == 1
    assert InboundMessage.objects.count() == 20


def test_a_repeated_n_set_is_answered_alike_on_another_association(
    association: Callable[..., Association],
) -> None:
    uid = new_uid()
    association().send_n_create(n_create(), MPPS, uid)

    first, _ = association().send_n_set(n_set(), MPPS, uid)
    second, _ = association().send_n_set(n_set(), MPPS, uid)

    assert (first.Status, second.Status) == (0, 0)
    assert InboundMessage.objects.filter(message_type="MPPS N-SET").count() == 1


def test_what_matches_no_step_is_kept(server: ServerThread) -> None:
    uid = new_uid()

    modality(server).create(n_create(), uid)
    modality(server).set(n_set(), uid)

    assert (stored(uid).match, stored(uid).status) == (
        Match.UNMATCHED.value,
        PerformedStatus.COMPLETED.value,
    )


def test_nothing_of_a_dataset_is_lost(association: Callable[..., Association]) -> None:
    scanner, uid = association(), new_uid()
    sent = n_create()
    sent.add_new(0x00091001, "LO", "private")
    sent.ImageAndFluoroscopyAreaDoseProduct = "1.20"

    scanner.send_n_create(sent, MPPS, uid)
    _, found = scanner.send_n_get([], RETRIEVE, uid)

    del found.SOPClassUID, found.SOPInstanceUID
    assert isinstance(found, Dataset)
    assert found.to_json_dict() == sent.to_json_dict()


# --- a strict device


@pytest.fixture
def strict(server: ServerThread) -> None:
    make.device("CT1", "CT", settings={"mpps": "strict"})


TYPE_1 = [row.keyword for row in PERFORMED if row.create == "1" and not row.within]


def test_a_strict_device_is_told_what_its_n_create_lacks(
    strict: None, association: Callable[..., Association]
) -> None:
    scanner = association()

    def answers(value: Any) -> dict[str, tuple[int, str]]:
        found = {}
        for keyword in TYPE_1:
            empty = [] if keyword.endswith("Sequence") else ""
            dataset = n_create(**{keyword: None if value is None else empty})
            status, _ = scanner.send_n_create(dataset, MPPS, new_uid())
            found[keyword] = status.Status, status.ErrorComment[:11]
        return found

    def expected(status: int) -> dict[str, tuple[int, str]]:
        return {keyword: (status, tag_path(tag_of(keyword))) for keyword in TYPE_1}

    assert answers(None) == expected(0x0120)
    assert answers("") == expected(0x0121)
    assert not PerformedProcedureStep.objects.exists()


def test_a_strict_device_is_told_what_its_n_set_lacks_or_may_not_say(
    strict: None, association: Callable[..., Association]
) -> None:
    scanner, uid = association(), new_uid()
    scanner.send_n_create(n_create(), MPPS, uid)

    def answer(**said: Any) -> tuple[int, str]:
        status, _ = scanner.send_n_set(n_set(**said), MPPS, uid)
        return status.Status, str(status.get("ErrorComment", ""))[:11]

    assert answer(PerformedProcedureStepEndTime="") == (0x0121, "(0040,0251)")
    assert answer(PerformedProcedureStepEndDate=None) == (0x0120, "(0040,0250)")
    assert answer(PerformedSeriesSequence=None) == (0x0121, "(0040,0340)")  # created empty
    assert answer(PerformedSeriesSequence=[series(ProtocolName="")]) == (0x0121, "(0018,1030)")
    assert answer(PatientID="OTHER") == (0x0105, "(0010,0020)")
    assert stored(uid).status == "IN PROGRESS"
    assert answer() == (0x0000, "")


# --- several orders, several patients, several hours


def test_two_orders_are_performed_as_one(server: ServerThread) -> None:
    patient = make.patient("GROUP1")
    orders = [make.booked(NOON.replace(hour=hour), patient=patient) for hour in (12, 14)]
    scanner, uid = modality(server), new_uid()
    first, second = scanner.find(query()).identifiers
    created = begun(first, station="CT1", at=NOON)
    other = begun(second, station="CT1", at=NOON)
    created.ScheduledStepAttributesSequence.append(other.ScheduledStepAttributesSequence[0])

    scanner.create(created, uid)
    during = [status_of(order) for order in orders]
    scanner.set(ended(first, at=NOON.replace(minute=20)), uid)

    assert during == [StepStatus.STARTED] * 2
    assert [status_of(order) for order in orders] == [StepStatus.COMPLETED] * 2
    for each in orders:
        events = DomainEvent.objects.filter(order=each, name="PerformedStepCompleted")
        assert events.count() == 1


def test_after_the_wrong_entry_the_right_one_is_performed(
    server: ServerThread, order: Order
) -> None:
    right = make.booked(NOON.replace(hour=14))
    scanner, first, second = modality(server), new_uid(), new_uid()
    wrong_entry, right_entry = scanner.find(query()).identifiers

    scanner.create(begun(wrong_entry, station="CT1", at=NOON), first)
    reason = ("110514", "Incorrect worklist entry selected")
    scanner.set(ended(wrong_entry, at=NOON, reason=reason), first)
    scanner.create(begun(right_entry, station="CT1", at=NOON), second)
    scanner.set(ended(right_entry, at=NOON.replace(minute=20)), second)

    assert (status_of(order), status_of(right)) == (StepStatus.SCHEDULED, StepStatus.COMPLETED)
    assert (stored(first).match, stored(second).order_id) == ("QUARANTINED", right.pk)


def test_what_the_clock_ended_is_final_for_the_scanner_too(
    server: ServerThread, association: Callable[..., Association], order: Order
) -> None:
    scanner, uid = association(), new_uid()
    scanner.send_n_create(n_create(), MPPS, uid)
    PerformedProcedureStep.objects.update(updated_at=timezone.now() - timedelta(hours=25))
    timers.run_due()

    status, _ = scanner.send_n_set(n_set(), MPPS, uid)

    assert (status.Status, status.ErrorID) == (0x0110, 0xA710)
    assert stored(uid).status == "DISCONTINUED"


def test_the_performed_station_may_be_any(
    association: Callable[..., Association], order: Order
) -> None:
    uid = new_uid()

    status, _ = association().send_n_create(
        n_create(PerformedStationAETitle="CONSOLE_7"), MPPS, uid
    )

    assert status.Status == 0x0000
    assert stored(uid).station_ae_title == "CONSOLE_7"


def test_an_n_set_may_come_on_another_association_than_its_n_create(
    server: ServerThread, association: Callable[..., Association], order: Order
) -> None:
    uid = new_uid()
    before = association()
    before.send_n_create(n_create(), MPPS, uid)
    before.release()

    status, _ = association().send_n_set(n_set(), MPPS, uid)

    assert (status.Status, stored(uid).status) == (0x0000, "COMPLETED")


def test_an_association_stays_open_for_the_exam_while_others_are_let_go(order: Order) -> None:
    handlers = Handlers(Registry("RIS", seconds=0))
    config = ListenerConfig(port=0, threads=2, deadlines=Deadlines(idle=0.4, idle_holding=60))
    uid = new_uid()
    try:
        with ServerThread(config, handlers) as server:
            ae = AE("CT1")
            ae.add_requested_context(MPPS, EXPLICIT_VR_LITTLE_ENDIAN)
            asking = AE("CT1")
            asking.add_requested_context(MODALITY_WORKLIST_FIND, EXPLICIT_VR_LITTLE_ENDIAN)
            scanner = ae.associate("127.0.0.1", server.port, ae_title="RIS")
            list_only = asking.associate("127.0.0.1", server.port, ae_title="RIS")
            created, _ = scanner.send_n_create(n_create(), MPPS, uid)

            wait_until(lambda: not list_only.is_established, "the idle association to end")
            changed, _ = scanner.send_n_set(n_set(), MPPS, uid)
            scanner.release()
    finally:
        handlers.close()

    assert (created.Status, changed.Status) == (0x0000, 0x0000)
    assert stored(uid).status == "COMPLETED"


def test_of_n_sets_at_once_one_ends_the_exam(
    association: Callable[..., Association], order: Order
) -> None:
    uid = new_uid()
    association().send_n_create(n_create(), MPPS, uid)
    scanners = [association() for _ in range(4)]

    def end(number: int) -> int:
        said = n_set(PerformedProcedureStepDescription=f"end {number}")
        return scanners[number].send_n_set(said, MPPS, uid)[0].Status

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(end, range(4)))

    assert statuses == [0x0000, 0x0110, 0x0110, 0x0110]
    assert DomainEvent.objects.filter(name="PerformedStepCompleted").count() == 1


def test_broken_text_is_refused_and_kept_for_a_look(
    association: Callable[..., Association],
) -> None:
    broken = n_create(SpecificCharacterSet="ISO_IR 192")
    broken.add_new(tag_of("PerformedProcedureStepDescription"), "UN", b"\xff\xfe")

    status, _ = association().send_n_create(broken, MPPS, new_uid())

    assert status.Status == 0x0106
    assert InboundMessage.objects.get().outcome == "0106"

"""What scanners say here reaches other PPS managers in order, exactly once (IHE RAD-6, RAD-7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.exchange import Protocol, RequeueDelivery, Subscription
from ris.domain.identifiers import new_uid
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.models import Delivery, Endpoint, InboundMessage, Order, PerformedProcedureStep
from ris.services import execute, outbox
from tests import make, people
from tests.wire.exams import NOON, server
from tests.wire.pps_manager import PpsManager
from tests.wire.sending import QUICK, deliver, later
from tests.worklist.performed import n_create, n_set, scheduled, series
from worklist.raw import StoredRequest
from worklist.server import ServerThread
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from worklist.sop_classes import MODALITY_PERFORMED_PROCEDURE_STEP as MPPS

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["server"]


Tell = Callable[..., int]


@pytest.fixture
def scanner(server: ServerThread) -> Tell:
    """Says one MPPS message and returns the status of the answer."""

    def tell(
        operation: str,
        dataset: Dataset,
        uid: str,
        *,
        calling: str = "CT1",
        syntax: str = EXPLICIT_VR_LITTLE_ENDIAN,
    ) -> int:
        ae = AE(calling)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        ae.add_requested_context(MPPS, syntax)
        association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
        assert association.is_established
        try:
            send = getattr(association, f"send_{operation}")
            status, _ = send(dataset, MPPS, uid)
        finally:
            association.release()
        return int(status.Status)

    return tell


def endpoint(manager: PpsManager, name: str = "PACS", **settings: Any) -> str:
    return make.endpoint(
        name,
        protocol=Protocol.DICOM,
        protocol_name=manager.ae_title,
        port=manager.port,
        version="",
        sends=(Subscription.MPPS,),
        settings={**QUICK, **settings},
    )


def told(manager: PpsManager) -> list[tuple[str, str, int]]:
    return [(one.operation, one.uid, one.status) for one in manager.told]


def states() -> list[tuple[str, str]]:
    rows = Delivery.objects.order_by("id").values_list("message_type", "state")
    return [(message_type.removeprefix("MPPS "), state) for message_type, state in rows]


def results(delivery: Delivery) -> list[tuple[str, str]]:
    return list(delivery.attempts.order_by("number").values_list("result", "error"))


# --- as received


def test_an_exam_is_forwarded_byte_for_byte_in_its_own_transfer_syntax(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager() as pacs:
        endpoint(pacs)
        scanner("n_create", n_create(), uid, syntax=IMPLICIT_VR_LITTLE_ENDIAN)
        scanner("n_set", n_set("IN PROGRESS"), uid)
        scanner("n_set", n_set(), uid)
        deliver()

    received = [
        StoredRequest.unpack(bytes(row.raw)) for row in InboundMessage.objects.order_by("id")
    ]
    assert told(pacs) == [("N-CREATE", uid, 0), ("N-SET", uid, 0), ("N-SET", uid, 0)]
    assert [one.data for one in pacs.told] == [one.dataset for one in received]
    assert [one.transfer_syntax for one in pacs.told] == [
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
    ]
    assert {one.caller for one in pacs.told} == {"RIS"}
    assert states() == [
        ("N-CREATE", "DELIVERED"),
        ("N-SET", "DELIVERED"),
        ("N-SET", "DELIVERED"),
    ]


def test_a_manager_without_that_transfer_syntax_gets_the_same_in_another(scanner: Tell) -> None:
    uid = new_uid()
    said = n_create(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    with PpsManager(syntaxes=[IMPLICIT_VR_LITTLE_ENDIAN]) as pacs:
        endpoint(pacs)
        scanner("n_create", said, uid)
        deliver()

    (one,) = pacs.told
    assert one.transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    assert one.dataset == said
    assert one.dataset.PatientName == "Müller^Jörg"


def test_what_was_refused_here_is_not_forwarded(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager() as pacs:
        endpoint(pacs)
        assert scanner("n_create", n_create(PerformedProcedureStepStatus="COMPLETED"), uid)
        assert scanner("n_set", n_set(), uid)
        scanner("n_create", n_create(), uid)
        assert scanner("n_create", n_create(), uid) == 0x0111
        deliver()

    assert told(pacs) == [("N-CREATE", uid, 0)]


def test_only_exams_of_the_named_stations_and_modalities_are_forwarded(scanner: Tell) -> None:
    make.device("MR1", "MR")
    ct, mr = new_uid(), new_uid()
    with PpsManager() as pacs, PpsManager(ae_title="CARDIO") as other:
        endpoint(pacs, modalities=["MR"])
        endpoint(other, "Cardiology", stations=["CT1"])
        scanner("n_create", n_create(), ct)
        on_mr = n_create(Modality="MR", PerformedStationAETitle="MR1")
        scanner("n_create", on_mr, mr, calling="MR1")
        deliver()

    assert [one.uid for one in pacs.told] == [mr]
    assert [one.uid for one in other.told] == [ct]


def test_a_manager_that_forwards_to_us_gets_nothing_of_its_own_back(scanner: Tell) -> None:
    make.device("PACS", "CT")
    uid = new_uid()
    with PpsManager() as pacs:
        endpoint(pacs)
        scanner("n_create", n_create(), uid, calling="PACS")
        scanner("n_set", n_set(), uid, calling="PACS")
        deliver()

    assert pacs.told == []
    assert Delivery.objects.count() == 0


def test_an_endpoint_made_during_an_exam_gets_it_from_its_beginning(scanner: Tell) -> None:
    uid = new_uid()
    scanner("n_create", n_create(), uid)
    scanner("n_set", n_set("IN PROGRESS"), uid)
    outbox.fan_out()
    with PpsManager() as pacs:
        endpoint(pacs)
        scanner("n_set", n_set(), uid)
        deliver()

    assert [one.operation for one in pacs.told] == ["N-CREATE", "N-SET", "N-SET"]
    assert pacs.objects == {uid: "COMPLETED"}


def test_an_endpoint_that_was_off_during_an_exam_gets_what_it_missed(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager() as pacs:
        key = endpoint(pacs)
        scanner("n_create", n_create(), uid)
        deliver()
        Endpoint.objects.filter(public_id=key).update(active=False)
        scanner("n_set", n_set("IN PROGRESS"), uid)
        deliver()
        Endpoint.objects.filter(public_id=key).update(active=True)
        scanner("n_set", n_set(), uid)
        deliver()

    assert told(pacs) == [("N-CREATE", uid, 0), ("N-SET", uid, 0), ("N-SET", uid, 0)]
    assert [one.dataset.PerformedProcedureStepStatus for one in pacs.told[1:]] == [
        "IN PROGRESS",
        "COMPLETED",
    ]


def test_an_exam_of_several_orders_is_on_the_timeline_of_each(scanner: Tell) -> None:
    from ris.selectors import timeline

    first, second = make.booked(NOON), make.booked(NOON + timedelta(hours=1))
    number = first.patient.identifiers.get(primary=True)
    execute_same_patient(second, first)
    said = n_create(
        ScheduledStepAttributesSequence=[_scheduled(first), _scheduled(second)],
        PatientID=number.value,
        IssuerOfPatientID=number.issuer,
    )
    with PpsManager() as pacs:
        endpoint(pacs)
        scanner("n_create", said, new_uid())
        deliver()

    assert len(pacs.told) == 1
    names = [
        [one.name for one in timeline.entries(str(order.public_id)) if one.kind == "message-out"]
        for order in (first, second)
    ]
    assert names == [["MPPS N-CREATE"], ["MPPS N-CREATE"]]


def execute_same_patient(order: Order, other: Order) -> None:
    Order.objects.filter(pk=order.pk).update(patient=other.patient)


def _scheduled(order: Order) -> Dataset:
    step = make.step_of(order)
    return scheduled(
        StudyInstanceUID=step.procedure.study_instance_uid,
        AccessionNumber=order.accession_number,
        RequestedProcedureID=step.procedure.procedure_id,
        ScheduledProcedureStepID=step.step_id,
    )


# --- a manager that goes and comes


def test_a_manager_killed_in_the_middle_gets_every_message_in_order_once(scanner: Tell) -> None:
    uids = [new_uid() for _ in range(3)]
    pacs = PpsManager()
    pacs.start()
    endpoint(pacs)
    try:
        for uid in uids:
            scanner("n_create", n_create(), uid)
        deliver()
        pacs.stop()
        for uid in uids:
            scanner("n_set", n_set("IN PROGRESS"), uid)
        deliver()
        waiting = Delivery.objects.filter(state="PENDING").count()
        pacs.start()
        for uid in uids:
            scanner("n_set", n_set(), uid)
        with later():
            outbox.reset_breaker()
            deliver()
    finally:
        pacs.stop()

    assert waiting == 3
    for uid in uids:
        mine = [(one.operation, one.status) for one in pacs.told if one.uid == uid]
        assert mine == [("N-CREATE", 0), ("N-SET", 0), ("N-SET", 0)]
        assert pacs.objects[uid] == "COMPLETED"
    assert {state for _, state in states()} == {"DELIVERED"}
    first_set = Delivery.objects.filter(message_type="MPPS N-SET").earliest("id")
    assert results(first_set)[0] == ("TRANSIENT", "no connection: Connection refused")


def test_an_n_create_whose_answer_was_lost_is_known_when_it_comes_again(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager(deaf={0}) as pacs:
        endpoint(pacs)
        scanner("n_create", n_create(), uid)
        scanner("n_set", n_set(), uid)
        deliver()
        with later():
            deliver()

    assert told(pacs) == [("N-CREATE", uid, 0), ("N-CREATE", uid, 0x0111), ("N-SET", uid, 0)]
    created = Delivery.objects.earliest("id")
    assert created.state == "DELIVERED"
    assert results(created) == [
        ("AMBIGUOUS", "the peer aborted before it answered"),
        ("DELIVERED", "an earlier try without answer had reached the peer"),
    ]


def test_a_last_n_set_whose_answer_was_lost_is_known_when_it_comes_again(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager(deaf={1}) as pacs:
        endpoint(pacs)
        scanner("n_create", n_create(), uid)
        scanner("n_set", n_set(), uid)
        deliver()
        with later():
            deliver()

    assert told(pacs) == [("N-CREATE", uid, 0), ("N-SET", uid, 0), ("N-SET", uid, 0x0110)]
    assert states() == [("N-CREATE", "DELIVERED"), ("N-SET", "DELIVERED")]


# --- a manager that refuses


def refused(scanner: Tell, pacs: PpsManager) -> list[Delivery]:
    """The deliveries of an exam after the manager was asked as often as it ever is."""
    uid = new_uid()
    endpoint(pacs)
    scanner("n_create", n_create(), uid)
    scanner("n_set", n_set(), uid)
    for hour in range(4):
        with later(3600 * hour):
            outbox.reset_breaker()
            deliver()
    return list(Delivery.objects.order_by("id"))


def test_an_object_the_manager_has_from_elsewhere_is_refused_in_sight(scanner: Tell) -> None:
    with PpsManager(answers=[0x0111] * 10) as pacs:
        created, changed = refused(scanner, pacs)

    assert (created.state, changed.state) == ("REFUSED", "PENDING")
    assert created.last_error == "0111 the peer has this object already"
    assert changed.attempt_count == 0  # nothing is skipped


def test_an_n_set_of_an_object_the_manager_lost_is_refused_in_sight(scanner: Tell) -> None:
    with PpsManager(answers=[0, 0x0112, 0x0112, 0x0112]) as pacs:
        created, changed = refused(scanner, pacs)

        assert (created.state, changed.state) == ("DELIVERED", "REFUSED")
        assert changed.last_error == "0112 the peer does not have this object"
        execute(RequeueDelivery(delivery=str(changed.public_id)), actor=people.admin)
        deliver()

    changed.refresh_from_db()
    assert changed.state == "DELIVERED"


def test_a_manager_short_of_resources_is_asked_again_without_end(scanner: Tell) -> None:
    with PpsManager(answers=[0x0213] * 4) as pacs:
        created, _ = refused(scanner, pacs)

    assert (created.state, created.attempt_count) == ("PENDING", 4)
    assert created.last_error == "0213 the peer is short of resources"


def test_a_warning_is_delivered_and_noted(scanner: Tell) -> None:
    with PpsManager(answers=[0x0116]) as pacs:
        created, changed = refused(scanner, pacs)

    assert (created.state, changed.state) == ("DELIVERED", "DELIVERED")
    assert results(created) == [("DELIVERED", "0116 success, an attribute value was out of range")]


def test_a_manager_that_does_not_know_us_is_refused_in_its_own_words(scanner: Tell) -> None:
    with PpsManager(callers=["SOMEBODY"]) as pacs:
        created, _ = refused(scanner, pacs)

    assert created.state == "REFUSED"
    assert created.last_error == "association rejected: it does not know our AE title RIS"


# --- what no scanner said


def test_an_exam_ended_by_a_person_ends_at_the_manager_too(scanner: Tell) -> None:
    uid = new_uid()
    with PpsManager() as pacs:
        endpoint(pacs)
        scanner("n_create", n_create(), uid)
        scanner("n_set", n_set("IN PROGRESS", PerformedSeriesSequence=[series("2.25.77")]), uid)
        execute(
            CompletePerformedStep(
                sop_instance_uid=uid, details=PerformedDetails(ended_at=timezone.now())
            ),
            actor=people.technologist,
        )
        deliver()

    assert pacs.objects == {uid: "COMPLETED"}
    last = pacs.told[-1].dataset
    assert last.PerformedSeriesSequence[0].SeriesInstanceUID == "2.25.77"
    assert len(last.PerformedSeriesSequence[0].ReferencedImageSequence) == 2
    assert len(last.PerformedProcedureStepEndDate) == 8


@pytest.mark.parametrize("manual", [False, True])
def test_an_exam_begun_by_a_person_is_forwarded_if_the_endpoint_says_so(
    server: ServerThread, *, manual: bool
) -> None:
    from ris.domain.performing import Origin

    order = make.booked(NOON)
    command = make.start(
        order,
        origin=Origin.MANUAL,
        references=(),
        steps=(str(make.step_of(order).public_id),),
        performed_step_id="",
        patient_identifier=None,
        patient_name="",
    )
    with PpsManager() as pacs:
        endpoint(pacs, manual=manual)
        execute(command, actor=people.technologist)
        execute(
            CompletePerformedStep(
                sop_instance_uid=command.sop_instance_uid,
                details=PerformedDetails(ended_at=NOON + timedelta(minutes=9)),
            ),
            actor=people.technologist,
        )
        deliver()

    assert PerformedProcedureStep.objects.get().status == "COMPLETED"
    uid = command.sop_instance_uid
    assert told(pacs) == ([("N-CREATE", uid, 0), ("N-SET", uid, 0)] if manual else [])

"""Who is told what: events through the outbox to rendered messages, in lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from integration.hl7.er7 import Message
from integration.hl7.from_domain.archive import ARCHIVE
from integration.hl7.from_domain.orders import EVENTS
from integration.hl7.outbound import PROTOCOL, ROUTES
from ris.domain import (
    availability,
    corrections,
    exam_sets,
    order_events,
    orders,
    patients,
    performing,
    protocoling,
    reporting,
    scheduling,
    splitting,
    supplies,
    undoing,
    waiting,
)
from ris.domain.actors import endpoint_actor
from ris.domain.commands import Event
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import (
    DICOM_SUBSCRIPTIONS,
    MAIL_SUBSCRIPTIONS,
    Subscription,
)
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.patients import MergePatients, PatientReference, UnmergePatients, UpdatePatient
from ris.domain.performing import (
    INCORRECT_WORKLIST_ENTRY,
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
)
from ris.domain.reporting import AmendReport, FinalizeReport, OpenReport, VersionKind
from ris.domain.scheduling import CancelAppointment, RecordArrival, RescheduleAppointment
from ris.domain.values import Code, Identifier, PersonName
from ris.models import Delivery, Endpoint, Order, Patient
from ris.selectors import timeline
from ris.selectors.exchange import info
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7 import intake

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def told(endpoint: str = "EHR") -> list[str]:
    """What is queued for an endpoint, in order: message type and status codes."""
    outbox.fan_out()
    rows = Delivery.objects.filter(endpoint__name=endpoint).order_by("id")
    return [_line(row) for row in rows]


def _line(row: Delivery) -> str:
    if not row.payload:
        return f"unwritable: {row.last_error}"
    message = Message.from_bytes(bytes(row.payload))
    parts = [row.message_type, message.get("ORC-1"), message.get("ORC-5"), message.get("OBR-25")]
    return " ".join(part for part in parts if part)


def payloads(endpoint: str = "EHR") -> list[Message]:
    outbox.fan_out()
    rows = Delivery.objects.filter(endpoint__name=endpoint).order_by("id")
    return [Message.from_bytes(bytes(row.payload)) for row in rows]


def lanes(endpoint: str = "EHR") -> list[str]:
    outbox.fan_out()
    rows = Delivery.objects.filter(endpoint__name=endpoint).order_by("id")
    return [lane.partition(":")[0] for lane in rows.values_list("lane", flat=True)]


def endpoint(*sends: Subscription, name: str = "EHR", **fields: Any) -> Endpoint:
    make.endpoint(name, sends=sends, **fields)
    return Endpoint.objects.get(name=name, direction="out")


def walk() -> Order:
    """An order from booking to the signed report."""
    placed = make.booked()
    appointment = make.step_of(placed).appointment
    assert appointment is not None
    execute(
        RecordArrival(appointment=str(appointment.public_id), unchecked_reason="known here"),
        actor=people.frontdesk,
    )
    start = make.start(placed)
    execute(start, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=start.sop_instance_uid,
            details=PerformedDetails(ended_at=make.NOON + timedelta(minutes=15)),
        ),
        actor=people.ct1,
    )
    make.final_report(placed)
    return placed


# --- the whole way ------------------------------------------------------------------------------


def test_a_placer_hears_of_every_step_and_of_the_report() -> None:
    endpoint(Subscription.ORDER_STATUS, Subscription.RESULTS, Subscription.APPOINTMENTS)

    walk()

    assert told() == [
        "OMG^O19 SC SC S",
        "SIU^S12",
        "OMG^O19 SC SC S",
        "OMG^O19 SC IP I",
        "OMG^O19 SC IP I",
        "ORU^R01 RE CM F",
        "OMG^O19 SC CM F",
    ]


def test_an_archive_hears_only_what_it_takes() -> None:
    endpoint(Subscription.PROCEDURE_SCHEDULED, name="PACS", version="2.3.1")

    walk()

    assert told("PACS") == ["ORM^O01 NW SC", "ORM^O01 XO CM"]


def test_an_endpoint_is_told_what_it_asked_for_and_nothing_else() -> None:
    endpoint(Subscription.RESULTS, name="Doctor", version="2.3.1")
    endpoint(name="Silent")

    walk()

    assert told("Doctor") == ["ORU^R01 RE CM F"]
    assert told("Silent") == []


def test_a_move_and_a_cancellation() -> None:
    endpoint(Subscription.APPOINTMENTS, Subscription.PROCEDURE_SCHEDULED)
    placed = make.booked()
    appointment = make.step_of(placed).appointment
    assert appointment is not None
    key = str(appointment.public_id)
    execute(
        RescheduleAppointment(appointment=key, start_at=make.NOON + timedelta(hours=1)),
        actor=people.scheduler,
    )
    execute(CancelAppointment(appointment=key, reason="machine down"), actor=people.scheduler)

    assert told() == [
        "SIU^S12", "OMI^O23 NW SC",
        "SIU^S13", "OMI^O23 XO SC",
        "SIU^S15", "OMI^O23 CA CA",
    ]  # fmt: skip
    moved = payloads()[2]
    assert moved.get("AIS-4") == "20260302140000+0100"


def test_an_order_that_is_canceled_is_told_once() -> None:
    endpoint(Subscription.ORDER_STATUS, Subscription.PROCEDURE_SCHEDULED, Subscription.APPOINTMENTS)
    placed = make.booked()

    execute(
        CancelOrder(order=OrderReference(public_id=str(placed.public_id)), reason="twice"),
        actor=people.scheduler,
    )

    assert told()[3:] == ["SIU^S15", "OMG^O19 OC CA X", "OMI^O23 CA CA"]


def test_a_wrong_pick_at_the_scanner_puts_the_step_back() -> None:
    endpoint(Subscription.ORDER_STATUS, Subscription.PROCEDURE_SCHEDULED)
    placed = make.booked()
    start = make.start(placed)
    execute(start, actor=people.ct1)
    details = PerformedDetails(discontinuation_reason=Code(INCORRECT_WORKLIST_ENTRY, "DCM"))
    execute(
        DiscontinuePerformedStep(sop_instance_uid=start.sop_instance_uid, details=details),
        actor=people.ct1,
    )

    assert told() == [
        "OMG^O19 SC SC S", "OMI^O23 NW SC",
        "OMG^O19 SC IP I",
        "OMG^O19 SC SC S", "OMI^O23 XO SC",
    ]  # fmt: skip


def test_an_addendum_is_a_message_of_its_own_in_the_lane_of_its_report() -> None:
    endpoint(Subscription.RESULTS)
    placed = make.performed()
    report = make.final_report(placed)
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Compared with 2024."},
        ),
        actor=people.radiologist,
    )

    assert told() == ["ORU^R01 RE CM F", "ORU^R01 RE CM C"]
    assert lanes() == ["report", "report"]
    first, second = payloads()
    assert "Compared with 2024." not in str(first.text("OBX[2]-5"))
    assert second.text("OBX[4]-5") == "Compared with 2024."


def test_results_never_wait_for_status() -> None:
    endpoint(Subscription.ORDER_STATUS, Subscription.RESULTS)

    walk()

    assert lanes() == ["order"] * 4 + ["report", "order"]


def test_control_ids_are_all_different_and_short_enough_for_old_versions() -> None:
    endpoint(*(set(Subscription) - DICOM_SUBSCRIPTIONS - MAIL_SUBSCRIPTIONS))

    walk()
    outbox.fan_out()

    ids = list(Delivery.objects.values_list("control_id", flat=True))
    assert len(set(ids)) == len(ids) == 12
    assert max(map(len, ids)) <= 20
    assert {message.get("MSH-10") for message in payloads()} == set(ids)


# --- who asked ----------------------------------------------------------------------------------


def inbound(name: str = "EHR", protocol_name: str = "HIS^GENERAL") -> Any:
    intake.register(name, protocol_name)
    row = Endpoint.objects.get(name=name, direction="in")
    return endpoint_actor(name, row.pk)


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ({"name": "EHR"}, []),
        ({"name": "EHR in", "protocol_name": "HIS^GENERAL"}, []),
        ({"name": "Other", "protocol_name": "OTHER"}, ["OMG^O19 SC CA X"]),
    ],
    ids=["same name", "same application", "somebody else"],
)
def test_who_asked_for_a_cancellation_has_its_answer_already(
    sender: dict[str, str], expected: list[str]
) -> None:
    endpoint(Subscription.ORDER_STATUS, protocol_name="HIS^GENERAL")
    placed = make.order()

    execute(
        CancelOrder(order=OrderReference(public_id=str(placed.public_id))),
        actor=inbound(**sender),
    )

    assert told() == expected


def test_a_patient_change_is_not_told_to_who_told_it() -> None:
    endpoint(Subscription.PATIENT_UPDATES)
    endpoint(Subscription.PATIENT_UPDATES, name="PACS", port=2577)
    reference = make.patient("4711")
    make.order(patient=reference)

    execute(
        UpdatePatient(
            patient=PatientReference(identifiers=reference.identifiers),
            demographics=patients.Demographics(name=PersonName.of("Berg-Klein", "Anna")),
        ),
        actor=inbound(),
    )

    assert told() == []
    assert told("PACS") == ["ADT^A08"]
    assert payloads("PACS")[0].get("PID-5") == "Berg-Klein"


def test_only_the_orders_of_its_own_if_it_wants_no_others() -> None:
    endpoint(Subscription.ORDER_STATUS, settings={"orders": "own"}, protocol_name="EHR^GENERAL")
    make.booked()
    make.booked(start_at=make.NOON + timedelta(hours=2), placer=Identifier("X1", "ANOTHER SYSTEM"))

    assert told() == ["OMG^O19 SC SC S"]


# --- patients -----------------------------------------------------------------------------------


def test_a_merge_and_its_undoing() -> None:
    endpoint(Subscription.PATIENT_UPDATES)
    stays, goes = make.patient("4711"), make.patient("4712")
    make.order(patient=stays)
    make.order(patient=goes)
    execute(MergePatients(survivor=stays, subsumed=goes), actor=people.scheduler)
    outbox.fan_out()
    subsumed = Patient.objects.get(merged_into__isnull=False)

    execute(
        UnmergePatients(subsumed_id=str(subsumed.public_id), reason="wrong"),
        actor=people.scheduler,
    )

    assert told() == ["ADT^A40", "ADT^A08", "ADT^A08"]
    merge, one, other = payloads()
    assert (merge.get("PID-3"), merge.get("MRG-1")) == ("4711", "4712")
    assert merge.get("PID-3[2]") is None
    assert (one.get("PID-3"), other.get("PID-3")) == ("4711", "4712")


def test_an_exam_for_two_orders_is_told_for_both() -> None:
    endpoint(Subscription.ORDER_STATUS, Subscription.PROCEDURE_SCHEDULED)
    reference = make.patient("4711")
    first = make.booked(patient=reference)
    second = make.booked(patient=reference, start_at=make.NOON + timedelta(hours=1))
    outbox.fan_out()
    start = make.start(first)
    both = (*start.references, *make.start(second).references)
    execute(replace(start, references=both), actor=people.ct1)

    new = told()[4:]

    assert new == ["OMG^O19 SC IP I", "OMG^O19 SC IP I"]
    numbers = [message.get("ORC-2") for message in payloads()[4:]]
    assert numbers == [first.placer_order_number, second.placer_order_number]
    assert len(set(Delivery.objects.values_list("lane", flat=True))) == 2


# --- what cannot be written ---------------------------------------------------------------------


def test_a_name_outside_of_the_peers_set_is_in_sight_and_holds_nothing_up() -> None:
    endpoint(Subscription.ORDER_STATUS, character_set="ASCII")
    make.booked(patient=make.patient("4711", name=PersonName.of("Müller", "Jörg")))
    make.booked(start_at=make.NOON + timedelta(hours=2))

    assert told() == [
        "unwritable: U+00FC cannot be written in ASCII (PID-5)",
        "OMG^O19 SC SC S",
    ]
    assert list(Delivery.objects.order_by("id").values_list("state", flat=True)) == [
        "DEAD",
        "PENDING",
    ]


def test_settings_that_cannot_be_meant_are_refused_when_configured() -> None:
    with pytest.raises(InvalidValueError, match="no such setting"):
        make.endpoint(settings={"layout": "whole"})


# --- again --------------------------------------------------------------------------------------


def test_a_message_sent_once_more_differs_in_its_control_id_alone() -> None:
    row = endpoint(Subscription.ORDER_STATUS, character_set="8859/1")
    make.booked(patient=make.patient("4711", name=PersonName.of("Müller", "Jörg")))
    outbox.fan_out()
    delivery = Delivery.objects.get()

    again = PROTOCOL.readdress(bytes(delivery.payload), "NEW1", info(row))

    before, after = (Message.from_bytes(raw) for raw in (bytes(delivery.payload), again))
    assert after.get("MSH-10") == "NEW1"
    assert after.get("PID-5") == "Müller"
    assert again == bytes(delivery.payload).replace(str(before.get("MSH-10")).encode(), b"NEW1", 1)


# --- the table ----------------------------------------------------------------------------------


def _events() -> set[str]:
    found: set[str] = set()
    for module in (
        orders, order_events, scheduling, performing, corrections, reporting, patients,
        availability, undoing, splitting, protocoling, waiting, exam_sets, supplies,
    ):  # fmt: skip
        found |= {
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Event)
        }
    return found


def test_every_subscription_has_a_route_of_events_that_exist() -> None:
    assert set(ROUTES) == set(Subscription) - DICOM_SUBSCRIPTIONS - MAIL_SUBSCRIPTIONS
    for route in ROUTES.values():
        assert route.events <= _events()


# What nobody outside is told, each for a reason.
_UNTOLD: Sequence[str] = (
    "StepRepeated", "StepInformationCompleted",  # told when it is booked
    "AppointmentProposed", "AppointmentAnswered",  # the order tells of its own
    "SlotHeld", "HoldExpired", "HoursSet", "ClosureAdded", "ClosureRemoved",
    "ClosureReopened",  # our own business
    "StepPrepared", "PerformedStepUpdated", "DoseRecorded",
    "ReportOpened", "ExamsCovered", "DraftDiscarded", "ReportSigned",
    "CriticalResultCommunicated", "CriticalResultAcknowledged",
    "CriticalFindingFlagged", "CriticalAttemptNoted", "CriticalFindingAcknowledged",
    "CriticalTellingWaived", "CriticalFindingWithdrawn", "CriticalFindingEscalated",
    "CriticalCategoriesSet",  # the report says who was told
    "FollowUpRecommended", "FollowUpOrderProposed", "FollowUpOrderLinked",
    "FollowUpOrderUnlinked", "FollowUpMoved", "FollowUpDeclined", "FollowUpReopened",
    "FollowUpReminded",  # the report recommends it; its order tells of itself
    "ImagesPartlyAvailable", "ImagesUnavailable",  # there is no message for it
    "PatientRemoved", "PatientsLinked", "PatientsUnlinked",  # nothing of the record changed
    "DemographicsQuestioned", "ReviewDecided",  # an accepted one is told as a change
    "VisitUpdated", "VisitsMerged", "VisitsMoved", "VisitSettled",  # told with the next order
    "AccountChanged",
    "PerformedStepMoved", "CorrectionUndone",  # told by what became of the steps
    "FollowUpRaised", "FollowUpSettled",  # told by what is done about them
    "CancellationRefused",  # whoever asked has the answer
    "NoShowUndone", "ExamsBookedTogether", "SeriesPlanned",  # told by the bookings
    "OrderSplit",  # told by the order placed and the one changed
    "SupplyDefined", "DefaultSuppliesSet",  # our own business
    "ExamChanged",  # told as the change of its order
    "ReactionRecorded",  # the allergy is told once a person took it over
    "AttendingChosen", "ReportReturned",  # between the resident and the attending radiologist
    "ProtocolDefined", "ProtocolRetired", "ProtocolNeedChanged", "ProceduresSequenced",
    "ProtocolingClaimed", "ProtocolingReleased", "ProtocolWaived", "ProtocolingReopened",
    "ProtocolProposed",
    "RequesterAsked", "ProcedureRejected",  # asked and answered on the order's page
    "WaitingStarted", "WaitingStopped", "SlotOffered",
    "OfferAccepted", "OfferDeclined", "OfferExpired",  # told by the booking, if there is one
    "Event",
)  # fmt: skip


def test_every_event_is_told_or_is_known_not_to_be() -> None:
    told_of = {event for route in ROUTES.values() for event in route.events}

    assert told_of | set(_UNTOLD) >= _events()
    assert not told_of & set(_UNTOLD)
    assert told_of >= set(EVENTS) | set(ARCHIVE)


def test_a_report_on_two_orders_is_on_the_timeline_of_each() -> None:
    endpoint(Subscription.RESULTS)
    reference = make.patient("4712")
    orders = [
        make.performed(patient=reference, start_at=make.NOON + timedelta(hours=hours))
        for hours in (0, 2)
    ]
    procedures = tuple(str(order.procedures.get().public_id) for order in orders)
    report = execute(OpenReport(procedures=procedures), actor=people.radiologist)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=people.radiologist)

    outbox.fan_out()

    (sent,) = Delivery.objects.filter(message_type="ORU^R01")
    shown = [
        [
            one.name
            for one in timeline.entries(str(order.public_id))
            if one.link == str(sent.public_id)
        ]
        for order in orders
    ]
    assert shown == [["ORU^R01"], ["ORU^R01"]]
    assert sent.order in orders

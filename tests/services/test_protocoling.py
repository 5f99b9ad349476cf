"""Protocoling through the door: claim, set, ask, reject; what waits for it, what it changes."""

from __future__ import annotations

import pytest
from django.utils import timezone

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.order_questions import AnswerInformation
from ris.domain.protocoling import (
    AskRequester,
    ChangeProtocolNeed,
    ClaimProtocoling,
    DefineProtocol,
    ProposeProtocol,
    ProtocolNeed,
    RejectProcedure,
    RejectReason,
    ReleaseProtocoling,
    ReopenProtocoling,
    RetireProtocol,
    SetProtocol,
    WaiveProtocol,
)
from ris.domain.safety import NotReadyError
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Code
from ris.models import DomainEvent, FollowUp, Order, OrderQuestion, Protocoling, User
from ris.selectors import protocoling as selected
from ris.selectors.protocoling import Queue
from ris.services import execute, unsafe_starts
from tests import make, people

pytestmark = pytest.mark.django_db

PLAIN = DefineProtocol(
    code=Code("CTP", "99RIS", "Plain"),
    modality="CT",
    contrast="70 ml",
    instructions="low dose",
    duration_minutes=12,
)


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def need(kind: ProtocolNeed) -> str:
    definition = make.definition()
    execute(ChangeProtocolNeed(definition=definition, need=kind), actor=people.manager)
    return definition


def protocol(**overrides: object) -> str:
    return execute(
        DefineProtocol(**{**{name: getattr(PLAIN, name) for name in (
            "code", "modality", "contrast", "instructions", "duration_minutes")}, **overrides}),
        actor=people.manager,
    )  # fmt: skip


def procedure(order: Order) -> str:
    return str(make.step_of(order).procedure.public_id)


def waiting() -> list[str]:
    rows = selected.with_lines(selected.ordered(selected.in_queue(Queue.WAITING)))
    return [line.accession_number for line in selected.lines(rows)]


def reader(name: str) -> Actor:
    user = User.objects.create(username=name)
    return Actor(ActorKind.USER, name, frozenset({Role.RADIOLOGIST}), user_id=user.pk)


def test_an_order_whose_procedure_needs_a_protocol_waits_in_the_queue() -> None:
    need(ProtocolNeed.START)
    order = make.order()

    assert waiting() == [order.accession_number]


def test_without_a_need_nothing_waits() -> None:
    make.definition()
    make.order()

    assert waiting() == []


def test_booking_waits_for_the_protocol_where_the_catalog_says_so() -> None:
    need(ProtocolNeed.BOOKING)
    order = make.order()
    book = BookAppointment(
        step=str(make.step_of(order).public_id), device="CT1", start_at=make.NOON
    )

    with pytest.raises(NotReadyError, match="protocol is not set") as refusal:
        execute(book, actor=people.scheduler)
    assert refusal.value.details["waits_for"] == "protocol"
    execute(
        SetProtocol(procedure=procedure(order), protocols=(protocol(),)), actor=people.radiologist
    )
    execute(book, actor=people.scheduler)

    assert make.step_of(order).status == "SCHEDULED"


def test_a_need_at_the_start_lets_booking_go() -> None:
    need(ProtocolNeed.START)

    assert make.step_of(make.booked()).status == "SCHEDULED"


def test_what_is_set_stands_on_the_step_for_scanner_and_room() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    version = make.step_of(order).version

    execute(
        SetProtocol(
            procedure=procedure(order), protocols=(protocol(),), instructions="prone, please"
        ),
        actor=people.radiologist,
    )

    step = make.step_of(order)
    assert step.protocol_codes == [
        {"value": "CTP", "scheme": "99RIS", "meaning": "Plain", "version": ""}
    ]
    assert (step.contrast_agent, step.comments, step.duration_minutes) == (
        "70 ml",
        "prone, please",
        12,
    )
    assert step.version == version + 1
    event = DomainEvent.objects.get(name="ProtocolSet")
    assert (event.payload["codes"], event.payload["steps"]) == (["CTP"], [str(step.public_id)])
    assert waiting() == []


def test_a_booked_step_keeps_its_time() -> None:
    need(ProtocolNeed.START)
    order = make.booked()
    minutes = make.step_of(order).duration_minutes

    execute(
        SetProtocol(procedure=procedure(order), protocols=(protocol(),)), actor=people.radiologist
    )

    assert make.step_of(order).duration_minutes == minutes


def test_a_protocol_of_another_modality_is_refused() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    other = protocol(modality="MR")

    with pytest.raises(InvalidValueError, match="is for MR, the exam for CT"):
        execute(
            SetProtocol(procedure=procedure(order), protocols=(other,)), actor=people.radiologist
        )

    assert Protocoling.objects.count() == 0
    assert make.step_of(order).protocol_codes == []


def test_two_readers_cannot_be_at_the_same_exam() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    first, second = reader("first"), reader("second")
    execute(ClaimProtocoling(procedure=procedure(order)), actor=first)

    with pytest.raises(StateConflictError, match="another radiologist is at it"):
        execute(ClaimProtocoling(procedure=procedure(order)), actor=second)
    with pytest.raises(StateConflictError, match="another radiologist is at it"):
        execute(SetProtocol(procedure=procedure(order), protocols=(protocol(),)), actor=second)
    execute(ReleaseProtocoling(procedure=procedure(order)), actor=first)
    execute(ClaimProtocoling(procedure=procedure(order)), actor=second)

    assert Protocoling.objects.get().claimed_by_id == second.user_id


def test_what_was_asked_comes_back_with_its_answer() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    execute(
        AskRequester(procedure=procedure(order), question="Pacemaker?"), actor=people.radiologist
    )
    assert waiting() == []
    assert selected.in_queue(Queue.ASKED).count() == 1
    question = OrderQuestion.objects.get()

    execute(
        AnswerInformation(question=str(question.public_id), answer="None"), actor=people.scheduler
    )

    assert waiting() == [order.accession_number]
    (line,) = selected.lines(selected.with_lines(selected.in_queue(Queue.WAITING)))
    assert (line.decision.question, line.decision.answer) == ("Pacemaker?", "None")


def test_a_rejected_exam_can_neither_be_booked_nor_begun() -> None:
    make.definition()
    order = make.order()
    execute(
        RejectProcedure(
            procedure=procedure(order),
            reason=RejectReason.ALTERNATIVE,
            note="radiation",
            alternative="MR of the head",
        ),
        actor=people.radiologist,
    )

    with pytest.raises(NotReadyError, match="the radiologist rejected this exam"):
        execute(
            BookAppointment(
                step=str(make.step_of(order).public_id), device="CT1", start_at=make.NOON
            ),
            actor=people.scheduler,
        )

    assert DomainEvent.objects.get(name="ProcedureRejected").payload["alternative"] == (
        "MR of the head"
    )


def test_a_better_exam_must_be_named() -> None:
    order = make.order()

    with pytest.raises(MissingValueError, match="what would be better"):
        execute(
            RejectProcedure(
                procedure=procedure(order), reason=RejectReason.ALTERNATIVE, note="radiation"
            ),
            actor=people.radiologist,
        )


def test_who_decides_again_puts_it_back() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    execute(WaiveProtocol(procedure=procedure(order)), actor=people.radiologist)
    assert waiting() == []

    execute(
        ReopenProtocoling(procedure=procedure(order), reason="new findings"),
        actor=people.radiologist,
    )

    assert waiting() == [order.accession_number]


def test_a_scanner_that_begins_without_a_protocol_is_told_of() -> None:
    need(ProtocolNeed.START)
    order = make.booked()
    execute(make.start(order, started_at=timezone.now()), actor=people.ct1)

    unsafe_starts.note_late()

    assert FollowUp.objects.get(kind="SAFETY").detail == "the radiologist's protocol is not set"


def test_only_the_radiologist_sets_a_protocol() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    key = protocol()

    for actor in (people.scheduler, people.technologist, people.manager, people.ehr):
        with pytest.raises(DeniedError):
            execute(SetProtocol(procedure=procedure(order), protocols=(key,)), actor=actor)

    assert make.step_of(order).protocol_codes == []


def test_what_a_resident_proposes_waits_for_an_attending() -> None:
    need(ProtocolNeed.BOOKING)
    order = make.order()
    key = protocol()

    execute(
        ProposeProtocol(procedure=procedure(order), protocols=(key,), instructions="prone"),
        actor=people.resident,
    )

    row = Protocoling.objects.get()
    assert (row.status, row.protocols, row.instructions) == ("WAITING", [key], "prone")
    assert row.proposed_by == "resident"
    assert waiting() == [order.accession_number]
    assert make.step_of(order).protocol_codes == []
    with pytest.raises(DeniedError, match="you can propose one"):
        execute(SetProtocol(procedure=procedure(order), protocols=(key,)), actor=people.resident)


def test_a_proposal_ends_with_what_the_attending_decides() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    proposal = ProposeProtocol(procedure=procedure(order), protocols=(protocol(),))
    execute(proposal, actor=people.resident)

    execute(
        SetProtocol(procedure=procedure(order), protocols=proposal.protocols),
        actor=people.radiologist,
    )

    assert Protocoling.objects.get().proposed_by == ""
    assert [code["value"] for code in make.step_of(order).protocol_codes] == ["CTP"]
    with pytest.raises(StateConflictError, match="decided already"):
        execute(proposal, actor=people.resident)


def test_a_retired_protocol_is_offered_no_more() -> None:
    key = protocol()

    execute(RetireProtocol(protocol=key), actor=people.manager)

    assert selected.protocols() == []
    assert [line.offered for line in selected.protocols(retired=True)] == [False]


@pytest.mark.parametrize("role", [people.technologist, people.scheduler, people.manager])
def test_only_a_radiologist_sets_a_protocol(role: Actor) -> None:
    need(ProtocolNeed.START)
    order = make.order()
    command = SetProtocol(procedure=procedure(order), protocols=(protocol(),))

    with pytest.raises(DeniedError):
        execute(command, actor=role)

    assert waiting() == [order.accession_number]


def test_a_resident_asks_the_requester_and_leaves_the_decision_to_an_attending() -> None:
    need(ProtocolNeed.START)
    order = make.order()
    command = SetProtocol(procedure=procedure(order), protocols=(protocol(),))

    with pytest.raises(DeniedError, match="an attending radiologist decides on the protocol"):
        execute(command, actor=people.resident)
    execute(AskRequester(procedure=procedure(order), question="Which side?"), actor=people.resident)

    row = Protocoling.objects.get(procedure__public_id=procedure(order))
    assert (row.status, row.question) == ("ASKED", "Which side?")

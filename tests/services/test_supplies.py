"""Contrast and material: recorded with lots, corrected with history, reactions raised."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from ris.domain.catalog import DefineProcedure
from ris.domain.discontinuation import FollowUpKind
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.patients import DecideReview
from ris.domain.performing import CompletePerformedStep
from ris.domain.supplies import (
    Agent,
    ChangeExam,
    DefineSupply,
    Given,
    RecordReaction,
    RecordSupplies,
    Route,
    Severity,
    SupplyKind,
    SupplyUsed,
    totals,
)
from ris.domain.values import Code
from ris.models import (
    DemographicReview,
    DomainEvent,
    FollowUp,
    Order,
    Reaction,
    ScheduledProcedureStep,
    Supply,
    SupplyUse,
)
from ris.services import execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db
URTICARIA = Code("95394008", "SCT")


def build() -> tuple[Order, str, str, str]:
    make.device("CT1")
    make.definition()
    iodine = execute(
        DefineSupply(
            code="IOH350",
            name="Iohexol 350",
            kind=SupplyKind.CONTRAST,
            agent=Agent.IODINE,
            concentration=Decimal(350),
            lot_required=True,
            route=Route.INTRAVENOUS,
        ),
        actor=people.manager,
    )
    cannula = execute(
        DefineSupply(code="CAN20", name="Cannula 20 G", unit="piece"), actor=people.manager
    )
    order = make.booked()
    start = make.start(order)
    execute(start, actor=people.ct1)
    return order, iodine, cannula, start.sop_instance_uid


@pytest.fixture
def room() -> tuple[Order, str, str, str]:
    return ground.begin("an exam with contrast", build)[0]


def step_of(order: Order) -> str:
    return str(make.step_of(order).public_id)


def contrast(supply: str, **overrides: object) -> SupplyUsed:
    used = SupplyUsed(supply=supply, amount=Decimal(80), lot="L123", expires_on=date(2027, 1, 31))
    return replace(used, **overrides)  # type: ignore[arg-type]


def record(step: str, *supplies: SupplyUsed, reason: str = "") -> int:
    return execute(
        RecordSupplies(step=step, supplies=supplies, reason=reason), actor=people.technologist
    )


def test_what_was_used_is_kept_with_lot_route_and_by_whom(
    room: tuple[Order, str, str, str],
) -> None:
    order, iodine, cannula, _ = room

    count = record(step_of(order), contrast(iodine), SupplyUsed(supply=cannula, amount=Decimal(1)))

    use = SupplyUse.objects.get(code="IOH350")
    event = DomainEvent.objects.get(name="SuppliesRecorded")
    assert count == 2
    assert (use.amount, use.lot, use.expires_on) == (Decimal(80), "L123", date(2027, 1, 31))
    assert (use.route, use.concentration, use.recorded_by) == ("IV", Decimal(350), "technologist")
    assert event.payload["items"][0] == ["IOH350", "Iohexol 350", "80", "ml", "L123"]


@pytest.mark.parametrize(
    ("change", "error", "path"),
    [
        ({"lot": " "}, MissingValueError, "lot"),
        ({"expires_on": date(2026, 3, 1)}, InvalidValueError, "expires_on"),
        ({"amount": Decimal(0)}, InvalidValueError, "amount"),
    ],
)
def test_contrast_without_lot_expired_or_of_no_amount_is_refused(
    room: tuple[Order, str, str, str],
    change: dict[str, object],
    error: type[InvalidValueError],
    path: str,
) -> None:
    order, iodine, _, _ = room

    with pytest.raises(error) as refused:
        record(step_of(order), contrast(iodine, **change))

    assert refused.value.path == path
    assert not SupplyUse.objects.exists()


def test_correction_after_the_exam_needs_a_reason_and_keeps_what_was_said(
    room: tuple[Order, str, str, str],
) -> None:
    order, iodine, _, uid = room
    record(step_of(order), contrast(iodine))
    execute(CompletePerformedStep(sop_instance_uid=uid), actor=people.ct1)

    with pytest.raises(MissingValueError):
        record(step_of(order), contrast(iodine, amount=Decimal(60)))
    record(step_of(order), contrast(iodine, amount=Decimal(60)), reason="Read from the injector")

    before, now = SupplyUse.objects.order_by("id")
    assert (before.amount, before.reason) == (Decimal(80), "Read from the injector")
    assert before.replaced_at is not None
    assert (now.amount, now.replaced_at) == (Decimal(60), None)


def test_two_who_record_at_once_do_not_overwrite_each_other(
    room: tuple[Order, str, str, str],
) -> None:
    order, iodine, _, _ = room
    record(step_of(order), contrast(iodine))

    with pytest.raises(StateConflictError):
        execute(
            RecordSupplies(step=step_of(order), supplies=(), expected=()),
            actor=people.technologist,
        )

    assert SupplyUse.objects.filter(replaced_at=None).count() == 1


def test_front_desk_records_no_contrast(room: tuple[Order, str, str, str]) -> None:
    with pytest.raises(DeniedError):
        execute(RecordSupplies(step=step_of(room[0]), supplies=()), actor=people.frontdesk)


def test_reaction_is_raised_and_proposed_as_an_allergy(room: tuple[Order, str, str, str]) -> None:
    order, iodine, _, _ = room

    execute(
        RecordReaction(
            step=step_of(order), code=URTICARIA, severity=Severity.MODERATE, supply=iodine
        ),
        actor=people.technologist,
    )

    review = DemographicReview.objects.get(field="allergies")
    follow_up = FollowUp.objects.get()
    assert Reaction.objects.get().code["meaning"] == "Injection site urticaria"
    assert follow_up.kind == FollowUpKind.NOTE.value
    assert follow_up.detail == "Injection site urticaria, moderate, after Iohexol 350"
    assert review.said == "Iohexol 350: injection site urticaria"
    execute(DecideReview(review=str(review.public_id), accept=True), actor=people.frontdesk)
    order.patient.refresh_from_db()
    assert order.patient.allergies == ["Iohexol 350: injection site urticaria"]


def test_an_allergy_with_a_long_name_is_proposed_whole(room: tuple[Order, str, str, str]) -> None:
    name = "Gadoterate meglumine 0.5 mmol/mL, prefilled syringe of 15 mL"
    Supply.objects.filter(public_id=room[1]).update(name=name)

    execute(
        RecordReaction(
            step=step_of(room[0]),
            code=URTICARIA,
            severity=Severity.MILD,
            supply=room[1],
            propose_allergy=True,
        ),
        actor=people.technologist,
    )

    review = DemographicReview.objects.get(field="allergies")
    assert review.said == f"{name}: injection site urticaria"


def test_reaction_is_chosen_from_the_list(room: tuple[Order, str, str, str]) -> None:
    with pytest.raises(InvalidValueError):
        execute(
            RecordReaction(step=step_of(room[0]), code=Code("1", "SCT"), severity=Severity.MILD),
            actor=people.technologist,
        )

    assert not Reaction.objects.exists()


def test_iodine_and_gadolinium_are_summed_by_agent() -> None:
    found = totals(
        [
            (Agent.IODINE, Decimal(80), Decimal(350)),
            (Agent.IODINE, Decimal(20), Decimal(350)),
            (Agent.GADOLINIUM, Decimal("7.5"), Decimal("0.5")),
            (Agent.NONE, Decimal(100), None),
        ]
    )

    assert found == [
        Given(Agent.IODINE, Decimal(100), Decimal(35)),
        Given(Agent.GADOLINIUM, Decimal("7.5"), Decimal("3.75")),
    ]


def knee() -> str:
    return execute(
        DefineProcedure(
            code=Code("CTKNEE", "TEST", "CT of the knee"),
            modality="CT",
            duration_minutes=20,
            laterality_required=True,
        ),
        actor=people.manager,
    )


def test_exam_is_changed_in_the_room_with_side_and_reason(
    room: tuple[Order, str, str, str],
) -> None:
    order = make.booked(make.NOON.replace(hour=14))
    step = step_of(order)
    definition = knee()

    with pytest.raises(MissingValueError):
        execute(
            ChangeExam(step=step, procedure=definition, reason="Asked by the surgeon"),
            actor=people.technologist,
        )
    execute(
        ChangeExam(step=step, procedure=definition, laterality="L", reason="Asked by the surgeon"),
        actor=people.technologist,
    )

    procedure = ScheduledProcedureStep.objects.get(public_id=step).procedure
    assert (procedure.code_value, procedure.laterality) == ("CTKNEE", "L")
    event = DomainEvent.objects.get(name="ExamChanged")
    assert (event.payload["changed"], event.payload["reason"]) == (
        ["code", "laterality"],
        "Asked by the surgeon",
    )
    assert DomainEvent.objects.filter(name="OrderRevised", order=order).count() == 1


def test_exam_that_was_begun_stays_what_it_is(room: tuple[Order, str, str, str]) -> None:
    with pytest.raises(StateConflictError):
        execute(
            ChangeExam(step=step_of(room[0]), procedure=knee(), laterality="L", reason="Late"),
            actor=people.technologist,
        )

    assert room[0].procedures.get().code_value == "CTHEAD"

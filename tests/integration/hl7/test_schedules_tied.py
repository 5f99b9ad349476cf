"""SIU in: exams of which one has to follow the other in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code
from ris.models import InboundMessage, Order
from ris.services import execute
from tests import make, people
from tests.integration.hl7.test_schedules_in import AT, PID, ordered, resources, sch, siu

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rooms(accepting: None) -> None:
    make.site()
    make.device("CT1", room="CT room 1")
    make.device("CT2", room="CT room 2")


def tied(at_most: int = 120) -> tuple[Order, Order]:
    """Two exams of one patient, the other 30 minutes after the first; both told by S12."""
    first, then = (Code(f"CT{name}", "TEST", f"CT {name}") for name in ("PLAIN", "LATE"))
    execute(
        SequenceProcedures(
            first=make.definition(first),
            then=make.definition(then),
            gap_minutes=30,
            gap_at_most_minutes=at_most,
        ),
        actor=people.manager,
    )
    orders = []
    for number, (code, start) in enumerate([(first, "1000"), (then, "1100")], start=1):
        step = (ProcedureRequest(code=code, steps=(make.step_request(),)),)
        orders.append(ordered(f"PL{number}", procedures=step))
        segments = resources(f"20290312{start}00", code=f"{code.value}^^TEST", minutes="20|min")
        head = sch(numbers=f"APT{number}^HIS|", placer=f"PL{number}^HIS")
        assert siu("S12", head, PID, *segments) == ["AA"]
    return orders[0], orders[1]


def test_a_move_that_breaks_the_time_to_an_exam_before_is_refused_unless_booked_over() -> None:
    _first, then = tied()
    moved = resources("20290312150000", code="CTLATE^^TEST", minutes="20|min")

    def told(status: str) -> list[str]:
        head = sch(status, numbers="APT2^HIS|", placer="PL2^HIS")
        return siu("S13", head, PID, *moved)

    assert told("Booked") == ["AE", "207 AIS^1^4"]
    refused = InboundMessage.objects.order_by("-pk")[0]
    assert "CT LATE after CT PLAIN, 120 minutes at most" in str(refused.error)
    assert make.step_of(then).start_at == AT + timedelta(hours=1)

    assert told("Overbook") == ["AA"]
    assert make.step_of(then).start_at == AT + timedelta(hours=5)


def test_services_of_one_message_may_go_to_another_day_together() -> None:
    codes = [Code(f"CT{name}", "TEST", f"CT {name}") for name in ("PLAIN", "LATE")]
    first, then = (make.definition(code) for code in codes)
    execute(
        SequenceProcedures(first=first, then=then, gap_minutes=30, gap_at_most_minutes=120),
        actor=people.manager,
    )
    order = ordered(
        procedures=tuple(
            ProcedureRequest(code=code, steps=(make.step_request(),)) for code in codes
        )
    )

    def told(trigger: str, day: int, late: str) -> list[str]:
        parts = [
            part
            for number, (code, time) in enumerate(zip(codes, ("1000", late), strict=True), start=1)
            for part in resources(
                f"202903{day}{time}00", code=f"{code.value}^^TEST", minutes="20|min", number=number
            )
        ]
        return siu(trigger, sch(), PID, *parts)

    assert told("S12", 12, "1100") == ["AA"]
    assert told("S13", 13, "1500") == ["AE", "207 AIS^2^4"]
    assert told("S13", 13, "1100") == ["AA"]

    starts = [step.start_at for each in order.procedures.all() for step in each.steps.all()]
    assert sorted(filter(None, starts)) == [AT + timedelta(days=1), AT + timedelta(days=1, hours=1)]

"""Which versions of a report a receiver is told of, and in which order."""

from __future__ import annotations

import pytest

from integration.hl7.er7 import Message
from ris.domain.exchange import Subscription
from ris.domain.reporting import FinalizeReport, OpenReport, RetractReport, SignPreliminary
from ris.models import Delivery, Order
from ris.services import execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def endpoint(**settings: object) -> None:
    make.endpoint(sends=(Subscription.RESULTS,), settings=settings)


def told() -> list[str]:
    """OBR-25, and OBX-11 of the text, of each message in its order."""
    outbox.fan_out()
    messages = [Message.from_bytes(bytes(row.payload)) for row in rows()]
    return [f"{each.get('OBR-25')} {each.get('OBX[2]-11')}" for each in messages]


def rows() -> list[Delivery]:
    return list(Delivery.objects.order_by("id"))


def preliminary(order: Order) -> str:
    key = str(make.opened_report(order).public_id)
    execute(SignPreliminary(report=key, sections=dict(make.TEXT)), actor=people.radiologist)
    return key


def withdraw(key: str) -> None:
    execute(RetractReport(report=key, reason="the wrong side"), actor=people.radiologist)


def test_a_new_report_never_overtakes_the_withdrawal_of_the_one_before() -> None:
    """Both are filed under the same order numbers: told late, the withdrawal hits the new one."""
    endpoint()
    order = make.performed()
    withdraw(str(make.final_report(order).public_id))
    make.final_report(order)

    assert told() == ["F F", "C W", "F F"]
    assert len({row.lane for row in rows()}) == 1


def test_exams_read_apart_after_they_were_read_together_wait_for_the_withdrawal() -> None:
    endpoint()
    orders = [
        make.performed(start_at=make.NOON.replace(hour=hour), patient=make.patient("A"))
        for hour in (12, 17)
    ]
    keys = tuple(str(each.procedures.get().public_id) for each in orders)
    together = execute(OpenReport(procedures=keys), actor=people.radiologist)
    execute(FinalizeReport(report=together, sections=dict(make.TEXT)), actor=people.radiologist)
    withdraw(together)
    for each in orders:
        make.final_report(each)

    assert told() == ["F F", "C W", "F F", "F F"]
    assert len({row.lane for row in rows()}) == 1


def test_reports_on_different_exams_do_not_wait_for_each_other() -> None:
    endpoint()
    for hour in (12, 17):
        make.final_report(make.performed(start_at=make.NOON.replace(hour=hour)))

    assert told() == ["F F", "F F"]
    assert len({row.lane for row in rows()}) == 2


def test_who_takes_no_preliminary_report_is_told_of_no_withdrawal_of_one() -> None:
    endpoint(preliminary_results=False)
    withdraw(preliminary(make.performed()))

    assert told() == []


def test_who_takes_no_preliminary_report_is_told_that_the_final_one_is_withdrawn() -> None:
    endpoint(preliminary_results=False)
    key = preliminary(make.performed())
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)
    withdraw(key)

    assert told() == ["F F", "C W"]

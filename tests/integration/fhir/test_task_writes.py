"""What a client changes of a Task: its status, where the order state table has a change."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code
from ris.models import AuditEvent, DomainEvent, Order, ScheduledProcedureStep
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Answer, Api, token

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(db: None) -> Order:
    make.device()
    return make.booked()


def task_of(api: Api, order: Order) -> dict[str, Any]:
    found = api.get(f"/Task?based-on={order.public_id}").of("match")
    task: dict[str, Any] = found[0]
    return task


def put(api: Api, task: dict[str, Any], **elements: Any) -> Answer:
    return api.put(f"/Task/{task['id']}", {**task, **elements})


def refusal(answer: Answer) -> tuple[int, str, list[str]]:
    return answer.status, answer.issue["code"], answer.issue["expression"]


def statuses(order: Order) -> tuple[str, list[str]]:
    order.refresh_from_db()
    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("pk")
    return order.status, [step.status for step in steps]


@pytest.mark.parametrize("status", ["cancelled", "rejected"])
def test_canceling_the_only_step_cancels_the_order_with_the_reason(
    api: Api, order: Order, status: str
) -> None:
    task = task_of(api, order)

    answer = put(api, task, status=status, statusReason={"text": "moved to another site"})

    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert statuses(order) == ("CANCELED", ["CANCELED"])
    told = DomainEvent.objects.get(name="OrderCanceled").payload
    assert (told["reason"], told["by_placer"]) == ("moved to another site", True)
    request = api.get(f"/ServiceRequest/{order.public_id}").body
    assert request["status"] == "revoked"


def test_canceling_one_of_several_steps_leaves_the_order_to_the_others(api: Api) -> None:
    parts = [
        ProcedureRequest(code=Code(value, "TEST", value), steps=(make.step_request(),))
        for value in ("CTHEAD", "CTNECK")
    ]
    order = make.order(procedures=tuple(parts))
    task = api.get(f"/Task/{ScheduledProcedureStep.objects.earliest('pk').public_id}").body

    answer = put(api, task, status="cancelled")
    left = statuses(order)
    (other,) = api.get(f"/Task?based-on={order.public_id}&status=accepted").of("match")
    held = put(api, other, status="on-hold")

    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert left == ("ACTIVE", ["CANCELED", "PENDING"])
    assert DomainEvent.objects.get(name="StepCanceled").payload["reason"] == (
        "canceled by the requester"
    )
    assert (held.status, held.body["status"]) == (200, "on-hold")  # nothing else is left of it


def test_a_hold_and_its_end_are_those_of_the_order(api: Api, order: Order) -> None:
    task = task_of(api, order)

    held = api.patch(
        f"/Task/{task['id']}",
        [{"op": "replace", "path": "/status", "value": "on-hold"}],
        If_Match=api.get(f"/Task/{task['id']}").headers["ETag"],
    )
    on_hold = statuses(order)
    stale = put(api, task, status="cancelled")
    back = put(api, held.body, status="accepted")

    assert (held.status, held.body["status"]) == (200, "on-hold")
    assert on_hold == ("ON_HOLD", ["SCHEDULED"])
    assert stale.status == 200  # nobody asked for a version
    assert refusal(back) == (409, "conflict", ["Task.status"])  # it was canceled meanwhile


def test_what_was_held_is_taken_up_again(api: Api, order: Order) -> None:
    held = put(api, task_of(api, order), status="on-hold").body

    back = put(api, held, status="accepted")

    assert (back.status, back.body["status"]) == (200, "accepted")
    assert statuses(order) == ("ACTIVE", ["SCHEDULED"])


def test_several_steps_are_held_by_their_order(api: Api) -> None:
    parts = [
        ProcedureRequest(code=Code(value, "TEST", value), steps=(make.step_request(),))
        for value in ("CTHEAD", "CTNECK")
    ]
    order = make.order(procedures=tuple(parts))

    answer = put(api, task_of(api, order), status="on-hold")

    assert refusal(answer) == (422, "business-rule", ["Task.status"])
    assert statuses(order) == ("ACTIVE", ["PENDING", "PENDING"])


@pytest.mark.parametrize(
    ("elements", "refused"),
    [
        ({"status": "completed"}, (422, "business-rule", ["Task.status"])),
        ({"status": "in-progress"}, (422, "business-rule", ["Task.status"])),
        ({"status": "ready"}, (422, "business-rule", ["Task.status"])),
        ({"status": "entered-in-error"}, (422, "business-rule", ["Task.status"])),
        ({"status": "draft"}, (409, "conflict", ["Task.status"])),
        ({"status": "bogus"}, (422, "code-invalid", ["Task.status"])),
        ({"priority": "stat"}, (422, "not-supported", ["Task.priority"])),
        (
            {"status": "cancelled", "restriction": {"period": {"start": "2026-03-03"}}},
            (422, "not-supported", ["Task.restriction"]),
        ),
        ({"for": {"reference": "Patient/other"}}, (422, "not-supported", ["Task.for"])),
    ],
)
def test_what_has_its_own_way_in_is_refused_with_it(
    api: Api, order: Order, elements: dict[str, Any], refused: tuple[int, str, list[str]]
) -> None:
    answer = put(api, task_of(api, order), **elements)

    assert refusal(answer) == refused
    assert statuses(order) == ("ACTIVE", ["SCHEDULED"])


def test_exam_that_was_started_is_not_canceled(api: Api, order: Order) -> None:
    execute(make.start(order), actor=people.ct1)

    answer = put(api, task_of(api, order), status="cancelled")

    assert refusal(answer) == (409, "conflict", ["Task.status"])
    assert statuses(order) == ("ACTIVE", ["STARTED"])


def test_nothing_changed_changes_nothing_and_is_in_the_audit(api: Api, order: Order) -> None:
    task = task_of(api, order)
    short = {name: task[name] for name in ("resourceType", "id", "status", "intent")}
    events = DomainEvent.objects.count()

    answer = api.put(f"/Task/{task['id']}", short)

    assert (answer.status, answer.body) == (200, task)
    assert DomainEvent.objects.count() == events
    assert AuditEvent.objects.filter(action="FHIR update Task").count() == 1


def test_what_concerns_the_order_needs_the_scope_for_it(api: Api, order: Order) -> None:
    task = task_of(api, order)
    own = Api(token("system/Task.cruds", client="Own"))
    other = Api(token("system/Task.cruds", "system/ServiceRequest.u?priority=stat", client="Other"))

    answers = [put(each, task, status=status) for each in (own, other)
               for status in ("cancelled", "on-hold")]  # fmt: skip

    assert [each.status for each in answers] == [403, 403, 403, 403]
    assert statuses(order) == ("ACTIVE", ["SCHEDULED"])


def test_a_step_that_nobody_knows_is_not_made(api: Api) -> None:
    body = {"resourceType": "Task", "status": "requested", "intent": "order"}

    made = api.post("/Task", body)
    put_ = api.put("/Task/01a1fe9f-0000-7000-8000-000000000000",
                   {**body, "id": "01a1fe9f-0000-7000-8000-000000000000"})  # fmt: skip

    assert (made.status, put_.status) == (405, 405)
    assert "send a ServiceRequest" in made.issue["diagnostics"]

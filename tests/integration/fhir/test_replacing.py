"""A ServiceRequest that takes the place of another: as ORC-1 RP and RO, in one request."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.orders import OrderReference, ReplaceOrder
from ris.models import DomainEvent, Order, ScheduledProcedureStep
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api, found, token
from tests.integration.fhir.bundles import bundle, entry

pytestmark = pytest.mark.django_db


def request(number: str, *old: str, **more: Any) -> dict[str, Any]:
    said = [{"reference": f"ServiceRequest/{each}"} for each in old]
    patient = resources.patient("P1", id="p")
    return resources.service_request(
        number, **{"contained": [patient], "replaces": said or None, **more}
    )


def placed(api: Api, number: str, *old: str, **more: Any) -> dict[str, Any]:
    answer = api.post("/ServiceRequest", request(number, *old, **more))
    assert answer.status == 201, answer.body
    body: dict[str, Any] = answer.body
    return body


def statuses() -> list[str]:
    return list(Order.objects.order_by("pk").values_list("status", flat=True))


def said(answer: Answer) -> tuple[int, str, list[str]]:
    return answer.status, answer.issue["code"], answer.issue["expression"]


def test_replacement_closes_the_order_that_is_open_and_takes_its_time(api: Api) -> None:
    make.device()
    at = "2026-03-02T13:00:00+01:00"
    old = placed(api, "1", occurrenceDateTime=at)

    new = placed(api, "2", old["id"], occurrenceDateTime=at)

    assert new["replaces"] == [{"reference": f"ServiceRequest/{old['id']}"}]
    assert api.get(f"/ServiceRequest/{old['id']}").body["status"] == "revoked"
    assert list(ScheduledProcedureStep.objects.order_by("pk").values_list("status", flat=True)) == [
        "CANCELED", "SCHEDULED",
    ]  # fmt: skip
    canceled = DomainEvent.objects.get(name="OrderCanceled").payload
    assert (canceled["replaced"], canceled["by_placer"]) == (True, True)
    assert DomainEvent.objects.get(name="OrderReplaced").payload == {
        "order": new["id"],
        "replaced": [old["id"]],
    }
    assert make.appointment_of(Order.objects.get(public_id=new["id"])).overbooked is False


def test_replacement_sent_again_makes_nothing_new(api: Api) -> None:
    old = placed(api, "1")
    new = placed(api, "2", old["id"])
    events = DomainEvent.objects.count()

    again = api.post("/ServiceRequest", request("2", old["id"]))

    assert (again.status, again.body["id"]) == (200, new["id"])
    assert (DomainEvent.objects.count(), statuses()) == (events, ["CANCELED", "ACTIVE"])


def test_order_that_its_placer_closed_before_is_only_tied(api: Api) -> None:
    old = placed(api, "1")
    api.put(f"/ServiceRequest/{old['id']}", {**old, "status": "revoked"})

    new = placed(api, "2", old["id"])

    assert new["replaces"] == [{"reference": f"ServiceRequest/{old['id']}"}]
    assert DomainEvent.objects.filter(name="OrderCanceled").count() == 1


def test_order_is_named_by_its_number_as_well(api: Api) -> None:
    old = placed(api, "1")
    number = {"system": resources.ORDERS, "value": "1"}

    body = api.post("/ServiceRequest", {**request("2"), "replaces": [{"identifier": number}]}).body

    assert body["replaces"][0].get("reference") == f"ServiceRequest/{old['id']}"
    assert statuses() == ["CANCELED", "ACTIVE"]


def test_order_is_replaced_once_unless_one_message_splits_it(api: Api) -> None:
    old = placed(api, "1")
    new = placed(api, "2", old["id"])

    again = api.post("/ServiceRequest", request("3", old["id"]))
    both = placed(api, "4", old["id"], new["id"])
    split = api.post(
        "",
        bundle(
            entry("POST", "ServiceRequest", request("5", both["id"])),
            entry("POST", "ServiceRequest", request("6", both["id"])),
        ),
    )

    assert said(again) == (409, "conflict", ["ServiceRequest.replaces[0]"])
    assert again.issue["diagnostics"] == "another order took its place already: replace that one"
    assert split.status == 200, split.body
    assert statuses() == ["CANCELED", "CANCELED", "CANCELED", "ACTIVE", "ACTIVE"]


def test_exam_that_was_started_is_not_replaced_and_nothing_is_placed(api: Api) -> None:
    make.device()
    order = make.booked()
    execute(make.start(order), actor=people.ct1)

    answer = api.post("/ServiceRequest", request("2", str(order.public_id)))

    assert said(answer) == (409, "conflict", ["ServiceRequest.replaces[0]"])
    assert statuses() == ["ACTIVE"]


def test_order_of_another_patient_is_not_replaced(api: Api) -> None:
    order = make.order(patient=make.patient("OTHER"))

    answer = api.post("/ServiceRequest", request("2", str(order.public_id)))

    assert said(answer) == (422, "value", ["ServiceRequest.replaces[0]"])
    assert statuses() == ["ACTIVE"]


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["system/ServiceRequest.crs"], 403),
        (["system/ServiceRequest.crs", "system/ServiceRequest.u?priority=stat"], 403),
        (["system/ServiceRequest.cruds?priority=urgent"], 422),  # nobody learns of the other
    ],
)
def test_who_may_not_change_an_order_does_not_replace_it(
    api: Api, scopes: list[str], status: int
) -> None:
    old = placed(api, "1", priority="routine")
    other = Api(token(*scopes, "system/Patient.crus", client="Other"))

    answer = other.post("/ServiceRequest", request("2", old["id"]))

    assert answer.status == status, answer.body
    assert statuses() == ["ACTIVE"]


def test_order_that_replaces_another_is_changed_like_any(api: Api) -> None:
    old = make.order(patient=make.patient("P"))
    reference = OrderReference(public_id=str(old.public_id))
    execute(ReplaceOrder(order=reference), actor=people.ehr)
    new = make.order(patient=make.patient("P"), replaces=(reference,))
    shown = api.get(f"/ServiceRequest/{new.public_id}").body

    ids = [str(new.public_id)]
    assert found(api, "ServiceRequest", replaces=f"ServiceRequest/{old.public_id}") == ids
    assert found(api, "ServiceRequest", replaces__missing="false") == ids
    assert found(api, "ServiceRequest", replaces__missing="true") == [str(old.public_id)]
    assert api.get("/ServiceRequest?replaces.status=revoked").ids == ids
    reverse = api.get(f"/ServiceRequest?_id={old.public_id}&_revinclude=ServiceRequest:replaces")
    assert [each["id"] for each in reverse.of("include")] == ids
    changed = api.put(f"/ServiceRequest/{new.public_id}", {**shown, "priority": "stat"})
    other = api.put(
        f"/ServiceRequest/{new.public_id}",
        {**changed.body, "replaces": [{"reference": f"ServiceRequest/{new.public_id}"}]},
    )

    assert (changed.status, changed.body["priority"]) == (200, "stat")
    assert changed.body["replaces"] == shown["replaces"]
    assert said(other) == (422, "not-supported", ["ServiceRequest.replaces"])

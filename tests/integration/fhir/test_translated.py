"""What was made of rows before is used again for the same rows, and for no others.

Each change is looked at twice: with all that is remembered of the answers before it, and with
nothing remembered. Both must say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integration.fhir import json, reading, resources, translated
from integration.fhir.systems import Systems
from ris.domain.actors import OPERATOR
from ris.domain.catalog import MapCode
from ris.domain.orders import (
    AddProcedure,
    CancelOrder,
    HoldOrder,
    OrderReference,
    ProcedureRequest,
    ReleaseOrder,
)
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.values import Code
from ris.models import Order
from ris.selectors.search import bare, engine
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db


def forget() -> None:
    bare.known.views.clear()
    engine._statements.known.clear()
    resources._REQUESTS.known.clear()
    translated._written.clear()
    reading._last_shown.clear()


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    forget()


def reference(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def client_adds_a_note(api: Api, order: Order) -> None:
    said = api.get(f"/ServiceRequest/{order.public_id}").body
    said["extension"] = [{"url": "urn:x", "valueDecimal": 1}]
    answer = api.put(f"/ServiceRequest/{order.public_id}", said)
    assert answer.status == 200, answer.body


def merge(api: Api, order: Order) -> None:
    survivor = make.order().patient
    execute(
        MergePatients(
            survivor=PatientReference(public_id=str(survivor.public_id)),
            subsumed=PatientReference(public_id=str(order.patient.public_id)),
        ),
        actor=people.scheduler,
    )


_OTHER = ProcedureRequest(code=Code("CTNECK", "TEST", "CT of the neck"))

CHANGES: dict[str, Callable[[Api, Order], Any]] = {
    "nothing": lambda api, order: None,
    "held": lambda api, order: execute(
        HoldOrder(order=reference(order), reason="waits"), actor=people.scheduler
    ),
    "held and released": lambda api, order: (
        execute(HoldOrder(order=reference(order), reason="waits"), actor=people.scheduler),
        execute(ReleaseOrder(order=reference(order)), actor=people.scheduler),
    ),
    "canceled": lambda api, order: execute(
        CancelOrder(order=reference(order), reason="not needed"), actor=people.scheduler
    ),
    "another procedure": lambda api, order: execute(
        AddProcedure(order=reference(order), procedure=_OTHER), actor=people.scheduler
    ),
    "merged": merge,
    "said by a client": client_adds_a_note,
    "a device gets known": lambda api, order: make.device("MR9", "MR"),
    "another name of the issuer": lambda api, order: execute(
        MapCode(table="issuer", source=Code("https://ehr.test/ids"), target=Code("EHR")),
        actor=OPERATOR,
    ),
    "another order": lambda api, order: make.order(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_remembered_says_what_is_so(api: Api, name: str) -> None:
    make.device()
    order = make.booked(make.NOON)
    make.booked(make.NOON + timedelta(hours=1))
    make.order(station="MR9")
    addresses = [
        "/ServiceRequest?_count=20",
        f"/ServiceRequest/{order.public_id}",
        "/ServiceRequest?_include=ServiceRequest:patient&_elements=status,subject",
        "/Task?_include=Task:based-on",
    ]
    before = [api.get(each).body for each in addresses]

    CHANGES[name](api, order)
    remembered = [api.get(each).body for each in addresses]
    forget()
    anew = [api.get(each).body for each in addresses]

    assert remembered == anew
    assert (remembered == before) == (name == "nothing")


def test_the_same_rows_are_the_same_resource_until_one_of_them_changes(api: Api) -> None:
    kept, changed = make.order(), make.order()
    ids = [str(kept.public_id), str(changed.public_id)]
    kind = resources.KINDS["ServiceRequest"]
    shown = reading.shown_for([kind], Systems())

    first = reading.load(kind, ids, shown)
    execute(HoldOrder(order=reference(changed), reason="waits"), actor=people.scheduler)
    second = reading.load(kind, ids, shown)

    assert second[0] is first[0]
    assert second[1] is not first[1]
    assert [each["status"] for each in second] == ["active", "on-hold"]
    assert translated.written(second[0]) is translated.written(first[0])


def test_a_bundle_is_written_as_any_other_json() -> None:
    given = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": "http://x/ü"}],
        "entry": [
            {"fullUrl": "a", "resource": {"resourceType": "Patient"}, "search": {"mode": "match"}},
            {"resource": {"resourceType": "OperationOutcome"}},
            {"search": {"mode": "match"}},
        ],
    }

    assert translated.bundle(given) == json.write(given)

"""A room on one page: who is next, what was used, reactions, another exam, silent devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from ris.domain.orders import OrderDetails, Priority
from ris.domain.supplies import Agent, DefineSupply, Route, SetDefaultSupplies, SupplyKind
from ris.models import (
    DomainEvent,
    FollowUp,
    Order,
    ProcedureDefinition,
    Reaction,
    Supply,
    SupplyDefault,
    SupplyUse,
    Ticket,
)
from ris.services import execute
from tests import make, people
from tests.web.department import arrive, begin, booked_at, person, today_at, whole

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]


@pytest.fixture
def iodine(rooms: None) -> str:
    return execute(
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


@pytest.fixture
def order(rooms: None) -> Order:
    order = booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN004"))
    arrive(order)
    return order


def path(order: Order, what: str) -> str:
    return f"/room/CT1/{what}/{make.step_of(order).public_id}/"


def line(supply: str, **said: str) -> dict[str, str]:
    return {
        "supply": supply,
        "amount": "80",
        "lot": "L1",
        "expires_on": "2027-01-31",
        "route": "",
        "expected": "",
        **said,
    }


def test_patient_who_is_here_stands_in_front_and_urgent_ones_first(as_: As, order: Order) -> None:
    urgent = booked_at(
        today_at(13),
        patient=person("Lund", "Eva", "MRN005"),
        details=OrderDetails(priority=Priority.STAT, reason="Fall"),
    )
    client = as_("technologist")

    before = client.get("/room/CT1/").content.decode()
    arrive(urgent)
    after = client.get("/room/CT1/").content.decode()
    chosen = client.get(f"/room/CT1/?exam={make.step_of(order).public_id}").content.decode()

    assert front(before) == "ITO, Ken"
    assert front(after) == "LUND, Eva"
    assert front(chosen) == "ITO, Ken"


def front(page: str) -> str:
    head = page.partition('class="current-name"')[2].partition("</h2>")[0]
    return head.partition(">")[2].rpartition("</a>")[0].rpartition(">")[2]


def test_room_calls_its_patient(as_: As, order: Order) -> None:
    step = make.step_of(order)
    assert step.appointment is not None

    as_("technologist").post("/room/CT1/call/", {"appointment": str(step.appointment.public_id)})

    assert Ticket.objects.get().called_to == "CT room"


def test_device_that_went_silent_brings_the_buttons_forward(
    as_: As, order: Order, noon: time_machine.Traveller
) -> None:
    begin(order, timezone.now())

    fresh = as_("technologist").get("/room/CT1/").content.decode()
    noon.shift(timedelta(minutes=35))
    silent = as_("technologist").get("/room/CT1/").content.decode()

    assert "Scanner reported begin" in fresh
    assert "the scanner ends it itself" in fresh
    assert "has said nothing for 35 minutes" in silent
    assert 'class="btn btn-primary" data-key="e"' in silent
    assert 'class="btn btn-primary" data-key="e"' not in fresh


def test_contrast_is_noted_and_shown_with_its_total(as_: As, order: Order, iodine: str) -> None:
    begin(order)
    client = as_("technologist")

    response = client.post(path(order, "supplies"), line(iodine))

    page = client.get("/room/CT1/").content.decode()
    assert response.status_code == 303
    assert SupplyUse.objects.get().lot == "L1"
    assert "lot L1" in page
    assert "80 ml, 28 g I" in page


def test_refused_supplies_keep_what_was_typed(as_: As, order: Order, iodine: str) -> None:
    client = as_("technologist")

    no_lot = client.post(path(order, "supplies"), line(iodine, lot="", amount="77"))
    no_number = client.post(path(order, "supplies"), line(iodine, amount="many"))

    assert (no_lot.status_code, no_number.status_code) == (422, 422)
    assert "its lot number is required" in no_lot.content.decode()
    assert 'value="77"' in no_lot.content.decode()
    assert "is no amount" in no_number.content.decode()
    assert not SupplyUse.objects.exists()


def test_two_pages_do_not_overwrite_each_other(as_: As, order: Order, iodine: str) -> None:
    client = as_("technologist")
    client.post(path(order, "supplies"), line(iodine))

    second = client.post(path(order, "supplies"), line(iodine, amount="10"))

    assert second.status_code == 409
    assert SupplyUse.objects.get().amount == Decimal(80)


def test_usual_set_of_the_procedure_is_offered(as_: As, order: Order, iodine: str) -> None:
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    execute(
        SetDefaultSupplies(
            procedure=str(definition.public_id), supplies=((iodine, Decimal("62.5")),)
        ),
        actor=people.manager,
    )

    page = as_("technologist").get(path(order, "supplies")).content.decode()

    assert 'value="62.5"' in page
    assert not SupplyUse.objects.exists()


def test_reaction_is_noted_shown_and_raised(as_: As, order: Order, iodine: str) -> None:
    begin(order)
    client = as_("technologist")
    client.post(path(order, "supplies"), line(iodine))

    client.post(
        path(order, "reaction"),
        {"code": "418363000", "severity": "MODERATE", "supply": iodine, "propose_allergy": "on"},
    )

    page = client.get("/room/CT1/").content.decode()
    assert Reaction.objects.get().code["meaning"] == "Itching"
    assert FollowUp.objects.get().detail == "Itching, moderate, after Iohexol 350"
    assert "Itching, Moderate" in page


def test_exam_is_changed_to_another_of_the_same_modality_only(as_: As, order: Order) -> None:
    client = as_("technologist")
    knee = ProcedureDefinition.objects.get(code="CTKNEE")
    abdomen = ProcedureDefinition.objects.get(code="USABD")

    other = client.post(
        path(order, "change"), {"procedure": str(abdomen.public_id), "reason": "Asked"}
    )
    no_side = client.post(
        path(order, "change"), {"procedure": str(knee.public_id), "reason": "Asked"}
    )
    changed = client.post(
        path(order, "change"),
        {"procedure": str(knee.public_id), "laterality": "L", "reason": "Asked"},
    )

    procedure = order.procedures.get()
    assert (other.status_code, no_side.status_code, changed.status_code) == (422, 422, 303)
    assert (procedure.code_value, procedure.laterality) == ("CTKNEE", "L")
    assert DomainEvent.objects.filter(name="ExamChanged").count() == 1


def test_dialogs_come_without_the_page_around_them(as_: As, order: Order, iodine: str) -> None:
    client = as_("technologist")

    for what in ("supplies", "reaction", "change"):
        whole = client.get(path(order, what)).content.decode()
        part = client.get(path(order, what), headers={"HX-Request": "true"}).content.decode()
        assert "<html" in whole
        assert "<html" not in part
        assert 'id="exam-title"' in part


@pytest.mark.parametrize("what", ["supplies", "reaction", "change"])
def test_front_desk_notes_nothing_of_an_exam(as_: As, order: Order, iodine: str, what: str) -> None:
    begin(order)
    form = {
        **line(iodine),
        "code": "418363000",
        "severity": "MILD",
        "reason": "x",
        "laterality": "L",
    }

    response = as_("frontdesk").post(path(order, what), form)

    assert response.status_code == 403
    assert not SupplyUse.objects.exists()
    assert not Reaction.objects.exists()


def test_viewer_says_why_there_is_nothing_to_see(as_: As, order: Order) -> None:
    response = as_("technologist").get(f"/room/CT1/view/{make.step_of(order).public_id}/")

    assert response.status_code == 409
    assert "no viewer is set up" in response.content.decode()


def test_viewer_is_opened_with_the_study(as_: As, order: Order, settings: object) -> None:
    begin(order)
    settings.VIEWER_URL = "http://127.0.0.1:3000/viewer?StudyInstanceUIDs={study}"  # type: ignore[attr-defined]

    response = as_("technologist").get(f"/room/CT1/view/{make.step_of(order).public_id}/")

    study = order.procedures.get().study_instance_uid
    assert response.headers["Location"].endswith(f"StudyInstanceUIDs={study}")


def test_room_of_many_takes_no_more_queries(
    as_: As, order: Order, iodine: str, django_assert_max_num_queries: Callable[..., object]
) -> None:
    begin(order)
    client = as_("technologist")
    client.post(path(order, "supplies"), line(iodine))
    for number in range(4):
        arrive(booked_at(today_at(14 + number), patient=person("Ito", "Ai", f"MRN1{number}")))
    client.get("/room/CT1/")

    with django_assert_max_num_queries(BUDGETS["page_room"]):  # type: ignore[attr-defined]
        client.get("/room/CT1/")


def test_order_page_shows_what_was_given(as_: As, order: Order, iodine: str) -> None:
    begin(order)
    as_("technologist").post(path(order, "supplies"), line(iodine))

    page = whole(as_("radiologist"), f"/orders/{order.public_id}/")

    assert "80 ml, 28 g I" in page
    assert "lot L1" in page


# --- the catalog


def test_manager_keeps_the_catalog_of_supplies(as_: As, rooms: None) -> None:
    client = as_("manager")
    supply = {
        "code": "GAD05",
        "name": "Gadoterate 0.5",
        "kind": "CONTRAST",
        "unit": "ml",
        "agent": "GADOLINIUM",
        "concentration": "0.5",
        "route": "IV",
        "active": "on",
    }

    client.post("/supplies/new/", supply)
    row = Supply.objects.get()
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    client.post(
        "/supplies/usual/", {"procedure": str(definition.public_id), f"s-{row.public_id}": "7.5"}
    )

    page = client.get("/supplies/").content.decode()
    assert (row.agent, row.concentration) == ("GADOLINIUM", Decimal("0.5"))
    assert SupplyDefault.objects.get().amount == Decimal("7.5")
    assert "Gadoterate 0.5 7.5 ml" in page
    form = client.get(f"/supplies/{row.public_id}/").content.decode()
    assert 'name="concentration" value="0.5"' in form


def test_technologist_reads_the_catalog_and_does_not_change_it(as_: As, iodine: str) -> None:
    client = as_("technologist")

    assert client.get("/supplies/").status_code == 200
    assert client.get("/supplies/new/").status_code == 403
    assert client.post("/supplies/new/", {"code": "X"}).status_code == 403
    assert Supply.objects.count() == 1

"""The protocoling queue, its catalog, and the list of the payers' agreements."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.protocoling import ChangeProtocolNeed, DefineProtocol, ProtocolNeed
from ris.domain.values import Code
from ris.models import (
    Authorization,
    AuthorizationRule,
    Order,
    ProcedureDefinition,
    ProtocolDefinition,
    Protocoling,
)
from ris.selectors import protocoling
from ris.services import execute
from tests import make, people
from tests.web.department import version_in

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())

pytestmark = pytest.mark.django_db

As = Callable[[str], Client]


@pytest.fixture
def order() -> Order:
    """An order that waits for a protocol, and a protocol for it."""
    make.device()
    definition = make.definition(body_part="HEAD")
    execute(
        ChangeProtocolNeed(definition=definition, need=ProtocolNeed.START), actor=people.manager
    )
    execute(
        DefineProtocol(code=Code("CTP", "99RIS", "Plain head"), modality="CT"),
        actor=people.manager,
    )
    return make.order()


def procedure(order: Order) -> str:
    return str(make.step_of(order).procedure.public_id)


def test_the_queue_shows_what_waits_and_filters(as_: As, order: Order) -> None:
    client = as_("radiologist")

    assert order.accession_number in client.get("/protocoling/").content.decode()
    here = client.get("/protocoling/?modality=CT&group=HEAD").content.decode()
    elsewhere = client.get("/protocoling/?modality=MR").content.decode()

    assert order.accession_number in here
    assert order.accession_number not in elsewhere


def test_a_protocol_is_set_and_the_next_one_opened(as_: As, order: Order) -> None:
    other = make.order()
    protocol = str(ProtocolDefinition.objects.get().public_id)

    answer = as_("radiologist").post(
        f"/protocoling/{procedure(order)}/set/",
        {"protocol": protocol, "instructions": "thin slices", "then": "next"},
    )

    assert (answer.status_code, answer["Location"]) == (303, f"/protocoling/{procedure(other)}/")
    step = make.step_of(order)
    assert step.protocol_codes[0]["value"] == "CTP"
    assert step.comments == "thin slices"


def test_who_sets_nothing_is_told_what_is_missing(as_: As, order: Order) -> None:
    answer = as_("radiologist").post(f"/protocoling/{procedure(order)}/set/", {})

    assert answer.status_code == 422
    assert "choose a protocol" in answer.content.decode()
    assert make.step_of(order).protocol_codes == []


def test_asking_and_rejecting_move_it_to_their_tabs(as_: As, order: Order) -> None:
    client = as_("radiologist")

    client.post(f"/protocoling/{procedure(order)}/ask/", {"question": "Which side?"})
    assert order.accession_number in client.get("/protocoling/?tab=asked").content.decode()
    client.post(
        f"/protocoling/{procedure(order)}/reject/",
        {"reason": "NOT_INDICATED", "note": "no red flags"},
    )

    assert order.accession_number in client.get("/protocoling/?tab=rejected").content.decode()
    page = client.get(f"/protocoling/{procedure(order)}/").content.decode()
    assert "Not indicated" in page
    assert "no red flags" in page


@pytest.mark.parametrize("role", ["technologist", "scheduler", "manager"])
def test_others_look_and_set_nothing(as_: As, order: Order, role: str) -> None:
    client = as_(role)

    assert client.get("/protocoling/").status_code == 200
    for action in ("claim", "set", "ask", "reject", "waive"):
        answer = client.post(
            f"/protocoling/{procedure(order)}/{action}/",
            {"question": "x", "reason": "OTHER", "note": "x",
             "protocol": str(ProtocolDefinition.objects.get().public_id)},
        )  # fmt: skip
        assert answer.status_code == 403, action

    assert Protocoling.objects.count() == 0


def test_the_queue_does_not_grow_with_what_waits(as_: As, order: Order) -> None:
    client = as_("radiologist")
    client.get("/protocoling/")
    for _ in range(3):
        make.order()

    with CaptureQueriesContext(connection) as queries:
        client.get("/protocoling/")

    assert len(queries) <= BUDGETS["page_protocoling"]


def test_one_exam_stays_within_its_budget(as_: As, order: Order) -> None:
    client = as_("radiologist")
    client.get(f"/protocoling/{procedure(order)}/")

    with CaptureQueriesContext(connection) as queries:
        client.get(f"/protocoling/{procedure(order)}/")

    assert len(queries) <= BUDGETS["page_protocoling_procedure"]


def test_protocols_are_taken_made_and_retired(as_: As) -> None:
    manager = as_("manager")
    manager.post("/catalog/protocols/starter/")
    assert ProtocolDefinition.objects.count() == 12

    made = manager.post(
        "/catalog/protocols/new/",
        {"name": "Orbit", "code": "CTORB", "scheme": "99RIS", "modality": "ct",
         "duration_minutes": "15", "procedures": "A; B"},
    )  # fmt: skip
    row = ProtocolDefinition.objects.get(code="CTORB")
    assert (made.status_code, row.modality, row.procedures) == (303, "CT", ["A", "B"])
    manager.post(f"/catalog/protocols/{row.public_id}/retire/")

    row.refresh_from_db()
    assert row.active is False


def test_which_procedures_wait_is_chosen_on_one_page(as_: As) -> None:
    key = make.definition()
    manager = as_("manager")

    manager.post("/catalog/protocols/needs/", {f"need-{key}": "BOOKING"})

    assert ProcedureDefinition.objects.get().protocol_required == "BOOKING"
    assert [line.need for line in protocoling.needs()] == ["BOOKING"]


# --- the payers' agreement


RULES = "/authorization/rules/"


def save_rules(client: Client, text: str) -> HttpResponse:
    """Save rules as their form does: over those it shows."""
    return client.post(RULES, {"rules": text, "version": version_in(client.get(RULES))})


def test_rules_are_written_a_line_each(as_: As, order: Order) -> None:
    manager = as_("manager")
    text = "not needed; payers=Public\nneeded; modalities=CT,MR"

    save_rules(manager, text)

    assert [(row.needed, row.modalities) for row in AuthorizationRule.objects.all()] == [
        (False, []),
        (True, ["CT", "MR"]),
    ]
    page = manager.get("/authorization/rules/").content.decode()
    assert text in page
    assert order.accession_number in as_("scheduler").get("/authorization/").content.decode()


def test_a_wrong_line_is_named_and_changes_nothing(as_: As) -> None:
    answer = save_rules(as_("manager"), "needed\nperhaps; x=1")

    assert answer.status_code == 422
    assert "line 2 begins with" in answer.content.decode().lower()
    assert AuthorizationRule.objects.count() == 0


def test_rules_are_not_saved_over_those_somebody_else_saved(as_: As) -> None:
    manager = as_("manager")
    early = version_in(manager.get(RULES))
    save_rules(manager, "needed; modalities=MR")

    late = manager.post(RULES, {"rules": "needed; modalities=CT", "version": early})

    text = late.content.decode()
    assert late.status_code == 409
    assert "Somebody else changed this meanwhile: reload" in text
    assert "needed; modalities=CT" in text
    assert AuthorizationRule.objects.get().modalities == ["MR"]


def test_what_the_payer_said_is_noted(as_: As, order: Order) -> None:
    scheduler = as_("scheduler")
    key = order.public_id

    scheduler.post(f"/authorization/{key}/request/")
    noted = scheduler.post(
        f"/authorization/{key}/record/",
        {"state": "APPROVED", "number": "A-1", "valid_until": "2026-04-01", "units": "2"},
    )

    row = Authorization.objects.get()
    assert (noted.status_code, row.status, row.number, row.units) == (303, "APPROVED", "A-1", 2)
    page = scheduler.get("/authorization/?tab=approved").content.decode()
    assert order.accession_number in page


def test_a_technologist_notes_nothing(as_: As, order: Order) -> None:
    client = as_("technologist")

    assert client.get("/authorization/").status_code == 403
    answer = client.post(
        f"/authorization/{order.public_id}/record/", {"state": "APPROVED", "number": "A"}
    )

    assert answer.status_code == 403
    assert Authorization.objects.count() == 0


def test_the_list_stays_within_its_budget(as_: As, order: Order) -> None:
    save_rules(as_("manager"), "needed; modalities=CT")
    client = as_("scheduler")
    client.get("/authorization/")

    with CaptureQueriesContext(connection) as queries:
        client.get("/authorization/")

    assert len(queries) <= BUDGETS["page_authorization"]


def test_a_resident_sees_the_queue_and_can_ask_but_not_decide(as_: As, order: Order) -> None:
    resident = as_("resident")

    page = resident.get(f"/protocoling/{procedure(order)}/").content.decode()
    asked = resident.post(f"/protocoling/{procedure(order)}/ask/", {"question": "Which side?"})
    decided = resident.post(f"/protocoling/{procedure(order)}/set/", {})

    assert order.accession_number in resident.get("/protocoling/?tab=asked").content.decode()
    assert f"/protocoling/{procedure(order)}/ask/" in page
    for action in ("set", "claim", "reject", "waive"):
        assert f"/protocoling/{procedure(order)}/{action}/" not in page
    assert (asked.status_code, decided.status_code) == (303, 403)


def test_what_a_resident_proposes_is_chosen_already_when_the_attending_looks(
    as_: As, order: Order
) -> None:
    address = f"/protocoling/{procedure(order)}/"
    key = str(ProtocolDefinition.objects.get().public_id)

    resident = as_("resident")
    form = resident.get(address).content.decode()
    resident.post(f"{address}propose/", {"protocol": key, "instructions": "prone"})

    page = as_("radiologist").get(address).content.decode()
    assert f'action="{address}propose/"' in form
    assert "Proposed by" in page
    assert f'value="{key}" checked' in page
    assert ">prone</textarea>" in page
    assert f'action="{address}set/"' in page

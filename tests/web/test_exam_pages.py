"""Exams that fit no order, at the page: each proposal, each remedy, and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.identifiers import new_uid
from ris.domain.performing import (
    DiscontinuePerformedStep,
    Origin,
    PerformedDetails,
    ScheduledReference,
)
from ris.domain.values import Code, Identifier
from ris.models import FollowUp, Order, Patient, PerformedProcedureStep
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, end
from tests.web.department import booked_at, person

As = Callable[[str], Client]

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(rooms: None) -> Order:
    return booked_at(timezone.now() + timedelta(hours=2), patient=person("Ito", "Ken", "MRN1"))


def exam(order: Order, **overrides: Any) -> PerformedProcedureStep:
    """An exam of the order's patient that names no step, done just now."""
    fields: dict[str, Any] = {
        "references": (ScheduledReference(study_instance_uid=new_uid()),),
        "started_at": timezone.now() - timedelta(minutes=30),
        "details": PerformedDetails(description="CT of the head"),
        **overrides,
    }
    performed = begin(order, **fields)
    end(performed, ended_at=timezone.now() - timedelta(minutes=20))
    return performed


def post(client: Client, row: PerformedProcedureStep, **form: str) -> int:
    return client.post(f"/exceptions/performed/{row.public_id}/", form).status_code


def listed(client: Client) -> str:
    return client.get("/exceptions/").content.decode()


@pytest.mark.parametrize("name", ["Ito=Ken=x=y", "===="])
def test_a_name_that_is_none_takes_no_page_away(order: Order, as_: As, name: str) -> None:
    row, client = exam(order, patient_identifier=None, patient_name=name), as_("technologist")

    listing = client.get("/exceptions/")
    one = client.get(f"/exceptions/performed/{row.public_id}/")
    registered = post(client, row, action="register", reason="nobody knows the patient")

    row.refresh_from_db()
    assert (listing.status_code, one.status_code, registered) == (200, 200, 303)
    assert str(row.public_id) in listing.content.decode()
    assert row.patient is not None


def test_the_only_open_step_of_the_patient_is_proposed_and_tied_by_one_click(
    order: Order, as_: As
) -> None:
    row, client = exam(order), as_("technologist")

    page = listed(client)
    status = post(
        client, row, action="link", step=str(make.step_of(order).public_id), reason="As proposed"
    )

    row.refresh_from_db()
    assert "only open CT of that day" in page
    assert "Tie it to that step" in page
    assert (status, row.match, row.order_id) == (303, "MATCHED", order.pk)
    assert str(row.public_id) not in listed(client)


def test_an_order_is_made_by_one_click_where_nothing_else_fits(order: Order, as_: As) -> None:
    row, client = exam(order, modality="MR"), as_("technologist")

    page = listed(client)
    status = post(client, row, action="order", reason="Done without an order", description="MR")

    row.refresh_from_db()
    assert "Make an order of it" in page
    assert status == 303
    assert row.order is not None
    assert row.order.patient_id == order.patient_id


def test_an_unknown_patient_is_registered_by_one_click(order: Order, as_: As) -> None:
    row = exam(order, patient_identifier=Identifier("T9", "ER"), patient_name="Doe^J")
    client = as_("technologist")

    page = listed(client)
    post(client, row, action="register", reason="unconscious")

    row.refresh_from_db()
    assert "Register the patient" in page
    assert row.patient is not None
    assert row.patient.identifiers.get().value == "T9"


def test_an_exam_is_given_to_the_patient_who_is_found(order: Order, as_: As) -> None:
    row, client = exam(order), as_("technologist")
    other = make.order(patient=person("Silva", "Rita", "MRN2")).patient
    address = f"/exceptions/performed/{row.public_id}/"

    page = client.get(address, {"patient": "MRN2"}).content.decode()
    status = post(client, row, action="move", patient=str(other.public_id), reason="wristband")

    row.refresh_from_db()
    assert f'value="{other.public_id}"' in page
    assert (status, row.patient_id) == (303, other.pk)


def test_an_exam_is_untied(order: Order, as_: As) -> None:
    row, client = exam(order), as_("technologist")
    post(client, row, action="link", step=str(make.step_of(order).public_id), reason="x")

    status = post(client, row, action="unlink", reason="wrong after all")

    row.refresh_from_db()
    assert (status, row.match, make.step_of(order).status) == (303, "UNMATCHED", "SCHEDULED")


def test_a_correction_is_shown_and_taken_back(order: Order, as_: As) -> None:
    row, client = exam(order), as_("technologist")
    post(client, row, action="link", step=str(make.step_of(order).public_id), reason="same patient")
    correction = row.corrections.get()
    address = f"/exceptions/performed/{row.public_id}/"

    page = client.get(address).content.decode()
    status = client.post(
        f"/exceptions/corrections/{correction.public_id}/undo/", {"reason": "mistaken"}
    ).status_code

    row.refresh_from_db()
    after = client.get(address).content.decode()
    assert "Tied to a step" in page
    assert "same patient" in page
    assert "Take it back" in page
    assert (status, row.match) == (303, "UNSCHEDULED")
    assert "Taken back" in after
    assert "mistaken" in after


def test_how_it_ended_is_set_right_with_a_local_time(order: Order, as_: As) -> None:
    row, client = exam(order), as_("technologist")
    end = timezone.localtime(timezone.now() - timedelta(minutes=5)).replace(microsecond=0)

    status = post(
        client,
        row,
        action="revise",
        status="DISCONTINUED",
        ended_at=f"{end:%Y-%m-%dT%H:%M:%S}",
        reason="the protocol says so",
    )

    row.refresh_from_db()
    page = client.get(f"/exceptions/performed/{row.public_id}/").content.decode()
    assert status == 303
    assert (row.status, row.effective_status, row.effective_end) == (
        "COMPLETED",
        "DISCONTINUED",
        end,
    )
    assert "What people know" in page


@pytest.mark.parametrize(
    "form",
    [
        {"action": "link", "reason": "no step chosen"},
        {"action": "unlink", "reason": ""},
        {"action": "order", "reason": ""},
        {"action": "move", "reason": "nobody chosen"},
        {"action": "revise", "status": "GONE", "reason": "x"},
        {"action": "revise", "ended_at": "yesterday", "reason": "x"},
        {"action": "revise", "ended_at": "2026-13-45T99:00", "reason": "x"},
        {"action": "burn", "reason": "x"},
    ],
)
def test_an_incomplete_form_changes_nothing(order: Order, as_: As, form: dict[str, str]) -> None:
    row = exam(order)
    before = PerformedProcedureStep.objects.filter(pk=row.pk).values().get()

    assert post(as_("technologist"), row, **form) == 422

    assert PerformedProcedureStep.objects.filter(pk=row.pk).values().get() == before


def test_a_follow_up_is_listed_with_its_reason_and_settled(order: Order, as_: As) -> None:
    command = make.start(order, started_at=timezone.now() - timedelta(minutes=9))
    execute(command, actor=people.ct1)
    reason = Code("110503", "DCM", "Patient allergic to media/contrast")
    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(discontinuation_reason=reason),
        ),
        actor=people.ct1,
    )
    row, client = FollowUp.objects.get(), as_("technologist")
    address = f"/exceptions/follow-ups/{row.public_id}/"

    page = listed(client)
    without = client.post(address, {"action": "DONE", "note": ""}).status_code
    status = client.post(address, {"action": "DONE", "note": "hives"}).status_code

    row.refresh_from_db()
    assert "Clinical note needed" in page
    assert "Patient allergic to media/contrast" in page
    assert (without, status, row.note) == (422, 303, "hives")
    assert str(row.public_id) not in listed(client)


def test_what_was_begun_by_hand_is_ended_from_the_list_as_the_device_ended_it(
    order: Order, as_: As
) -> None:
    step = str(make.step_of(order).public_id)
    begun = timezone.now() - timedelta(minutes=40)
    command = make.start(
        order, references=(), steps=(step,), origin=Origin.MANUAL, started_at=begun
    )
    execute(command, actor=people.technologist)
    device, client = exam(order), as_("technologist")
    post(client, device, action="link", step=step, reason="its images")
    row = FollowUp.objects.get()

    page = listed(client)
    status = client.post(
        f"/exceptions/follow-ups/{row.public_id}/", {"action": "ENDED_TOO"}
    ).status_code

    assert all(
        words in page
        for words in (
            "Begun by hand, ended by the device",
            "CT1: COMPLETED",
            "End it as the device did",
            "It goes on",
        )
    )
    assert (status, make.step_of(order).status) == (303, "COMPLETED")
    assert str(row.public_id) not in listed(client)


def test_an_exam_waits_for_its_order_before_anybody_is_asked(order: Order, as_: As) -> None:
    reference = replace(make.start(order).references[0], accession_number="X1", step_id="X1")
    unknown = replace(reference, study_instance_uid=new_uid(), procedure_id="")
    exam(order, references=(unknown,), modality="MR")

    assert "Its order may come still" in listed(as_("technologist"))


def test_a_page_of_many_exceptions_asks_a_bounded_number_of_questions(
    order: Order, as_: As, django_assert_max_num_queries: Any
) -> None:
    client = as_("technologist")
    for number in range(6):
        exam(order, modality="MR" if number % 2 else "CT")
    listed(client)

    with django_assert_max_num_queries(45):
        listed(client)


def test_who_mends_exams_sees_them(order: Order, as_: As) -> None:
    row = exam(order)

    answers = {
        role: as_(role).get(f"/exceptions/performed/{row.public_id}/").status_code
        for role in ("technologist", "admin", "manager", "scheduler", "frontdesk", "radiologist")
    }

    assert answers == {
        "technologist": 200,
        "admin": 200,
        "manager": 200,
        "scheduler": 200,
        "frontdesk": 403,
        "radiologist": 403,
    }
    assert Patient.objects.count() == 1

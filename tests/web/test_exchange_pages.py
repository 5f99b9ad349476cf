"""Exceptions, messages and interfaces at the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from ris.domain.discontinuation import FollowUpKind
from ris.domain.identifiers import new_uid
from ris.domain.performing import StartPerformedStep
from ris.models import Delivery, Endpoint, FollowUp, InboundMessage, PerformedProcedureStep
from ris.services import execute
from tests import make, people
from tests.web.department import Department, booked_at, today_at

As = Callable[[str], Client]


def test_exceptions_show_each_kind(full: Department, as_: As) -> None:
    page = as_("admin").get("/exceptions/").content.decode()

    assert "Exams that fit no order" in page
    assert "Messages that were not applied" in page
    assert "PID-7: no such day" in page
    assert "Messages that did not get out" in page


def test_exceptions_of_one_kind_are_a_view_that_can_be_kept(full: Department, as_: As) -> None:
    client = as_("admin")
    kept = {"page": "exceptions", "name": "Interfaces", "query": "kind=messages"}
    client.post("/views/", {**kept, "is_default": "1"})

    page = client.get("/exceptions/", follow=True).content.decode()

    assert "Messages that were not applied" in page
    assert "Exams that fit no order" not in page
    assert 'href="/exceptions/?kind=messages" aria-current="page"' in page
    assert "Exams that fit no order" in client.get("/exceptions/?kind=").content.decode()


def test_exam_is_tied_to_the_step_it_was_for(full: Department, as_: As) -> None:
    client = as_("technologist")
    step = make.step_of(full.waiting)
    address = f"/exceptions/performed/{full.unmatched}/"
    page = client.get(address).content.decode()

    response = client.post(address, {"step": str(step.public_id), "reason": "Same patient"})

    performed = PerformedProcedureStep.objects.get(public_id=full.unmatched)
    assert str(step.public_id) in page
    assert "the same patient number" in page
    assert response.status_code == 303
    assert (performed.match, list(performed.steps.all())) == ("MATCHED", [step])
    assert make.step_of(full.waiting).status == "STARTED"


def test_candidates_are_found_by_accession_number(full: Department, as_: As) -> None:
    step = make.step_of(full.booked)

    page = (
        as_("technologist")
        .get(
            f"/exceptions/performed/{full.unmatched}/",
            {"q": full.booked.accession_number},
        )
        .content.decode()
    )

    assert str(step.public_id) in page
    assert "found by number" in page


def test_relink_without_reason_changes_nothing(full: Department, as_: As) -> None:
    step = make.step_of(full.waiting)

    response = as_("technologist").post(
        f"/exceptions/performed/{full.unmatched}/", {"step": str(step.public_id), "reason": ""}
    )

    assert response.status_code == 422
    assert PerformedProcedureStep.objects.get(public_id=full.unmatched).match == "UNSCHEDULED"


@pytest.mark.parametrize("kind", ["message", "performed"])
def test_exception_marked_as_dealt_with_is_gone(full: Department, as_: As, kind: str) -> None:
    client = as_("admin")
    key = full.unmatched if kind == "performed" else str(full.rejected.public_id)

    client.post("/exceptions/resolve/", {"kind": kind, "key": key, "note": "Sender told"})

    assert key not in client.get("/exceptions/").content.decode()


def strangers_exams(station: str, count: int) -> list[str]:
    """Exams that a device did without an order; their public ids, the newest first."""
    return [
        str(
            execute(
                StartPerformedStep(
                    sop_instance_uid=new_uid(),
                    station_ae_title=station,
                    started_at=make.NOON + timedelta(minutes=number),
                    modality="CT",
                    patient_name=f"Test^{station}^{number}",
                ),
                actor=people.ct1,
            )
        )
        for number in range(count)
    ][::-1]


def test_an_exam_whose_device_sent_no_number_is_not_said_to_have_an_unknown_one(
    full: Department, as_: As
) -> None:
    (key,) = strangers_exams("NEW1", 1)

    page = as_("admin").get(f"/exceptions/performed/{key}/").content.decode()

    assert "The device sent no patient number." in page
    assert "Nobody here has this patient" not in page


def test_what_exams_leave_to_decide_is_turned_page_by_page(full: Department, as_: As) -> None:
    performed = PerformedProcedureStep.objects.get(public_id=full.unmatched)
    FollowUp.objects.bulk_create(
        FollowUp(performed=performed, kind=FollowUpKind.NOTE.value, detail=f"note {number:03d}")
        for number in range(101)
    )
    client = as_("admin")

    everything = client.get("/exceptions/").content.decode()
    first = client.get("/exceptions/?kind=exams").content.decode()
    last = client.get("/exceptions/?kind=exams&decide=3").content.decode()

    assert 'href="/exceptions/?kind=exams#follow-title"' in everything
    assert ("note 049" in first, "note 050" in first) == (True, False)
    assert 'href="?kind=exams&amp;decide=2#follow-title"' in first
    assert ("note 099" in last, "note 100" in last) == (False, True)
    assert full.unmatched in last, "the other list of the page stays where it was"


def test_hundreds_of_exams_without_order_are_dealt_with_by_device_and_page(
    full: Department, as_: As, django_assert_max_num_queries: Any
) -> None:
    tests, other = strangers_exams("NEW1", 103), strangers_exams("OLD1", 1)
    client = as_("admin")

    everything = client.get("/exceptions/?kind=").content.decode()
    with django_assert_max_num_queries(60):
        first = client.get("/exceptions/?kind=exams&station=NEW1").content.decode()
    last = client.get("/exceptions/?kind=exams&station=NEW1&page=3").content.decode()
    chosen = tests[:50]
    client.post(
        "/exceptions/resolve/",
        {"kind": "performed", "key": chosen, "note": "Tests of the new scanner"},
    )

    assert 'href="/exceptions/?kind=exams&amp;station=NEW1"' in everything
    assert [key in first for key in tests] == [True] * 50 + [False] * 53
    assert [key in last for key in tests] == [False] * 100 + [True] * 3
    assert other[0] not in first + last
    rows = PerformedProcedureStep.objects.exclude(resolved_at=None)
    assert {str(row.public_id) for row in rows} >= set(chosen)
    assert not rows.filter(public_id__in=[*tests[50:], *other]).exists()
    assert {row.resolved_note for row in rows.filter(public_id__in=chosen)} == {
        "Tests of the new scanner"
    }


def test_nothing_is_dealt_with_where_nothing_was_selected(full: Department, as_: As) -> None:
    response = as_("admin").post("/exceptions/resolve/", {"kind": "performed", "note": "x"})

    assert response.status_code == 422


def test_double_booking_is_listed_until_it_is_moved(rooms: None, as_: As) -> None:
    from ris.domain.scheduling import BookAppointment
    from ris.services import execute
    from tests import people

    first = booked_at(today_at(14))
    second = make.order()
    execute(
        BookAppointment(
            step=str(make.step_of(second).public_id),
            device="CT1",
            start_at=today_at(14),
            overbook=True,
            reason="Stroke",
        ),
        actor=people.scheduler,
    )
    client = as_("manager")
    listed = client.get("/exceptions/").content.decode()
    appointment = make.appointment_of(first)

    as_("scheduler").post(f"/appointments/{appointment.public_id}/cancel/", {"reason": "Gives way"})

    assert f"/orders/{second.public_id}/" in listed
    assert f"/orders/{second.public_id}/" not in client.get("/exceptions/").content.decode()


def test_message_is_shown_raw_and_decoded_with_its_answer(full: Department, as_: As) -> None:
    page = as_("admin").get(f"/messages/in/{full.rejected.public_id}/").content.decode()

    assert "PID|||MRN900^^^HOSP^MR||Vavra^Petr||19610214|M\nORC|NW" in page
    assert "Placer order number" in page
    assert "MSA|AA|MSG001" in page
    assert f"/orders/{full.waiting.public_id}/" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=REJECTED", True),
        ("state=APPLIED", False),
        ("state=open", True),
        ("protocol=hl7", True),
        ("protocol=fhir", False),
        ("q=MSG001", True),
        ("q=MSG002", False),
        ("q=ORM", True),
    ],
)
def test_inbound_list_is_filtered(full: Department, as_: As, query: str, found: bool) -> None:
    page = as_("admin").get(f"/messages/?{query}").content.decode()

    assert (f"/messages/in/{full.rejected.public_id}/" in page) is found


def test_inbound_list_finds_the_order(full: Department, as_: As) -> None:
    client = as_("admin")

    own = client.get("/messages/", {"q": full.waiting.accession_number}).content.decode()
    other = client.get("/messages/", {"q": full.urgent.accession_number}).content.decode()

    assert str(full.rejected.public_id) in own
    assert str(full.rejected.public_id) not in other


def test_dead_delivery_is_queued_again_with_the_same_control_id(full: Department, as_: As) -> None:
    client = as_("admin")

    response = client.post(f"/messages/out/{full.delivery.public_id}/requeue/")

    delivery = Delivery.objects.get(pk=full.delivery.pk)
    assert response.status_code == 303
    assert (delivery.state, delivery.control_id) == ("PENDING", "OUT0001")


def test_skip_needs_a_reason(full: Department, as_: As) -> None:
    client = as_("admin")
    address = f"/messages/out/{full.delivery.public_id}/skip/"

    without = client.post(address, {"reason": ""})
    unchanged = Delivery.objects.get(pk=full.delivery.pk).state
    client.post(address, {"reason": "Receiver is gone"})

    assert (without.status_code, unchanged) == (422, "DEAD")
    assert Delivery.objects.get(pk=full.delivery.pk).state == "SKIPPED"


def test_attempts_of_a_delivery_are_shown(full: Department, as_: As) -> None:
    page = as_("admin").get(f"/messages/out/{full.delivery.public_id}/").content.decode()

    assert page.count("Not sent, tried again") == 2
    assert "OUT0001" in page


def test_interface_is_paused_and_resumed(full: Department, as_: As) -> None:
    client = as_("admin")
    endpoint = Endpoint.objects.get(name="EHR")
    address = f"/interfaces/{endpoint.public_id}/pause/"

    client.post(address, {"paused": "yes", "reason": "Their line is moved"})
    endpoint.refresh_from_db()
    paused = endpoint.paused
    client.post(address, {"paused": "no"})

    endpoint.refresh_from_db()
    assert (paused, endpoint.paused) == (True, False)


def test_interface_list_counts_what_is_stuck(full: Department, as_: As) -> None:
    page = as_("manager").get("/interfaces/").content.decode()

    assert "1 to look at" in page


def test_technologist_may_not_open_the_message_list(full: Department, as_: As) -> None:
    client = as_("technologist")
    assert client.get("/messages/").status_code == 403

    page = client.get(f"/messages/in/{full.rejected.public_id}/").content.decode()

    assert "Messages in" in page
    assert 'href="/messages/' not in page  # nor is led there
    led = as_("admin").get(f"/messages/in/{full.rejected.public_id}/").content.decode()
    assert '<a href="/messages/">Messages in</a>' in led


def test_message_count_is_untouched_by_looking(full: Department, as_: As) -> None:
    as_("admin").get(f"/messages/in/{full.rejected.public_id}/")

    assert InboundMessage.objects.get().repeats == 0

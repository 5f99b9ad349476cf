"""A group with a site on another clock: what is typed and read of an exam is its site's time.

The settings say Berlin; the second site is in Tokyo, eight hours ahead on 2 March, where it is
eight in the evening and the morning after begins while it is still yesterday in Berlin.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, time
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from ris.domain.actors import OPERATOR
from ris.domain.arrivals import WallNames
from ris.domain.authorization import RuleDetails, SetAuthorizationRules
from ris.domain.facility import RegisterRoom, RegisterSite
from ris.domain.patient_links import MakePatientLink, Policy, SetPatientPolicy
from ris.domain.protocoling import ChangeProtocolNeed, ProtocolNeed
from ris.domain.scheduling import BookAppointment, RecordArrival, SetResourceHours, SlotState
from ris.models import (
    Appointment,
    AppointmentLink,
    Device,
    Order,
    Patient,
    PerformedProcedureStep,
    ProcedureDefinition,
    Resource,
    Site,
    Ticket,
)
from ris.selectors import schedule
from ris.selectors.patient_links import visit
from ris.selectors.patient_messages import values_of
from ris.selectors.slot_ids import slot_key
from ris.selectors.slots import state_of
from ris.selectors.walls import waiting_room
from ris.services import execute
from ris.services.patient_links import token_of
from tests import make, people, referring

As = Callable[[str], Client]
TUESDAY = "2026-03-03"
# Tuesday half past eight in the morning in Tokyo: Monday evening in London, night in Berlin.
MORNING = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tokyo(settings: Settings, rooms: None) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    Site.objects.update(time_zone="Europe/Berlin")
    execute(RegisterSite(name="Tokyo", time_zone="Asia/Tokyo", address="Chiyoda 1"), actor=OPERATOR)
    execute(RegisterRoom(name="MR far", site="Tokyo"), actor=OPERATOR)
    make.device("MR9", "MR", room="MR far")
    make.definition(make.Code("MRKNEE", "TEST", "MR of the knee"), modality="MR")


def device() -> Device:
    return Device.objects.select_related("resource").get(ae_title="MR9")


def waiting(**more: Any) -> Order:
    step = make.step_request(modality="MR")
    code = make.Code("MRKNEE", "TEST", "MR of the knee")
    return make.order(procedures=(make.ProcedureRequest(code=code, steps=(step,)),), **more)


def booked(start_at: datetime = MORNING, **more: Any) -> Order:
    """By the rules, so that nothing is overbooked."""
    order = waiting(**more)
    step = str(make.step_of(order).public_id)
    execute(BookAppointment(step=step, device="MR9", start_at=start_at), actor=people.scheduler)
    return order


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.get(order=order)


def words(response: Any) -> str:
    text = re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", response.content.decode())))
    return text.replace(" ,", ",")


def field(response: Any, name: str) -> str:
    found = re.search(rf'<input[^>]*name="{name}"[^>]*>', response.content.decode())
    value = re.search(r'value="([^"]*)"', found[0]) if found else None
    return value[1] if value else ""


def typed(day: str = TUESDAY, at: str = "08:30", **more: str) -> dict[str, str]:
    return {"day": day, "at": at, "device": str(device().public_id), "minutes": "20", **more}


# --- the door


def test_the_hours_of_a_room_are_those_of_its_own_morning() -> None:
    order = booked()

    row = appointment_of(order)
    assert (row.start_at, row.overbooked) == (MORNING, False)


def test_a_free_time_of_another_day_here_is_offered_on_its_day_there() -> None:
    step = schedule.find_step(str(make.step_of(waiting()).public_id))

    (day,) = schedule.free_slots(step, MORNING.date().replace(day=3), 1)

    slots = next(each for each in day.devices if each.ae_title == "MR9").slots
    assert slots[0].start_at == datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    assert str(slots[0].zone) == "Asia/Tokyo"


# --- finding, booking and moving


def test_the_finder_shows_free_times_by_the_clock_of_their_site(as_: As) -> None:
    step = make.step_of(waiting())

    page = as_("scheduler").get(f"/book/{step.public_id}/?from={TUESDAY}")

    assert "Tomorrow 08:00, MR far" in words(page)
    assert 'datetime="2026-03-03T08:00+09:00"' in page.content.decode()
    assert "00:00, MR far" not in words(page)


def test_a_part_of_the_day_is_meant_where_the_exam_is_done(as_: As) -> None:
    step = make.step_of(waiting())

    page = as_("scheduler").get(f"/book/{step.public_id}/?from={TUESDAY}&part=morning")

    assert "08:00, MR far" in words(page)
    assert "17:00, MR far" not in words(page)


def test_a_time_that_is_typed_is_meant_at_the_room_that_is_chosen(as_: As) -> None:
    order = waiting()
    step = make.step_of(order)
    client = as_("scheduler")

    asked = client.post(f"/book/{step.public_id}/", typed(ask="1"), follow=True)
    done = client.post(f"/book/{step.public_id}/", typed(), follow=True)

    assert "Nothing stands against this time" in words(asked)
    assert (field(asked, "day"), field(asked, "at")) == (TUESDAY, "08:30")
    assert appointment_of(order).start_at == MORNING
    assert "Booked: Tomorrow, 08:30." in words(done) or "Booked: Today, 08:30." in words(done)


def test_visits_of_a_series_are_at_the_hour_of_their_site(as_: As) -> None:
    step = make.step_of(waiting())
    form = {**typed(), "visits": "2", "every": "7"}

    as_("scheduler").post(f"/book/{step.public_id}/series/", form)

    starts = Appointment.objects.order_by("start_at").values_list("start_at", flat=True)
    assert list(starts) == [MORNING, MORNING.replace(day=9)]


def test_the_move_dialog_shows_and_reads_the_time_of_the_site(as_: As) -> None:
    order = booked()
    row = appointment_of(order)
    client = as_("scheduler")
    address = f"/board/move/{row.public_id}/"

    page = client.get(address)
    moved = client.post(address, typed(at="10:00", version=str(row.version)))

    assert (field(page, "day"), field(page, "at")) == (TUESDAY, "08:30")
    assert "08:30, MR far" in words(page)
    assert "00:30" not in words(page)
    assert appointment_of(order).start_at == datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    assert moved["Location"] == f"/board/?day={TUESDAY}"


def test_a_wish_of_a_new_order_is_meant_where_the_exam_is_done(as_: As) -> None:
    patient = Patient.objects.get(pk=make.order().patient_id)
    form = {
        "patient": str(patient.public_id),
        "procedure": str(ProcedureDefinition.objects.get(code="MRKNEE").public_id),
        "priority": "ROUTINE",
        "reason": "Pain",
        "when": "wish",
        "wished_day": TUESDAY,
        "wished_at": "08:30",
        "token": "t1",
    }

    answer = as_("scheduler").post("/orders/new/", form, follow=True)

    assert Appointment.objects.get().start_at == MORNING
    assert "Booked: 03 Mar 08:30." in words(answer)


def test_a_walk_in_is_taken_in_today_as_it_is_there(as_: As, noon: Any) -> None:
    noon.move_to(datetime(2026, 3, 2, 23, 50, tzinfo=UTC))  # Tuesday 8:50 in Tokyo
    form = {
        "procedure": str(ProcedureDefinition.objects.get(code="MRKNEE").public_id),
        "family_name": "Sato",
        "given_name": "Ken",
        "birth_date": "1970-05-03",
        "sex": "M",
        "reason": "Pain",
        "token": "t1",
        "device": "",
    }

    answer = as_("frontdesk").post("/arrivals/walk-in/", form, follow=True)

    row = Appointment.objects.get()
    assert row.start_at == datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
    assert "Taken in for 09:00 and checked in." in words(answer)


def test_a_walk_in_is_taken_in_where_the_patient_is(as_: As, noon: Any) -> None:
    """Tokyo is open, and Berlin is still asleep."""
    noon.move_to(datetime(2026, 3, 3, 3, 0, tzinfo=UTC))
    make.device("MR2", "MR", room="MR near")
    here, there = Site.objects.get(name="Test site"), Site.objects.get(name="Tokyo")
    form = {
        "procedure": str(ProcedureDefinition.objects.get(code="MRKNEE").public_id),
        "family_name": "Sato",
        "given_name": "Ken",
        "birth_date": "1970-05-03",
        "sex": "M",
        "reason": "Pain",
        "token": "t1",
    }
    client = as_("frontdesk")

    unsaid = client.post("/arrivals/walk-in/", {**form, "device": ""})
    head = str(ProcedureDefinition.objects.get(code="CTHEAD").public_id)
    elsewhere = client.post(
        "/arrivals/walk-in/", {**form, "procedure": head, "device": f"site:{there.pk}"}
    )
    nobody = Appointment.objects.count()
    client.post("/arrivals/walk-in/", {**form, "device": f"site:{here.pk}"})
    page = client.get("/arrivals/walk-in/?new=1").content.decode()

    row = Appointment.objects.select_related("device").get()
    assert (unsaid.status_code, elsewhere.status_code, nobody) == (422, 422, 0)
    assert "this exam is not done at that site" in words(elsewhere)
    assert "say at which one the patient is" in words(unsaid)
    assert (row.device.ae_title, row.start_at) == ("MR2", datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    assert f'value="site:{here.pk}" selected' in page
    assert "MR far (MR), Tokyo" in page
    assert f'value="site:{there.pk}"' in page


# --- what is read of it


def test_pages_about_the_exam_tell_the_time_of_its_site(as_: As) -> None:
    order = booked()
    key = str(appointment_of(order).public_id)
    step = str(make.step_of(order).public_id)
    pages = [
        f"/orders/{order.public_id}/",
        "/orders/?tab=scheduled",
        f"/patients/{order.patient.public_id}/",
        f"/book/{step}/",
        f"/safety/{step}/",
        f"/arrivals/{key}/",
        f"/appointments/{key}/patient/",
        f"/arrivals/?day={TUESDAY}",
        f"/room/MR9/?day={TUESDAY}",
        f"/board/print/?day={TUESDAY}",
    ]
    client = as_("scheduler")

    for address in pages:
        page = client.get(address)
        assert page.status_code == 200, address
        assert "08:30" in words(page), address
        assert "00:30" not in words(page), address


@pytest.mark.parametrize("address", ["/protocoling/", "/authorization/"])
def test_lists_of_work_tell_the_time_of_the_site(as_: As, address: str) -> None:
    definition = str(ProcedureDefinition.objects.get(code="MRKNEE").public_id)
    execute(
        ChangeProtocolNeed(definition=definition, need=ProtocolNeed.START), actor=people.manager
    )
    execute(SetAuthorizationRules(rules=(RuleDetails(modalities=("MR",)),)), actor=people.manager)
    booked()

    page = as_("admin").get(address)

    assert "08:30" in words(page)
    assert "00:30" not in words(page)


def test_a_referring_doctor_reads_the_time_of_the_site() -> None:
    doctors = referring.doctors()
    order = booked(details=referring.details())
    portal = Client()
    portal.force_login(doctors.olga)

    for address in ("/referrer/", f"/referrer/orders/{order.public_id}/"):
        page = portal.get(address)
        assert "08:30" in words(page), address
        assert "00:30" not in words(page), address


def test_lists_of_a_day_have_those_whose_day_it_is_there(as_: As) -> None:
    booked()
    client = as_("scheduler")

    for address in ("/arrivals/", "/room/MR9/", "/board/print/"):
        there = client.get(f"{address}?day={TUESDAY}")
        here = client.get(f"{address}?day=2026-03-02")
        assert "Berg" in words(there).title(), address
        assert "Berg" not in words(here).title(), address


def test_the_file_of_the_orders_has_the_time_of_the_site(as_: As) -> None:
    booked()

    file = as_("scheduler").get("/orders/?tab=scheduled&format=csv").content.decode("utf-8-sig")

    assert "2026-03-03 08:30" in file


def test_the_orders_of_a_day_are_those_of_that_day_at_their_site(as_: As) -> None:
    order = booked()
    client = as_("scheduler")

    there, here = (
        client.get(f"/orders/?tab=scheduled&from={day}&to={day}") for day in (TUESDAY, "2026-03-02")
    )

    assert order.accession_number in words(there)
    assert order.accession_number not in words(here)


def test_what_stands_in_no_room_is_on_the_clock_of_its_own_site(
    as_: As, settings: Settings
) -> None:
    """A mobile scanner has a site and no room; days are counted there as its times are told."""
    settings.TIME_ZONE = "Europe/London"  # where it is still the evening before
    order = booked()
    Resource.objects.filter(device__ae_title="MR9").update(site=Site.objects.get(name="Tokyo"))
    Device.objects.filter(ae_title="MR9").update(room=None)
    client = as_("scheduler")

    for address in ("/orders/?tab=scheduled&from={0}&to={0}", "/arrivals/?day={0}"):
        there, here = (client.get(address.format(day)) for day in (TUESDAY, "2026-03-02"))
        assert order.accession_number in words(there), address
        assert order.accession_number not in words(here), address


def test_labels_and_the_request_form_print_the_time_of_the_site(as_: As) -> None:
    order = booked()
    client = as_("frontdesk")

    for address in (f"/labels/order/{order.public_id}/", f"/orders/{order.public_id}/request.pdf"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        printed = subprocess.run(
            [shutil.which("pdftotext") or "pdftotext", "-", "-"],
            input=answer.content,
            check=True,
            capture_output=True,
        ).stdout.decode()
        assert "08:30" in printed, address


def test_the_wall_of_a_site_has_its_clock(as_: As) -> None:
    order = booked(datetime(2026, 3, 3, 0, 30, tzinfo=UTC))
    client = as_("frontdesk")

    page = client.get("/wall/Tokyo/?kind=control")

    assert "21:0" in words(page)  # noon in Greenwich
    assert order.patient.name not in words(page)


def opened(order: Order) -> tuple[Client, str]:
    key = execute(
        MakePatientLink(appointment=str(appointment_of(order).public_id)), actor=people.frontdesk
    )
    token = token_of(AppointmentLink.objects.get(public_id=key))
    phone = Client()
    phone.post(f"/p/{token}/", {"born": "1970-05-03"})
    return phone, token


def test_a_patient_reads_the_time_of_the_site_and_gets_it_into_the_calendar() -> None:
    execute(SetPatientPolicy(policy=Policy(notice_hours=1)), actor=people.admin)
    order = booked()
    phone, token = opened(order)

    page = words(phone.get(f"/p/{token}/"))
    move = words(phone.get(f"/p/{token}/move/"))
    file = phone.get(f"/p/{token}/appointment.ics").content.decode()
    said = values_of(visit(appointment_of(order)), MORNING, "de")

    assert "8:30" in page
    assert "0:30 a.m" not in page
    assert "8:30" in move
    assert "DTSTART;TZID=Asia/Tokyo:20260303T083000" in file
    assert (said["date"], said["time"]) == ("Dienstag, 3. März 2026", "08:30")


def test_the_end_of_an_exam_is_set_right_by_the_clock_of_its_site(as_: As) -> None:
    order = booked()
    begun = make.start(
        order,
        station_ae_title="MR9",
        modality="MR",
        started_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
    )
    execute(begun, actor=people.ct1)
    execute(
        make.CompletePerformedStep(
            sop_instance_uid=begun.sop_instance_uid,
            details=make.PerformedDetails(ended_at=datetime(2026, 3, 2, 11, 30, tzinfo=UTC)),
        ),
        actor=people.ct1,
    )
    row = PerformedProcedureStep.objects.get()
    client = as_("admin")
    address = f"/exceptions/performed/{row.public_id}/"

    page = client.get(address)
    client.post(
        address,
        {"action": "revise", "ended_at": "2026-03-02T20:40:00", "reason": "The clock was wrong"},
    )

    assert field(page, "ended_at") == "2026-03-02T20:30:00"
    row.refresh_from_db()
    assert row.revised_ended_at == datetime(2026, 3, 2, 11, 40, tzinfo=UTC)


def test_a_number_for_the_waiting_room_counts_the_day_of_the_site(noon: Any) -> None:
    order = booked()
    noon.move_to(MORNING)

    execute(
        RecordArrival(
            appointment=str(appointment_of(order).public_id), unchecked_reason="Unconscious"
        ),
        actor=people.frontdesk,
    )

    assert Ticket.objects.get().day.isoformat() == TUESDAY
    assert [each.number for each in waiting_room("Tokyo", WallNames.NUMBER).waiting] == [1]


def test_a_time_that_is_taken_there_is_no_free_slot_of_its_day() -> None:
    """At half past midnight of the site: by the settings it is the day before."""
    opens = SetResourceHours(
        resource=str(device().resource.public_id), hours=((1, time(0), time(0)),)
    )
    execute(opens, actor=people.admin)
    row = appointment_of(booked(datetime(2026, 3, 2, 15, 30, tzinfo=UTC)))
    key = slot_key(device().pk, row.start_at, row.end_at)

    assert state_of([key])[key][1] is SlotState.TAKEN

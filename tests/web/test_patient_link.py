"""The patient's page: who may open it, what it shows, and what may be done there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import Actor, ActorKind, Role, patient_actor
from ris.domain.errors import DeniedError
from ris.domain.patient_links import (
    MakePatientLink,
    Policy,
    RevokePatientLink,
    SetPatientPolicy,
)
from ris.domain.scheduling import (
    AddClosure,
    BookAppointment,
    CancelAppointment,
    HoldSlot,
    RecordArrival,
    RescheduleAppointment,
)
from ris.models import (
    Appointment,
    AppointmentAnswer,
    AppointmentLink,
    AuditEvent,
    Device,
    DomainEvent,
    Order,
    Patient,
)
from ris.services import commands, execute, permitted_roles
from ris.services.patient_links import token_of
from tests import make, people
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]
BORN = "1970-05-03"


def in_days(days: int, hour: int = 10, minute: int = 0) -> datetime:
    return today_at(hour, minute) + timedelta(days=days)


@pytest.fixture
def order(rooms: None) -> Order:
    execute(
        SetPatientPolicy(policy=Policy(phone="+43 1 555 0100", bring="Your card")),
        actor=people.manager,
    )
    return booked_at(in_days(7))


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.filter(order=order).latest("id")


def token_for(order: Order) -> str:
    key = execute(
        MakePatientLink(appointment=str(appointment_of(order).public_id)), actor=people.frontdesk
    )
    return token_of(AppointmentLink.objects.get(public_id=key))


def opened(order: Order) -> tuple[Client, str]:
    """A phone on which the birth date was said."""
    client, page = Client(), f"/p/{token_for(order)}/"
    assert client.post(page, {"born": BORN}).status_code == 303
    return client, page


def as_patient(order: Order) -> Actor:
    return patient_actor(str(appointment_of(order).public_id))


# --- who may open it


def test_nothing_personal_shows_before_the_birth_date(order: Order) -> None:
    page = Client().get(f"/p/{token_for(order)}/")

    text = page.content.decode()
    assert page.status_code == 200
    assert "Birth date" in text
    for word in ("Berg", "Anna", "CT head", "10:00", "CT room", BORN):
        assert word not in text


def test_the_page_is_kept_out_of_every_memory(order: Order) -> None:
    page = Client().get(f"/p/{token_for(order)}/")

    assert page["Referrer-Policy"] == "no-referrer"
    assert page["Cache-Control"] == "no-store"
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert "default-src 'none'" in page["Content-Security-Policy"]


def test_the_right_birth_date_shows_time_and_place_and_no_name(order: Order) -> None:
    client, page = opened(order)

    text = client.get(page).content.decode()

    for word in ("10:00", "CT room", "Test site", "+43 1 555 0100", "Your card", "CT head"):
        assert word in text
    for word in ("Berg", "Anna", BORN):
        assert word not in text


def test_the_token_is_stored_as_a_digest_only(order: Order) -> None:
    token = token_for(order)

    row = AppointmentLink.objects.get()

    assert len(token) == 32, "128 bits"
    assert token not in {row.nonce, row.digest}
    assert token_for(order) == token, "an appointment has one link"


def test_the_birth_date_can_be_tried_five_times(order: Order) -> None:
    client, page = Client(), f"/p/{token_for(order)}/"

    codes = [client.post(page, {"born": "1971-01-01"}).status_code for _ in range(5)]
    closed = client.post(page, {"born": BORN})

    assert codes == [422, 422, 422, 422, 303]
    assert closed.status_code == 410
    assert "+43 1 555 0100" in closed.content.decode()
    assert DomainEvent.objects.filter(name="PatientLinkClosed").count() == 1


@pytest.mark.parametrize("known", ["", "1970", "1970-05"])
def test_who_cannot_be_asked_for_the_birth_date_is_not_told_to_be_wrong(
    order: Order, as_: As, known: str
) -> None:
    token = token_for(order)
    Patient.objects.update(birth_date=known)
    desk = f"/appointments/{appointment_of(order).public_id}/patient/"

    page = Client().get(f"/p/{token}/")
    tried = Client().post(f"/p/{token}/", {"born": BORN})
    shown = as_("frontdesk").get(desk).content.decode()
    asked = as_("frontdesk").post(desk, {"do": "again"})

    assert (page.status_code, tried.status_code, asked.status_code) == (410, 410, 409)
    assert "We do not know your whole birth date yet" in page.content.decode()
    assert "+43 1 555 0100" in page.content.decode()
    assert AppointmentLink.objects.get().misses == 0
    assert "Cannot be opened" in shown
    assert 'value="again"' not in shown


@pytest.mark.parametrize("typed", ["3.5.1970", "03.05.1970", "1970-05-03"])
def test_the_birth_date_is_read_as_people_write_it(order: Order, typed: str) -> None:
    assert Client().post(f"/p/{token_for(order)}/", {"born": typed}).status_code == 303


def test_another_phone_has_to_say_the_birth_date_itself(order: Order) -> None:
    _, page = opened(order)

    text = Client().get(page).content.decode()

    assert "Birth date" in text
    assert "CT room" not in text


def test_half_an_hour_later_the_birth_date_is_asked_again(
    order: Order, noon: time_machine.Traveller
) -> None:
    client, page = opened(order)

    noon.shift(timedelta(minutes=31))

    assert "CT room" not in client.get(page).content.decode()


def test_the_link_ends_two_days_after_the_appointment(
    order: Order, noon: time_machine.Traveller
) -> None:
    client, page = opened(order)

    noon.move_to(in_days(9, 10, 21))
    answer = client.get(page)

    assert answer.status_code == 410
    assert "The appointment it was for is over." in answer.content.decode()
    assert "+43 1 555 0100" in answer.content.decode()


def test_a_link_that_was_ended_opens_nothing(order: Order) -> None:
    client, page = opened(order)

    execute(
        RevokePatientLink(appointment=str(appointment_of(order).public_id)), actor=people.frontdesk
    )

    assert client.get(page).status_code == 410
    with pytest.raises(DeniedError):
        execute(
            CancelAppointment(appointment=str(appointment_of(order).public_id)),
            actor=as_patient(order),
        )


def test_who_guesses_tokens_has_to_wait(order: Order) -> None:
    token = token_for(order)
    client = Client()

    codes = [client.get(f"/p/{number:032x}/").status_code for number in range(11)]
    after = client.get(f"/p/{token}/").status_code

    assert codes == [410] * 10 + [429]
    assert after == 429
    assert Client().get("/p/not-a-token/").status_code == 404


# --- what may be done there


def test_the_patient_confirms(order: Order) -> None:
    client, page = opened(order)

    answer = client.post(f"{page}confirm/", follow=True)

    assert "We expect you" in answer.content.decode()
    assert AppointmentAnswer.objects.get().answer == "ACCEPTED"
    assert AuditEvent.objects.filter(action="AnswerAppointment").get().actor_kind == "patient"


def test_the_patient_cancels_with_a_reason_and_the_order_waits_again(order: Order) -> None:
    client, page = opened(order)

    client.post(f"{page}cancel/", {"reason": "on holiday"})

    assert appointment_of(order).status == "CANCELED"
    assert appointment_of(order).reason == "by the patient: on holiday"
    assert make.step_of(order).status == "PENDING"
    assert "If you still need the exam" in client.get(page).content.decode()


def test_the_patient_takes_one_of_the_free_times(order: Order) -> None:
    client, page = opened(order)
    day = f"{in_days(9):%Y-%m-%d}"

    offered = client.get(f"{page}move/?from={day}").content.decode()
    device = Device.objects.get(ae_title="CT1")
    value = f"{device.public_id}|{in_days(9, 9).isoformat()}"
    answer = client.post(f"{page}move/", {"slot": value}, follow=True)

    assert value in offered
    assert "has the new time" in answer.content.decode()
    assert appointment_of(order).start_at == in_days(9, 9)
    assert DomainEvent.objects.get(name="AppointmentMoved").actor_kind == "patient"


def test_a_time_that_is_too_near_to_change_is_too_near_to_take(order: Order) -> None:
    client, page = opened(order)
    device = Device.objects.get(ae_title="CT1").public_id

    shown = client.get(f"{page}move/").content.decode()
    taken = client.post(f"{page}move/", {"slot": f"{device}|{in_days(0, 16).isoformat()}"})

    today, tomorrow = (f"|{in_days(day).date().isoformat()}T" for day in (0, 2))
    assert (today in shown, tomorrow in shown) == (False, True)
    assert taken.status_code == 403
    assert "a time as near as this is agreed by phone" in taken.content.decode()
    assert appointment_of(order).start_at == in_days(7)


def test_where_the_week_is_full_the_next_free_times_are_shown(order: Order) -> None:
    client, page = opened(order)
    for row in Device.objects.filter(modality="CT").select_related("resource"):
        execute(
            AddClosure(
                resource=str(row.resource.public_id),
                start_at=in_days(0, 0),
                end_at=in_days(12, 0),
                reason="new floor",
            ),
            actor=people.manager,
        )

    with CaptureQueriesContext(connection) as asked:
        text = client.get(f"{page}move/").content.decode()

    first = in_days(12).date()
    assert "these are the next free times" in text
    assert f'id="day-{first:%Y%m%d}"' in text
    assert f'href="?from={first + timedelta(days=7)}"' in text
    assert len(asked) <= 15


def test_a_time_that_was_taken_meanwhile_keeps_the_present_one(order: Order) -> None:
    client, page = opened(order)
    booked_at(in_days(9, 9), "CT1")
    value = f"{Device.objects.get(ae_title='CT1').public_id}|{in_days(9, 9).isoformat()}"

    answer = client.post(f"{page}move/", {"slot": value})

    assert answer.status_code == 409
    assert "You still have your present one" in answer.content.decode()
    assert appointment_of(order).start_at == in_days(7)


@pytest.mark.parametrize("value", ["", "x|y", "x|2026-03-09T10:00:00+00:00", "|2026-13-45"])
def test_what_is_no_time_moves_nothing(order: Order, value: str) -> None:
    client, page = opened(order)

    answer = client.post(f"{page}move/", {"slot": value})

    assert answer.status_code in {404, 409, 422}
    assert appointment_of(order).start_at == in_days(7)


def test_the_day_before_it_is_too_late_to_change_it_here(
    order: Order, noon: time_machine.Traveller
) -> None:
    noon.move_to(in_days(6, 10, 1))
    client, page = opened(order)

    text = client.get(page).content.decode()
    refused = client.post(f"{page}cancel/")

    assert "too late to move or cancel" in text
    assert "I will come" in text
    assert refused.status_code == 403
    assert appointment_of(order).status == "BOOKED"


def test_a_site_can_keep_changes_to_the_phone(order: Order) -> None:
    never = Policy(may_move=False, may_cancel=False)
    execute(SetPatientPolicy(policy=never), actor=people.manager)
    client, page = opened(order)

    assert client.post(f"{page}cancel/").status_code == 403
    assert "not moved here" in client.get(f"{page}move/").content.decode()
    assert appointment_of(order).status == "BOOKED"


def test_without_the_birth_date_nothing_is_done(order: Order) -> None:
    page = f"/p/{token_for(order)}/"

    for name in ("confirm", "cancel", "move", "messages"):
        assert Client().post(f"{page}{name}/").status_code == 303
    calendar = Client().get(f"{page}appointment.ics")

    assert calendar.status_code == 303
    assert appointment_of(order).status == "BOOKED"
    assert not AppointmentAnswer.objects.exists()


# --- the door


def test_a_patient_is_let_to_six_commands_only() -> None:
    given = {kind.__name__ for kind in commands() if Role.PATIENT in permitted_roles(kind)}

    assert given == {
        "AnswerAppointment",
        "CancelAppointment",
        "DeclareSafetyAnswers",
        "OpenPatientLink",
        "RescheduleAppointment",
        "SetContactChoice",
    }


def test_a_patient_acts_on_no_appointment_but_the_own(order: Order) -> None:
    other = booked_at(in_days(8))
    opened(order)
    opened(other)

    with pytest.raises(DeniedError, match="one appointment only"):
        execute(
            CancelAppointment(appointment=str(appointment_of(other).public_id)),
            actor=as_patient(order),
        )

    assert appointment_of(other).status == "BOOKED"


def test_a_patient_books_nothing_over_and_not_outside_of_hours(order: Order) -> None:
    opened(order)
    own = str(appointment_of(order).public_id)
    moves = [
        RescheduleAppointment(appointment=own, start_at=in_days(9, 9)),
        RescheduleAppointment(
            appointment=own, start_at=in_days(9, 9), overbook=True, reason="x", open_only=True
        ),
        RescheduleAppointment(appointment=own, start_at=in_days(60, 9), open_only=True),
        RescheduleAppointment(appointment=own, start_at=in_days(-1, 9), open_only=True),
        RescheduleAppointment(
            appointment=own, start_at=in_days(9, 9), open_only=True, duration_minutes=5
        ),
    ]

    for move in moves:
        with pytest.raises(DeniedError):
            execute(move, actor=as_patient(order))

    assert appointment_of(order).start_at == in_days(7)


def test_a_patient_gives_no_other_command(order: Order) -> None:
    opened(order)
    own = appointment_of(order)
    step = str(make.step_of(order).public_id)
    device = str(Device.objects.get(ae_title="CT1").public_id)

    for command in (
        RecordArrival(appointment=str(own.public_id)),
        BookAppointment(step=step, device=device, start_at=in_days(9, 9)),
        HoldSlot(step=step, device=device, start_at=in_days(9, 9)),
        MakePatientLink(appointment=str(own.public_id)),
    ):
        with pytest.raises(DeniedError):
            execute(command, actor=as_patient(order))

    assert appointment_of(order).status == "BOOKED"


def test_whoever_has_no_link_is_no_patient(order: Order) -> None:
    dressed_up = Actor(ActorKind.USER, "mallory", frozenset({Role.PATIENT}))
    for actor in (as_patient(order), patient_actor(""), dressed_up):
        with pytest.raises(DeniedError):
            execute(
                CancelAppointment(appointment=str(appointment_of(order).public_id)), actor=actor
            )

    assert appointment_of(order).status == "BOOKED"


# --- the desk


def test_the_desk_shows_and_renews_the_link(as_: As, order: Order) -> None:
    key = appointment_of(order).public_id
    before = token_for(order)

    shown = as_("frontdesk").post(f"/appointments/{key}/patient/", {"do": "show"})
    renewed = as_("frontdesk").post(f"/appointments/{key}/patient/", {"do": "again"})

    assert f"/p/{before}/" in shown.content.decode()
    assert f"/p/{before}/" not in renewed.content.decode()
    assert Client().get(f"/p/{before}/").status_code == 410


def test_technologists_do_not_get_links(as_: As, order: Order) -> None:
    key = appointment_of(order).public_id

    answer = as_("technologist").post(f"/appointments/{key}/patient/", {"do": "show"})

    assert answer.status_code == 403
    assert not AppointmentLink.objects.exists()

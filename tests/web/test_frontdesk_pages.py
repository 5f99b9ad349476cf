"""The front desk: two identifiers, scans, walk-ins, corrections, papers, labels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ris.domain.patients import PatientReference
from ris.models import (
    Appointment,
    DemographicReview,
    Device,
    Document,
    IdentityCheck,
    Order,
    Patient,
    ProcedureDefinition,
    SafetyAnswer,
    Ticket,
)
from tests import make
from tests.web.department import arrive, booked_at, person, today_at

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
PDF = b"%PDF-1.4\n%scan\n"


@pytest.fixture
def order(rooms: None) -> Order:
    return booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN004"))


def address(order: Order, what: str = "") -> str:
    return f"/arrivals/{make.appointment_of(order).public_id}/{what}"


def say(client: Client, order: Order, **said: str) -> int:
    path = f"/appointments/{make.appointment_of(order).public_id}/arrive/"
    return int(client.post(path, said).status_code)


def test_name_and_birth_date_check_in_and_give_a_number(as_: As, order: Order) -> None:
    client = as_("frontdesk")

    status = say(client, order, name="ken ito", birth_date="03.05.1970")

    page = client.get("/arrivals/").content.decode()
    assert (status, make.step_of(order).status) == (303, "ARRIVED")
    assert IdentityCheck.objects.get().checked_by == "Frontdesk Muster"
    assert Ticket.objects.get().number == 1
    assert "Checked in as number 1." in page
    assert "Identity checked" in page
    assert "30 min early" in page


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "ask for two identifiers"),
        ({"name": "Ken Ito"}, "two identifiers, or the reason why not"),
        ({"name": "Ken Ito", "birth_date": "1971-05-03"}, "the birth date is not the one"),
        ({"name": "Eva Lund", "birth_date": "1970-05-03"}, "the name is not the one"),
        ({"number": "RIS:A1:MRN999", "birth_date": "1970-05-03"}, "the number is not the one"),
    ],
)
def test_too_little_or_another_person_is_not_checked_in(
    as_: As, order: Order, said: dict[str, str], words: str
) -> None:
    path = f"/appointments/{make.appointment_of(order).public_id}/arrive/"

    response = as_("frontdesk").post(path, said)

    assert response.status_code == 422
    assert words in response.content.decode()
    assert make.step_of(order).status == "SCHEDULED"


def test_one_identifier_with_a_reason_is_shown_to_the_room(as_: As, order: Order) -> None:
    client = as_("frontdesk")

    say(client, order, number="MRN004", reason="Cannot speak")

    page = client.get("/arrivals/").content.decode()
    assert "Identity not sure" in page
    assert "Cannot speak" in page


def test_who_has_only_a_year_of_birth_is_asked_for_the_number_and_not_called_another(
    as_: As, order: Order
) -> None:
    Patient.objects.update(birth_date="2019")
    client = as_("frontdesk")
    path = f"/appointments/{make.appointment_of(order).public_id}/arrive/"

    day = client.post(path, {"name": "Ken Ito", "birth_date": "3.5.2019"}).content.decode()
    expected = make.step_of(order).status
    say(client, order, name="Ken Ito", birth_date="2019", number="MRN004")

    assert "is not the one" not in day
    assert "the birth date is needed to the day; without it take the number as well" in day
    assert expected == "SCHEDULED"
    assert IdentityCheck.objects.get().checked == ["NAME", "NUMBER"]
    assert make.step_of(order).status == "ARRIVED"


def test_check_in_does_not_tell_what_is_to_be_said(as_: As, order: Order) -> None:
    response = as_("frontdesk").get(address(order), headers={"HX-Request": "true"})

    page = response.content.decode()
    assert "1970" not in page
    assert "Do not read them out" in page


def test_scan_of_a_label_leads_to_the_check_in_with_the_number_said(as_: As, order: Order) -> None:
    client = as_("frontdesk")

    label = client.get("/arrivals/", {"q": f"RIS:{order.accession_number}:MRN004"})
    card = client.get("/arrivals/", {"q": "MRN004"})
    typed = client.get("/arrivals/", {"q": order.accession_number})
    name = client.get("/arrivals/", {"q": "ito"})

    page = client.get(label.headers["Location"]).content.decode()
    assert label.headers["Location"].startswith(address(order))
    assert f'value="RIS:{order.accession_number}:MRN004"' in page
    assert "scanned=MRN004" in card.headers["Location"]
    assert "scanned" not in typed.headers["Location"]
    assert name.status_code == 200


def test_list_is_narrowed_by_room_and_modality_in_the_address(as_: As, order: Order) -> None:
    other = booked_at(today_at(13), "CT2", patient=person("Berg", "Eva", "MRN005"))
    client = as_("frontdesk")

    room = client.get("/arrivals/", {"room": "CT room two"}).content.decode()
    none = client.get("/arrivals/", {"modality": "US"}).content.decode()

    assert str(make.appointment_of(other).public_id) in room
    assert str(make.appointment_of(order).public_id) not in room
    assert "Nobody found on this day" in none


def test_room_of_a_desk_is_a_view_that_opens_first_whatever_the_day(as_: As, order: Order) -> None:
    client = as_("frontdesk")
    shown = "day=2031-05-01&room=CT+room+two&q=berg"
    client.post(
        "/views/", {"page": "arrivals", "name": "Room two", "query": shown, "is_default": "1"}
    )

    answer = client.get("/arrivals/")

    assert answer["Location"] == "/arrivals/?room=CT+room+two"
    assert "Room two" in client.get(answer["Location"]).content.decode()


def test_list_grows_without_more_queries(
    as_: As, order: Order, django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = as_("frontdesk")
    for number in range(4):
        arrive(booked_at(today_at(14 + number), patient=person("Ito", "Ai", f"MRN10{number}")))

    with django_assert_max_num_queries(BUDGETS["page_arrivals"]):  # type: ignore[attr-defined]
        client.get("/arrivals/")


def test_arrival_is_taken_back_until_the_room_begins(as_: As, order: Order) -> None:
    client = as_("frontdesk")
    arrive(order)

    client.post(address(order, "undo/"))

    assert make.step_of(order).status == "SCHEDULED"


def test_who_came_after_all_is_expected_again(as_: As, rooms: None) -> None:
    late = booked_at(today_at(11, 30))
    client = as_("frontdesk")
    client.post(
        f"/appointments/{make.appointment_of(late).public_id}/no-show/", {"reason": "Not reached"}
    )

    client.post(address_of := f"/arrivals/{_missed(late).public_id}/came-after-all/")

    assert make.step_of(late).status == "SCHEDULED"
    assert address_of


def _missed(order: Order) -> Appointment:
    return Appointment.objects.get(order=order)


def test_patient_is_called_and_called_again(as_: As, order: Order) -> None:
    client = as_("frontdesk")
    arrive(order)

    client.post(address(order, "call/"))
    page = client.get("/arrivals/").content.decode()
    client.post(address(order, "call/"))

    assert "Number 1 is called" in page
    assert "Call again" in page
    assert Ticket.objects.get().calls == 2


def test_correction_is_asked_for_and_not_made(as_: As, order: Order) -> None:
    response = as_("frontdesk").post(
        address(order, "correction/"), {"correct-name": "Itoh, Ken", "correct-sex": ""}
    )

    order.patient.refresh_from_db()
    review = DemographicReview.objects.get()
    assert response.status_code == 303
    assert (review.field, review.said) == ("name", "Itoh^Ken")
    assert order.patient.name == "Ito^Ken"


def test_allergy_told_at_the_desk_waits_for_who_may_confirm_it(as_: As, order: Order) -> None:
    Patient.objects.update(allergies=["Latex"])
    client = as_("frontdesk")

    for _ in range(2):
        client.post(address(order, "correction/"), {"correct-allergy": "Contrast medium: hives"})

    review = DemographicReview.objects.get()
    page = client.get(f"/patients/{order.patient.public_id}/").content.decode()
    assert (review.field, review.said) == ("allergies", "Contrast medium: hives")
    assert review.stored == "Latex"
    assert "Allergy, to be confirmed" in page
    order.patient.refresh_from_db()
    assert order.patient.allergies == ["Latex"]


def test_paper_is_filed_once_with_the_order(as_: As, order: Order) -> None:
    client = as_("frontdesk")

    for _ in range(2):
        client.post(
            address(order, "document/"),
            {"paper-file": SimpleUploadedFile("a.pdf", PDF), "paper-title": "Referral"},
        )

    document = Document.objects.get()
    assert (document.order, document.title, document.media_type) == (
        order,
        "Referral",
        "application/pdf",
    )
    assert "Referral" in client.get(address(order)).content.decode()


def test_what_is_no_paper_is_not_filed(as_: As, order: Order) -> None:
    response = as_("frontdesk").post(
        address(order, "document/"),
        {"paper-file": SimpleUploadedFile("a.pdf", b"<script>"), "paper-title": "x"},
    )

    assert response.status_code == 422
    assert not Document.objects.exists()


def test_record_that_looks_the_same_is_pointed_at(as_: As, order: Order) -> None:
    make.order(patient=person("Ito", "Ken", "MRN777"))

    page = as_("frontdesk").get(address(order)).content.decode()

    assert "Another record may be of the same person" in page
    assert "MRN777" in page


# --- walk-ins


def walk_in(procedure: str = "CTHEAD", **said: str) -> dict[str, str]:
    definition = ProcedureDefinition.objects.get(code=procedure)
    return {
        "procedure": str(definition.public_id),
        "reason": "Fell on the ice",
        "token": "t1",
        "sex": "F",
        **said,
    }


NEW = {"family_name": "Winter", "given_name": "Eva", "birth_date": "1.2.1980"}


def test_somebody_new_is_registered_ordered_booked_and_here(as_: As, rooms: None) -> None:
    client = as_("frontdesk")

    first = client.post("/arrivals/walk-in/", walk_in(**NEW))
    again = client.post("/arrivals/walk-in/", walk_in(**NEW))

    patient = Patient.objects.get()
    order = Order.objects.get()
    assert (first.status_code, again.status_code) == (303, 303)
    assert (patient.name, patient.birth_date) == ("Winter^Eva", "1980-02-01")
    assert make.step_of(order).status == "ARRIVED"
    assert make.appointment_of(order).start_at >= timezone.now() - timedelta(minutes=1)
    assert IdentityCheck.objects.get().checked == ["NAME", "BIRTH_DATE"]


def test_known_patient_has_to_say_who_it_is(as_: As, order: Order) -> None:
    key = str(order.patient.public_id)
    client = as_("frontdesk")

    wrong = client.post(
        "/arrivals/walk-in/",
        walk_in(patient=key, said_name="Ken Ito", birth_date="1.1.1971", device=""),
    )
    orders = Order.objects.count()
    right = client.post(
        "/arrivals/walk-in/",
        walk_in("USABD", patient=key, said_name="Ken Ito", birth_date="3.5.1970"),
    )

    assert (wrong.status_code, orders) == (422, 1)
    assert (right.status_code, Order.objects.count()) == (303, 2)


def test_child_of_whom_only_the_year_of_birth_is_known_is_taken_in(as_: As, rooms: None) -> None:
    said = {**NEW, "birth_date": "2019"}

    response = as_("frontdesk").post("/arrivals/walk-in/", walk_in(**said))

    check = IdentityCheck.objects.get()
    assert response.status_code == 303
    assert Patient.objects.get().birth_date == "2019"
    assert (check.checked, check.reason) == (["NAME"], "Birth date not known to the day")


@pytest.mark.parametrize("said", ["31.2.2019", "soon"])
def test_birth_date_that_is_none_loses_nothing_of_a_walk_in(
    as_: As, rooms: None, said: str
) -> None:
    response = as_("frontdesk").post("/arrivals/walk-in/", walk_in(**{**NEW, "birth_date": said}))

    page = response.content.decode()
    assert response.status_code == 422
    assert f'value="{said}"' in page
    assert "Fell on the ice" in page
    assert "write 1970-05-03 or 3.5.1970" in page
    assert Patient.objects.count() == 0


def test_walk_in_who_may_be_known_is_asked_about(as_: As, order: Order) -> None:
    said = walk_in(family_name="Ito", given_name="Ken", birth_date="1970-05-03")
    client = as_("frontdesk")

    asked = client.post("/arrivals/walk-in/", said)
    patients = Patient.objects.count()
    client.post("/arrivals/walk-in/", {**said, "known": "on"})

    assert (asked.status_code, patients) == (409, 1)
    assert "Is it one of these?" in asked.content.decode()
    assert Patient.objects.count() == 2


def test_walk_in_who_is_to_have_the_exam_already_is_not_booked_for_it_twice(
    as_: As, order: Order
) -> None:
    waiting = make.order(patient=PatientReference(public_id=str(order.patient.public_id)))
    said = walk_in(patient=str(order.patient.public_id), said_name="Ken Ito", birth_date="3.5.1970")
    client, count = as_("frontdesk"), Order.objects.count()

    asked = client.post("/arrivals/walk-in/", said)
    once_more = client.post("/arrivals/walk-in/", {**said, "again": "on"})

    assert asked.status_code == 422
    assert f'href="/orders/{waiting.public_id}/"' in asked.content.decode()
    assert (once_more.status_code, Order.objects.count()) == (303, count + 1)


def test_walk_in_is_all_or_nothing_when_no_room_is_free(as_: As, rooms: None) -> None:
    elsewhere = str(Device.objects.get(ae_title="US1").public_id)
    orders, patients = Order.objects.count(), Patient.objects.count()

    desk = as_("frontdesk").post("/arrivals/walk-in/", walk_in(**NEW, device=elsewhere))
    squeezed = as_("scheduler").post(
        "/arrivals/walk-in/",
        walk_in(**NEW, squeeze="on", squeeze_reason="Bleeding", token="t2"),
    )

    assert desk.status_code == 409
    assert "choose another room, or place an order for later" in desk.content.decode()
    assert squeezed.status_code == 303
    assert (Order.objects.count(), Patient.objects.count()) == (orders + 1, patients + 1)


@pytest.mark.parametrize("known", [True, False])
def test_who_finds_nothing_free_orders_for_later_without_typing_again(
    as_: As, order: Order, known: bool
) -> None:
    person = {"patient": str(order.patient.public_id), "said_name": "Ken Ito"} if known else NEW
    elsewhere = str(Device.objects.get(ae_title="US1").public_id)
    said = walk_in("CTKNEE", **{"birth_date": "3.5.1970", **person}, side="L", device=elsewhere)
    client = as_("frontdesk")
    orders, patients = Order.objects.count(), Patient.objects.count()

    refused = client.post("/arrivals/walk-in/", said)
    opened = client.post("/orders/new/", {**said, "walk-in": "1"})

    page = opened.content.decode()
    assert refused.status_code == 409
    assert 'name="walk-in" value="1" formaction="/orders/new/"' in refused.content.decode()
    assert opened.status_code == 200
    assert "Fell on the ice" in page
    assert re.search(rf'value="{said["procedure"]}"[^>]* selected', page)
    assert re.search(r'value="L"[^>]* (selected|checked)', page)
    assert ("ITO, Ken" in page) == known
    assert ('value="Winter"' in page) == (not known)
    assert (Order.objects.count(), Patient.objects.count()) == (orders, patients)


def test_nobody_is_taken_in_without_a_name(as_: As, rooms: None) -> None:
    client = as_("frontdesk")

    refused = client.post("/arrivals/walk-in/", walk_in(given_name="Eva", birth_date="1.2.1980"))

    text = refused.content.decode()
    assert refused.status_code == 422
    assert "Find the patient, or say the name." in text
    assert re.search(r'<input[^>]*name="family_name"[^>]*required', text)


def test_exam_of_a_walk_in_is_found_by_its_code(as_: As, rooms: None) -> None:
    text = as_("frontdesk").get("/arrivals/walk-in/?new=1").content.decode()

    assert "data-typeahead" in text
    assert re.search(r'<option[^>]*data-words="CTHEAD[^"]*"', text)


@pytest.mark.usefixtures("pregnancy")
def test_walk_in_is_asked_what_is_safe_before_a_time_is_booked(as_: As) -> None:
    client = as_("frontdesk")

    asked = client.post("/arrivals/walk-in/safety/", walk_in(**NEW)).content.decode()
    elderly = client.post(
        "/arrivals/walk-in/safety/", walk_in(**{**NEW, "birth_date": "1.2.1940"})
    ).content.decode()
    without = client.post("/arrivals/walk-in/", walk_in(**NEW))
    nothing = Order.objects.count()
    answered = client.post("/arrivals/walk-in/", walk_in(**NEW, **{"a-PREG": "no"}))

    assert "Is she pregnant?" in asked
    assert "Is she pregnant?" not in elderly
    assert (without.status_code, nothing) == (409, 0)
    assert "Is she pregnant?" in without.content.decode()
    assert answered.status_code == 303
    assert make.step_of(Order.objects.get()).status == "ARRIVED"
    assert SafetyAnswer.objects.get().value == "no"


def test_technologist_takes_in_no_walk_in(as_: As, rooms: None) -> None:
    response = as_("technologist").post("/arrivals/walk-in/", walk_in(**NEW))

    assert response.status_code == 403
    assert not Patient.objects.exists()


# --- labels


def test_label_and_wristband_are_pdf_and_audited(as_: As, order: Order) -> None:
    client = as_("frontdesk")
    key = make.appointment_of(order).public_id

    label = client.get(f"/labels/appointment/{key}/")
    sheet = client.get(f"/labels/order/{order.public_id}/?size=A4%203x8&copies=3&first=5")
    band = client.get(f"/labels/wristband/{order.patient.public_id}/")

    assert [answer.status_code for answer in (label, sheet, band)] == [200, 200, 200]
    assert [answer.content[:5] for answer in (label, sheet, band)] == [b"%PDF-"] * 3
    assert label.headers["Content-Type"] == "application/pdf"


def test_label_that_cannot_hold_the_name_says_what_to_do(as_: As, rooms: None) -> None:
    long = person(" ".join(["W" * 10] * 5), "Wwwwww", "MRN010")
    order = booked_at(today_at(15), patient=long)

    response = as_("frontdesk").get(f"/labels/order/{order.public_id}/?size=50x25")

    assert response.status_code == 422
    assert "choose a larger one" in response.content.decode()

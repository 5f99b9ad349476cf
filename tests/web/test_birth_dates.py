"""A birth date is taken as people write it, wherever somebody is registered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.errors import InvalidValueError
from ris.models import DemographicReview, Patient
from ris.web.patients.forms import born
from tests import make
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1970-05-03", "1970-05-03"),
        ("19700503", "1970-05-03"),
        ("3.5.1970", "1970-05-03"),
        ("03051970", "1970-05-03"),
        ("20101210", "2010-12-10"),
        ("1970-05", "1970-05"),
        (" 1970 ", "1970"),
        ("", ""),
    ],
)
def test_birth_date_is_read_as_it_is_meant(said: str, meant: str) -> None:
    assert born(said).text == meant


@pytest.mark.parametrize("said", ["31.2.2019", "soon", "3/5/1970", "70"])
def test_what_is_no_date_or_two_is_not_guessed(said: str) -> None:
    with pytest.raises(InvalidValueError):
        born(said)


def test_patient_is_registered_with_the_date_as_it_is_written_there(as_: As, rooms: None) -> None:
    form = {"family_name": "Winter", "given_name": "Eva", "sex": "F"}
    client = as_("scheduler")

    refused = client.post("/patients/new/", {**form, "birth_date": "3/5/1970"})
    client.post("/patients/new/", {**form, "birth_date": "3.5.1970"})

    assert refused.status_code == 422
    assert "write 1970-05-03 or 3.5.1970" in refused.content.decode()
    assert Patient.objects.get().birth_date == "1970-05-03"


def test_correction_at_the_desk_takes_the_date_as_it_is_written_there(as_: As, rooms: None) -> None:
    order = booked_at(today_at(12, 30))
    path = f"/arrivals/{make.appointment_of(order).public_id}/correction/"
    client = as_("frontdesk")

    refused = client.post(path, {"correct-birth_date": "31.2.1970"})
    client.post(path, {"correct-birth_date": "4.5.1971"})

    assert refused.status_code == 422
    assert "write 1970-05-03 or 3.5.1970" in refused.content.decode()
    assert [row.said for row in DemographicReview.objects.all()] == ["1971-05-04"]

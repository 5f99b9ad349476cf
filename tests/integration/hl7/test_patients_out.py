"""What others hear of a patient, from the change to the message (IHE RAD-12)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7.er7 import Message
from ris.domain.exchange import RequeueDelivery, Subscription
from ris.domain.patients import (
    ChangeIdentifiers,
    Demographics,
    PatientReference,
    UpdatePatient,
)
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import Delivery
from ris.services import execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def receiver(character_set: str = "UNICODE UTF-8", **settings: object) -> None:
    make.endpoint(
        "PACS",
        sends=(Subscription.PATIENT_UPDATES,),
        character_set=character_set,
        settings=settings,
    )


def told() -> list[Message]:
    outbox.fan_out()
    return [Message.from_bytes(bytes(row.payload)) for row in Delivery.objects.order_by("id")]


def change_identifier() -> None:
    make.order(patient=make.patient("4711"))
    execute(
        ChangeIdentifiers(
            patient=PatientReference(identifiers=(Identifier("4799", "HOSP", "MR"),)),
            prior=(Identifier("4711", "HOSP", "MR"),),
        ),
        actor=people.ehr,
    )


@pytest.mark.parametrize(
    ("settings", "trigger", "former"),
    [
        ({}, "A47", "4711"),
        ({"identifier_event": "A40"}, "A40", "4711"),
        ({"identifier_event": "A08"}, "A08", None),
    ],
)
def test_a_changed_identifier_is_told_with_the_former_one(
    settings: dict[str, object], trigger: str, former: str | None
) -> None:
    receiver(**settings)

    change_identifier()

    (message,) = told()
    assert message.get("MSH-9.2") == trigger
    assert message.get("PID-3") == "4799"
    assert message.get("PID-3[2]") is None
    assert message.get("MRG-1") == former


@pytest.mark.parametrize(("settings", "triggers"), [({}, []), ({"registrations": "A28"}, ["A28"])])
def test_a_new_patient_is_told_to_who_wants_that(
    settings: dict[str, object], triggers: list[str]
) -> None:
    receiver(**settings)

    make.order(patient=make.patient("4711"))

    assert [message.get("MSH-9.2") for message in told()] == triggers


def test_a_name_that_the_peer_cannot_hold_leaves_in_letters_it_has() -> None:
    receiver("ASCII", registrations="A28", unencodable="transliterate")

    make.order(patient=make.patient("4711", name=PersonName.of("Müller", "Jörg")))

    (message,) = told()
    assert (message.get("PID-5.1"), message.get("PID-5.2")) == ("Muller", "Jorg")
    assert message.get("MSH-18") == "ASCII"


def test_held_until_the_settings_change_and_then_written_anew() -> None:
    receiver("ASCII", registrations="A28")
    make.order(patient=make.patient("4711", name=PersonName.of("Müller", "Jörg")))
    outbox.fan_out()
    held = Delivery.objects.get()
    assert (held.state, held.last_error) == ("DEAD", "U+00FC cannot be written in ASCII (PID-5)")

    receiver("8859/1", registrations="A28")
    execute(RequeueDelivery(delivery=str(held.public_id)), actor=people.admin)

    (message,) = told()
    row = Delivery.objects.get()
    assert message.get("PID-5.1") == "Müller"
    assert (row.state, row.last_error, row.lane.partition(":")[0]) == ("PENDING", "", "patient")
    assert message.get("MSH-10") == row.control_id == held.control_id


# --- what is said no more -----------------------------------------------------------------------


def change(**said: Any) -> None:
    execute(
        UpdatePatient(
            patient=PatientReference(identifiers=(Identifier("4711", "HOSP", "MR"),)),
            demographics=Demographics(**said),
        ),
        actor=people.ehr,
    )


def places(*numbers: int) -> list[str | None]:
    """What the last message says at these places of PID; ``""`` deletes."""
    return [told()[-1].get(f"PID-{number}") for number in numbers]


def test_what_was_deleted_is_told_to_be_deleted() -> None:
    receiver()
    make.order(
        patient=make.patient("4711", phone="+43 1 234", address="Weg 1, Wien", language="de")
    )

    change(phone="", address="", language="", birth_date=PartialDate(""))

    assert places(7, 11, 13, 15) == ["", "", "", ""]


def test_what_was_never_known_is_not_deleted_elsewhere() -> None:
    receiver()
    make.order(patient=make.patient("4711", phone="+43 1 234"))

    change(phone="+43 1 999")

    assert places(11, 13, 15, 30) == [None, "+43 1 999", None, None]


def test_a_mail_address_keeps_the_field_when_the_phone_number_goes() -> None:
    receiver()
    make.order(patient=make.patient("4711", phone="+43 1 234", email="anna@example.org"))

    change(phone="")

    assert told()[-1].get("PID-13.4") == "anna@example.org"


def test_who_did_not_die_after_all_is_told_to_be_alive() -> None:
    receiver()
    make.order(patient=make.patient("4711"))
    change(deceased=True)
    change(phone="+43 1 999")
    dead = places(30)

    change(deceased=False)

    assert (dead, places(30)) == (["Y"], ["N"])

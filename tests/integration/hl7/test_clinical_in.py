"""What messages say of a patient that a scanner must know: nothing of it is lost on the way."""

from __future__ import annotations

import pytest

from ris.models import Patient
from tests.integration.hl7.intake import outcome, register
from tests.integration.hl7.messages import PID, PV1, order, text

pytestmark = pytest.mark.django_db

IODINE = "AL1|1|DA|^Iodinated contrast|SV|Anaphylaxis"
PENICILLIN = "AL1|2|DA|^Penicillin|MO|Rash"
LATEX = "AL1|1|DA|^Latex|MO|Rash"


def adt(*segments: str, key: str = "A1", event: str = "A08") -> str:
    return text(f"EVN|{event}", PID, PV1, *segments, message_type=f"ADT^{event}", key=key)


def allergies() -> list[str]:
    found: list[str] = Patient.objects.get().allergies
    return found


def test_an_order_adds_an_allergy_and_takes_none_away() -> None:
    register()
    outcome(adt(IODINE, PENICILLIN))

    told = outcome(order(pid=f"{PID}\r{PV1}\r{LATEX}", pv1="", key="O1"))

    assert told == ("AA", [])
    assert allergies() == ["Iodinated contrast", "Penicillin", "Latex"]


def test_an_order_does_not_empty_the_allergies() -> None:
    register()
    outcome(adt(IODINE))

    outcome(order(more=('AL1|1|DA|""',), key="O1"))

    assert allergies() == ["Iodinated contrast"]


def test_who_keeps_the_patients_data_tells_all_allergies() -> None:
    register(settings={"authoritative": ["ADT", "ORM"]})
    outcome(adt(IODINE, PENICILLIN))

    outcome(order(more=(LATEX,), key="O1"))
    by_order = allergies()
    outcome(adt(PENICILLIN, key="A2"))

    assert by_order == ["Latex"]
    assert allergies() == ["Penicillin"]


def test_an_allergy_in_many_words_is_kept_whole() -> None:
    register()
    words = (
        "Iodinated contrast media of every kind, with an anaphylactic shock in another hospital "
        "in 2019"
    )

    assert outcome(order(more=(f"AL1|1|DA|^{words}",))) == ("AA", [])
    assert allergies() == [words]


def test_a_patient_may_need_much() -> None:
    register()

    told = outcome(order(pv1=f"PV1|1|O{'|' * 13}A1~A2~A6~A7~B1"))

    assert told == ("AA", [])
    assert Patient.objects.get().special_needs == (
        "walks with assistive device, wheelchair or stretcher, hearing impaired, speech impaired, "
        "oxygen therapy"
    )


def test_a_note_of_an_order_stands_below_what_is_known_of_the_patient() -> None:
    register()
    outcome(text("EVN|A08", PID, "NTE|1||needs an interpreter", message_type="ADT^A08", key="A1"))
    noted = f"{PID}\rNTE|1||needs an interpreter\rNTE|2||afraid of needles"

    assert outcome(order(pid=noted, key="O1")) == ("AA", [])
    assert outcome(order(pid=f"{PID}\rNTE|1||afraid of needles", key="O2")) == ("AA", [])

    assert Patient.objects.get().comments == "needs an interpreter\nafraid of needles"

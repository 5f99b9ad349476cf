"""What an order does not hang on: read where that is sure, else left out, kept as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integration.hl7.desk import Text
from ris.models import InboundMessage, Order, Patient
from ris.services.desk import Fault
from tests import make
from tests.integration.hl7.intake import answered, register
from tests.integration.hl7.messages import OBR, ORC, PID, PV1, obr, orc, order, text

pytestmark = pytest.mark.django_db

WEIGHT = "OBX|1|NM|29463-7^Body weight^LN||{value}|{unit}"
HEIGHT = "OBX|1|NM|8302-2^Body height^LN||{value}|{unit}"


def remarks() -> list[Fault]:
    """What the message's own page says of the last message."""
    raw = bytes(InboundMessage.objects.latest("pk").raw)
    return list(Text().remarks(raw, ""))


def noted() -> list[str]:
    return Order.objects.get().comments.split("\n")


@pytest.mark.parametrize(
    ("value", "unit", "kilograms"),
    [
        ("72,5", "kg", 72.5),
        ("72 kg", "kg", 72),
        ("72 kg", "", 72),
        ("72.5kg.", "", 72.5),
        ("3250 g", "g", 3.25),
        ("154 lb", "[lb_av]", 69.8532),
    ],
)
def test_a_weight_is_read_with_its_unit_beside_or_behind_it(
    value: str, unit: str, kilograms: float
) -> None:
    register()

    assert answered(order(more=(WEIGHT.format(value=value, unit=unit),))) == ["AA"]

    assert Patient.objects.get().weight_kg == kilograms
    assert noted() == [""]
    assert remarks() == []


@pytest.mark.parametrize(
    ("observation", "note", "fault"),
    [
        (WEIGHT.format(value="ca. 70", unit="kg"), "Body weight: ca. 70 kg", "not a number"),
        (WEIGHT.format(value="heavy", unit=""), "Body weight: heavy", "not a number"),
        (
            WEIGHT.format(value="72 kg", unit="lb"),
            "Body weight: 72 kg lb",
            "two units that differ",
        ),
        (
            WEIGHT.format(value="11", unit="stone"),
            "Body weight: 11 stone",
            "the unit is none of kg, g, lb, [lb_av], lbs",
        ),
        (
            WEIGHT.format(value="1,725", unit="g"),
            "Body weight: 1,725 g",
            "no possible measure of a person",
        ),
        (
            HEIGHT.format(value="172", unit="m"),
            "Body height: 172 m",
            "no possible measure of a person",
        ),
        (HEIGHT.format(value="5'11", unit=""), "Body height: 5'11", "not a number"),
    ],
)
def test_a_measure_that_cannot_be_read_is_a_note_and_no_reason_to_refuse_an_order(
    observation: str, note: str, fault: str
) -> None:
    register()

    assert answered(order(more=(observation,))) == ["AA"]

    patient = Patient.objects.get()
    assert (patient.weight_kg, patient.height_m) == (None, None)
    assert noted() == [note]
    assert remarks() == [Fault("OBX-5", f"cannot be read and is left out: {fault}")]


def test_what_cannot_be_read_does_not_take_away_what_was_known() -> None:
    register()
    answered(order(key="O1", more=(WEIGHT.format(value="72", unit="kg"),)))

    answered(order(key="O2", orc=ORC.replace("PL1", "PL2"), obr=OBR.replace("PL1", "PL2"),
                   more=(WEIGHT.format(value="unknown", unit="kg"),)))  # fmt: skip

    assert Patient.objects.get().weight_kg == 72


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("LA15173-0^Pregnant^LN", "3"),
        ("77386006^Pregnant^SCT", "3"),
        ("60001007^Not pregnant^SCT", "1"),
        ("152231000119106^Pregnancy not yet confirmed^SCT", "2"),
    ],
)
def test_a_pregnancy_is_read_by_its_codes(answer: str, status: str) -> None:
    register()

    answered(order(more=(f"OBX|1|CE|82810-3^Pregnancy status^LN||{answer}",)))

    assert Patient.objects.get().pregnancy_status == status


def test_an_answer_on_pregnancy_that_is_no_code_is_a_note_for_people() -> None:
    register()

    answered(order(more=("OBX|1|ST|82810-3^Pregnancy status^LN||yes, week 12",)))

    assert Patient.objects.get().pregnancy_status == ""
    assert noted() == ["Pregnancy status: yes, week 12"]


@pytest.mark.parametrize(
    ("changed", "note", "path"),
    [
        ({"pid": f"{PID}{'|' * 22}1"}, "Patient death indicator, as sent: 1", "PID-30"),
        ({"pid": f"{PID}{'|' * 7}{'x' * 61}"}, f"Primary language, as sent: {'x' * 61}", "PID-15"),
        ({"pv1": PV1.replace("|O|", "|DAYCASE|")}, "Patient class, as sent: DAYCASE", "PV1-2"),
        (
            {"pv1": f"{PV1}{'|' * 25}00000000"},
            "Admit date time, as sent: 00000000",
            "PV1-44",
        ),
        (
            {"orc": orc(f1="NW", f2="PL1^HIS", f9="10.03.2029 10:10")},
            "Date time of transaction, as sent: 10.03.2029 10:10",
            "ORC-9",
        ),
        (
            {"orc": orc(f1="NW", f2="PL1^HIS", f10=f"1^{'X' * 325}^A")},
            f"Entered by, as sent: 1 {'X' * 325} A",
            "ORC-10",
        ),
        (
            {"orc": orc(f1="NW", f2="PL1^HIS", f17=f"NEU^{'Neurology ' * 8}^L")},
            f"Entering organization, as sent: NEU {('Neurology ' * 8).strip()} L",
            "ORC-17",
        ),
        (
            {"obr": obr(f2="PL1^HIS", f4="CTHEAD^CT head^L", f30="W" * 65)},
            f"Transportation mode, as sent: {'W' * 65}",
            "OBR-30",
        ),
        (
            {
                "obr": obr(
                    f2="PL1^HIS",
                    f4="CTHEAD^CT head^L",
                    f31="R51^headache^ICD10^^^^2029 German Modification",
                )
            },
            "Reason for study, as sent: R51 headache ICD10 2029 German Modification",
            "OBR-31.7",
        ),
        (
            {"more": ("DG1|1||R51^headache^ICD10^^^^2029 German Modification",)},
            "Diagnosis code dg1, as sent: R51 headache ICD10 2029 German Modification",
            "DG1-3.7",
        ),
    ],
)
def test_what_an_order_does_not_hang_on_is_left_out_and_noted_where_it_cannot_be_read(
    changed: dict[str, object], note: str, path: str
) -> None:
    register()

    assert answered(order(**changed)) == ["AA"]  # type: ignore[arg-type]

    assert noted() == [note]
    assert [each.path for each in remarks()] == [path]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"pid": PID.replace("19700503", "03.05.1970")}, "102 PID^1^7"),
        ({"pid": PID.replace("19700503", "19700231")}, "102 PID^1^7"),
        ({"pid": PID.replace("19700503", "F")}, "102 PID^1^7"),
        ({"pid": PID.replace("|F", "|?")}, "103 PID^1^8"),
        ({"orc": ORC.replace("^^S|", "^^EMERGENCY|")}, "103 ORC^1^7"),
        ({"orc": ORC.replace("20290311090000", "tomorrow")}, "102 ORC^1^7"),
        ({"more": (f"AL1|1|DA|^{'x' * 201}",)}, "102 AL1^1^3"),
    ],
)
def test_who_when_how_urgent_and_an_allergy_are_never_left_out(
    changed: dict[str, object], fault: str
) -> None:
    register()

    assert answered(order(**changed)) == ["AE", fault]  # type: ignore[arg-type]

    assert not Order.objects.exists()


def test_a_sender_that_is_held_to_the_tables_hears_of_it_instead() -> None:
    register(settings={"validation": "tables"})

    told = answered(order(more=(f"{WEIGHT.format(value='ca. 70', unit='kg')}|||||F",)))

    assert told == ["AE", "102 OBX^1^5"]
    assert not Order.objects.exists()


def test_an_admission_does_not_hang_on_them_either() -> None:
    register()
    adt = text(
        "EVN|A01",
        PID,
        PV1.replace("|O|", "|DAYCASE|"),
        WEIGHT.format(value="ca. 70", unit="kg"),
        message_type="ADT^A01",
    )

    assert answered(adt) == ["AA"]

    patient = Patient.objects.get()
    assert (patient.weight_kg, patient.visits.get().patient_class) == (None, "U")
    assert [each.path for each in remarks()] == ["OBX-5", "PV1-2"]


def test_a_snapshot_does_not_delete_what_it_said_and_we_could_not_read() -> None:
    register(settings={"snapshots": ["A08"]})
    known = f"{PID}{'|' * 7}de{'|' * 7}"
    answered(text("EVN|A08", known, message_type="ADT^A08", key="A1"))

    unread = f"{PID}{'|' * 7}{'x' * 61}{'|' * 7}"
    assert answered(text("EVN|A08", unread, message_type="ADT^A08", key="A2")) == ["AA"]

    assert Patient.objects.get().language == "de"


def test_a_change_of_an_order_does_not_hang_on_them() -> None:
    register()
    answered(order())

    changed = order(
        orc=orc(f1="XO", f2="PL1^HIS"), pv1=PV1.replace("|O|", "|DAYCASE|"), more=(), key="X1"
    )
    assert answered(changed) == ["AA"]

    assert noted() == ["Patient class, as sent: DAYCASE"]


NOT_KNOWN = ["UNK", "unknown", "00000000", "0000", "00000000000000", "00/00/0000", "99999999"]


@pytest.mark.parametrize("sent", NOT_KNOWN)
def test_a_birth_date_that_is_said_to_be_unknown_is_unknown_and_refuses_no_order(sent: str) -> None:
    """An unconscious patient is ordered for at once, and nobody guesses a birthday."""
    register()

    assert answered(order(pid=PID.replace("19700503", sent))) == ["AA"]

    assert Patient.objects.get().birth_date == ""
    assert noted() == [f"Date time of birth, as sent: {sent}"]
    assert [each.path for each in remarks()] == ["PID-7"]


@pytest.mark.parametrize("trigger", ["A08", "A31"])
def test_a_birth_date_that_is_said_to_be_unknown_deletes_none(trigger: str) -> None:
    register(settings={"snapshots": ["A31"]})
    answered(text(f"EVN|{trigger}", PID, message_type=f"ADT^{trigger}", key="A1"))

    unread = PID.replace("19700503", "UNK")
    told = text(f"EVN|{trigger}", unread, message_type=f"ADT^{trigger}", key="A2")
    assert answered(told) == ["AA"]

    assert Patient.objects.get().birth_date == "1970-05-03"


@pytest.mark.parametrize(
    ("sent", "stored"), [("19700000", "1970"), ("19700500", "1970-05"), ("1970", "1970")]
)
def test_of_a_birth_date_without_its_day_is_kept_what_is_known(sent: str, stored: str) -> None:
    register()

    assert answered(order(pid=PID.replace("19700503", sent))) == ["AA"]

    assert Patient.objects.get().birth_date == stored
    assert noted() == [""]


def test_an_unknown_birth_date_refuses_no_appointment_either() -> None:
    register()
    make.device()
    answered(order())
    moved = text(
        "SCH|A1^HIS||||||||||^^30^20290312090000" + "|" * 15 + "PL1^HIS",
        PID.replace("19700503", "UNKNOWN"),
        "RGS|1",
        "AIS|1||CTHEAD^CT head^L|20290312090000",
        message_type="SIU^S13",
        version="2.5.1",
        key="S1",
    )

    assert answered(moved) == ["AA"]


def test_a_sender_that_is_held_to_the_tables_has_to_leave_an_unknown_birth_date_out() -> None:
    register(settings={"validation": "tables"})

    assert answered(order(pid=PID.replace("19700503", "UNK"))) == ["AE", "102 PID^1^7"]


@pytest.mark.parametrize("sent", ["00000000", "00000000000000", "000000000000+0000"])
def test_a_time_of_zeros_is_none_and_a_scheduler_decides(sent: str) -> None:
    register()
    make.device()

    assert answered(order(orc=ORC.replace("20290311090000", sent))) == ["AA"]

    step = make.step_of(Order.objects.get())
    assert (step.status, step.start_at) == ("PENDING", None)
    assert noted() == [f"Quantity timing, as sent: M30 {sent} S"]
    assert [each.path for each in remarks()] == ["ORC-7.4"]


def test_a_time_that_is_told_elsewhere_counts_though_zeros_stand_in_front_of_it() -> None:
    register()
    make.device()
    timed = obr(f2="PL1^HIS", f4="CTHEAD^CT head^L", f24="CT", f36="20290311090000+0000")

    assert answered(order(orc=ORC.replace("20290311090000", "00000000"), obr=timed)) == ["AA"]

    step = make.step_of(Order.objects.get())
    assert step.start_at == datetime(2029, 3, 11, 9, tzinfo=UTC)
    assert noted() == [""]


def noticed(message: bytes) -> list[str]:
    assert answered(message) == ["AA"]
    return [each.path for each in remarks()]


def test_utf_8_that_is_said_to_be_another_set_is_told_and_not_guessed() -> None:
    """The commonest mistake of a new connection: Müller is taken as it is said to be written."""
    register()
    said = order(pid=PID.replace("Berg", "Müller")).replace("UNICODE UTF-8", "8859/1")

    assert noticed(said.encode()) == ["MSH-18"]

    assert Patient.objects.get().name == "MÃ¼ller^Anna^Maria"


@pytest.mark.parametrize("charset", ["latin-1", "ascii"])
def test_what_is_written_as_it_says_needs_no_word(charset: str) -> None:
    register()
    name = "Müller" if charset == "latin-1" else "Miller"
    said = order(pid=PID.replace("Berg", name)).replace("UNICODE UTF-8", "8859/1")

    assert noticed(said.encode(charset)) == []

"""HL7 data types both ways: what is written is read back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import datatypes
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.er7_writer import Value, build, msh
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code, Identifier, NameGroup, PersonName


def written(value: Value) -> Segment:
    """A segment whose field 1 is the value."""
    header = msh(
        sending=("A", "B"), receiving=("C", "D"), at="2029", message_type=("ADT", "A08"),
        control_id="1", version="2.5.1",
    )  # fmt: skip
    message = Message.from_bytes(build([header, ("ZZZ", value)]), default_charset="UNICODE UTF-8")
    found = message.first("ZZZ")
    assert found is not None
    return found


text = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters='^=\\"'),
    max_size=12,
)
groups = st.builds(NameGroup, text, text, text, text, text)


@given(family=text.filter(bool), rest=groups)
def test_a_name_reads_back(family: str, rest: NameGroup) -> None:
    name = PersonName(NameGroup(family, rest.given, rest.middle, rest.prefix, rest.suffix))

    assert datatypes.person(written(datatypes.write_xpn(name)).repeats("1")) == name
    assert datatypes.clinician(written(datatypes.write_xcn(name)).repeats("1")) == name


def test_three_writings_read_back() -> None:
    name = PersonName.parse("Yamada^Tarou=山田^太郎=やまだ^たろう")

    assert datatypes.person(written(datatypes.write_xpn(name)).repeats("1")) == name


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier("4711", "HOSP", "MR"),
        Identifier("4711", "1.2.40.0.10.1", "NI"),
        Identifier("4711", "urn:oid:1.2.3", ""),
        Identifier("4711", "https://example.org/mrn", "MR"),
        Identifier("A|B^C", "H&H", "MR"),
    ],
)
def test_identifiers_read_back(identifier: Identifier) -> None:
    (cx,) = written(datatypes.write_cx(identifier)).repeats("1")
    entity = datatypes.entity(written(datatypes.write_ei(identifier)), 1)

    assert datatypes.patient_identifier(cx, "") == identifier
    assert entity == Identifier(identifier.value, identifier.issuer)


def test_universal_ids_are_told_as_such() -> None:
    assert datatypes.hd("1.2.3") == (None, "1.2.3", "ISO")
    assert datatypes.hd("urn:oid:1.2.3") == (None, "urn:oid:1.2.3", "URI")
    assert datatypes.hd("HOSP") == ("HOSP",)
    assert datatypes.hd("1.2.HOSP") == ("1.2.HOSP",)


def test_a_code_reads_back() -> None:
    code = Code("CT|HEAD", "99&X", "CT ^ head")

    assert datatypes.code(written(datatypes.write_ce(code)), 1) == code


def test_a_location_reads_back() -> None:
    assert datatypes.location(written(datatypes.write_pl("4 West / 412 / A")), 1) == (
        "4 West / 412 / A"
    )


@pytest.mark.parametrize(
    ("sent", "minutes"),
    [
        ("M30", 30),
        ("H1", 60),
        ("S90", 2),
        ("D1", 1440),
        ("X", None),
        ("M0", None),
        ("W2", None),
        ("", None),
    ],
)
def test_durations(sent: str, minutes: int | None) -> None:
    assert datatypes.duration(sent) == minutes


@pytest.mark.parametrize(
    ("value", "unit", "minutes"),
    [
        ("30", "min", 30),
        ("1.5", "h", 90),
        ("45", None, 45),
        ("2", "hours", 120),
        ("x", "min", None),
        ("3", "parsec", None),
        ("90", "s", 2),
    ],
)
def test_quantities(value: str, unit: str | None, minutes: int | None) -> None:
    assert datatypes.quantity(value, unit) == minutes


@pytest.mark.parametrize(
    ("value", "unit", "kilograms"),
    [("70", "kg", 70), ("70,5", "", 70.5), ("154", "lb", 69.8532), ("3200", "g", 3.2)],
)
def test_weights(value: str, unit: str, kilograms: float) -> None:
    assert datatypes.weight_kg(value, unit, "OBX-5") == kilograms


@pytest.mark.parametrize(
    ("value", "unit"), [("70", "st"), ("-1", "kg"), ("nan", "kg"), ("900", "kg")]
)
def test_impossible_weights(value: str, unit: str) -> None:
    with pytest.raises(InvalidValueError):
        datatypes.weight_kg(value, unit, "OBX-5")


def test_timing_before_2_5() -> None:
    start = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    zone = ZoneInfo("Europe/Vienna")

    value = datatypes.write_tq(start, 20, "S", zone, offset=True)

    segment = written(value)
    stamp = datatypes.time(segment, "1.4", zone)
    assert stamp is not None
    assert stamp.utc == start
    assert datatypes.duration(segment.get("1.3")) == 20
    assert segment.get("1.6") == "S"

"""Writing ER7, and what a reader not written here makes of it."""

from __future__ import annotations

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import er7_writer
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import DELETE, Raw, build, copy, msh
from ris.domain.errors import InvalidValueError
from tests.integration.hl7.messages_read import ORDER, read, some_msh


def test_rows_are_written_by_field_number() -> None:
    identifiers = [("4711", None, None, ("HOSP", "1.2.3", "ISO"), "MR"), ("99",)]

    written = build([some_msh(), ("PID", 1, None, identifiers, None, ("Doe", "John", "", ""), "")])

    assert written == (
        b"MSH|^~\\&|RIS|RAD|EHR|GENERAL|20290310101500+0100||ORU^R01^ORU_R01|C1|P|2.5.1\r"
        b"PID|1||4711^^^HOSP&1.2.3&ISO^MR~99||Doe^John\r"
    )


def test_nothing_leaves_and_delete_deletes() -> None:
    row = ("PID", None, "", [DELETE], ("Doe", DELETE), '""', [None, ("", None)], 0)

    assert er7_writer.render(row) == 'PID|||""|Doe^""|\\X2222\\||0'


def test_the_declared_character_set_is_written_to_msh_18() -> None:
    from integration.hl7 import charset

    chosen = charset.find("ISO IR6~ISO IR87")
    header = msh(
        sending=("A", ""), receiving=("B", ""), at="2029", message_type=("ACK",), control_id="1",
        version="2.5.1", charset=chosen,
    )  # fmt: skip

    written = build([header, ("PID", None, None, None, None, ("山田", "太郎"))], charset=chosen)

    assert b"|ISO IR6~ISO IR87\r" in written
    assert Message.from_bytes(written).get("PID-5.1") == "山田"


def test_a_character_that_cannot_be_written_is_refused_with_its_place() -> None:
    rows = [some_msh(), ("PID", 1, None, None, None, ("Łukasz",))]

    with pytest.raises(InvalidValueError) as refused:
        build(rows, charset="8859/1")

    assert refused.value.path == "PID-5"
    assert refused.value.message == "U+0141 cannot be written in 8859/1"
    assert "Łukasz".encode() in build(rows, charset="UNICODE UTF-8")


@pytest.mark.parametrize("row", [("pid", 1), ("PI",), (1, 2)])
def test_a_row_must_be_named(row: er7_writer.SegmentRow) -> None:
    with pytest.raises(ValueError, match="not a segment name"):
        er7_writer.render(row)


def test_lists_below_a_field_are_a_fault_of_the_program() -> None:
    with pytest.raises(TypeError, match="nested too deep"):
        er7_writer.render(("PID", (["a"],)))


def test_a_kept_segment_is_written_as_it_came() -> None:
    (segment,) = read(ORDER).segments("ZDS")

    assert copy(segment) == Raw("ZDS|1.2.3.4^HIS^Application^DICOM")


def test_a_kept_segment_of_other_delimiters_is_written_with_the_usual_ones() -> None:
    message = read('MSH$%@!*$A\rZX1$a!F!|%b@c*d$""$$!Zq!\r')
    (segment,) = message.segments("ZX1")

    written = Message.from_bytes(build([some_msh(), copy(segment)]))

    assert [each.raw for each in written.segments("ZX1")] == ['ZX1|a$\\F\\^b~c&d|""||!Zq!']


# --- a second reader


def test_python_hl7_reads_the_same_values() -> None:
    oracle = hl7.parse(ORDER)
    message = read(ORDER)

    for number, segment in enumerate(message.segments()):
        for field in range(1, len(segment.fields)):
            assert segment.fields[field] == str(oracle[number][field])
    assert message.get("PID-3[2].4") == oracle.extract_field("PID", 1, 3, 2, 4)


_WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=8)


@given(st.lists(st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=3), max_size=6))
def test_python_hl7_reads_what_is_written(fields: list[list[tuple[str, str]]]) -> None:
    row: tuple[er7_writer.Value, ...] = ("ZZZ", "x", *(list(repeats) for repeats in fields), "end")

    written = build([some_msh(), row])

    oracle = hl7.parse(written.decode())
    message = Message.from_bytes(written)
    for number, repeats in enumerate(fields, start=2):
        for index, pair in enumerate(repeats, start=1):
            for component, text in enumerate(pair, start=1):
                got = message.get(f"ZZZ-{number}[{index}].{component}")
                assert (got or "") == text
                if text and '""' not in text:
                    assert oracle.extract_field("ZZZ", 1, number, index, component) == text

"""Messages as people read them."""

from __future__ import annotations

import json

import pytest

from ris.web.exchange.decoding import LIMIT, Item, decode

ORM = (
    b"MSH|^~\\&|EHR|HOSP|RIS|RAD|20260302080000||ORM^O01|MSG1|P|2.3.1\r"
    b"PID|||1^^^A~2^^^B||Berg^Anna\r"
    b"ZZZ|own\r"
)


def test_hl7_has_one_segment_a_line_and_names_its_fields() -> None:
    decoded = decode(ORM)

    assert decoded.text.split("\n")[1] == "PID|||1^^^A~2^^^B||Berg^Anna"
    assert [(part.title, part.name) for part in decoded.parts] == [
        ("MSH", "Message header"),
        ("PID", "Patient"),
        ("ZZZ", "Segment of the sender's own"),
    ]
    assert Item("PID-5", "Patient name", "Berg^Anna") in decoded.parts[1].items
    assert Item("PID-5.1", "Family last name", "Berg", 1) in decoded.parts[1].items


def test_repetitions_are_numbered_and_empty_fields_left_out() -> None:
    patient = decode(ORM).parts[1]

    whole = [item.path for item in patient.items if not item.depth]
    assert whole == ["PID-3", "PID-3[2]", "PID-5"]


def test_header_counts_its_separator_as_the_first_field() -> None:
    header = decode(ORM).parts[0]

    assert header.items[0] == Item("MSH-1", "Field separator", "|")
    assert header.items[1] == Item("MSH-2", "Encoding characters", "^~\\&")
    assert Item("MSH-10", "Message control id", "MSG1") in header.items


def test_frame_bytes_and_line_feeds_do_not_matter() -> None:
    framed = b"\x0b" + ORM.replace(b"\r", b"\r\n") + b"\x1c\r"

    assert [part.title for part in decode(framed).parts] == ["MSH", "PID", "ZZZ"]


def test_dicom_json_is_shown_by_tag_and_keyword() -> None:
    message = {
        "operation": "N-CREATE",
        "dataset": {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Berg^Anna", "Ideographic": "山"}]},
            "00400270": {
                "vr": "SQ",
                "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}],
            },
        },
    }

    decoded = decode(json.dumps(message).encode())

    assert decoded.parts[0].items == (Item("operation", "", "N-CREATE"),)
    assert decoded.parts[1].items == (
        Item("(0010,0010)", "PatientName", "Berg^Anna=山"),
        Item("(0040,0270)[1](0040,0009)", "ScheduledProcedureStepID", "S1"),
    )


def test_fhir_json_is_indented_and_flattened() -> None:
    decoded = decode(b'{"resourceType":"ServiceRequest","code":{"text":"CT"}}')

    assert decoded.parts[0].title == "ServiceRequest"
    assert Item("code.text", "", "CT") in decoded.parts[0].items
    assert decoded.text.startswith('{\n  "resourceType"')


def test_what_is_neither_is_shown_as_it_is() -> None:
    decoded = decode(b"\xff\xfegarbage")

    assert decoded.parts == ()
    assert decoded.text == "ÿþgarbage"


def test_deeply_nested_json_is_shown_raw() -> None:
    raw = b"[" * 100_000 + b"]" * 100_000

    assert decode(raw).parts == ()


def test_long_message_is_cut() -> None:
    decoded = decode(b"x" * (LIMIT + 1))

    assert decoded.cut
    assert len(decoded.text) == LIMIT


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_message_in_a_wide_character_set_is_text_like_any_other(codec: str) -> None:
    message = "MSH|^~\\&|HIS\rPID|1||4711||M\u00fcller\u4e1c^Anna\r"

    shown = decode(message.encode(codec), "hl7")

    assert shown.text == "MSH|^~\\&|HIS\nPID|1||4711||M\u00fcller\u4e1c^Anna"
    assert [part.title for part in shown.parts] == ["MSH", "PID"]

"""Reading ER7: paths, empty and deleted, delimiters, escapes, tolerance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import escapes
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import build
from integration.hl7.escapes import Delimiters
from ris.domain.errors import InvalidValueError, MissingValueError
from tests.integration.hl7.messages_read import ORDER, read, some_msh, with_pid

# --- paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-3", "HIS"),
        ("MSH-9.2", "O01"),
        ("MSH-10", "M1"),
        ("PID-3", "4711"),
        ("PID-3.1", "4711"),
        ("PID-3.4", "HOSP"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3[2].4", "NATIONAL"),
        ("PID-3[2].1", "998877"),
        ("PID-5.3", "Maria"),
        ("OBR[2]-4.2", "CT neck"),
        ("NTE[3]-3", "third"),
        ("ZDS-1.4", "DICOM"),
        ("PID-5.4", None),
        ("PID-5.1.2", None),
        ("PID-3[3]", None),
        ("PID-8[2]", None),
        ("PID-1", None),
        ("PID-40", None),
        ("NTE[4]-3", None),
        ("IN1-1", None),
    ],
)
def test_a_path_names_one_value(path: str, expected: str | None) -> None:
    assert read(ORDER).get(path) == expected


@pytest.mark.parametrize("path", ["PID", "PID-0", "PID.3", "pid-3", "PID-3[0]", "PID-3.1.1.1", ""])
def test_a_malformed_path_is_a_fault_of_the_program(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        read(ORDER).get(path)


def test_repeats_give_each_identifier_with_its_parts_and_place() -> None:
    first, second = read(ORDER).repeats("PID-3")

    assert [first.get(), first.get(4, 1), first.get(4, 3), first.get(5)] == [
        "4711",
        "HOSP",
        "ISO",
        "MR",
    ]
    assert (second.get(), second.get(4), second.get(4, 2)) == ("998877", "NATIONAL", None)
    assert (first.at("4.1"), second.at("4.1"), second.at()) == (
        "PID-3.4.1",
        "PID-3[2].4.1",
        "PID-3[2]",
    )


def test_repeats_skip_what_says_nothing_but_keep_the_numbers() -> None:
    repeats = with_pid("||~B~~D").repeats("PID-3")

    assert [(repeat.number, repeat.raw) for repeat in repeats] == [(2, "B"), (4, "D")]
    assert with_pid("||").repeats("PID-3") == []
    assert with_pid("||").repeats("PV1-3") == []


def test_a_required_value_that_is_absent_is_named_by_its_place_in_the_message() -> None:
    message = read(ORDER)
    second = list(message.groups("ORC"))[1]

    assert message.require("PID-3.1") == "4711"
    with pytest.raises(MissingValueError) as missing:
        second.require("OBR-18")
    assert missing.value.path == "OBR[2]-18"
    with pytest.raises(MissingValueError) as missing:
        message.require("IPC-1")
    assert missing.value.path == "IPC-1"


# --- empty and deleted


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        ("||||", "PID-5", None),
        ('||||""', "PID-5", ""),
        ('||||""', "PID-5.1", ""),
        ('||||""', "PID-5.2", ""),
        ('||||DOE^""', "PID-5.1", "DOE"),
        ('||||DOE^""', "PID-5.2", ""),
        ('||||DOE^""', "PID-5.2.2", ""),
        ('||||DOE^""', "PID-5.3", None),
        ("||||DOE^^X", "PID-5.2", None),
        ('||||DOE^A&""', "PID-5.2.2", ""),
        ('||||X~""', "PID-5[2].3", ""),
        ('||||""X', "PID-5", '""X'),
        ("||||\\X2222\\", "PID-5", '""'),
        ("||||\\H\\\\N\\", "PID-5", None),
    ],
)
def test_empty_leaves_and_two_quotes_delete(fields: str, path: str, expected: str | None) -> None:
    assert with_pid(fields).get(path) == expected


def test_a_deleted_repetition_is_told_apart_from_an_absent_one() -> None:
    (repeat,) = with_pid('||""').repeats("PID-3")

    assert repeat.null
    assert repeat.get(4) == ""
    assert repeat.text == ""


# --- text


def test_text_keeps_stray_delimiters_and_takes_repetitions_as_lines() -> None:
    message = read("MSH|^~\\&|A\rOBX|1|TX|||Liver & spleen ^ normal~second \\T\\ line~~fourth\r")

    assert message.text("OBX-5") == "Liver & spleen ^ normal\nsecond & line\n\nfourth"
    assert message.text("OBX-5[2]") == "second & line"
    assert message.text("OBX-5[1].2") == " normal"
    assert message.text("OBX-5[3]") is None
    assert message.text("OBX-6") is None
    assert message.text("NTE-3") is None


def test_text_that_is_deleted_is_empty() -> None:
    message = read('MSH|^~\\&|A\rNTE|1|L|""\r')

    assert message.text("NTE-3") == ""
    assert message.text("NTE-3[1]") == ""
    assert message.text("NTE-3.1") == ""


# --- groups


def test_groups_give_each_order_with_what_follows_it() -> None:
    first, second = read(ORDER).groups("ORC")

    assert [segment.name for segment in first.segments()] == ["ORC", "OBR", "NTE"]
    assert [segment.name for segment in second.segments()] == ["ORC", "OBR", "NTE", "NTE", "ZDS"]
    assert (first.get("ORC-2"), second.get("ORC-2")) == ("PL1", "PL2")
    assert (first.get("ZDS-1"), second.get("ZDS-1")) == (None, "1.2.3.4")
    assert [segment.get("3") for segment in second.segments("NTE")] == ["second", "third"]
    assert second.get("NTE[2]-3") == "third"
    assert second.segments("OBR")[0].at("4.1") == "OBR[2]-4.1"
    assert "ZDS" in second
    assert "ZDS" not in first
    assert len(second) == 5
    assert [segment.name for segment in second.segments("ZDS", "ORC")] == ["ORC", "ZDS"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("PID ORC OBR OBX OBR OBX", ["ORC OBR OBX", "OBR OBX"]),
        ("PID OBR OBX OBR OBX", ["OBR OBX", "OBR OBX"]),
        ("PID OBR OBX ORC OBR", ["OBR OBX", "ORC OBR"]),
        ("PID ORC ORC OBR", ["ORC", "ORC OBR"]),
        ("PID PV1", []),
    ],
)
def test_nested_starts_open_a_group_of_their_own_only_when_needed(
    names: str, expected: list[str]
) -> None:
    message = read("MSH|^~\\&|A\r" + "".join(f"{name}|1\r" for name in names.split()))

    groups = message.groups("ORC", "OBR")

    assert [" ".join(s.name for s in group.segments()) for group in groups] == expected


def test_an_order_can_be_taken_apart_again() -> None:
    message = read("MSH|^~\\&|A\rORC|1\rOBR|a\rOBX|1\rOBR|b\rOBX|2\r")

    (order,) = message.groups("ORC")

    assert [part.get("OBX-1") for part in order.groups("OBR")] == ["1", "2"]


# --- tolerance


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\r\n"])
def test_any_segment_end_is_read(end: str) -> None:
    message = read(ORDER.replace("\r", end))

    assert [segment.name for segment in message.segments()] == [
        "MSH", "PID", "PV1", "ORC", "OBR", "NTE", "ORC", "OBR", "NTE", "NTE", "ZDS",
    ]  # fmt: skip
    assert message.get("PID-8") == "F"
    assert message.raw == ORDER.replace("\r", end).encode("latin-1")


@pytest.mark.parametrize("front", [b"\xef\xbb\xbf", b"\r\n", b"  ", b"\xef\xbb\xbf\r\n"])
def test_a_mark_and_blanks_in_front_are_skipped(front: bytes) -> None:
    assert Message.from_bytes(front + ORDER.encode()).get("MSH-10") == "M1"


def test_a_message_without_a_last_segment_end_is_whole() -> None:
    assert read(ORDER.rstrip("\r")).get("ZDS-1.4") == "DICOM"


@pytest.mark.parametrize(
    ("mark", "component", "repetition", "subcomponent"),
    [("|^~\\&", "^", "~", "&"), ("$%@!*", "%", "@", "*"), ("|^~\\}", "^", "~", "}")],
)
def test_delimiters_are_those_of_the_message(
    mark: str, component: str, repetition: str, subcomponent: str
) -> None:
    field = mark[0]
    authority = f"H{subcomponent}1.2"
    identifiers = f"1{component * 3}{authority}{repetition}2"
    message = read(f"MSH{mark}{field}A{field}B\rPID{field * 3}{identifiers}\r")

    assert message.get("PID-3.4.2") == "1.2"
    assert message.get("PID-3[2]") == "2"


def test_three_encoding_characters_leave_the_ampersand_alone() -> None:
    message = read("MSH|^~\\|A|B\rPID|||Q&A^x\r")

    assert message.get("PID-3.1") == "Q&A"
    assert message.delimiters.subcomponent == ""


def test_a_fifth_encoding_character_is_the_truncation_mark() -> None:
    message = read("MSH|^~\\&#|A|B\rPID|||long\\P\\er#\r")

    assert message.delimiters.truncation == "#"
    assert message.get("PID-3") == "long#er#"


@pytest.mark.parametrize(
    ("start", "path"),
    [
        ("MSH|^~\\&amp;|A", "MSH-2"),
        ("MSH|^~|A", "MSH-2"),
        ("MSH|^^\\&|A", "MSH-2"),
        ("MSH|^~\\a|A", "MSH-2"),
        ("MSHA^~\\&A", "MSH-1"),
        ("MSH", "MSH-1"),
        ("PID|^~\\&|A", "MSH"),
        ("GET / HTTP/1.1", "MSH"),
        ("", "MSH"),
        ("   \r\n", "MSH"),
    ],
)
def test_a_message_that_does_not_start_as_one_is_refused(start: str, path: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        read(start)

    assert refused.value.path == path


def test_unknown_segments_and_fields_beyond_the_version_are_kept() -> None:
    message = read("MSH|^~\\&|A\rZZ9|x\rPID|||1" + "|" * 60 + "end\r")

    assert message.get("ZZ9-1") == "x"
    assert message.get("PID-63") == "end"


def test_a_line_break_inside_of_a_text_does_not_lose_what_follows() -> None:
    message = read("MSH|^~\\&|A\rOBX|1|TX|||first line\nsecond line\r\nthird||F\rOBX|2|TX|||x\r")

    assert message.text("OBX-5") == "first line\nsecond line\nthird"
    assert message.get("OBX-7") == "F"
    assert message.get("OBX[2]-5") == "x"
    assert message.notes == ["line break inside of OBX"]


def test_a_broken_up_base64_document_stays_in_its_field() -> None:
    lines = ["JVBERi0xLjQK"] * 2_000
    message = read("MSH|^~\\&|A\rOBX|1|ED|||APP^^PDF^Base64^" + "\r\n".join(lines) + "||||F\r")

    assert message.get("OBX-5.5") == "\n".join(lines)
    assert message.get("OBX-9") == "F"


# --- escapes


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("\\F\\ \\S\\ \\T\\ \\R\\ \\E\\", "| ^ & ~ \\"),
        ("one\\.br\\two", "one\ntwo"),
        ("one\\.sp2\\two\\.sp 3\\x\\.sp\\y", "one\n\ntwo\n\n\nx\ny"),
        ("\\.in+4\\a\\.ti-2\\b\\.sk 3\\c\\.ce\\d\\.fi\\\\.nf\\", "ab   c\nd"),
        ("\\H\\bold\\N\\ plain", "bold plain"),
        ("\\X41C3A9\\", "Aé"),
        ("\\X0D\\", "\r"),
        ("\\X4\\", "\\X4\\"),
        ("\\XFF\\", "\\XFF\\"),
        ("\\X00\\", "\\X00\\"),
        ("\\Zlocal\\ and \\C2842\\ and \\M242842\\", "\\Zlocal\\ and \\C2842\\ and \\M242842\\"),
        ("C:\\temp\\new", "C:\\temp\\new"),
        ("C:\\temp\\.br\\x", "C:\\temp\nx"),
        ("unclosed \\T", "unclosed \\T"),
        ("a\\\\b", "a\\\\b"),
        ("\\E\\F\\E\\", "\\F\\"),
        ("\\.xx\\", "\\.xx\\"),
        ("\\", "\\"),
    ],
)
def test_escape_sequences_are_read_once_and_unknown_ones_kept(wire: str, text: str) -> None:
    message = Message.from_bytes(
        f"MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\rNTE|1||{wire}\r".encode()
    )

    assert message.text("NTE-3") == text


def test_hexadecimal_bytes_are_in_the_character_set_of_the_message() -> None:
    message = read("MSH|^~\\&|A|||||||||||||||8859/5\rNTE|1||\\XBFE0\\\r")

    assert message.get("NTE-3") == "Пр"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_whatever_text_is_written_is_read_again(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")

    wire = escapes.escape(text)
    row = ("NTE", 1, None, [(text, ("x", text)), text])
    message = Message.from_bytes(build([some_msh(), row]), default_charset="UNICODE UTF-8")

    assert not set(wire) & set("|^&~\r\n\x0b\x1c")
    assert escapes.unescape(wire) == lines
    assert message.get("NTE-3") == (lines or None)
    assert message.get("NTE-3.2.2") == (lines or None)
    assert message.get("NTE-3[2]") == (lines or None)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_other_delimiters_are_escaped_as_well(text: str) -> None:
    delimiters = Delimiters("$", "%", "@", "!", "*", "#")

    wire = escapes.escape(text, delimiters)

    assert not set(wire) & set("$%@*#\r\n")
    assert escapes.unescape(wire, delimiters) == text.replace("\r\n", "\n").replace("\r", "\n")

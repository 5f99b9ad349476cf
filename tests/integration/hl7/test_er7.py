"""Reading and writing ER7: paths, empty and deleted, delimiters, escapes, tolerance, limits."""

from __future__ import annotations

import time
from contextlib import suppress

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import er7, er7_writer, escapes
from integration.hl7.er7 import Delimiters, Header, Message
from integration.hl7.er7_writer import DELETE, Raw, build, copy, msh
from ris.domain.errors import InvalidValueError, MissingValueError, RisError

ORDER = (
    "MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310101500||ORM^O01|M1|P|2.3.1||||||8859/1\r"
    "PID|||4711^^^HOSP&1.2.3&ISO^MR~998877^^^NATIONAL^NI||Miller^Anna^Maria||19700503|F\r"
    "PV1||O|RAD^WAIT\r"
    "ORC|NW|PL1^HIS\r"
    "OBR|1|PL1^HIS||CTHEAD^CT head^L\r"
    "NTE|1|L|first\r"
    "ORC|NW|PL2^HIS\r"
    "OBR|2|PL2^HIS||CTNECK^CT neck^L\r"
    "NTE|1|L|second\r"
    "NTE|2|L|third\r"
    "ZDS|1.2.3.4^HIS^Application^DICOM\r"
)


def read(text: str, **options: str) -> Message:
    return Message.from_bytes(text.encode("latin-1"), **options)


def with_pid(fields: str) -> Message:
    return read(f"MSH|^~\\&|A|B|C|D|2029||ADT^A08|1|P|2.5.1\rPID|{fields}\r")


# --- paths --------------------------------------------------------------------------------------


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


# --- empty and deleted --------------------------------------------------------------------------


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


# --- text ---------------------------------------------------------------------------------------


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


# --- groups -------------------------------------------------------------------------------------


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


# --- tolerance ----------------------------------------------------------------------------------


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


# --- limits -------------------------------------------------------------------------------------


def test_segments_are_limited() -> None:
    head = "MSH|^~\\&|A\r"

    assert len(read(head + "OBX|1\r" * (er7.MAX_SEGMENTS - 1))) == er7.MAX_SEGMENTS
    with pytest.raises(InvalidValueError, match="more than 5000 segments"):
        read(head + "OBX|1\r" * er7.MAX_SEGMENTS)
    with pytest.raises(InvalidValueError, match="more than 250000 lines"):
        read(head + "x\r" * 1_000_000)


def test_repetitions_are_limited() -> None:
    assert len(with_pid("||" + "~".join("7" * er7.MAX_REPETITIONS)).repeats("PID-3")) == 2_000
    too_many = with_pid("||" + "~".join("7" * (er7.MAX_REPETITIONS + 1)))
    with pytest.raises(InvalidValueError) as refused:
        too_many.repeats("PID-3")
    assert refused.value.path == "PID-3"
    with pytest.raises(InvalidValueError):
        too_many.get("PID-3")


def test_fields_are_limited() -> None:
    with pytest.raises(InvalidValueError, match="more than 1000 fields"):
        with_pid("|" * 3_000_000).get("PID-3")


def test_a_header_of_too_many_fields_is_refused_and_still_answered() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|2029||ADT^A08|77|P|2.5" + b"|" * 100_000

    with pytest.raises(InvalidValueError, match="more than 1000 fields"):
        Message.from_bytes(raw)
    header = Header.read(raw)
    assert header is not None
    assert header.control_id == "77"


def test_size_is_limited() -> None:
    with pytest.raises(InvalidValueError, match="longer than 16777216 bytes"):
        Message.from_bytes(b"MSH|^~\\&|A\rOBX|" + b"x" * er7.MAX_BYTES)


_HEAD = b"MSH|^~\\&|A|B|C|D|2029||ADT^A08|1|P|2.5||||||"
_MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "raw",
    [
        _HEAD + b"|" * _MEGABYTE,
        _HEAD + b"\r" * _MEGABYTE,
        _HEAD + b"\r" + b"x\n" * (_MEGABYTE // 2),
        _HEAD + b"\r" + b"A|\r" * (_MEGABYTE // 3),
        _HEAD + b"\rPID|||" + b"~" * _MEGABYTE,
        _HEAD + b"\rPID|||" + b"^" * _MEGABYTE,
        _HEAD + b"\rPID|||" + b"\\" * _MEGABYTE,
        _HEAD + b"\rPID|||\\X" + b"41" * (_MEGABYTE // 2) + b"\\",
        _HEAD + b"ISO IR6~ISO IR87\rPID|||" + b"\x1b$B;3\x1b(B" * (_MEGABYTE // 8),
        _HEAD + b"~".join([b"8859/1"] * 100_000),
        _HEAD.replace(b"|A|", b"|\x81|") + b"|" * 1_000 + b"\xff" * _MEGABYTE,
        _HEAD + b"CNS 11643-1992\rPID|||" + b"\xc4\xa1" * (_MEGABYTE // 2),
    ],
)
def test_hostile_messages_cost_little_time(raw: bytes) -> None:
    started = time.process_time()

    with suppress(RisError):
        message = Message.from_bytes(raw)
        message.get("PID-3.4.2")
        message.text("PID-3")
    Header.read(raw)

    assert time.process_time() - started < 5  # a fraction of a second even on a slow machine


# --- escapes ------------------------------------------------------------------------------------


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
    message = Message.from_bytes(build([_msh(), row]), default_charset="UNICODE UTF-8")

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


# --- whatever comes in --------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [b"MSH", b"|", b"^~\\&", b"|^~\\&|", b"\r", b"\n", b"PID|", b"\x1b$B", b"\x1b(B", b"\x00", b"~",
     b"\\X", b"\\", b'""', b"ISO IR87", b"UNICODE UTF-8", b"8859/1", b"\xff\xfe", b"\xef\xbb\xbf",
     b"\x8e\xa2", b"|" * 16, b"^" * 5, b"\x0b", b"\x1c"]
)  # fmt: skip


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.one_of(_PIECES, st.binary(max_size=4)), max_size=40).map(b"".join),
        st.lists(st.one_of(_PIECES, st.binary(max_size=4)), max_size=40).map(
            lambda pieces: b"MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5||||||" + b"".join(pieces)
        ),
    ),
    st.sampled_from(["ASCII", "UNICODE UTF-8", "ISO IR6~ISO IR87", "GB 18030-2000", "BIG-5"]),
)
def test_no_bytes_raise_anything_but_an_expected_error(raw: bytes, default: str) -> None:
    Header.read(raw, default)
    try:
        message = Message.from_bytes(raw, default_charset=default)
        for segment in message.segments():
            for number in range(1, min(len(segment.fields), 30)):
                segment.get(f"{number}[2].3.1")
                segment.text(str(number))
                for repeat in segment.repeats(str(number)):
                    repeat.get(1, 2)
        list(message.groups("ORC", "OBR"))
    except RisError as error:
        assert error.message  # noqa: PT017 - both ways out are fine


# --- faults of the character set ----------------------------------------------------------------


def test_undecodable_bytes_are_refused_with_their_place() -> None:
    raw = ORDER.replace("Maria", "M\xfcller").replace("8859/1", "UNICODE UTF-8").encode("latin-1")

    with pytest.raises(InvalidValueError) as refused:
        Message.from_bytes(raw)

    offset = raw.index(b"\xfc")
    assert refused.value.details == {"offset": offset, "charset": "UNICODE UTF-8"}
    assert refused.value.path == "PID-5"
    assert refused.value.message == f"byte {offset} (0xFC) is not UNICODE UTF-8"


def test_the_place_of_a_fault_counts_segments_of_the_same_name() -> None:
    raw = ORDER.replace("third", "th\xefrd").replace("8859/1", "ASCII").encode("latin-1")

    with pytest.raises(InvalidValueError) as refused:
        Message.from_bytes(raw)

    assert refused.value.path == "NTE[3]-3"


def test_an_unknown_character_set_is_a_fault_of_msh_18() -> None:
    with pytest.raises(InvalidValueError) as refused:
        read(ORDER.replace("8859/1", "KLINGON"))

    assert (refused.value.path, refused.value.details) == ("MSH-18", {"table": "0211"})


def test_a_nul_character_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidValueError) as refused:
        read(ORDER.replace("Anna", "An\x00na"))

    assert refused.value.path == "PID-5"


# --- the header alone ---------------------------------------------------------------------------


def test_the_header_is_read_even_if_the_rest_is_broken() -> None:
    header = Header.read(ORDER.encode().replace(b"Anna", b"\xff\xfe").replace(b"8859/1", b"ASCII"))

    assert header is not None
    assert (header.sending_application, header.sending_facility) == ("HIS", "GENERAL")
    assert (header.receiving_application, header.receiving_facility) == ("RIS", "RAD")
    assert (header.code, header.trigger, header.structure) == ("ORM", "O01", "")
    assert (header.control_id, header.processing_id, header.version) == ("M1", "P", "2.3.1")


def test_a_header_that_does_not_fit_its_character_set_is_taken_byte_by_byte() -> None:
    header = Header.read(b"MSH|^~\\&|S\xfcd|B|C|D|2029||ADT^A08|7\xe9|P|2.5||||||UNICODE UTF-8\r")

    assert header is not None
    assert header.charset is None
    assert header.control_id.encode("latin-1") == b"7\xe9"


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"MSH", b"MSH|^~", b"MSHA^~\\&A", b"\xff\xff\xff"])
def test_no_header_is_read_from_what_is_none(raw: bytes) -> None:
    assert Header.read(raw) is None


def test_a_header_with_unusable_encoding_characters_is_read_with_the_usual_ones() -> None:
    header = Header.read(b"MSH|^~\\&amp;|HIS|GENERAL|RIS|RAD|2029||ADT^A08|77|P|2.5.1\r")

    assert header is not None
    assert (header.trigger, header.control_id) == ("A08", "77")


# --- writing ------------------------------------------------------------------------------------


def _msh() -> tuple[er7_writer.Value, ...]:
    return msh(
        sending=("RIS", "RAD"),
        receiving=("EHR", "GENERAL"),
        at="20290310101500+0100",
        message_type=("ORU", "R01", "ORU_R01"),
        control_id="C1",
        version="2.5.1",
    )


def test_rows_are_written_by_field_number() -> None:
    identifiers = [("4711", None, None, ("HOSP", "1.2.3", "ISO"), "MR"), ("99",)]

    written = build([_msh(), ("PID", 1, None, identifiers, None, ("Doe", "John", "", ""), "")])

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
    rows = [_msh(), ("PID", 1, None, None, None, ("Łukasz",))]

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

    written = Message.from_bytes(build([_msh(), copy(segment)]))

    assert written.first("ZX1") is not None
    assert written.first("ZX1").raw == 'ZX1|a$\\F\\^b~c&d|""||!Zq!'  # type: ignore[union-attr]


# --- a second reader ----------------------------------------------------------------------------


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

    written = build([_msh(), row])

    oracle = hl7.parse(written.decode())
    message = Message.from_bytes(written)
    for number, repeats in enumerate(fields, start=2):
        for index, pair in enumerate(repeats, start=1):
            for component, text in enumerate(pair, start=1):
                got = message.get(f"ZZZ-{number}[{index}].{component}")
                assert (got or "") == text
                if text and '""' not in text:
                    assert oracle.extract_field("ZZZ", 1, number, index, component) == text

"""What no reader of ER7 may trip over: limits, any bytes, faulty characters, broken headers."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import er7
from integration.hl7.er7 import Header, Message
from integration.hl7.er7_segment import MAX_REPETITIONS
from ris.domain.errors import InvalidValueError, RisError
from tests.integration.hl7.messages_read import ORDER, read, with_pid

# --- limits


def test_segments_are_limited() -> None:
    head = "MSH|^~\\&|A\r"

    assert len(read(head + "OBX|1\r" * (er7.MAX_SEGMENTS - 1))) == er7.MAX_SEGMENTS
    with pytest.raises(InvalidValueError, match="more than 5000 segments"):
        read(head + "OBX|1\r" * er7.MAX_SEGMENTS)
    with pytest.raises(InvalidValueError, match="more than 250000 lines"):
        read(head + "x\r" * 1_000_000)


def test_repetitions_are_limited() -> None:
    assert len(with_pid("||" + "~".join("7" * MAX_REPETITIONS)).repeats("PID-3")) == 2_000
    too_many = with_pid("||" + "~".join("7" * (MAX_REPETITIONS + 1)))
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


# --- whatever comes in

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
    with suppress(RisError):
        message = Message.from_bytes(raw, default_charset=default)
        for segment in message.segments():
            for number in range(1, min(len(segment.fields), 30)):
                segment.get(f"{number}[2].3.1")
                segment.text(str(number))
                for repeat in segment.repeats(str(number)):
                    repeat.get(1, 2)
        list(message.groups("ORC", "OBR"))


# --- faults of the character set


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


# --- the header alone


def test_the_header_is_read_even_if_the_rest_is_broken() -> None:
    header = Header.read(ORDER.encode().replace(b"Anna", b"\xff\xfe").replace(b"8859/1", b"ASCII"))

    assert header is not None
    assert (header.sending_application, header.sending_facility) == ("HIS", "GENERAL")
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


@pytest.mark.parametrize("end", ["\x00", "\x00\x00\x00", "\x00\r\n", "\r\n\x00  \r\n"])
def test_what_a_buffer_is_filled_up_with_is_no_part_of_the_message(end: str) -> None:
    message = read(f"{ORDER.rstrip()}{end}")

    assert message.names == read(ORDER).names
    assert message.segment(len(message.names) - 1).raw == ORDER.rstrip().rpartition("\r")[2]

"""MLLP frames from bytes in any chunking, and what is tolerated around them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import mllp
from integration.hl7.mllp import COMMIT, NAK, Decoder, FrameTooLongError, NoFrameError
from ris.domain.errors import ErrorCode, InvalidValueError

ONE = b"MSH|^~\\&|A\rPID|1\r"
TWO = b"MSH|^~\\&|B\r"


def frame(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\x0d"


def feed_again_and_again(decoder: Decoder, data: bytes) -> None:
    for _ in range(70):
        decoder.feed(data)


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (frame(ONE), [ONE]),
        (frame(ONE) + frame(TWO), [ONE, TWO]),
        (b"hello" + frame(ONE), [ONE]),
        (frame(ONE) + b"\x0a" + frame(TWO), [ONE, TWO]),
        (b"\x0b" + ONE + b"\x1c\x0b" + TWO + b"\x1c\x0d", [ONE, TWO]),
        (b"\x0b" + ONE + b"\x1c\x0a" + frame(TWO), [ONE, TWO]),
        (b"\x0b\x1c\x0d" + frame(ONE), [ONE]),
        (frame(ONE) + b"\r\n\r\n", [ONE]),
        (ONE + b"\x1c\x0d", [ONE]),
        (ONE + b"\x1c\x0d" + frame(TWO), [ONE, TWO]),
        (b"\r\n" + ONE + b"\x1c\x0d", [ONE]),
        (b"MSX" + frame(ONE), [ONE]),
        (b"\x0bMSH|cut off\x0b" + ONE + b"\x1c\x0d", [ONE]),
        (frame(b"MSH|a\x0bbreak of a word processor"), [b"MSH|a\x0bbreak of a word processor"]),
        (b"MSH|no start\x0b" + ONE + b"\x1c\x0d", [ONE]),
        (b"MSH|no start" + frame(COMMIT), [COMMIT]),
        (b"hello" + ONE + b"\x1c\x0d" + frame(TWO), [TWO]),
        (b"MSH" + frame(ONE), [ONE]),
        (frame(b"MSH|a\x1cb"), [b"MSH|a\x1cb"]),
        (frame(b"MSH|\x1c\x1c"), [b"MSH|\x1c\x1c"]),
        (frame(COMMIT) + frame(ONE), [COMMIT, ONE]),
        (frame(NAK), [NAK]),
        (b"\x0b" + ONE, []),
        (b"", []),
    ],
)  # fmt: skip
def test_frames_are_found_in_whatever_chunks_they_come(data: bytes, frames: list[bytes]) -> None:
    assert Decoder().feed(data) == frames

    byte_by_byte = Decoder()
    assert [f for at in range(len(data)) for f in byte_by_byte.feed(data[at : at + 1])] == frames


@given(
    st.lists(
        st.one_of(
            st.sampled_from([ONE, TWO, COMMIT, b"MSH", b"MSH|a\x0bb", b"MSH|a\x1cb"]),
            st.binary(min_size=1, max_size=40).filter(lambda content: b"\x1c" not in content),
        ),
        max_size=6,
    ),
    st.sampled_from([b"", b"\n", b"\r\n", b"noise", b"MS", b"MSH|", b"MSX", b"\r\nMSH|"]),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_any_chunking_gives_the_same_frames(
    contents: list[bytes], between: bytes, cuts: list[int]
) -> None:
    data = b"".join(frame(content) + between for content in contents)
    whole = Decoder()
    expected = whole.feed(data)

    chunked = Decoder()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(edges)]
    got = [content for chunk in chunks for content in chunked.feed(chunk)]

    assert got == expected
    assert (chunked.noise, chunked.cut, chunked.begun) == (whole.noise, whole.cut, whole.begun)
    if all(b"\x0bMSH" not in content for content in contents) and between.strip() == b"":
        assert got == contents


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_no_bytes_raise_anything_but_the_two_errors(chunks: list[bytes]) -> None:
    decoder = Decoder(limit=64)
    for chunk in chunks:
        try:
            for content in decoder.feed(chunk):
                assert 0 < len(content) <= 64
        except (FrameTooLongError, NoFrameError):
            return
        decoder.flush()


@given(st.binary(max_size=60).filter(lambda c: not {0x0B, 0x1C} & set(c) and c != b""))
def test_what_is_encoded_is_decoded(content: bytes) -> None:
    assert Decoder().feed(mllp.encode(content)) == [content]


@pytest.mark.parametrize("content", [b"MSH|\x0b", b"MSH|\x1c", b"\x1c\x0d"])
def test_a_message_that_would_end_its_frame_early_is_not_sent(content: bytes) -> None:
    with pytest.raises(InvalidValueError, match="framing character"):
        mllp.encode(content)


# --- what is left over --------------------------------------------------------------------------


def test_bytes_outside_of_frames_are_counted_but_line_ends_are_not() -> None:
    decoder = Decoder()

    decoder.feed(b"abc" + frame(ONE) + b"\r\n" + frame(TWO) + b"xy")

    assert decoder.noise == 5


def test_a_frame_cut_off_by_another_is_counted_and_never_handed_out() -> None:
    decoder = Decoder()

    frames = decoder.feed(b"\x0bMSH|first\x0bMSH|second\x1c\x0d")

    assert frames == [b"MSH|second"]
    assert (decoder.cut, decoder.noise) == (1, len(b"MSH|first"))


def test_a_frame_has_begun_until_it_ends() -> None:
    decoder = Decoder()
    assert not decoder.begun

    decoder.feed(b"\x0bMSH|")
    assert decoder.begun

    decoder.feed(b"A\x1c\x0d")
    assert not decoder.begun


def test_a_frame_without_its_last_byte_is_handed_out_when_nothing_more_comes() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + ONE + b"\x1c") == []

    assert decoder.flush() == ONE
    assert decoder.flush() is None
    assert decoder.feed(b"\x0d" + frame(TWO)) == [TWO]


def test_half_a_frame_is_never_handed_out() -> None:
    decoder = Decoder()
    decoder.feed(b"\x0b" + ONE)

    assert decoder.flush() is None


# --- limits -------------------------------------------------------------------------------------


def test_a_frame_may_be_as_long_as_the_limit() -> None:
    content = b"MSH|" + b"x" * 96

    assert Decoder(limit=100).feed(frame(content)) == [content]
    with pytest.raises(FrameTooLongError) as refused:
        Decoder(limit=99).feed(frame(content))
    assert refused.value.code is ErrorCode.UNSUPPORTED
    assert refused.value.head == frame(content)[1:]


def test_an_endless_frame_is_refused_before_it_fills_the_memory() -> None:
    decoder = Decoder(limit=4 * 1024 * 1024)
    decoder.feed(b"\x0bMSH|")

    with pytest.raises(FrameTooLongError) as refused:
        feed_again_and_again(decoder, b"x" * 65_536)
    assert len(refused.value.head) == 4_096


def test_frames_before_an_over_long_one_are_handed_out_first() -> None:
    decoder = Decoder(limit=50)

    assert decoder.feed(frame(ONE) + b"\x0bMSH|" + b"x" * 60) == [ONE]
    with pytest.raises(FrameTooLongError):
        decoder.feed(b"")


def test_endless_noise_is_refused() -> None:
    decoder = Decoder()

    with pytest.raises(NoFrameError):
        feed_again_and_again(decoder, b"GET / HTTP/1.1\r\n" * 300)

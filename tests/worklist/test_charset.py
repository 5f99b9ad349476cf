"""Character sets: strict both ways, the first that holds everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worklist.charset import (
    ASCII,
    UnknownCharacterSetError,
    candidates,
    character_set,
    choose,
)

# The examples of PS3.5 Annexes H, I, J and K, to the byte.
VECTORS = {
    "H.3.1": (
        ("", "ISO 2022 IR 87"),
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    "I.2": (
        ("", "ISO 2022 IR 149"),
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    "K.2": (
        ("", "ISO 2022 IR 58"),
        "Zhang^XiaoDong=张^小东",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
    ),
    "J.1": (
        ("ISO_IR 192",),
        "Wang^XiaoDong=王^小東",
        b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1",
    ),
    "J.2": (
        ("GB18030",),
        "Wang^XiaoDong=王^小东",
        b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_names_of_the_standards_examples_are_coded_to_the_byte(name: str) -> None:
    terms, text, value = VECTORS[name]

    assert character_set(terms).encode_name(text) == value
    assert character_set(terms).decode_name(value) == text


def test_half_width_katakana_need_no_escape_in_iso_ir_13() -> None:
    # PS3.5 H.3.2, the part in ISO IR 13 and 14
    assert character_set(("ISO_IR 13",)).encode_name("ﾔﾏﾀﾞ^ﾀﾛｳ") == b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"


def test_a_yen_sign_never_becomes_a_separator() -> None:
    with pytest.raises(UnicodeEncodeError):
        character_set(("ISO_IR 13",)).encode("5¥")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (("ISO_IR 100",), "Łukasz"),
        (("ISO_IR 6",), "Müller"),
        (("", "ISO 2022 IR 87"), "Müller"),
        (("", "ISO 2022 IR 159"), "Müller"),
        (("", "ISO 2022 IR 87"), "ไทย"),
        (("ISO 2022 IR 100", "ISO 2022 IR 126"), "Ж"),
        (("", "ISO 2022 IR 58"), "ไ"),
    ],
)
def test_what_a_set_cannot_hold_is_refused(terms: tuple[str, ...], text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        character_set(terms).encode_name(text)


def test_two_single_byte_sets_share_one_value() -> None:
    both = character_set(("ISO 2022 IR 100", "ISO 2022 IR 144"))

    assert both.encode("Müller Иван") == b"\x1b-AM\xfcller \x1b-L\xb8\xd2\xd0\xdd"
    assert both.decode(b"M\xfcller \x1b-L\xb8\xd2\xd0\xdd") == "Müller Иван"


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        (("ISO_IR 192",), b"\xff\xfe"),
        (("ISO_IR 6",), b"M\xfcller"),
        (("", "ISO 2022 IR 87"), b"\x1b$)C\xfb\xf3"),
        (("", "ISO 2022 IR 87"), b"\x1b$B\xff\xff\x1b(B"),
        (("", "ISO 2022 IR 87"), b"broken \x1b"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(terms: tuple[str, ...], value: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        character_set(terms).decode(value)


def test_roman_of_jis_is_read_as_ascii() -> None:
    japanese = character_set(("", "ISO 2022 IR 87"))

    assert japanese.decode_name(b"\x1b$B;3ED\x1b(J^A") == "山田^A"


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [("ISO-IR 100", "ISO_IR 100"), ("iso ir 192", "ISO_IR 192"), ("UTF-8", "ISO_IR 192")],
)
def test_common_misspellings_are_understood(spelled: str, meant: str) -> None:
    assert character_set((spelled,)) == character_set((meant,))


def test_unknown_terms_are_an_error() -> None:
    with pytest.raises(UnknownCharacterSetError):
        character_set(("KLINGON",))


def _chosen(text: str, query: tuple[str, ...], device: tuple[str, ...]) -> tuple[str, ...]:
    return choose([text], candidates(query, device)).terms


@pytest.mark.parametrize(
    ("text", "query", "device", "terms"),
    [
        ("Baker", ("ISO_IR 100",), ("ISO_IR 101",), ()),
        ("Müller", ("ISO_IR 100",), ("ISO_IR 192",), ("ISO_IR 100",)),
        ("Łukasz", ("ISO_IR 100",), ("ISO_IR 101",), ("ISO_IR 101",)),
        ("Łukasz", ("ISO_IR 100",), ("ISO_IR 100",), ("ISO_IR 192",)),
        ("Παπάς", ("ISO_IR 126",), (), ("ISO_IR 126",)),
        ("Иванов", (), ("ISO_IR 144",), ("ISO_IR 144",)),
        ("山田", ("", "ISO 2022 IR 87"), (), ("", "ISO 2022 IR 87")),
        ("홍", ("", "ISO 2022 IR 149"), (), ("", "ISO 2022 IR 149")),
        ("王", ("GB18030",), (), ("GB18030",)),
        ("王", (), ("", "ISO 2022 IR 149"), ("", "ISO 2022 IR 149")),
        ("李Müller", (), ("", "ISO 2022 IR 87"), ("ISO_IR 192",)),
        ("Müller", ("NONSENSE",), (), ("ISO_IR 192",)),
    ],
)
def test_the_answer_uses_the_querys_set_else_the_devices_else_utf8(
    text: str, query: tuple[str, ...], device: tuple[str, ...], terms: tuple[str, ...]
) -> None:
    assert _chosen(text, query, device) == terms


def test_a_device_may_insist_on_its_own_set() -> None:
    among = candidates(("ISO_IR 192",), ("ISO_IR 100",), device_first=True)

    assert choose(["Müller"], among).terms == ("ISO_IR 100",)


_TERMS = st.sampled_from(
    [
        ("ISO_IR 100",), ("ISO_IR 101",), ("ISO_IR 126",), ("ISO_IR 144",), ("ISO_IR 13",),
        ("ISO_IR 192",), ("GB18030",), ("GBK",), ("", "ISO 2022 IR 87"), ("", "ISO 2022 IR 149"),
        ("ISO 2022 IR 13", "ISO 2022 IR 87"), ("", "ISO 2022 IR 87", "ISO 2022 IR 159"),
        ("ISO 2022 IR 100", "ISO 2022 IR 126"), ("ISO 2022 IR 6", "ISO 2022 IR 58"),
    ]
)  # fmt: skip
_LETTERS = st.text(
    st.sampled_from("AZaz -^= 09äßłŁéżşğÇΑβЖяאبไ山田太郎やﾔﾏ홍길동王小东洪~¥"), max_size=12
)


@given(_TERMS, _LETTERS)
def test_every_set_reads_back_what_it_wrote_or_refuses_to_write(
    terms: tuple[str, ...], text: str
) -> None:
    chosen = character_set(terms)

    try:
        value = chosen.encode_name(text)
    except UnicodeEncodeError:
        return

    assert chosen.decode_name(value) == text


@given(_TERMS, _TERMS, st.text(max_size=20))
def test_a_set_is_always_found_and_plain_text_names_none(
    query: tuple[str, ...], device: tuple[str, ...], text: str
) -> None:
    text = text.encode("utf-8", "ignore").decode()

    chosen = choose([text], candidates(query, device))

    assert chosen.encode_name(text) is not None
    assert (chosen == ASCII) == text.isascii()

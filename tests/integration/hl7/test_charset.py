"""Character sets of MSH-18: names, reading, writing, and their DICOM counterparts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7 import charset, cns11643
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import build, msh
from ris.domain.errors import InvalidValueError

# What MSH-18 may say, a name in that writing, and the bytes that others make of it.
NAMES = [
    ("ASCII", "Miller", b"Miller"),
    ("8859/1", "Müller", b"M\xfcller"),
    ("8859/2", "Łukasz", b"\xa3ukasz"),
    ("8859/3", "Ħaż", b"\xa1a\xbf"),
    ("8859/4", "Šķēle", b"\xa9\xf3\xbale"),
    ("8859/5", "Иванов", b"\xb8\xd2\xd0\xdd\xde\xd2"),
    ("8859/6", "قباني", b"\xe2\xc8\xc7\xe6\xea"),
    ("8859/7", "Διονυσιος", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2"),
    ("8859/8", "שרון", b"\xf9\xf8\xe5\xef"),
    ("8859/9", "Çavuşoğlu", b"\xc7avu\xfeo\xf0lu"),
    ("8859/15", "Œuvre €", b"\xbcuvre \xa4"),
    ("ISO IR14", "ﾔﾏﾀﾞ", b"\xd4\xcf\xc0\xde"),
    ("ISO IR6~ISO IR87", "山田", b"\x1b$B;3ED\x1b(B"),
    ("ISO IR14~ISO IR87", "ﾔﾏﾀﾞ^山田", b"\xd4\xcf\xc0\xde^\x1b$B;3ED\x1b(J"),
    ("ISO IR6~ISO IR87~ISO IR159", "山丂", b"\x1b$B;3\x1b$(D0!\x1b(B"),
    ("KS X 1001", "김희중", b"\xb1\xe8\xc8\xf1\xc1\xdf"),
    ("ISO IR6~KS X 1001", "Kim^김", b"Kim^\x1b$)C\xb1\xe8"),
    ("GB 18030-2000", "王小东", b"\xcd\xf5\xd0\xa1\xb6\xab"),
    ("BIG-5", "許功蓋", b"\xb3\\\xa5\\\xbb\\"),
    ("CNS 11643-1992", "王小明", b"\xc5\xde\xc4\xd1\xcd\xfc"),
    ("UNICODE UTF-8", "Ḍabīr 山", "Ḍabīr 山".encode()),
    ("UNICODE", "Ḍabīr", "Ḍabīr".encode()),
    ("UNICODE UTF-16", "山", b"\x5c\x71"),
    ("UNICODE UTF-32", "山", b"\x00\x00\x5c\x71"),
    ("CP1252", "Zo\u201eë", b"Zo\x84\xeb"),
    ("CP1250", "Dvořák", b"Dvo\xf8\xe1k"),
    ("CP1251", "Иванов", b"\xc8\xe2\xe0\xed\xee\xe2"),
    ("SHIFT_JIS", "表", b"\x95\\"),
    ("EUC-JP", "山田", b"\xbb\xb3\xc5\xc4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "data"), NAMES)
def test_a_name_is_written_in_its_set(name: str, text: str, data: bytes) -> None:
    assert charset.find(name).encode(text) == data


@pytest.mark.parametrize(("name", "text", "data"), NAMES)
def test_a_name_is_read_in_its_set(name: str, text: str, data: bytes) -> None:
    assert charset.find(name).decode(data) == text


@pytest.mark.parametrize(
    "name", [name for name, _, _ in NAMES if "UTF-16" not in name and "UTF-32" not in name]
)
def test_a_message_in_any_set_is_read_as_it_was_written(name: str) -> None:
    chosen = charset.find(name)
    family = next(text for each, text, _ in NAMES if each == name)
    header = msh(
        sending=("A", family), receiving=("B", ""), at="2029", message_type=("ADT", "A08"),
        control_id="1", version="2.5.1", charset=chosen,
    )  # fmt: skip

    raw = build([header, ("PID", None, None, None, None, (family, "x"))], charset=chosen)

    message = Message.from_bytes(raw, default_charset=name)
    assert (message.get("MSH-4"), message.get("PID-5"), message.get("PID-5.2")) == (
        family,
        family,
        "x",
    )


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_encodings_are_found_without_being_told(codec: str) -> None:
    text = "MSH|^~\\&|A|||||||||||||||UNICODE UTF-16\rPID|||||山田\r"

    assert Message.from_bytes(text.encode(codec)).get("PID-5") == "山田"


# --- bytes that look like delimiters ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("BIG-5", "許|功"),  # the second byte of both characters is a backslash
        ("GB 18030-2000", "髛"),
        ("ISO IR6~ISO IR87", "ア|ー"),  # 0x25 0x22 and 0x21 0x3C in the kanji set
        ("SHIFT_JIS", "表"),
    ],
)
def test_bytes_that_look_like_delimiters_stay_in_their_characters(name: str, family: str) -> None:
    chosen = charset.find(name)
    declared = [*chosen.msh18.split("~")]
    raw = build([("MSH", *(None,) * 17, declared), ("PID", family, "next")], charset=chosen)

    message = Message.from_bytes(raw, default_charset=name)

    assert (message.get("PID-1"), message.get("PID-2")) == (family, "next")


def test_kanji_whose_bytes_are_delimiters_are_read_whole() -> None:
    # In JIS X 0208 every pair of 0x21 to 0x7E is a character: ^ ~ \ & | all occur.
    raw = (
        b"MSH|^~\\&|A|||||||||||||||ISO IR6~ISO IR87\r"
        b"PID|||||\x1b$B?^4|\x1b(B^\x1b$B%\\A~\x1b(B||1970\r"
    )

    message = Message.from_bytes(raw)

    assert (message.get("PID-5.1"), message.get("PID-5.2")) == ("図期", "ボ憎")
    assert message.get("PID-7") == "1970"


def test_a_header_with_a_separator_byte_inside_of_a_character_is_read_right() -> None:
    # The second byte of this character in GB 18030 is a vertical bar.
    facility = b"\x81\x7c".decode("gb18030")
    chosen = charset.find("GB 18030-2000")

    raw = build(
        [("MSH", None, None, "A", facility, *(None,) * 13, "GB 18030-2000"), ("PID", "王")],
        charset=chosen,
    )

    assert b"\x81|" in raw
    assert Message.from_bytes(raw).get("MSH-4") == facility
    assert Message.from_bytes(raw).get("PID-1") == "王"


# --- ISO 2022 -----------------------------------------------------------------------------------


def test_designations_end_with_the_segment() -> None:
    chosen = charset.find("ISO IR6~ISO IR87~8859/5")

    text = chosen.decode(b"\x1b$B;3\rPID \x1b-L\xb8\xd2\r\xb8")

    assert text == "山\rPID Ив\rИ"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b$@;3\x1b(B", "山"),  # JIS C 6226-1978
        (b"\x1b$(B;3\x1b(J", "山"),
        (b"\x1b(I5\x1b(B", "ｵ"),
        (b"\x1b)I\xb5", "ｵ"),
        (b"\x1b$B;3 ED\x1b(B", "山 田"),
    ],
)
def test_other_ways_to_designate_are_read(data: bytes, text: str) -> None:
    assert charset.find("ISO IR6~ISO IR87").decode(data) == text


def test_korean_is_read_with_and_without_its_designation() -> None:
    for name in ("KS X 1001", "ISO IR6~KS X 1001"):
        chosen = charset.find(name)
        assert chosen.decode(b"\x1b$)C\xb1\xe8^x") == "김^x"
        assert chosen.decode(b"\xb1\xe8^x") == "김^x"


@pytest.mark.parametrize(
    ("name", "data", "offset"),
    [
        ("ASCII", b"Ren\xe9", 3),
        ("UNICODE UTF-8", b"ab\xff", 2),
        ("8859/7", b"a\xff", 1),
        ("ISO IR6~ISO IR87", b"ab\x1b$Xcd", 2),
        ("ISO IR6~ISO IR87", b"ab\x1b$B;", 5),
        ("ISO IR6~ISO IR87", b"ab\xb5", 2),
        ("ISO IR6~ISO IR87", b"ab\x1b", 2),
        ("ISO IR14", b"\xd4\xff", 1),
        ("ISO IR87", b"a\xff", 1),
        ("KS X 1001", b"ab\xff\xff", 2),
        ("GB 18030-2000", b"ab\x80", 2),
        ("BIG-5", b"ab\xff", 2),
        ("CNS 11643-1992", b"ab\x8e\xa3\xa1\xa1", 2),
        ("CNS 11643-1992", b"\xc5", 0),
        ("UNICODE UTF-16", b"\xfe\xff\xd8\x00", 2),
    ],
)
def test_undecodable_bytes_name_their_offset(name: str, data: bytes, offset: int) -> None:
    with pytest.raises(InvalidValueError) as refused:
        charset.find(name).decode(data)

    assert refused.value.details["charset"] == charset.find(name).label
    assert abs(refused.value.details["offset"] - offset) <= 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ASCII", "ab€"),
        ("8859/1", "ab€"),
        ("ISO IR14", "ab山"),
        ("ISO IR14", "ab¥"),
        ("ISO IR6~ISO IR87", "abñ"),
        ("KS X 1001", "ab똠"),
        ("BIG-5", "ab한"),
        ("CNS 11643-1992", "ab한"),
        ("UNICODE UTF-8", "ab\ud800"),
    ],
)
def test_a_character_that_the_set_lacks_is_never_replaced(name: str, text: str) -> None:
    chosen = charset.find(name)

    assert not chosen.can_write(text)
    with pytest.raises(InvalidValueError, match="cannot be written in") as refused:
        chosen.encode(text)
    assert refused.value.details["offset"] == 2


@given(
    st.sampled_from(["ISO IR6~ISO IR87", "ISO IR14~ISO IR87~ISO IR159", "8859/1~KS X 1001~8859/5"]),
    st.text(st.sampled_from("aB1 ^|\ré山田丂ﾔｵЖ김희中"), max_size=20),
)
def test_what_can_be_written_is_read_again(name: str, text: str) -> None:
    chosen = charset.find(name)
    if chosen.can_write(text):
        assert chosen.decode(chosen.encode(text)) == text


@given(st.text(st.sampled_from("王小明許功蓋A|^亠ⅳ彞兀嗀丂乂鼊龘"), max_size=20))
def test_cns_11643_is_read_as_it_is_written(text: str) -> None:
    try:
        data = cns11643.encode(text)
    except UnicodeEncodeError:
        return
    assert cns11643.decode(data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xa4\xa1", "０"),  # plane 1, row 4
        (b"\xc4\xa1", "一"),
        (b"\xfd\xcb", "籲"),  # the last of plane 1
        (b"\x8e\xa2\xa1\xa1", "乂"),  # the first of plane 2
        (b"\x8e\xa1\xc4\xa1", "一"),  # plane 1 by its long form
    ],
)
def test_cns_11643_known_characters(data: bytes, text: str) -> None:
    assert cns11643.decode(data) == text


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "names"),
    [
        ("utf-8", ("UNICODE UTF-8",)),
        ("UTF8", ("UNICODE UTF-8",)),
        ("UNICODE UTF8", ("UNICODE UTF-8",)),
        ("ISO_IR 192", ("UNICODE UTF-8",)),
        ("ISO-8859-1", ("8859/1",)),
        ("8859-1", ("8859/1",)),
        ("latin1", ("8859/1",)),
        ("8859/15", ("8859/15",)),
        ("GB18030", ("GB 18030-2000",)),
        ("Big5", ("BIG-5",)),
        ("windows-1252", ("CP1252",)),
        ("ISO IR6 ~ ISO IR87", ("ISO IR6", "ISO IR87")),
        ("~ISO IR87", ("ISO IR87",)),
        ("8859/1~UNICODE UTF-8", ("UNICODE UTF-8",)),
    ],
)
def test_names_are_known_in_many_spellings(given_name: str, names: tuple[str, ...]) -> None:
    assert charset.find(given_name).names == names


def test_an_empty_field_means_the_default_of_the_peer() -> None:
    assert charset.find("").names == ("ASCII",)
    assert charset.find("", "8859/1").names == ("8859/1",)
    assert charset.find(" ~ ", "ISO IR6~ISO IR87").names == ("ISO IR6", "ISO IR87")


@pytest.mark.parametrize("name", ["KLINGON", "8859/99", "8859/1" + "." * 300])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        charset.find(name)

    assert refused.value.path == "MSH-18"


@pytest.mark.parametrize(
    ("name", "dicom"),
    [
        ("ASCII", ()),
        ("8859/1", ("ISO_IR 100",)),
        ("8859/2", ("ISO_IR 101",)),
        ("8859/3", ("ISO_IR 109",)),
        ("8859/4", ("ISO_IR 110",)),
        ("8859/5", ("ISO_IR 144",)),
        ("8859/6", ("ISO_IR 127",)),
        ("8859/7", ("ISO_IR 126",)),
        ("8859/8", ("ISO_IR 138",)),
        ("8859/9", ("ISO_IR 148",)),
        ("8859/15", ("ISO_IR 192",)),
        ("ISO IR14", ("ISO_IR 13",)),
        ("ISO IR6~ISO IR87", ("", "ISO 2022 IR 87")),
        ("ISO IR14~ISO IR87", ("ISO 2022 IR 13", "ISO 2022 IR 87")),
        ("ISO IR6~ISO IR159", ("", "ISO 2022 IR 159")),
        ("ISO IR87", ("", "ISO 2022 IR 87")),
        ("KS X 1001", ("", "ISO 2022 IR 149")),
        ("8859/1~8859/5", ("ISO 2022 IR 100", "ISO 2022 IR 144")),
        ("8859/1~8859/15", ("ISO_IR 192",)),
        ("GB 18030-2000", ("GB18030",)),
        ("BIG-5", ("ISO_IR 192",)),
        ("CNS 11643-1992", ("ISO_IR 192",)),
        ("UNICODE UTF-8", ("ISO_IR 192",)),
        ("CP1252", ("ISO_IR 192",)),
    ],
)
def test_each_set_has_its_dicom_counterpart(name: str, dicom: tuple[str, ...]) -> None:
    assert charset.find(name).dicom == dicom


def test_a_set_without_hl7_name_is_not_declared() -> None:
    assert charset.find("CP1252").msh18 == ""

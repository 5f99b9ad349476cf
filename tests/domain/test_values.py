"""Names, dates, identifiers, folding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ris.domain.errors import InvalidValueError
from ris.domain.identifiers import (
    accession_number,
    new_uid,
    patient_number,
    procedure_id,
    require_accession_number,
    require_sent_uid,
    require_uid,
    step_id,
)
from ris.domain.values import NameGroup, PartialDate, PersonName, fold, require_text


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("Doe^John", "Doe^John"),
        ("Doe^John^^^", "Doe^John"),
        ("Doe^John==", "Doe^John"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("=山田^太郎", "=山田^太郎"),
        ("", ""),
    ],
)
def test_a_name_is_read_and_written_in_the_form_of_dicom(text: str, again: str) -> None:
    assert str(PersonName.parse(text)) == again


def test_a_name_has_at_most_three_groups() -> None:
    with pytest.raises(InvalidValueError):
        PersonName.parse("a=b=c=d")


@pytest.mark.parametrize(
    ("sent", "read"),
    [("a=b=c=d", "a=b=c"), ("====", ""), ("Doe^John", "Doe^John"), ("A\\B", "A\\B")],
)
def test_a_name_that_a_device_sent_is_read_whatever_it_is(sent: str, read: str) -> None:
    assert str(PersonName.as_sent(sent)) == read


def test_a_name_is_shown_with_its_other_writing() -> None:
    assert PersonName.parse("Yamada^Tarou=山田^太郎").display == "YAMADA, Tarou (山田 太郎)"
    assert PersonName.of("Doe", "John", "M.").display == "DOE, John M."
    assert PersonName().display == ""


def test_a_name_keeps_the_letters_its_writing_has() -> None:
    assert PersonName.of("Weiß", "Jörg").display == "WEISS, Jörg"
    assert PersonName.of("Yıldız", "İbrahim").display == "YILDIZ, İbrahim"
    assert PersonName.of("ბერიკაშვილი", "ნინო").display == "ბერიკაშვილი, ნინო"
    assert PersonName.of("Ταΐρης", "Ελένη").display == "ΤΑΪΡΗΣ, Ελένη"
    assert PersonName.of("حداد", "ليلى").display == "حداد, ليلى"


def test_more_than_five_components_are_kept() -> None:
    assert NameGroup.parse("a^b^c^d^e^f").suffix == "e f"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("MÜLLER", "muller"),
        ("Łukasz", "lukasz"),
        ("Straße", "strasse"),
        ("Ångström", "angstrom"),
        ("ΑΘΗΝΆ", "αθηνα"),
        ("Ёлкин", "елкин"),
        ("İstanbul", "istanbul"),
        ("ＡＢＣ", "abc"),
        ("やまだ", "やまだ"),
        ("ガ", "ガ"),
        ("𝓐nna", "anna"),
        ("Ǿrsted", "orsted"),
    ],
)
def test_folding_removes_case_accents_and_width(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "iso", "dicom"),
    [
        ("19700503", "1970-05-03", "19700503"),
        ("1970-05-03", "1970-05-03", "19700503"),
        ("1970-05", "1970-05", ""),
        ("1970", "1970", ""),
        ("", "", ""),
    ],
)
def test_a_date_keeps_its_precision(text: str, iso: str, dicom: str) -> None:
    assert (PartialDate.parse(text).text, PartialDate.parse(text).dicom) == (iso, dicom)


@pytest.mark.parametrize("text", ["19700231", "1970-13", "70", "3.5.1970", "19700503120000"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        PartialDate.parse(text, path="PID-7")

    assert refused.value.path == "PID-7"


def test_our_uids_are_uids_and_never_the_same() -> None:
    uids = {new_uid() for _ in range(1000)}

    assert len(uids) == 1000
    assert all(require_uid(uid, "x") == uid for uid in uids)


@pytest.mark.parametrize("uid", ["", "1", "1.02.3", "1.2.", "1.2.a", "1." * 32 + "1"])
def test_what_is_no_uid_is_refused(uid: str) -> None:
    with pytest.raises(InvalidValueError):
        require_uid(uid, "ZDS-1")


def test_a_uid_with_leading_zeros_is_the_name_of_what_has_it() -> None:
    assert require_sent_uid("1.2.840.0020260706.093512", "x") == "1.2.840.0020260706.093512"


@pytest.mark.parametrize(
    "uid", ["", "1", "1.2.", ".1.2", "1..2", "1.2.a", "1.\u0662", "1." * 32 + "1"]
)
def test_what_a_device_sent_may_still_be_no_uid(uid: str) -> None:
    with pytest.raises(InvalidValueError):
        require_sent_uid(uid, "x")


def test_our_numbers_fit_a_scanner_for_a_hundred_million_orders() -> None:
    for number in (
        accession_number(99_999_999, 2099),
        procedure_id(999_999_999),
        step_id(999_999_999),
        patient_number(99_999_999),
    ):
        assert len(number) <= 16


@pytest.mark.parametrize("number", ["12345678901234567", "A\\B", "A\nB"])
def test_an_accession_number_is_never_cut_or_mended(number: str) -> None:
    with pytest.raises(InvalidValueError):
        require_accession_number(number, "OBR-18")


def test_padding_is_no_part_of_a_text() -> None:
    assert require_text("  A1 ", path="x", limit=2, name="x") == "A1"

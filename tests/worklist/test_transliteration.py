"""Letters a device does not have, in letters it has: the reviewed table, row by row."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ris.domain.transliteration import ROWS, transliterate
from worklist.charset import ASCII, PlainSet, candidates, character_set


def plain(text: str) -> str:
    return transliterate(text, str.isascii)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller^Jörg", "Muller^Jorg"),
        ("MÜLLER", "MULLER"),
        ("Łukasz", "Lukasz"),
        ("Straße", "Strasse"),
        ("Þórsdóttir", "Thorsdottir"),
        ("Ærø", "Aero"),
        ("Nguyễn Thị Ánh", "Nguyen Thi Anh"),
        ("Щербакова^Юлия", "Shcherbakova^Iuliia"),
        ("ЩЕРБА", "SHCHERBA"),
        ("Їжакевич", "Izhakevich"),
        ("Αλεξίου^Νίκος", "Alexiou^Nikos"),
        ("Θεοδώρου", "Theodorou"),
        ("محمد", "mhmd"),
        ("כהן^דוד", "khn^dvd"),
        ("やまだ^たろう", "yamada^tarou"),
        ("きょうこ", "kyouko"),
        ("はっとり", "hattori"),
        ("マッチ", "matchi"),
        ("ローラ", "rora"),
        ("김^희중", "gim^huijung"),
        ("박^지성", "bak^jiseong"),
        ("“half–dose”…", '"half-dose"...'),
        ("37°C ½", "37 degC 1/2"),
        ("Ｙａｍａｄａ", "Yamada"),
    ],
)
def test_a_text_is_written_in_plain_letters(text: str, expected: str) -> None:
    assert transliterate(text, str.isascii) == (expected, True)


@pytest.mark.parametrize(("text", "expected"), [("山", "U+5C71"), ("ไทย", "U+0E44U+0E17U+0E22")])
def test_what_has_no_row_is_written_by_its_number(text: str, expected: str) -> None:
    assert transliterate(text, str.isascii) == (expected, False)


def test_letters_that_are_held_stay() -> None:
    latin_1 = PlainSet(character_set(("ISO_IR 100",)))

    assert latin_1.written("Müller Łukasz") == "Müller Lukasz"


def test_every_row_is_plain_and_made_of_letters_that_are_not() -> None:
    for letters, row in ROWS.items():
        assert row.isascii(), letters
        assert "?" not in row
        assert not letters.isascii()
        assert unicodedata.normalize("NFC", letters) == letters


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=30))
def test_whatever_the_text_the_result_is_plain_and_has_no_new_question_mark(text: str) -> None:
    found = plain(text)

    assert found.isascii()
    assert found.count("?") <= unicodedata.normalize("NFKC", text).count("?")


# --- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller^Jörg", "Muller^Jorg"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou"),
        ("=山田^太郎=やまだ^たろう", "yamada^tarou"),
        ("山田^太郎==やまだ^たろう", "yamada^tarou"),
        ("山田", "U+5C71U+7530"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong^Gildong"),
    ],
)
def test_a_name_is_written_by_the_group_that_can_be_read(name: str, expected: str) -> None:
    assert PlainSet(ASCII, always=True).written_name(name) == expected


def test_groups_the_set_has_are_kept() -> None:
    latin_1 = PlainSet(character_set(("ISO_IR 100",)))

    assert latin_1.written_name("Łukasz^Jan=Müller=山田") == "Lukasz^Jan=Müller"


# --- which sets are tried


def test_a_fixed_set_is_transliterated_before_utf8_is_used() -> None:
    latin_1 = character_set(("ISO_IR 100",))

    assert candidates(("ISO_IR 101",), ("ISO_IR 100",), mode="fixed") == (
        ASCII, latin_1, PlainSet(latin_1), character_set(("ISO_IR 192",)),
    )  # fmt: skip


def test_ascii_never_names_a_set_but_for_identifiers() -> None:
    assert candidates(("ISO_IR 192",), ("ISO_IR 100",), mode="ascii") == (
        ASCII, PlainSet(ASCII, always=True), character_set(("ISO_IR 192",)),
    )  # fmt: skip

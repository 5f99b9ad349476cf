"""What differs between two texts of a report."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from ris.domain.report_differences import (
    MOST_WORDS,
    Change,
    Piece,
    SectionDifference,
    counted,
    differences,
)

SAME, ADDED, REMOVED = Change.SAME, Change.ADDED, Change.REMOVED


def only(old: str, new: str) -> SectionDifference:
    (section,) = differences({"findings": old}, {"findings": new})
    return section


def test_one_changed_word_is_one_change() -> None:
    section = only("No nodule of the left lung.", "No nodule of the right lung.")

    assert section.pieces == (
        Piece(SAME, "No nodule of the "),
        Piece(REMOVED, "left"),
        Piece(ADDED, "right"),
        Piece(SAME, " lung."),
    )


def test_words_changed_side_by_side_are_one_change() -> None:
    section = only("A tiny cyst.", "A large mass.")

    assert section.pieces == (
        Piece(SAME, "A "),
        Piece(REMOVED, "tiny cyst"),
        Piece(ADDED, "large mass"),
        Piece(SAME, "."),
    )


def test_a_word_that_was_left_out_is_seen() -> None:
    section = only("No bleeding.", "Bleeding.")

    assert (REMOVED, "No bleeding") in [(p.change, p.text) for p in section.pieces]


def test_lines_that_stayed_are_not_compared_by_words() -> None:
    section = only("Lungs clear.\nHeart normal.\n", "Lungs clear.\nHeart large.")

    assert section.pieces == (
        Piece(SAME, "Lungs clear.\nHeart "),
        Piece(REMOVED, "normal"),
        Piece(ADDED, "large"),
        Piece(SAME, "."),
    )


def test_an_addendum_is_a_section_that_came() -> None:
    before = {"findings": "Normal."}

    same, came = differences(before, {**before, "addendum": "Earlier images seen."})

    assert (same.changed, same.change) == (False, SAME)
    assert (came.title, came.change) == ("Addendum", ADDED)
    assert counted((same, came)) == (3, 0)


def test_nothing_differs_between_a_text_and_itself() -> None:
    assert not any(section.changed for section in differences({"findings": "a"}, {"findings": "a"}))


def test_a_long_text_written_anew_is_compared_quickly() -> None:
    old = " ".join(f"old{n}" for n in range(MOST_WORDS))
    new = " ".join(f"new{n}" for n in range(MOST_WORDS))
    began = time.process_time()

    section = only(old, new)

    assert section.pieces == (Piece(REMOVED, old), Piece(ADDED, new))
    assert time.process_time() - began < 1


TEXTS = st.text(st.sampled_from("ab .\n"), max_size=40)


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts(old: str, new: str) -> None:
    pieces = [
        p for section in differences({"findings": old}, {"findings": new}) for p in section.pieces
    ]

    assert "".join(p.text for p in pieces if p.change is not ADDED) == old.strip()
    assert "".join(p.text for p in pieces if p.change is not REMOVED) == new.strip()

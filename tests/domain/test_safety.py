"""Rules of safety questions: read from text, judged without a clock of their own."""

from __future__ import annotations

from datetime import date

import pytest

from ris.domain.errors import InvalidValueError
from ris.domain.safety import (
    Answer,
    AnswerKind,
    Finding,
    QuestionDetails,
    Subject,
    Told,
    Verdict,
    applies,
    parse_rules,
    reasons,
    valid,
    verdict,
    write_rules,
)
from ris.domain.safety_starter import STARTER
from ris.domain.safety_told import told_of

TODAY = date(2026, 3, 2)
BY_CODE = {question.code: question for question in STARTER}


def why(rules: str, value: str, on: date | None = None, **others: str) -> list[str]:
    question = QuestionDetails(code="Q", words="Q", unsafe=parse_rules(rules))
    known = {code: Answer(value=text) for code, text in others.items()}
    found = reasons(question, Answer(value=value, on=on), TODAY, known)
    return [str(rule) for rule in found]


@pytest.mark.parametrize(
    "text",
    ["is yes", "below 30; older than 30 days", "is yes if EGFR below 45", "is not no; above 200.5"],
)
def test_rules_are_written_as_they_are_read(text: str) -> None:
    assert write_rules(parse_rules(text)) == text


@pytest.mark.parametrize("text", ["maybe", "below low", "older than a week", "is yes if below 3"])
def test_what_is_no_rule_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        parse_rules(f"is yes; {text}")

    assert refusal.value.path == "unsafe"


def test_an_answer_is_unsafe_by_each_rule_it_meets() -> None:
    assert why("is yes", "yes") == ["is yes"]
    assert why("is yes", "no") == []
    assert why("below 30; older than 30 days", "28", date(2026, 1, 2)) == [
        "below 30",
        "older than 30 days",
    ]
    assert why("below 30; older than 30 days", "30", date(2026, 1, 31)) == []


def test_a_value_without_its_day_is_not_known_to_be_recent() -> None:
    assert why("older than 30 days", "60") == ["older than 30 days"]


def test_a_number_nobody_can_read_is_not_safe() -> None:
    assert why("below 30", "about fifty") == ["below 30"]


@pytest.mark.parametrize(
    ("rule", "unsafe", "safe"),
    [
        (
            "below 30",
            ["<30", "< 60", "<=30", "≤15", ">29", ">=29,5"],
            [">30", ">=30", "> 60", "≥90"],
        ),
        ("above 1.5", [">1.5", ">= 0.2", "<2", "<=1.6"], ["<1.5", "<=1,5", "< 0.5"]),
    ],
)
def test_a_laboratory_limit_is_unsafe_if_what_it_allows_is(
    rule: str, unsafe: list[str], safe: list[str]
) -> None:
    assert [value for value in unsafe if not why(rule, value)] == []
    assert [value for value in safe if why(rule, value)] == []


def test_a_condition_holds_as_well_if_the_other_answer_is_missing() -> None:
    rules = "is yes if EGFR below 45"

    assert why(rules, "yes", EGFR="44") == [rules]
    assert why(rules, "yes", EGFR="45") == []
    assert why(rules, "yes") == [rules]
    assert why(rules, "no") == []


@pytest.mark.parametrize(
    ("sex", "age", "modality", "asked"),
    [
        ("F", 30, "CT", True),
        ("F", 9, "CT", False),
        ("F", 56, "CT", False),
        ("M", 30, "CT", False),
        ("F", 30, "MR", False),
        ("", 30, "CT", True),  # an unknown sex or age is asked
        ("F", None, "DX", True),
    ],
)
def test_pregnancy_is_asked_of_women_of_child_bearing_age_before_radiation(
    sex: str, age: int | None, modality: str, asked: bool
) -> None:
    subject = Subject(modality=modality, contrast=False, procedure="X", sex=sex, age=age)

    assert applies(BY_CODE["PREGNANCY"], subject) is asked


def test_kidneys_are_asked_only_with_contrast() -> None:
    plain = Subject(modality="CT", contrast=False, procedure="X")

    assert applies(BY_CODE["EGFR"], plain) is False
    assert applies(BY_CODE["EGFR"], Subject(modality="CT", contrast=True, procedure="X")) is True


def test_answers_are_kept_in_one_form() -> None:
    number = QuestionDetails(code="N", words="N", kind=AnswerKind.NUMBER)

    assert valid(number, Answer(value=" 72,50 ")).value == "72.5"
    assert valid(number, Answer(value="≤ 30,0")).value == "<=30"
    assert valid(number, Answer(value=">90")).value == ">90"
    with pytest.raises(InvalidValueError):
        valid(number, Answer(value="heavy"))
    with pytest.raises(InvalidValueError):
        valid(BY_CODE["EGFR"], Answer(value="60"))  # its day is missing


def test_the_worst_finding_decides() -> None:
    assert verdict([Finding.SAFE, Finding.OPEN, Finding.UNSAFE]) is Verdict.UNSAFE
    assert verdict([Finding.OVERRIDDEN, Finding.OPEN]) is Verdict.OPEN
    assert verdict([]) is Verdict.NONE


def test_a_scanner_is_told_all_that_was_answered() -> None:
    long = QuestionDetails(
        code="L", words="L", kind=AnswerKind.TEXT, told=Told.ALERT, told_words=""
    )

    told = told_of(
        [
            (BY_CODE["PREGNANCY"], Answer(value="possible"), True),
            (BY_CODE["MR_PACEMAKER"], Answer(value="yes"), True),
            (BY_CODE["MR_COCHLEAR"], Answer(value="no"), False),
            (BY_CODE["EGFR"], Answer(value="22"), True),
            (BY_CODE["WEIGHT"], Answer(value="72.5"), False),
            (BY_CODE["MOBILITY"], Answer(value="wheelchair"), False),
            (long, Answer(value="a\\b" * 40), False),
        ]
    )

    assert told.pregnancy == "2"
    assert told.alerts[:2] == (
        "Pacemaker or defibrillator",
        "Kidney function reduced: 22 mL/min/1.73 m²",
    )
    assert told.needs == ("Wheelchair",)
    assert told.weight_kg == 72.5
    assert told.alerts[2] == "a/b" * 40  # the answer breaks it as its elements can hold it


def test_the_starter_set_reads_back_and_has_its_own_codes() -> None:
    assert len(BY_CODE) == len(STARTER) == 14
    for question in STARTER:
        assert parse_rules(write_rules(question.unsafe)) == question.unsafe
        assert len(question.told_words) <= 64

"""The safety questions as a CSV file; a question is found by its code."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from ris.domain.errors import InvalidValueError
from ris.domain.safety import (
    OVERRIDING,
    AnswerKind,
    Gate,
    QuestionDetails,
    Told,
    parse_rules,
    write_rules,
)
from ris.selectors.safety import QuestionLine
from ris.web.safety.forms import read_choices, write_choices
from ris.web.sheets import Column, Kind, Values, listing, split, text, whole, yes_no

E = TypeVar("E", bound=StrEnum)


def _one_of(kind: type[E], name: str) -> Callable[[str], E]:
    def read(word: str) -> E:
        try:
            return kind(word.upper()) if word else next(iter(kind))
        except ValueError:
            known = ", ".join(item.value for item in kind if item.value)
            raise InvalidValueError(f"{name} is one of {known}", path=name) from None

    return read


def _roles(words: str) -> tuple[object, ...]:
    named = {word.lower() for word in split(words)}
    unknown = named - {role.value for role in OVERRIDING}
    if unknown:
        raise InvalidValueError(
            f"{sorted(unknown)[0]} may not override; it is technologist or radiologist",
            path="override",
        )
    return tuple(role for role in OVERRIDING if role.value in named)


def _age(name: str) -> Column:
    def read(word: str) -> int | None:
        if not word:
            return None
        if not (word.isascii() and word.isdigit() and int(word[:4]) <= 130):
            raise InvalidValueError(f"{name} is a number from 0 to 130", path=name)
        return int(word)

    return Column(
        name=name,
        read=read,
        write=lambda value: "" if value is None else str(value),
        default=None,
    )


def _sex(word: str) -> str:
    if word.upper() not in {"", "M", "F"}:
        raise InvalidValueError("sex is M, F or empty", path="sex")
    return word.upper()


KIND = Kind(
    columns=(
        Column(name="code", read=str.upper, limit=32, required=True),
        text("words", limit=200, required=True),
        text("help", limit=300),
        Column(name="kind", read=_one_of(AnswerKind, "kind"), default=AnswerKind.YES_NO),
        text("unit", limit=32),
        Column(name="choices", read=read_choices, write=write_choices, default=()),
        Column(name="unsafe", read=parse_rules, write=write_rules, default=(), limit=500),
        Column(name="gate", read=_one_of(Gate, "gate"), default=Gate.START),
        Column(
            name="override",
            read=_roles,
            write=lambda roles: "; ".join(role.value for role in roles),
            default=OVERRIDING,
        ),
        listing("modalities", upper=True),
        yes_no("contrast_only", default=False),
        Column(name="sex", read=_sex),
        _age("age_from"),
        _age("age_to"),
        listing("procedures"),
        listing("sites"),
        yes_no("dated", default=False),
        listing("loinc"),
        Column(name="told", read=_one_of(Told, "told"), default=Told.NOTHING),
        text("told_words", limit=64),
        whole("offer_days", most=3650, default=365),
        whole("position", most=999, default=100),
        text("patient_words", limit=200),
        yes_no("asked", default=True),
    ),
    key=("code",),
    noun="question",
    title=("words", "code"),
    in_use="asked",
)


def values_of(line: QuestionLine) -> Values:
    """A question as a row."""
    details = line.details
    return {name: getattr(details, name) for name in KIND.names if name != "asked"} | {
        "asked": line.asked
    }


def question(values: Values) -> QuestionDetails:
    """What a row says."""
    return QuestionDetails(**{name: value for name, value in values.items() if name != "asked"})

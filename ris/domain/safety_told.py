"""What safety answers tell a scanner (PS3.4 Table K.6-1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ris.domain.safety import (
    PREGNANCY_CODES,
    Answer,
    AnswerKind,
    QuestionDetails,
    Told,
    number_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOfSafety:
    """What the answers of an order tell a scanner, without the separator of values.

    Words stay whole however long they are: the answer breaks them as its elements can hold them.
    """

    pregnancy: str = ""
    alerts: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    weight_kg: float | None = None
    height_m: float | None = None

    def as_json(self) -> dict[str, object]:
        """Only what there is: the row of an order without answers stays empty."""
        pairs: dict[str, object] = {
            "pregnancy": self.pregnancy,
            "alerts": list(self.alerts),
            "allergies": list(self.allergies),
            "needs": list(self.needs),
            "states": list(self.states),
            "weight_kg": self.weight_kg,
            "height_m": self.height_m,
        }
        return {name: value for name, value in pairs.items() if value}


@dataclass(slots=True)
class _Telling:
    pregnancy: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    lists: dict[Told, list[str]] = field(default_factory=dict)


def told_of(
    answered: Iterable[tuple[QuestionDetails, Answer, bool]],
) -> ToldOfSafety:
    """What answers (with whether they are unsafe) tell a scanner."""
    found = _Telling()
    for question, answer, unsafe in answered:
        _tell(found, question, answer, unsafe=unsafe)
    lists = {kind: tuple(dict.fromkeys(words)) for kind, words in found.lists.items()}
    return ToldOfSafety(
        pregnancy=found.pregnancy,
        alerts=lists.get(Told.ALERT, ()),
        allergies=lists.get(Told.ALLERGY, ()),
        needs=lists.get(Told.NEED, ()),
        states=lists.get(Told.STATE, ()),
        weight_kg=found.weight_kg,
        height_m=found.height_m,
    )


def _tell(found: _Telling, question: QuestionDetails, answer: Answer, *, unsafe: bool) -> None:
    if question.told is Told.NOTHING:
        return
    if question.told is Told.PREGNANCY:
        found.pregnancy = PREGNANCY_CODES.get(answer.value, "4")
    elif question.told is Told.WEIGHT:
        number = number_of(answer.value)
        found.weight_kg = number if number and 0 < number < 700 else None
    elif question.told is Told.HEIGHT:
        number = number_of(answer.value)
        meters = number / 100 if number and number > 3 else number
        found.height_m = meters if meters and 0 < meters < 3 else None
    else:
        words = _in_words(question, answer, unsafe=unsafe)
        if words:
            found.lists.setdefault(question.told, []).append(words)


def _in_words(question: QuestionDetails, answer: Answer, *, unsafe: bool) -> str:
    words = ""
    if question.kind is AnswerKind.CHOICE and answer.value != "no":
        words = question.choice_words(answer.value)
    elif unsafe and question.kind is AnswerKind.NUMBER:
        words = f"{question.told_words or question.words}: {answer.value} {question.unit}"
    elif unsafe:
        words = question.told_words or question.words
    elif question.kind is AnswerKind.TEXT:
        words = answer.value
    return words.replace("\\", "/").strip()

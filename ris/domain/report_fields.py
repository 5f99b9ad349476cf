"""Fields of report templates: what they ask, which answers are good, and how these are said.

A field stands in the text as its name in square brackets until it is answered
(``ris.domain.report_texts``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ris.domain.errors import InvalidValueError, MissingValueError

MOST_CHOICES = 100
_NUMBER = re.compile(r"[+-]?(?=[.,]?[0-9])[0-9]{0,15}(?:[.,][0-9]{0,15})?")


class FieldKind(StrEnum):
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    TIME = "TIME"
    CHOICE = "CHOICE"
    CHOICES = "CHOICES"  # several of them
    YES_NO = "YES_NO"
    MERGE = "MERGE"  # filled in from the order or the exam


PICKED = frozenset({FieldKind.CHOICE, FieldKind.CHOICES, FieldKind.YES_NO})


class MergeSource(StrEnum):
    """What a merge field is filled in from."""

    AGE = "AGE"
    SEX = "SEX"
    INDICATION = "INDICATION"
    PROCEDURE = "PROCEDURE"
    LATERALITY = "LATERALITY"
    ACCESSION = "ACCESSION"
    REFERRER = "REFERRER"
    EXAM_DATE = "EXAM_DATE"
    DEVICE = "DEVICE"
    CONTRAST = "CONTRAST"
    DOSE = "DOSE"
    PRIOR_DATE = "PRIOR_DATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A code of a terminology: RadLex, LOINC, SNOMED CT."""

    code: str
    scheme: str
    meaning: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "scheme": self.scheme, "meaning": self.meaning}

    @classmethod
    def from_json(cls, said: Mapping[str, str] | None) -> Concept | None:
        if not said:
            return None
        return cls(code=said["code"], scheme=said["scheme"], meaning=said["meaning"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    text: str
    concept: Concept | None = None


YES_NO = (Choice(text="yes"), Choice(text="no"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something to be answered. ``identifier`` is its id in an MRRT file, if it came from one."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    unit: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    choices: tuple[Choice, ...] = ()
    source: MergeSource | None = None
    default: str = ""
    concept: Concept | None = None
    identifier: str = ""

    def words(self, answer: str) -> str:
        """An answer as it stands in the text."""
        if not answer.strip():
            return ""
        if self.kind is FieldKind.CHOICES:
            return ", ".join(part for part in answer.split("\n") if part.strip())
        said = answer.strip()
        return f"{said} {self.unit}" if self.kind is FieldKind.NUMBER and self.unit else said

    def check(self, answer: str) -> str:
        """The answer, tidied; raises InvalidValueError that names the field."""
        said = answer.strip()
        if not said:
            return ""
        path = f"field.{self.name}"
        if self.kind is FieldKind.NUMBER:
            self._check_number(said, path)
        elif self.kind is FieldKind.DATE:
            try:
                date.fromisoformat(said)
            except ValueError:
                raise InvalidValueError(f"{self.name}: {said} is not a date", path=path) from None
        elif self.kind in PICKED:
            known = {choice.text for choice in self.choices}
            picked = [part.strip() for part in said.split("\n") if part.strip()]
            if self.kind is not FieldKind.CHOICES and len(picked) > 1:
                raise InvalidValueError(f"{self.name}: choose one", path=path)
            for part in picked:
                if part not in known:
                    raise InvalidValueError(f"{self.name}: {part} is not offered", path=path)
            said = "\n".join(picked)
        elif "\n" in said or len(said) > 2000 or "[" in said or "]" in said:
            raise InvalidValueError(
                f"{self.name}: one line of text without square brackets", path=path
            )
        return said

    def _check_number(self, said: str, path: str) -> None:
        value = number_of(said)
        if value is None:
            raise InvalidValueError(f"{self.name}: {said} is not a number", path=path)
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise InvalidValueError(
                f"{self.name}: {said} is outside of {self.range_words}", path=path
            )

    @property
    def range_words(self) -> str:
        if self.minimum is None and self.maximum is None:
            return ""
        low = f"{self.minimum:f}" if self.minimum is not None else "…"
        high = f"{self.maximum:f}" if self.maximum is not None else "…"
        return f"{low} to {high}"


def number_of(said: str) -> Decimal | None:
    """A number as people write it, with a point or a comma; powers of ten are not written out."""
    digits = _NUMBER.fullmatch(said.strip())
    return Decimal(digits[0].replace(",", ".")) if digits else None


def field_json(each: Field) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind.value,
        "required": each.required,
        "unit": each.unit,
        "minimum": f"{each.minimum:f}" if each.minimum is not None else None,
        "maximum": f"{each.maximum:f}" if each.maximum is not None else None,
        "choices": [
            {"text": choice.text, "concept": choice.concept.to_json() if choice.concept else None}
            for choice in each.choices
        ],
        "source": each.source.value if each.source else None,
        "default": each.default,
        "concept": each.concept.to_json() if each.concept else None,
        "identifier": each.identifier,
    }


def field_from_json(said: Mapping[str, Any]) -> Field:
    return Field(
        name=said["name"],
        kind=FieldKind(said["kind"]),
        required=said["required"],
        unit=said["unit"],
        minimum=Decimal(said["minimum"]) if said["minimum"] is not None else None,
        maximum=Decimal(said["maximum"]) if said["maximum"] is not None else None,
        choices=tuple(
            Choice(text=each["text"], concept=Concept.from_json(each["concept"]))
            for each in said["choices"]
        ),
        source=MergeSource(said["source"]) if said["source"] else None,
        default=said["default"],
        concept=Concept.from_json(said["concept"]),
        identifier=said.get("identifier", ""),
    )


def check_field(each: Field) -> None:
    """Refuse a field that nobody could answer, or whose answer would break the text."""
    path = f"field.{each.name}"
    if each.kind in PICKED:
        texts = [choice.text for choice in each.choices]
        if len(texts) < (1 if each.kind is FieldKind.CHOICES else 2):
            raise MissingValueError(f"{each.name}: say what can be chosen", path=path)
        if len(set(texts)) != len(texts):
            raise InvalidValueError(f"{each.name}: a choice stands there twice", path=path)
        if len(texts) > MOST_CHOICES:
            raise InvalidValueError(f"{each.name}: too many choices", path=path)
        for text in texts:
            if not text.strip() or "[" in text or "]" in text or "\n" in text:
                raise InvalidValueError(
                    f"{each.name}: a choice is one line without square brackets", path=path
                )
    if each.kind is FieldKind.MERGE and each.source is None:
        raise MissingValueError(f"{each.name}: say what it is filled in from", path=path)
    low, high = each.minimum, each.maximum
    if low is not None and high is not None and low > high:
        raise InvalidValueError(f"{each.name}: the range is the wrong way round", path=path)
    if each.default:
        each.check(each.default)

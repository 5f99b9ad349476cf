"""Report templates, their fields, macros; what the answers to fields become in text and codes.

A template's text has its fields in square brackets, as the report has them until they are filled
in (``ris.domain.report_texts``). A field is known by its name, which is unique in its template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.report_texts import LONGEST_NAME, tokens
from ris.domain.reporting import ADDED, SECTIONS

WRITTEN: tuple[str, ...] = tuple(key for key, _ in SECTIONS if key not in ADDED)
LONGEST_TEXT = 20_000
MOST_FIELDS = 200
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The text of a section. ``title`` is how an imported template calls it."""

    section: str
    text: str
    title: str = ""
    concept: Concept | None = None
    identifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What an MRRT template says it is for: a modality, a body part, a procedure."""

    type: str
    concept: Concept


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateContent:
    """What a version of a template holds; never changed afterwards.

    ``about`` are its Dublin Core elements, by name without prefix; ``schemes`` the object
    identifiers of coding schemes by name.
    """

    parts: tuple[Part, ...]
    fields: tuple[Field, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    schemes: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> Field | None:
        return next((each for each in self.fields if each.name == name), None)

    def texts(self) -> dict[str, str]:
        """The text for each section of the report; parts of one section under their titles."""
        found: dict[str, list[Part]] = {}
        for part in self.parts:
            found.setdefault(part.section, []).append(part)
        return {
            key: "\n\n".join(
                f"{part.title}:\n{part.text}" if len(parts) > 1 and part.title else part.text
                for part in parts
            ).strip()
            for key, parts in found.items()
        }

    def fields_of(self, section: str) -> list[Field]:
        """The fields whose brackets stand in a section, in the order of the text."""
        names = dict.fromkeys(tokens(self.texts().get(section, "")))
        return [each for each in map(self.field, names) if each is not None]

    def to_json(self) -> dict[str, Any]:
        return {
            "parts": [_part_json(part) for part in self.parts],
            "fields": [_field_json(each) for each in self.fields],
            "about": dict(self.about),
            "terms": [{"type": each.type, **each.concept.to_json()} for each in self.terms],
            "schemes": dict(self.schemes),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> TemplateContent:
        return cls(
            parts=tuple(
                Part(
                    section=part["section"],
                    text=part["text"],
                    title=part.get("title", ""),
                    concept=Concept.from_json(part.get("concept")),
                    identifier=part.get("identifier", ""),
                )
                for part in said["parts"]
            ),
            fields=tuple(_field(each) for each in said["fields"]),
            about=dict(said.get("about", {})),
            terms=tuple(
                Term(
                    type=each["type"],
                    concept=Concept(
                        code=each["code"], scheme=each["scheme"], meaning=each["meaning"]
                    ),
                )
                for each in said.get("terms", ())
            ),
            schemes=dict(said.get("schemes", {})),
        )


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "section": part.section,
        "text": part.text,
        "title": part.title,
        "concept": part.concept.to_json() if part.concept else None,
        "identifier": part.identifier,
    }


def _field_json(each: Field) -> dict[str, Any]:
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


def _field(said: Mapping[str, Any]) -> Field:
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


# --- what a template must be --------------------------------------------------------------------


def checked(content: TemplateContent) -> TemplateContent:
    """The content if a report can be written with it; raises an error that names the place.

    A bracket without a field becomes a text field; a field without a bracket is refused, for
    nobody would ever be asked for it.
    """
    if not any(part.text.strip() for part in content.parts):
        raise MissingValueError("a template needs a text", path="findings")
    standing: dict[str, None] = {}
    for part in content.parts:
        if part.section not in WRITTEN:
            raise InvalidValueError(f"no such section: {part.section}", path="sections")
        if len(part.text) > LONGEST_TEXT:
            raise InvalidValueError("this text is too long", path=part.section)
        for name in tokens(part.text):
            if name in standing:
                raise InvalidValueError(
                    f"the field {name} stands in the template twice: a name is used once",
                    path=part.section,
                )
            if len(name) > LONGEST_NAME:
                raise InvalidValueError(
                    f"the name of a field is at most {LONGEST_NAME} characters: {name[:40]}",
                    path=part.section,
                )
            standing[name] = None
    known = {each.name for each in content.fields}
    if len(known) != len(content.fields):
        raise InvalidValueError("two fields have the same name", path="fields")
    fields = [
        replace(each, choices=YES_NO)
        if each.kind is FieldKind.YES_NO and not each.choices
        else each
        for each in content.fields
    ]
    for each in fields:
        if each.name not in standing:
            raise InvalidValueError(
                f"the field {each.name} stands in no section: write [{each.name}] where its "
                "answer belongs",
                path="fields",
            )
        _check_field(each)
    if len(standing) > MOST_FIELDS:
        raise InvalidValueError(f"a template has at most {MOST_FIELDS} fields", path="fields")
    by_name = {each.name: each for each in fields}
    return TemplateContent(
        parts=content.parts,
        fields=tuple(by_name.get(name) or Field(name=name) for name in standing),
        about=content.about,
        terms=content.terms,
        schemes=content.schemes,
    )


def _check_field(each: Field) -> None:
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


YES_NO = (Choice(text="yes"), Choice(text="no"))


# --- the draft that was begun with a template ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A field that was filled in: the words, and where they came from."""

    name: str
    section: str
    words: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftForm:
    """Which version of a template a draft was begun with, and what was answered since.

    ``sections`` are those whose text the template gave; the others stood there before.
    """

    template: str
    number: int
    name: str
    sections: tuple[str, ...]
    answers: Mapping[str, str] = field(default_factory=dict)
    merged: tuple[Merged, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "template": self.template,
            "number": self.number,
            "name": self.name,
            "sections": list(self.sections),
            "answers": dict(self.answers),
            "merged": [
                {"name": m.name, "section": m.section, "words": m.words, "source": m.source}
                for m in self.merged
            ],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any] | None) -> DraftForm | None:
        if not said:
            return None
        return cls(
            template=said["template"],
            number=said["number"],
            name=said["name"],
            sections=tuple(said["sections"]),
            answers=dict(said["answers"]),
            merged=tuple(Merged(**each) for each in said["merged"]),
        )


def fitting(
    *,
    modalities: Iterable[str],
    procedures: Iterable[str],
    regions: Iterable[str],
    sites: Iterable[str],
    exam_modalities: frozenset[str],
    exam_procedures: frozenset[str],
    exam_regions: frozenset[str],
    exam_sites: frozenset[str],
) -> int | None:
    """How well a template fits an exam; None: not at all.

    What a template names must be so, and the more it names the better it fits; one that names
    nothing fits everything, last.
    """
    score = 0
    for weight, named, exam in (
        (8, frozenset(procedures), exam_procedures),
        (4, frozenset(regions), exam_regions),
        (2, frozenset(modalities), exam_modalities),
        (1, frozenset(sites), exam_sites),
    ):
        if named:
            if not named & exam:
                return None
            score += weight
    return score


# --- commands and events ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineReportTemplate(Command[str]):
    """Make a template, or a new version of one; returns its public id.

    ``own``: the login's alone, else the site's. ``automatic``: a report on an exam that it fits
    begins with it.
    """

    name: str
    content: TemplateContent
    template: str = ""
    language: str = "en"
    modalities: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    automatic: bool = False
    own: bool = False
    expected_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireReportTemplate(Command[None]):
    """Offer a template no more, or again."""

    template: str
    retired: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReportTemplate(Command[int]):
    """Begin a draft with a template; returns the new draft revision.

    A section that has a text keeps it.
    """

    report: str
    template: str
    sections: dict[str, str]
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFromExam(Command[int]):
    """Fill in what waits for the order or the exam and is known by now."""

    report: str
    sections: dict[str, str]
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReportTemplate(Command[int]):
    """Write on freely: the text stays, its fields are asked for no more."""

    report: str
    sections: dict[str, str]
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveMacro(Command[str]):
    """Keep a text under a short name; returns its public id. ``own`` false: for everybody."""

    name: str
    text: str
    macro: str = ""
    own: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMacro(Command[None]):
    macro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTemplateChanged(Event):
    """A template of the site was made, got a new version, was retired or is offered again."""

    template: str
    template_name: str
    number: int
    what: str  # made, changed, retired, offered again


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMacroChanged(Event):
    """A macro of the site was saved or deleted."""

    macro: str
    macro_name: str
    what: str  # saved, deleted

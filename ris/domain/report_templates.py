"""Report templates and macros, and the form of a draft that was begun with a template.

A template's text has its fields (``ris.domain.report_fields``) in square brackets, as the report
has them until they are filled in. A field is known by its name, which is unique in its template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.report_fields import (
    YES_NO,
    Concept,
    Field,
    FieldKind,
    check_field,
    field_from_json,
    field_json,
)
from ris.domain.report_texts import LONGEST_NAME, lead, tokens
from ris.domain.reporting import ADDED, SECTIONS

WRITTEN: tuple[str, ...] = tuple(key for key, _ in SECTIONS if key not in ADDED)
LONGEST_TEXT = 20_000
MOST_FIELDS = 200


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
            "fields": [field_json(each) for each in self.fields],
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
            fields=tuple(field_from_json(each) for each in said["fields"]),
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
        check_field(each)
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

    ``sections`` are those whose text the template gave; the others stood there before. ``carried``
    are the fields of its own that such a text has already, begun with another template: by their
    names what the text says right before each.
    """

    template: str
    number: int
    name: str
    sections: tuple[str, ...]
    answers: Mapping[str, str] = field(default_factory=dict)
    merged: tuple[Merged, ...] = ()
    carried: Mapping[str, str] = field(default_factory=dict)

    def asked(self, content: TemplateContent) -> list[tuple[str, Field]]:
        """What is asked for, with its section: what the template put there and what it found."""
        return [
            (key, each)
            for key in content.texts()
            for each in content.fields_of(key)
            if key in self.sections or each.name in self.carried
        ]

    def lead(self, content: TemplateContent, section: str, name: str) -> str:
        """What stands right before a field's answer."""
        if name in self.carried:
            return self.carried[name]
        return lead(content.texts().get(section, ""), name)

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
            "carried": dict(self.carried),
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
            carried=dict(said.get("carried", {})),
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

    A section that has a text keeps it. ``without_codes`` are the answers of the template before it
    whose codes may be lost, by field; those that it does not ask for and that nobody gave up refuse
    it.
    """

    report: str
    template: str
    sections: dict[str, str]
    answers: dict[str, str] | None = None  # given since the draft was saved, by field
    without_codes: tuple[str, ...] = ()
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFromExam(Command[int]):
    """Fill in what waits for the order or the exam and is known by now."""

    report: str
    sections: dict[str, str]
    answers: dict[str, str] | None = None  # given since the draft was saved, by field
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReportTemplate(Command[int]):
    """Write on freely: the text stays, its fields are asked for no more.

    ``without_codes`` as in :class:`ApplyReportTemplate`.
    """

    report: str
    sections: dict[str, str]
    answers: dict[str, str] | None = None  # given since the draft was saved, by field
    without_codes: tuple[str, ...] = ()
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

"""The form of a template: its texts, and a row for each field that stands in them in brackets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.http import QueryDict

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.report_fields import (
    Choice,
    Concept,
    Field,
    FieldKind,
    MergeSource,
    number_of,
)
from ris.domain.report_templates import WRITTEN, Part, TemplateContent
from ris.domain.report_texts import tokens
from ris.selectors.report_templates import TemplateLine
from ris.web import labels


@dataclass(frozen=True, slots=True)
class TextRow:
    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field as the form has it: ``n`` numbers its inputs."""

    n: int
    name: str
    kind: str = FieldKind.TEXT.value
    required: bool = False
    unit: str = ""
    minimum: str = ""
    maximum: str = ""
    choices: str = ""
    source: str = ""
    default: str = ""
    concept: str = ""


@dataclass(frozen=True, slots=True)
class TemplateForm:
    """What the page shows, from a template or from what was typed."""

    name: str
    language: str
    modalities: str
    procedures: str
    regions: str
    sites: str
    automatic: bool
    own: bool
    number: int
    texts: list[TextRow]
    fields: list[FieldRow]


def _concept_words(concept: Concept | None) -> str:
    return f"{concept.code} | {concept.scheme} | {concept.meaning}" if concept else ""


def _choice_words(choice: Choice) -> str:
    return f"{choice.text} = {_concept_words(choice.concept)}" if choice.concept else choice.text


def _rows(fields: Iterable[Field]) -> list[FieldRow]:
    return [
        FieldRow(
            n,
            each.name,
            each.kind.value,
            each.required,
            each.unit,
            f"{each.minimum:f}" if each.minimum is not None else "",
            f"{each.maximum:f}" if each.maximum is not None else "",
            "\n".join(map(_choice_words, each.choices)),
            each.source.value if each.source else "",
            each.default,
            _concept_words(each.concept),
        )
        for n, each in enumerate(fields)
    ]


def shown(line: TemplateLine | None, content: TemplateContent | None) -> TemplateForm:
    """The form of a template, or an empty one."""
    texts = content.texts() if content is not None else {}
    return TemplateForm(
        name=line.name if line else "",
        language=line.language if line else "en",
        modalities=", ".join(line.modalities) if line else "",
        procedures=", ".join(line.procedures) if line else "",
        regions=", ".join(line.regions) if line else "",
        sites=", ".join(line.sites) if line else "",
        automatic=line.automatic if line else False,
        own=line.mine if line else False,
        number=line.number if line else 0,
        texts=[TextRow(key, labels.SECTION[key].words, texts.get(key, "")) for key in WRITTEN],
        fields=_rows(content.fields) if content is not None else [],
    )


def typed(post: QueryDict, number: int) -> TemplateForm:
    """The form as it was sent, with a row for each new bracket; rows without one are gone."""
    texts = [TextRow(key, labels.SECTION[key].words, _said(post, key, 20_000)) for key in WRITTEN]
    standing = list(dict.fromkeys(name for row in texts for name in tokens(row.text)))
    rows: dict[str, FieldRow] = {}
    for n in range(500):
        if f"field-{n}-name" not in post:
            break
        name = _said(post, f"field-{n}-name", 300)
        rows[name] = FieldRow(
            n,
            name,
            _said(post, f"field-{n}-kind", 10) or FieldKind.TEXT.value,
            f"field-{n}-required" in post,
            _said(post, f"field-{n}-unit", 20),
            _said(post, f"field-{n}-minimum", 20),
            _said(post, f"field-{n}-maximum", 20),
            _said(post, f"field-{n}-choices", 10_000),
            _said(post, f"field-{n}-source", 20),
            _said(post, f"field-{n}-default", 2000),
            _said(post, f"field-{n}-concept", 300),
        )
    fields = [
        FieldRow(n, *_rest(rows.get(name, FieldRow(n, name)))) for n, name in enumerate(standing)
    ]
    return TemplateForm(
        name=_said(post, "name", 200),
        language=_said(post, "language", 16) or "en",
        modalities=_said(post, "modalities", 200),
        procedures=_said(post, "procedures", 2000),
        regions=_said(post, "regions", 500),
        sites=_said(post, "sites", 500),
        automatic="automatic" in post,
        own="own" in post,
        number=number,
        texts=texts,
        fields=fields,
    )


def _rest(
    row: FieldRow,
) -> tuple[str, str, bool, str, str, str, str, str, str, str]:
    return (
        row.name,
        row.kind,
        row.required,
        row.unit,
        row.minimum,
        row.maximum,
        row.choices,
        row.source,
        row.default,
        row.concept,
    )


def _said(post: QueryDict, name: str, limit: int) -> str:
    return post.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()[:limit]


def words_of(text: str) -> tuple[str, ...]:
    """A list that was typed with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def content_of(form: TemplateForm, before: TemplateContent | None) -> TemplateContent:
    """What the form says; where a template was imported, its origin and codes stay."""
    earlier: Mapping[str, Part] = {}
    old: Mapping[str, Field] = {}
    if before is not None:
        alone = {key for key in before.texts() if sum(p.section == key for p in before.parts) == 1}
        earlier = {part.section: part for part in before.parts if part.section in alone}
        old = {each.name: each for each in before.fields}
    parts = tuple(
        Part(
            section=row.key,
            text=row.text,
            title=earlier[row.key].title if row.key in earlier else "",
            concept=earlier[row.key].concept if row.key in earlier else None,
            identifier=earlier[row.key].identifier if row.key in earlier else "",
        )
        for row in form.texts
        if row.text
    )
    return TemplateContent(
        parts=parts,
        fields=tuple(_field(row, old.get(row.name)) for row in form.fields),
        about=before.about if before is not None else {},
        terms=before.terms if before is not None else (),
        schemes=before.schemes if before is not None else {},
    )


def _field(row: FieldRow, before: Field | None) -> Field:
    try:
        kind = FieldKind(row.kind)
        source = MergeSource(row.source) if kind is FieldKind.MERGE and row.source else None
    except ValueError:
        raise InvalidValueError(f"{row.name}: no such kind of field", path="fields") from None
    return Field(
        name=row.name,
        kind=kind,
        required=row.required,
        unit=row.unit if kind is FieldKind.NUMBER else "",
        minimum=_number(row.name, row.minimum) if kind is FieldKind.NUMBER else None,
        maximum=_number(row.name, row.maximum) if kind is FieldKind.NUMBER else None,
        choices=_choices(row),
        source=source,
        default=row.default if kind is not FieldKind.MERGE else "",
        concept=_concept(row.name, row.concept),
        identifier=before.identifier if before is not None else "",
    )


def _number(name: str, text: str) -> Decimal | None:
    if not text:
        return None
    value = number_of(text)
    if value is None:
        raise InvalidValueError(f"{name}: {text} is not a number", path="fields")
    return value


def _choices(row: FieldRow) -> tuple[Choice, ...]:
    if row.kind not in {FieldKind.CHOICE.value, FieldKind.CHOICES.value, FieldKind.YES_NO.value}:
        return ()
    found = []
    for line in row.choices.split("\n"):
        text, _, code = line.partition(" = ")
        if text.strip():
            found.append(Choice(text=text.strip(), concept=_concept(row.name, code)))
    return tuple(found)


def _concept(name: str, text: str) -> Concept | None:
    """``RID1301 | RADLEX | Lung``."""
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split("|")]
    if len(parts) != 3 or not all(parts):
        raise MissingValueError(f"{name}: a code is written code | scheme | meaning", path="fields")
    code, scheme, meaning = parts
    return Concept(code=code, scheme=scheme.upper(), meaning=meaning)

"""Codes of the answers to a template: which count, and which a changed text has lost.

The text is what is signed. An answer's code counts only while its words stand in the text where
the template asks for them; what was said otherwise since has none, and whoever signs is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ris.domain.report_fields import PICKED, Concept, Field, FieldKind, number_of
from ris.domain.report_templates import DraftForm, TemplateContent
from ris.domain.report_texts import put, stands_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A field that was answered, as its section says it now."""

    field: Field
    section: str
    answer: str
    lead: str  # what the template says right before it
    text: str  # of the section

    @property
    def words(self) -> str:
        return self.field.words(self.answer)

    @property
    def stands(self) -> bool:
        return stands_after(self.text, self.lead, self.words)

    @property
    def codes(self) -> list[dict[str, str]]:
        return _codes(self.field, self.answer)


def answered(
    form: DraftForm | None, content: TemplateContent | None, sections: Mapping[str, str]
) -> Iterator[Answered]:
    """The answers of a draft to its template's fields, in the order of the text."""
    if form is None or content is None:
        return
    for key, each in form.asked(content):
        answer = form.answers.get(each.name, "")
        if each.words(answer):
            yield Answered(
                field=each,
                section=key,
                answer=answer,
                lead=form.lead(content, key, each.name),
                text=sections.get(key, ""),
            )


def lost(
    form: DraftForm | None, content: TemplateContent | None, sections: Mapping[str, str]
) -> list[Answered]:
    """Answers with a code whose words stand in the text no longer."""
    return [each for each in answered(form, content, sections) if not each.stands and each.codes]


def codes(
    form: DraftForm | None, content: TemplateContent | None, sections: Mapping[str, str]
) -> list[dict[str, str]]:
    """What a version with this text says in codes."""
    return [row for each in answered(form, content, sections) if each.stands for row in each.codes]


def taken_again(sections: Mapping[str, str], answer: Answered) -> dict[str, str]:
    """The sections with an answer's words back: in its bracket, else as a line of their own."""
    text = put(answer.text, answer.field.name, answer.words)
    if text == answer.text:
        before = text.rstrip()
        is_words = any(letter.isalnum() for letter in answer.lead)
        if answer.lead and not is_words and not before.endswith(answer.lead):
            before += answer.lead  # a full stop ends the sentence before it
        said = f"{answer.lead} {answer.words}" if is_words else answer.words
        text = f"{before}\n{said}" if before else said
    return {**sections, answer.section: text}


def _codes(each: Field, answer: str) -> list[dict[str, str]]:
    """An answer as codes: the question, the value, and the value's own code where it has one."""
    if each.kind in PICKED:
        picked = [choice for choice in each.choices if choice.text in answer.split("\n")]
    else:
        picked = []
    rows = []
    for choice in picked:
        asked = each.concept or choice.concept  # whose field has no code is its own finding
        if asked is not None:
            rows.append(_row(each, asked, choice.text, choice.concept))
    if not picked and each.concept is not None:
        number = number_of(answer) if each.kind is FieldKind.NUMBER else None
        value = f"{number:f}" if number is not None else answer
        rows.append(_row(each, each.concept, value, None))
    return rows


def _row(each: Field, asked: Concept, value: str, concept: Concept | None) -> dict[str, str]:
    row = {
        "code": asked.code,
        "scheme": asked.scheme,
        "meaning": asked.meaning,
        "value": value,
        "unit": each.unit if each.kind is FieldKind.NUMBER else "",
    }
    if concept is not None and each.concept is not None:
        row |= {
            "value_code": concept.code,
            "value_scheme": concept.scheme,
            "value_meaning": concept.meaning,
        }
    return row

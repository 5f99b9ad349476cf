"""What a report template is, and macros: made in versions, refused, retired, by whom."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    UnknownKeyError,
)
from ris.domain.report_fields import Field, FieldKind
from ris.domain.report_templates import (
    DefineReportTemplate,
    DeleteMacro,
    Part,
    RetireReportTemplate,
    SaveMacro,
    TemplateContent,
)
from ris.models import DomainEvent, ReportMacro, ReportTemplate, ReportTemplateVersion
from ris.services import execute
from tests import people
from tests.report_templates import CONTENT, template

pytestmark = pytest.mark.django_db


# --- what a template is


def test_template_is_kept_in_versions_and_says_what_happened(db: None) -> None:
    key = template()

    execute(
        DefineReportTemplate(
            template=key,
            name="CT head, new",
            content=replace(
                CONTENT, parts=(*CONTENT.parts[:3], Part(section="impression", text="None."))
            ),
            expected_number=1,
        ),
        actor=people.radiologist,
    )

    row = ReportTemplate.objects.get()
    versions = list(ReportTemplateVersion.objects.order_by("number"))
    assert (row.name, row.number, row.owner) == ("CT head, new", 2, None)
    assert TemplateContent.from_json(versions[0].content) == CONTENT
    assert TemplateContent.from_json(versions[1].content).texts()["impression"] == "None."
    assert [
        (event.payload["what"], event.payload["number"]) for event in DomainEvent.objects.all()
    ] == [("made", 1), ("changed", 2)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TemplateContent(parts=(Part(section="findings", text=" "),)), "needs a text"),
        (
            TemplateContent(parts=(Part(section="findings", text="[A] and [A]"),)),
            "the field A stands in the template twice: a name is used once",
        ),
        (
            TemplateContent(
                parts=(Part(section="findings", text="Text"),), fields=(Field(name="A"),)
            ),
            "the field A stands in no section: write [A] where its answer belongs",
        ),
        (
            TemplateContent(
                parts=(Part(section="findings", text="[A]"),),
                fields=(Field(name="A", kind=FieldKind.CHOICE),),
            ),
            "A: say what can be chosen",
        ),
        (
            TemplateContent(
                parts=(Part(section="findings", text="[A]"),),
                fields=(
                    Field(name="A", kind=FieldKind.NUMBER, minimum=Decimal(9), maximum=Decimal(1)),
                ),
            ),
            "A: the range is the wrong way round",
        ),
        (
            TemplateContent(
                parts=(Part(section="findings", text="[A]"),),
                fields=(Field(name="A", kind=FieldKind.MERGE),),
            ),
            "A: say what it is filled in from",
        ),
    ],
)
def test_template_that_nobody_could_fill_in_is_refused(
    db: None, content: TemplateContent, words: str
) -> None:
    with pytest.raises((InvalidValueError, MissingValueError)) as refused:
        template(content=content)

    assert words in refused.value.message
    assert not ReportTemplate.objects.exists()


def test_bracket_without_a_field_is_a_text_that_is_asked(db: None) -> None:
    template(content=TemplateContent(parts=(Part(section="findings", text="Lungs: [Lungs]. [1]"),)))

    content = TemplateContent.from_json(ReportTemplateVersion.objects.get().content)
    assert content.fields == (Field(name="Lungs"),)


def test_site_template_is_made_by_attendings_not_by_residents(db: None) -> None:
    for actor in (people.resident, people.technologist, people.scheduler):
        with pytest.raises(DeniedError):
            template(actor=actor)

    assert not ReportTemplate.objects.exists()


def test_same_name_is_refused_until_the_other_is_retired(db: None) -> None:
    first = template()

    with pytest.raises(DuplicateKeyError):
        template(name="ct HEAD")
    execute(RetireReportTemplate(template=first), actor=people.radiologist)
    template()

    assert ReportTemplate.objects.count() == 2
    with pytest.raises(DuplicateKeyError):
        execute(RetireReportTemplate(template=first, retired=False), actor=people.radiologist)


def test_a_name_in_other_letters_is_the_same_name_when_it_is_offered_again(db: None) -> None:
    first = template()
    execute(RetireReportTemplate(template=first), actor=people.radiologist)
    template(name="ct HEAD")

    with pytest.raises(DuplicateKeyError):
        execute(RetireReportTemplate(template=first, retired=False), actor=people.radiologist)

    assert ReportTemplate.objects.filter(retired_at=None).count() == 1


# --- macros


def test_macro_is_ones_own_or_everybodys(db: None) -> None:
    key = execute(
        SaveMacro(name=".nl", text="Lungs are clear.", own=False), actor=people.radiologist
    )
    with pytest.raises(DuplicateKeyError):
        execute(SaveMacro(name="NL", text="Other.", own=False), actor=people.radiologist)
    with pytest.raises(InvalidValueError):
        execute(SaveMacro(name="two words", text="Text.", own=False), actor=people.radiologist)
    with pytest.raises(DeniedError):
        execute(SaveMacro(name="x", text="Text.", own=False), actor=people.technologist)

    row = ReportMacro.objects.get()
    assert (row.name, row.text, row.owner) == ("nl", "Lungs are clear.", None)
    execute(DeleteMacro(macro=key), actor=people.radiologist)
    assert not ReportMacro.objects.exists()
    with pytest.raises(UnknownKeyError):
        execute(DeleteMacro(macro=key), actor=people.radiologist)

"""Report templates: which a draft begins with, what is filled in, what a signature asks, codes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ris.domain.actors import Actor
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    UnknownKeyError,
)
from ris.domain.report_templates import (
    ApplyReportTemplate,
    Choice,
    Concept,
    DefineReportTemplate,
    DeleteMacro,
    DropReportTemplate,
    Field,
    FieldKind,
    FillFromExam,
    MergeSource,
    Part,
    RetireReportTemplate,
    SaveMacro,
    TemplateContent,
)
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    OpenReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.supplies import Agent, DefineSupply, RecordSupplies, Route, SupplyKind, SupplyUsed
from ris.models import (
    DomainEvent,
    Order,
    Report,
    ReportMacro,
    ReportTemplate,
    ReportTemplateVersion,
    ReportVersion,
)
from ris.selectors.report_seals import hash_of
from ris.services import execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db

NODULE = Concept(code="RID3875", scheme="RADLEX", meaning="Nodule")
SIZE = Concept(code="RID13432", scheme="RADLEX", meaning="Diameter")
PRESENT = Concept(code="RID28472", scheme="RADLEX", meaning="Present")
ABSENT = Concept(code="RID28473", scheme="RADLEX", meaning="Absent")

CONTENT = TemplateContent(
    parts=(
        Part(section="indication", text="[Reason]. [Age], [Sex]."),
        Part(section="technique", text="CT. Contrast: [Contrast]. Dose: [Dose]."),
        Part(section="findings", text="Nodule: [Nodule]. Size: [Size]\nOther: [Other]"),
        Part(section="impression", text=""),
    ),
    fields=(
        Field(name="Reason", kind=FieldKind.MERGE, source=MergeSource.INDICATION),
        Field(name="Age", kind=FieldKind.MERGE, source=MergeSource.AGE),
        Field(name="Sex", kind=FieldKind.MERGE, source=MergeSource.SEX),
        Field(name="Contrast", kind=FieldKind.MERGE, source=MergeSource.CONTRAST),
        Field(name="Dose", kind=FieldKind.MERGE, source=MergeSource.DOSE),
        Field(
            name="Nodule",
            kind=FieldKind.CHOICE,
            required=True,
            choices=(
                Choice(text="present", concept=PRESENT),
                Choice(text="absent", concept=ABSENT),
            ),
            concept=NODULE,
        ),
        Field(
            name="Size",
            kind=FieldKind.NUMBER,
            unit="mm",
            minimum=Decimal(1),
            maximum=Decimal(200),
            concept=SIZE,
        ),
        Field(name="Other", default="nothing else"),
    ),
)


def template(actor: Actor = people.radiologist, **overrides: Any) -> str:
    said = {"name": "CT head", "content": CONTENT, "modalities": ("CT",)}
    return execute(DefineReportTemplate(**{**said, **overrides}), actor=actor)


def _scene() -> tuple[Order, str]:
    make.device("CT1", "CT")
    make.definition()
    order = make.performed()
    return order, str(order.procedures.get().public_id)


@pytest.fixture
def exam(db: None) -> tuple[Order, str]:
    return ground.begin("report templates", _scene)[0]


def opened(exam: tuple[Order, str]) -> Report:
    key = execute(OpenReport(procedures=(exam[1],)), actor=people.radiologist)
    return Report.objects.get(public_id=key)


def applied(exam: tuple[Order, str], **sections: str) -> Report:
    report = opened(exam)
    execute(
        ApplyReportTemplate(
            report=str(report.public_id), template=template(), sections=dict(sections)
        ),
        actor=people.radiologist,
    )
    report.refresh_from_db()
    return report


def finalize(report: Report, sections: dict[str, str], **answers: str) -> ReportVersion:
    number = execute(
        FinalizeReport(report=str(report.public_id), sections=sections, answers=answers),
        actor=people.radiologist,
    )
    return report.versions.get(number=number)


def filled(report: Report, **more: str) -> dict[str, str]:
    """The draft with what the exam does not know written by hand."""
    draft = dict(report.draft)
    draft["technique"] = "CT without contrast."
    draft["impression"] = "One nodule."
    return {**draft, **more}


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


# --- a draft that begins with one


def test_fitting_template_comes_by_itself_with_what_is_known(exam: tuple[Order, str]) -> None:
    template(automatic=True)
    template(name="For all", modalities=(), content=CONTENT, automatic=True)
    template(name="MR", modalities=("MR",), automatic=True)

    report = opened(exam)

    assert report.draft_revision == 0
    assert report.form["name"] == "CT head"
    assert report.draft == {
        "indication": "headache. 55 years, female.",
        "technique": "CT. Contrast: [Contrast]. Dose: [Dose].",
        "findings": "Nodule: [Nodule]. Size: [Size]\nOther: nothing else",
    }
    assert [(each["name"], each["source"]) for each in report.form["merged"]] == [
        ("Reason", "order"),
        ("Age", "birth date, on the day of the exam"),
        ("Sex", "patient record"),
    ]


def test_template_that_does_not_come_by_itself_waits_to_be_chosen(exam: tuple[Order, str]) -> None:
    template()

    assert (opened(exam).draft, opened(exam).form) == ({}, None)


def test_template_never_goes_over_a_text(exam: tuple[Order, str]) -> None:
    report = applied(exam, findings="Old bleeding.", indication="Fall")

    assert report.draft["findings"] == "Old bleeding."
    assert report.draft["indication"] == "Fall"
    assert report.form["sections"] == ["technique"]


def test_contrast_and_dose_come_once_they_are_recorded(exam: tuple[Order, str]) -> None:
    report = applied(exam)
    agent = execute(
        DefineSupply(
            code="IOM400",
            name="Iomeprol 400",
            kind=SupplyKind.CONTRAST,
            agent=Agent.IODINE,
            concentration=Decimal(400),
        ),
        actor=people.admin,
    )
    step = make.step_of(exam[0])
    execute(
        RecordSupplies(
            step=str(step.public_id),
            supplies=(SupplyUsed(supply=agent, amount=Decimal("80"), route=Route.INTRAVENOUS),),
            reason="written late",
        ),
        actor=people.technologist,
    )

    execute(
        FillFromExam(report=str(report.public_id), sections=report.draft),
        actor=people.radiologist,
    )

    report.refresh_from_db()
    assert report.draft["technique"] == (
        "CT. Contrast: 80 ml Iomeprol 400 intravenously. Dose: [Dose]."
    )
    assert report.form["merged"][-1] == {
        "name": "Contrast",
        "section": "technique",
        "words": "80 ml Iomeprol 400 intravenously",
        "source": "contrast recorded for the exam",
    }


# --- what a signature asks


def test_bracket_keeps_a_report_from_being_signed(exam: tuple[Order, str]) -> None:
    report = applied(exam)

    with pytest.raises(MissingValueError) as refused:
        finalize(report, {**report.draft, "impression": "Normal."}, Nodule="absent")

    assert refused.value.path == "sections.technique"
    assert refused.value.message == (
        "[Contrast] in Technique waits to be filled in: answer it, or take the bracket out"
    )
    assert not ReportVersion.objects.exists()


def test_reference_number_in_brackets_is_no_field(exam: tuple[Order, str]) -> None:
    version = finalize(opened(exam), {"findings": "As in the literature [1]."})

    assert version.sections == {"findings": "As in the literature [1]."}
    assert (version.coded, version.template) == ([], None)


def test_required_choice_that_was_deleted_is_asked_for(exam: tuple[Order, str]) -> None:
    report = applied(exam)

    with pytest.raises(MissingValueError) as refused:
        finalize(report, filled(report, findings="Free text."))

    assert refused.value.path == "field.Nodule"
    assert refused.value.message == ("Nodule in Findings has to be answered before this is signed")


def test_answers_go_into_the_text_and_into_codes(exam: tuple[Order, str]) -> None:
    report = applied(exam)

    version = finalize(report, filled(report), Nodule="present", Size="12,5")

    assert version.sections["findings"] == ("Nodule: present. Size: 12,5 mm\nOther: nothing else")
    assert version.coded == [
        {
            "code": "RID3875",
            "scheme": "RADLEX",
            "meaning": "Nodule",
            "value": "present",
            "unit": "",
            "value_code": "RID28472",
            "value_scheme": "RADLEX",
            "value_meaning": "Present",
        },
        {
            "code": "RID13432",
            "scheme": "RADLEX",
            "meaning": "Diameter",
            "value": "12.5",
            "unit": "mm",
        },
    ]
    assert version.template == {
        "template": str(ReportTemplate.objects.get().public_id),
        "number": 1,
        "name": "CT head",
    }
    assert version.content_hash == hash_of(version)


def test_code_is_left_out_once_its_words_no_longer_stand(exam: tuple[Order, str]) -> None:
    """The text is what was signed: a code that says otherwise would be believed by machines."""
    report = applied(exam)
    execute(
        SaveDraft(
            report=str(report.public_id),
            sections=filled(report),
            answers={"Nodule": "present", "Size": "12"},
        ),
        actor=people.radiologist,
    )
    report.refresh_from_db()
    findings = report.draft["findings"].replace("Size: 12 mm", "Size: 21 mm")
    said = FinalizeReport(
        report=str(report.public_id), sections={**report.draft, "findings": findings}
    )

    with pytest.raises(MissingValueError, match="its code would be lost") as refused:
        execute(said, actor=people.radiologist)
    execute(replace(said, without_codes=("Size",)), actor=people.radiologist)

    assert refused.value.path == "field.Size"
    assert [row["meaning"] for row in report.versions.get().coded] == ["Nodule"]


def test_changed_answer_changes_its_words(exam: tuple[Order, str]) -> None:
    report = applied(exam)
    for nodule in ("present", "absent"):
        execute(
            SaveDraft(
                report=str(report.public_id),
                sections=filled(report),
                answers={"Nodule": nodule},
            ),
            actor=people.radiologist,
        )
        report.refresh_from_db()

    assert report.draft["findings"].startswith("Nodule: absent. Size: [Size]")
    assert report.form["answers"] == {"Nodule": "absent", "Other": "nothing else"}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"Size": "500"}, "Size: 500 is outside of 1 to 200"),
        ({"Size": "big"}, "Size: big is not a number"),
        ({"Nodule": "perhaps"}, "Nodule: perhaps is not offered"),
        ({"Other": "[x]"}, "Other: one line of text without square brackets"),
    ],
)
def test_answer_out_of_range_is_refused(
    exam: tuple[Order, str], answers: dict[str, str], words: str
) -> None:
    report = applied(exam)

    with pytest.raises(InvalidValueError) as refused:
        execute(
            SaveDraft(report=str(report.public_id), sections=report.draft, answers=answers),
            actor=people.radiologist,
        )

    assert refused.value.message == words
    assert Report.objects.get().draft_revision == report.draft_revision


def test_template_that_was_dropped_asks_no_more(exam: tuple[Order, str]) -> None:
    report = applied(exam)
    execute(
        DropReportTemplate(report=str(report.public_id), sections=report.draft),
        actor=people.radiologist,
    )

    version = finalize(report, filled(report, findings="Free text."))

    assert (version.coded, version.template) == ([], None)


def test_preliminary_and_final_ask_alike_and_a_correction_keeps_what_stands(
    exam: tuple[Order, str],
) -> None:
    report = applied(exam)
    sections = filled(report)
    execute(
        SignPreliminary(
            report=str(report.public_id),
            sections=sections,
            answers={"Nodule": "present", "Size": "12"},
        ),
        actor=people.radiologist,
    )
    said = dict(report.versions.get(number=1).sections)
    finalize(report, said)

    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={**said, "findings": "Nodule: present, too small to measure."},
            reason="measured wrongly",
        ),
        actor=people.radiologist,
    )

    versions = list(report.versions.order_by("number"))
    assert [[row["meaning"] for row in each.coded] for each in versions] == [
        ["Nodule", "Diameter"],
        ["Nodule", "Diameter"],
        ["Nodule"],
    ]


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

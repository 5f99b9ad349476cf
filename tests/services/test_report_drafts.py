"""Drafts begun with a template: what is filled in, what a signature asks, codes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.report_fields import Choice, Field, FieldKind
from ris.domain.report_templates import (
    ApplyReportTemplate,
    DropReportTemplate,
    FillFromExam,
    Part,
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
from ris.models import Order, Report, ReportTemplate, ReportVersion
from ris.selectors.report_seals import hash_of
from ris.services import execute
from tests import ground, make, people
from tests.report_templates import CONTENT, NODULE, PRESENT, SIZE, template

pytestmark = pytest.mark.django_db


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


# --- another template over the answers of the first

OTHER = TemplateContent(
    parts=(
        Part(section="findings", text="Lung.\nFocal lesion, nodule: [Nodule]"),
        Part(section="impression", text="Nodule of [Size]"),
    ),
    fields=(
        Field(
            name="Nodule",
            kind=FieldKind.CHOICE,
            choices=(Choice(text="present", concept=PRESENT), Choice(text="seen before")),
            concept=NODULE,
        ),
        Field(name="Size", kind=FieldKind.NUMBER, unit="cm", concept=SIZE),
    ),
)


def answered(exam: tuple[Order, str]) -> Report:
    """A draft that was begun with the first template, with both its coded answers."""
    report = applied(exam)
    execute(
        SaveDraft(
            report=str(report.public_id),
            sections=dict(report.draft),
            answers={"Nodule": "present", "Size": "12"},
        ),
        actor=people.radiologist,
    )
    report.refresh_from_db()
    return report


def change(report: Report, key: str, **more: Any) -> Report:
    execute(
        ApplyReportTemplate(
            report=str(report.public_id), template=key, sections=dict(report.draft), **more
        ),
        actor=people.radiologist,
    )
    report.refresh_from_db()
    return report


def test_another_template_is_not_begun_with_before_it_is_said_which_codes_are_lost(
    exam: tuple[Order, str],
) -> None:
    report = answered(exam)
    other = template(name="Lung", content=OTHER)

    with pytest.raises(MissingValueError) as refused:
        change(report, other)

    assert refused.value.path == "without_codes"
    assert refused.value.details == {"codes": [{"name": "Size", "words": "12 mm"}]}
    assert Report.objects.get().form["name"] == "CT head"
    assert Report.objects.get().draft_revision == report.draft_revision


def test_answers_that_the_other_template_asks_for_as_well_keep_their_codes(
    exam: tuple[Order, str],
) -> None:
    report = answered(exam)
    other = template(name="Lung", content=OTHER)
    findings = report.draft["findings"]

    changed = change(report, other, without_codes=("Size",))
    version = finalize(changed, filled(changed))

    assert (
        changed.draft["findings"] == findings == "Nodule: present. Size: 12 mm\nOther: nothing else"
    )
    assert changed.draft["impression"] == "Nodule of [Size]"  # 12 mm are no 12 cm
    assert changed.form["answers"] == {"Nodule": "present"}
    assert [(row["code"], row["value"], row["value_code"]) for row in version.coded] == [
        (NODULE.code, "present", PRESENT.code)
    ]


def test_the_same_template_once_more_loses_nothing(exam: tuple[Order, str]) -> None:
    report = answered(exam)

    changed = change(report, report.form["template"])
    version = finalize(changed, filled(changed))

    assert [(row["meaning"], row["value"]) for row in version.coded] == [
        ("Nodule", "present"),
        ("Diameter", "12"),
    ]


def test_what_still_waits_in_a_text_that_stays_is_asked_for_by_the_other_template(
    exam: tuple[Order, str],
) -> None:
    report = applied(exam)
    other = template(name="Lung", content=OTHER)

    changed = change(report, other)
    execute(
        SaveDraft(
            report=str(report.public_id),
            sections=dict(changed.draft),
            answers={"Nodule": "present"},
        ),
        actor=people.radiologist,
    )

    text = Report.objects.get().draft["findings"]
    assert text == "Nodule: present. Size: [Size]\nOther: nothing else"


def test_dropping_a_template_says_which_codes_are_lost(exam: tuple[Order, str]) -> None:
    report = answered(exam)
    drop = DropReportTemplate(report=str(report.public_id), sections=dict(report.draft))

    with pytest.raises(MissingValueError) as refused:
        execute(drop, actor=people.radiologist)
    execute(replace(drop, without_codes=("Nodule", "Size")), actor=people.radiologist)

    assert [each["name"] for each in refused.value.details["codes"]] == ["Nodule", "Size"]
    assert Report.objects.get().form is None

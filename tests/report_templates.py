"""A report template with a field of each kind, as tests begin drafts with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ris.domain.actors import Actor
from ris.domain.report_fields import Choice, Concept, Field, FieldKind, MergeSource
from ris.domain.report_templates import DefineReportTemplate, Part, TemplateContent
from ris.services import execute
from tests import people

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

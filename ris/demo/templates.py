"""Report templates and macros of the demo: some of the site, one imported, one in use."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ris.demo.cast import folder
from ris.domain.actors import Actor
from ris.domain.mrrt_reading import read
from ris.domain.report_fields import Choice, Field, FieldKind, MergeSource
from ris.domain.report_templates import (
    ApplyReportTemplate,
    DefineReportTemplate,
    Part,
    SaveMacro,
    TemplateContent,
)
from ris.domain.reporting import ReportStatus
from ris.models import Report
from ris.services import execute

CT = TemplateContent(
    parts=(
        Part(section="indication", text="[Indication]. Age [Age], [Sex]."),
        Part(
            section="technique",
            text="[Procedure]. Slices of [Slice thickness]. Contrast: [Contrast]. Dose: [Dose].",
        ),
        Part(section="comparison", text="[Exam before]."),
        Part(section="findings", text="Soft tissue: [Soft tissue]. Bones: [Bones]."),
        Part(section="recommendation", text="[Follow-up]."),
    ),
    fields=(
        Field(name="Indication", kind=FieldKind.MERGE, source=MergeSource.INDICATION),
        Field(name="Age", kind=FieldKind.MERGE, source=MergeSource.AGE),
        Field(name="Sex", kind=FieldKind.MERGE, source=MergeSource.SEX),
        Field(name="Procedure", kind=FieldKind.MERGE, source=MergeSource.PROCEDURE),
        Field(
            name="Slice thickness",
            kind=FieldKind.NUMBER,
            unit="mm",
            minimum=Decimal("0.3"),
            maximum=Decimal(10),
            default="1",
        ),
        Field(name="Contrast", kind=FieldKind.MERGE, source=MergeSource.CONTRAST),
        Field(name="Dose", kind=FieldKind.MERGE, source=MergeSource.DOSE),
        Field(name="Exam before", kind=FieldKind.MERGE, source=MergeSource.PRIOR_DATE),
        Field(
            name="Follow-up",
            kind=FieldKind.CHOICE,
            required=True,
            choices=(
                Choice(text="No follow-up needed"),
                Choice(text="Control in 3 months"),
                Choice(text="Control in 12 months"),
            ),
        ),
    ),
)
CHEST = TemplateContent(
    parts=(
        Part(section="technique", text="Chest in [Views]."),
        Part(
            section="findings",
            text="Lungs: [Lungs]. Heart: [Heart].\nPleura: [Pleura].",
        ),
        Part(section="impression", text="[Impression]"),
    ),
    fields=(
        Field(
            name="Views",
            kind=FieldKind.CHOICE,
            choices=(Choice(text="one view"), Choice(text="two views")),
            default="two views",
        ),
        Field(name="Lungs", default="clear"),
        Field(
            name="Heart",
            kind=FieldKind.CHOICE,
            choices=(Choice(text="not enlarged"), Choice(text="enlarged")),
            default="not enlarged",
        ),
        Field(
            name="Pleura",
            kind=FieldKind.CHOICES,
            choices=(
                Choice(text="no effusion"),
                Choice(text="effusion on the right"),
                Choice(text="effusion on the left"),
            ),
            default="no effusion",
        ),
    ),
)
MACROS = (
    ("noacute", "No acute finding."),
    ("effusion", "Pleural effusion on the [right|left], [Depth in mm] deep."),
    ("told", "Told to [Name] by phone at [Time]."),
)


def keep_templates(actors: Mapping[str, Actor]) -> None:
    """What the site's radiologists write with; one draft of today was begun with a template."""
    radiologist = actors["radiologist"]
    ct = execute(DefineReportTemplate(name="CT", content=CT, modalities=("CT",)), actor=radiologist)
    execute(
        DefineReportTemplate(name="Chest", content=CHEST, modalities=("DX",), automatic=True),
        actor=radiologist,
    )
    imported = read((folder("mrrt") / "good" / "ct_liver.html").read_bytes())
    if imported.content is not None:
        execute(
            DefineReportTemplate(
                name=imported.name,
                content=imported.content,
                modalities=imported.modalities,
                regions=("LIVER",),
            ),
            actor=radiologist,
        )
    for name, text in MACROS:
        execute(SaveMacro(name=name, text=text, own=False), actor=radiologist)
    draft = (
        Report.objects.filter(
            status=ReportStatus.DRAFT.value,
            author_id=radiologist.user_id,
            procedures__steps__modality="CT",
        )
        .order_by("-updated_at")
        .first()
    )
    if draft is not None:
        execute(
            ApplyReportTemplate(
                report=str(draft.public_id), template=ct, sections=dict(draft.draft)
            ),
            actor=radiologist,
        )

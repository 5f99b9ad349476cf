"""The form of a procedure, and of a file of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_lazy as _

from ris.domain.catalog import DefineProcedure, DeviceRuleDetails, StepTemplateDetails
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code
from ris.selectors.catalog import ProcedureLine
from ris.web.catalog import sheet
from ris.web.forms import PageForm
from ris.web.sheets import split


class ProcedureForm(PageForm):
    """A procedure; its code stays, because orders are found by it."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=64)
    scheme = forms.CharField(
        label=gettext_lazy("Coding scheme"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("LN, SCT, 99LOCAL …"),
    )
    version = forms.CharField(label=gettext_lazy("Scheme version"), max_length=16, required=False)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    modality = forms.CharField(
        label=gettext_lazy("Modality"),
        max_length=16,
        help_text=gettext_lazy("CT, MR, US, DX, MG, NM …"),
    )
    duration_minutes = forms.IntegerField(
        label=gettext_lazy("Duration in minutes"), min_value=1, max_value=24 * 60, initial=30
    )
    body_part = forms.CharField(label=gettext_lazy("Body part"), max_length=64, required=False)
    contrast = forms.CharField(label=gettext_lazy("Contrast"), max_length=64, required=False)
    preparation = forms.CharField(
        label=gettext_lazy("Preparation"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What the patient is told, and the scheduler sees"),
    )
    laterality_required = forms.BooleanField(
        label=gettext_lazy("The side must be said"), required=False
    )
    steps = forms.CharField(
        label=gettext_lazy("Steps"),
        required=False,
        max_length=8000,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "class": "form-control mono"}
        ),
        help_text=(
            gettext_lazy(
                "Only if there are several, or protocol codes: a line each, as "
                "CT; Head without contrast; 20; CT01^99LOCAL^Head plain"
            )
        ),
    )

    subspecialty = forms.CharField(
        label=_("Read by (subspecialty)"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"list": "subspecialties"}),
        help_text=_("neuro, chest, MSK …; empty: every radiologist"),
    )
    buffer_before_minutes = forms.IntegerField(
        label=_("Kept free before, minutes"), min_value=0, max_value=240, initial=0
    )
    buffer_after_minutes = forms.IntegerField(
        label=_("Kept free after, minutes"), min_value=0, max_value=240, initial=0
    )
    lead_hours = forms.IntegerField(
        label=_("Earliest from now, hours"),
        min_value=0,
        max_value=24 * 90,
        initial=0,
        help_text=_("For preparation: 24 keeps it from being booked for today"),
    )
    staff_required = forms.IntegerField(
        label=_("People booked with it"), min_value=0, max_value=10, initial=0
    )
    radiologist_present = forms.BooleanField(
        label=_("A radiologist has to be there"), required=False
    )
    required_skills = forms.CharField(
        label=_("Skills it needs"),
        max_length=500,
        required=False,
        help_text=_("Words that staff have, such as pediatric-sedation; MR-safety"),
    )
    device_rules = forms.CharField(
        label=_("On single devices"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 2, "spellcheck": "false", "class": "form-control mono"}
        ),
        help_text=_(
            "Own minutes, or no where it is not done: CT1: 25; CT2: no. What is not named does it "
            "like all others"
        ),
    )

    @classmethod
    def of(cls, line: ProcedureLine) -> ProcedureForm:
        found = cls(
            initial={
                "code": line.code.value,
                "scheme": line.code.scheme,
                "version": line.code.version,
                "name": line.code.meaning,
                "modality": line.modality,
                "duration_minutes": line.duration_minutes,
                "body_part": line.body_part,
                "contrast": line.contrast,
                "preparation": line.preparation,
                "laterality_required": line.laterality_required,
                "steps": sheet.write_steps(line.steps),
                "buffer_before_minutes": line.buffer_before_minutes,
                "buffer_after_minutes": line.buffer_after_minutes,
                "lead_hours": line.lead_hours,
                "staff_required": line.staff_required,
                "radiologist_present": line.radiologist_present,
                "required_skills": "; ".join(line.required_skills),
                "device_rules": sheet.write_devices(line.device_rules),
                "subspecialty": line.subspecialty,
            }
        )
        found.keep_code()
        return found

    def keep_code(self) -> None:
        """Show the code without letting it be changed."""
        for name in ("code", "scheme", "version"):
            self.fields[name].widget.attrs["readonly"] = True

    def clean_steps(self) -> tuple[StepTemplateDetails, ...]:
        try:
            return sheet.read_steps(str(self.cleaned_data["steps"]))
        except InvalidValueError as error:
            raise ValidationError(error.message) from None

    def clean_device_rules(self) -> tuple[DeviceRuleDetails, ...]:
        try:
            return sheet.read_devices(str(self.cleaned_data["device_rules"]))
        except InvalidValueError as error:
            raise ValidationError(error.message) from None

    def command(self) -> DefineProcedure:
        """What the form asks for, once it is valid."""
        said: dict[str, Any] = self.cleaned_data
        return DefineProcedure(
            code=Code(said["code"], said["scheme"], said["name"], said["version"]),
            modality=said["modality"],
            duration_minutes=said["duration_minutes"],
            preparation=said["preparation"],
            body_part=said["body_part"],
            contrast=said["contrast"],
            laterality_required=said["laterality_required"],
            steps=said["steps"],
            buffer_before_minutes=said["buffer_before_minutes"],
            buffer_after_minutes=said["buffer_after_minutes"],
            lead_hours=said["lead_hours"],
            staff_required=said["staff_required"],
            radiologist_present=said["radiologist_present"],
            required_skills=split(said["required_skills"]),
            device_rules=said["device_rules"],
            subspecialty=said["subspecialty"],
        )

"""The form of a procedure, and of a file of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ris.domain.catalog import DefineProcedure, StepTemplateDetails
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code
from ris.selectors.catalog import ProcedureLine
from ris.web.catalog import sheet
from ris.web.forms import PageForm


class ProcedureForm(PageForm):
    """A procedure; its code stays, because orders are found by it."""

    code = forms.CharField(max_length=64)
    scheme = forms.CharField(
        label="Coding scheme", max_length=64, required=False, help_text="LN, SCT, 99LOCAL …"
    )
    version = forms.CharField(label="Scheme version", max_length=16, required=False)
    name = forms.CharField(max_length=200)
    modality = forms.CharField(max_length=16, help_text="CT, MR, US, DX, MG, NM …")
    duration_minutes = forms.IntegerField(
        label="Duration in minutes", min_value=1, max_value=24 * 60, initial=30
    )
    body_part = forms.CharField(max_length=64, required=False)
    contrast = forms.CharField(max_length=64, required=False)
    preparation = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What the patient is told, and the scheduler sees",
    )
    laterality_required = forms.BooleanField(label="The side must be said", required=False)
    steps = forms.CharField(
        required=False,
        max_length=8000,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "class": "form-control mono"}
        ),
        help_text=(
            "Only if there are several, or protocol codes: a line each, as "
            "CT; Head without contrast; 20; CT01^99LOCAL^Head plain"
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
        )

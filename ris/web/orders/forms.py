"""Forms about orders."""

from __future__ import annotations

from typing import Any

from django import forms

from ris.domain.orders import OrderDetails, Priority, ProcedureRequest
from ris.domain.values import Code
from ris.models import ProcedureDefinition
from ris.web import labels
from ris.web.forms import PageForm
from ris.web.patients.forms import person_from

SIDES = [("", "Not said"), ("L", "Left"), ("R", "Right"), ("B", "Both sides")]


def procedure_choices() -> list[Any]:
    """The catalog, grouped by modality; typing in the list jumps to a name."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in ProcedureDefinition.objects.filter(active=True).order_by("modality", "meaning"):
        words = f"{row.meaning} ({row.duration_minutes} min)"
        groups.setdefault(row.modality, []).append((str(row.public_id), words))
    return [("", "Choose …"), *groups.items()]


class OrderForm(PageForm):
    """An order on one page; up to three procedures."""

    procedure = forms.ChoiceField(help_text="Type the first letters to jump to a name.")
    side = forms.ChoiceField(choices=SIDES, required=False)
    procedure_2 = forms.ChoiceField(label="Second procedure", required=False)
    side_2 = forms.ChoiceField(label="Side of the second", choices=SIDES, required=False)
    procedure_3 = forms.ChoiceField(label="Third procedure", required=False)
    side_3 = forms.ChoiceField(label="Side of the third", choices=SIDES, required=False)
    priority = forms.ChoiceField(
        choices=[(item.value, labels.PRIORITY[item].words) for item in Priority],
        initial=Priority.ROUTINE.value,
    )
    reason = forms.CharField(
        label="Reason for the exam",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The clinical question; the radiologist reads it first.",
    )
    requester = forms.CharField(
        label="Requested by", max_length=120, required=False, help_text="Family name, given name"
    )
    transport = forms.ChoiceField(
        choices=[
            ("", "Not said"),
            ("Walking", "Walking"),
            ("Wheelchair", "Wheelchair"),
            ("Bed", "Bed"),
        ],
        required=False,
    )
    comments = forms.CharField(
        label="Note for the department",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    patient = forms.CharField(widget=forms.HiddenInput)
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = procedure_choices()
        for name in ("procedure", "procedure_2", "procedure_3"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wanted = self._wanted(cleaned)
        found = {
            str(row.public_id): row
            for row in ProcedureDefinition.objects.filter(
                public_id__in=[key for _, key, _ in wanted]
            )
        }
        for field, key, side in wanted:
            if key in found and found[key].laterality_required and not side:
                self.add_error(field.replace("procedure", "side"), "This procedure needs a side.")
        cleaned["definitions"] = [(found[key], side) for _, key, side in wanted if key in found]
        return cleaned

    @staticmethod
    def _wanted(cleaned: dict[str, Any]) -> list[tuple[str, str, str]]:
        return [
            (f"procedure{suffix}", cleaned[f"procedure{suffix}"], cleaned.get(f"side{suffix}", ""))
            for suffix in ("", "_2", "_3")
            if cleaned.get(f"procedure{suffix}")
        ]

    def procedures(self) -> tuple[ProcedureRequest, ...]:
        return tuple(
            ProcedureRequest(
                code=Code(row.code, row.scheme, row.meaning, row.code_version), laterality=side
            )
            for row, side in self.cleaned_data["definitions"]
        )

    def details(self, entered_by: str) -> OrderDetails:
        data = self.cleaned_data
        return OrderDetails(
            priority=Priority(data["priority"]),
            reason=data["reason"],
            comments=data["comments"],
            requester=person_from(data["requester"]),
            transport=data["transport"],
            entered_by=entered_by,
        )


class CompleteForm(PageForm):
    """What a step lacks to be scheduled."""

    modality = forms.CharField(max_length=16, help_text="The DICOM code: CT, MR, US, DX, MG, NM …")
    duration_minutes = forms.IntegerField(label="Minutes", min_value=1, max_value=1440, initial=30)

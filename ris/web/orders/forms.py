"""Forms about orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, tzinfo
from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.errors import InvalidValueError
from ris.domain.orders import OrderDetails, Priority, ProcedureRequest, StepRequest
from ris.domain.places import Place
from ris.domain.values import Code
from ris.models import ProcedureDefinition
from ris.selectors.openings import bookable_devices
from ris.selectors.practitioners import meant
from ris.selectors.resources import zone_together
from ris.web import labels
from ris.web.forms import DateInput, PageForm, TimeInput
from ris.web.patients.forms import person_from
from ris.web.scheduling.forms import slot_in
from ris.web.wall_clock import moment

SIDES = [
    ("", gettext_lazy("Not said")),
    ("L", gettext_lazy("Left")),
    ("R", gettext_lazy("Right")),
    ("B", gettext_lazy("Both sides")),
]
EXAMS = 6  # of one order
TRANSPORT = [
    ("", gettext_lazy("Not said")),
    ("Walking", gettext_lazy("Walking")),
    ("Wheelchair", gettext_lazy("Wheelchair")),
    ("Bed", gettext_lazy("Bed")),
]
LATER, FIRST, WISH = "later", "first", "wish"


class CatalogSelect(forms.Select):
    """The catalog as a list; what is typed is also looked for in codes and parts of the body."""

    words: Mapping[str, str] = {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        words = self.words.get(str(value))
        if words:
            option["attrs"]["data-words"] = words
        return option


def catalog() -> tuple[list[Any], dict[str, str]]:
    """The choices, grouped by modality, and what else each is found by."""
    groups: dict[str, list[tuple[str, str]]] = {}
    words: dict[str, str] = {}
    for row in ProcedureDefinition.objects.filter(active=True).order_by("modality", "meaning"):
        key = str(row.public_id)
        text = f"{row.meaning} ({row.modality}, {row.duration_minutes} min)"
        groups.setdefault(row.modality, []).append((key, text))
        words[key] = f"{row.code} {row.body_part}".strip()
    return [("", _("Choose …")), *groups.items()], words


def exam_select(label: str) -> CatalogSelect:
    """A list that is typed into; its choices are those of :func:`catalog`."""
    return CatalogSelect(
        attrs={
            "data-typeahead": label,
            "data-placeholder": _("Code, words, modality or part of the body"),
            "data-none": _("Nothing in the catalog fits"),
        }
    )


def name_of(base: str, number: int) -> str:
    """``procedure``, ``procedure_2``, …"""
    return base if number == 1 else f"{base}_{number}"


def _exam_fields() -> dict[str, forms.Field]:
    found: dict[str, forms.Field] = {}
    for number in range(1, EXAMS + 1):
        label = _("Exam") if number == 1 else _("Exam %(number)s") % {"number": number}
        found[name_of("procedure", number)] = forms.ChoiceField(
            label=label, required=number == 1, widget=exam_select(label)
        )
        found[name_of("side", number)] = forms.ChoiceField(
            label=_("Side"), choices=SIDES, required=False
        )
    return found


class OrderForm(PageForm):
    """An order on one page; up to :data:`EXAMS` exams."""

    places: ClassVar[Mapping[str, str]] = {Place.REQUESTING_SERVICE: "service"}

    priority = forms.ChoiceField(
        label=gettext_lazy("Priority"),
        choices=[(item.value, item.value) for item in Priority],
        initial=Priority.ROUTINE.value,
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason for the exam"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The clinical question; the radiologist reads it first."),
    )
    requester = forms.CharField(
        label=gettext_lazy("Requested by"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("Family name, given name; known people are offered as you type"),
    )
    service = forms.CharField(
        label=gettext_lazy("Department or practice"), max_length=64, required=False
    )
    callback_phone = forms.CharField(label=gettext_lazy("Call back"), max_length=40, required=False)
    transport = forms.ChoiceField(
        label=gettext_lazy("Transport"), choices=TRANSPORT, required=False
    )
    interpreter_language = forms.CharField(
        label=gettext_lazy("Interpreter for"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("A language: ar, tr, uk"),
    )
    comments = forms.CharField(
        label=gettext_lazy("Note for the department"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    when = forms.CharField(
        label=gettext_lazy("When"), required=False, max_length=120, initial=LATER
    )
    wished_day = forms.DateField(
        label=gettext_lazy("Wished day"), required=False, widget=DateInput()
    )
    wished_at = forms.TimeField(
        label=gettext_lazy("Wished time"), required=False, widget=TimeInput()
    )
    again = forms.BooleanField(
        label=gettext_lazy("Order it once more all the same"), required=False
    )
    patient = forms.CharField(widget=forms.HiddenInput, required=False)
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)
    draft = forms.CharField(widget=forms.HiddenInput, required=False, max_length=36)

    def __init__(self, *args: Any, exams: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add(_exam_fields())
        choices, words = catalog()
        for number in range(1, EXAMS + 1):
            name = name_of("procedure", number)
            self.offer(name, choices)
            self.fields[name].widget.words = words
        self.offer("priority", [(item.value, labels.PRIORITY[item].words) for item in Priority])
        self.fields["requester"].widget.attrs["list"] = "requesters"
        self.shown = max(exams, *self._filled(), 1)

    def _filled(self) -> list[int]:
        """The numbers of the exams that are chosen."""
        return [
            number for number in range(1, EXAMS + 1) if self[name_of("procedure", number)].value()
        ]

    @property
    def exams(self) -> list[tuple[Any, Any]]:
        """The rows that are shown: exam and side."""
        return [
            (self[name_of("procedure", number)], self[name_of("side", number)])
            for number in range(1, self.shown + 1)
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wanted = self._wanted(cleaned)
        found = {
            str(row.public_id): row
            for row in ProcedureDefinition.objects.filter(
                public_id__in=[key for _field, key, _side in wanted]
            )
        }
        for field, key, side in wanted:
            if key in found and found[key].laterality_required and not side:
                self.add_error(
                    field.replace("procedure", "side"), _("This procedure needs a side.")
                )
        cleaned["definitions"] = [
            (found[key], side) for _field, key, side in wanted if key in found
        ]
        if cleaned.get("when") == WISH and not cleaned.get("wished_day"):
            self.add_error("wished_day", _("Say which day is wished."))
        elif cleaned.get("when") == WISH:
            self.read_clock("wished_at", [self._wish], self._wish_zone)
        return cleaned

    def clean_when(self) -> str:
        text: str = self.cleaned_data["when"] or LATER
        if text not in {LATER, FIRST, WISH}:
            try:
                slot_in(text)
            except InvalidValueError:
                raise forms.ValidationError(_("Choose a time again.")) from None
        return text

    @staticmethod
    def _wanted(cleaned: dict[str, Any]) -> list[tuple[str, str, str]]:
        names = [(name_of("procedure", n), name_of("side", n)) for n in range(1, EXAMS + 1)]
        return [
            (exam, cleaned[exam], cleaned.get(side, ""))
            for exam, side in names
            if cleaned.get(exam)
        ]

    @property
    def wished(self) -> datetime | None:
        """The time that is wished; in the morning where only the day is."""
        data = self.cleaned_data
        if data["when"] != WISH:
            return None
        return moment(*self._wish, self._wish_zone, turn=self.turn("wished_at"))

    @cached_property
    def _wish_zone(self) -> tzinfo:
        """Where the first exam is done; where that is several places, as the settings say."""
        modalities = [row.modality for row, _side in self.cleaned_data["definitions"]]
        return zone_together(bookable_devices(modalities[0] if modalities else ""))

    @property
    def _wish(self) -> tuple[date, time]:
        data = self.cleaned_data
        return data["wished_day"], data.get("wished_at") or time(8)

    def procedures(self) -> tuple[ProcedureRequest, ...]:
        steps = (StepRequest(start_at=self.wished),) if self.wished else ()
        return tuple(
            ProcedureRequest(
                code=Code(row.code, row.scheme, row.meaning, row.code_version),
                laterality=side,
                steps=steps,
            )
            for row, side in self.cleaned_data["definitions"]
        )

    def details(self, entered_by: str) -> OrderDetails:
        data = self.cleaned_data
        known = meant(data["requester"])
        return OrderDetails(
            priority=Priority(data["priority"]),
            reason=data["reason"],
            comments=data["comments"],
            requester=known.name if known else person_from(data["requester"]),
            requester_identifier=known.identifier if known else None,
            requesting_service=data["service"] or None,
            callback_phone=data["callback_phone"] or None,
            transport=data["transport"],
            interpreter_language=data["interpreter_language"] or None,
            entered_by=entered_by,
        )


class EditForm(PageForm):
    """What may be changed of an order as a whole."""

    priority = OrderForm.base_fields["priority"]
    reason = OrderForm.base_fields["reason"]
    requester = OrderForm.base_fields["requester"]
    service = OrderForm.base_fields["service"]
    callback_phone = OrderForm.base_fields["callback_phone"]
    transport = forms.CharField(label=gettext_lazy("Transport"), max_length=64, required=False)
    comments = OrderForm.base_fields["comments"]
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("priority", [(item.value, labels.PRIORITY[item].words) for item in Priority])
        self.fields["reason"].required = False  # orders come without, and stay changeable
        self.fields["requester"].widget.attrs["list"] = "requesters"

    def details(self) -> OrderDetails:
        """What the form says; a field that was not sent is not said."""
        data = self.cleaned_data

        def sent(name: str) -> str | None:
            return str(data[name]) if name in self.data else None

        requester = sent("requester")
        known = meant(requester) if requester else None
        person = person_from(requester) if requester is not None else None
        return OrderDetails(
            priority=Priority(data["priority"]),
            reason=sent("reason"),
            comments=sent("comments"),
            requester=known.name if known else person,
            requester_identifier=known.identifier if known else None,
            requesting_service=sent("service"),
            callback_phone=sent("callback_phone"),
            transport=sent("transport"),
        )


class CompleteForm(PageForm):
    """What a step lacks to be scheduled."""

    modality = forms.CharField(
        label=gettext_lazy("Modality"),
        max_length=16,
        help_text=gettext_lazy("The DICOM code: CT, MR, US, DX, MG, NM …"),
    )
    duration_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=1, max_value=1440, initial=30
    )

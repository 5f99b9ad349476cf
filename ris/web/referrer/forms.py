"""Forms of a referring doctor's request: whom, which exams, why; and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.orders import OrderDetails, Priority
from ris.domain.patients import Demographics, Sex
from ris.domain.referring import Lack, Missing, missing
from ris.domain.values import PartialDate, PersonName
from ris.selectors.practitioners import written
from ris.selectors.referring import Reach
from ris.web import labels
from ris.web.forms import PageForm
from ris.web.orders.forms import EXAMS, OrderForm, name_of
from ris.web.orders.safety_part import Row
from ris.web.patients.forms import birth_date_from

_SIDES = frozenset(name_of("side", number) for number in range(1, EXAMS + 1))
_DESK_ONLY = ("service", "when", "wished_day", "wished_at", "draft", "interpreter_language")


class RequestForm(OrderForm):
    """An order as its doctor enters it: no times, no other requester than one's own."""

    anyway = forms.BooleanField(
        label=gettext_lazy("Send all the same; the department asks the patient"), required=False
    )
    # By what a patient who is not one's own yet was named; looked at once more when it is sent.
    proof_number = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    proof_birth_date = forms.CharField(widget=forms.HiddenInput, required=False, max_length=10)

    def __init__(self, *args: Any, to: Reach, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _DESK_ONLY:
            del self.fields[name]
        people = [(each.public_id, written(each.name)) for each in to.people]
        several = len(people) > 1
        # Of several nobody is the usual one: an order in the wrong name goes unread.
        self.fields["requester"] = forms.ChoiceField(
            label=_("Requested by"),
            choices=[("", _("Choose …")), *people] if several else [("", ""), *people],
            required=several,
        )
        if not several:
            self.fields["requester"].widget = forms.HiddenInput()
        self.fields["callback_phone"].label = _("Your phone for questions")
        self.fields["callback_phone"].required = True
        self.fields["callback_phone"].initial = to.people[0].phone if len(people) == 1 else ""
        self.add({})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # What is missing is told all at once, above the form.
        for name in ("reason", "callback_phone", *_SIDES):
            faults = self.errors.get(name)
            if faults is None or faults.as_data()[0].code == "required" or name in _SIDES:
                self.errors.pop(name, None)
                cleaned.setdefault(name, "")
        return cleaned

    def clean_when(self) -> str:
        return ""

    @property
    def wished(self) -> datetime | None:
        return None

    def lacks(self, rows: Sequence[Row]) -> tuple[Missing, ...]:
        """What is missing; asked of a form whose fields could be read."""
        data = self.cleaned_data
        return missing(
            reason=data.get("reason", ""),
            phone=data.get("callback_phone", ""),
            sides={
                row.meaning: side
                for row, side in data.get("definitions", ())
                if row.laterality_required
            },
            questions={row.question.words: row.value for row in rows},
        )

    def details(self, entered_by: str) -> OrderDetails:
        data = self.cleaned_data
        return OrderDetails(
            priority=Priority(data["priority"]),
            reason=data["reason"],
            comments=data["comments"],
            callback_phone=data["callback_phone"] or None,
            transport=data["transport"],
            entered_by=entered_by,
        )


def in_words(each: Missing) -> str:
    """What is missing, as the list above the form says it."""
    if each.lack is Lack.REASON:
        return _("The reason for the exam: what is to be found out, and why.")
    if each.lack is Lack.PHONE:
        return _("A phone number where you can be reached for questions and critical findings.")
    if each.lack is Lack.SIDE:
        return _("The side for {exam}.").format(exam=each.of)
    return _("The safety question “{question}”.").format(question=each.of)


class NewPersonForm(PageForm):
    """Somebody who was never here; the department compares before a time is booked."""

    family_name = forms.CharField(label=gettext_lazy("Family name"), max_length=64)
    given_name = forms.CharField(label=gettext_lazy("Given name"), max_length=64)
    birth_date = forms.CharField(
        label=gettext_lazy("Birth date"),
        max_length=10,
        help_text=gettext_lazy("The whole date, as in 1970-05-03"),
    )
    sex = forms.ChoiceField(
        label=gettext_lazy("Sex"),
        choices=[
            ("", gettext_lazy("Choose …")),
            *((sex.value, labels.SEX[sex].words) for sex in Sex if sex is not Sex.UNKNOWN),
        ],
    )
    phone = forms.CharField(label=gettext_lazy("Phone of the patient"), max_length=40)

    def clean_birth_date(self) -> PartialDate:
        return whole_date(self.cleaned_data["birth_date"])

    def demographics(self) -> Demographics:
        data = self.cleaned_data
        return Demographics(
            name=PersonName.of(data["family_name"], data["given_name"]),
            birth_date=data["birth_date"],
            sex=Sex(data["sex"]),
            phone=data["phone"],
        )


class ProofForm(PageForm):
    """A number and the birth date of somebody the department knows."""

    number = forms.CharField(label=gettext_lazy("Patient number (MRN)"), max_length=64)
    birth_date = forms.CharField(
        label=gettext_lazy("Birth date"),
        max_length=10,
        help_text=gettext_lazy("The whole date, as in 1970-05-03"),
    )

    def clean_birth_date(self) -> PartialDate:
        return whole_date(self.cleaned_data["birth_date"])


def whole_date(text: str) -> PartialDate:
    """A whole date; raises ValidationError with words for the page."""
    found = birth_date_from(text)
    if len(found.text) != len("1970-05-03"):
        raise forms.ValidationError(_("The whole date is needed, as in 1970-05-03."))
    return found

"""Forms about patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.errors import InvalidValueError
from ris.domain.patients import Demographics, Sex
from ris.domain.places import Place
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.web import labels
from ris.web.forms import PageForm
from ris.web.words import refusal


def person_from(text: str) -> PersonName:
    """``Family, Given`` or ``Given Family`` or a DICOM name; what people write in one field."""
    text = " ".join(text.split())
    if not text:
        return PersonName()
    if "^" in text:
        return PersonName.parse(text)
    if "," in text:
        family, _, given = text.partition(",")
        return PersonName.of(family.strip(), given.strip())
    given, _, family = text.rpartition(" ")
    return PersonName.of(family, given)


class PatientForm(PageForm):
    """A patient who is not known yet."""

    places: ClassVar[Mapping[str, str]] = {Place.PATIENT: "number", Place.NAME: "family_name"}

    family_name = forms.CharField(label=gettext_lazy("Family name"), max_length=64)
    given_name = forms.CharField(label=gettext_lazy("Given name"), max_length=64, required=False)
    birth_date = forms.CharField(
        label=gettext_lazy("Birth date"),
        max_length=10,
        required=False,
        help_text=gettext_lazy("1970-05-03; or only 1970-05 or 1970"),
    )
    sex = forms.ChoiceField(
        label=gettext_lazy("Sex"),
        choices=[(sex.value, labels.SEX[sex].lazy) for sex in Sex],
        required=False,
    )
    number = forms.CharField(
        label=gettext_lazy("Patient number (MRN)"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Left empty, a number is assigned here."),
    )
    issuer = forms.CharField(
        label=gettext_lazy("Who issued the number"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("For example HOSP"),
    )
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=40, required=False)
    known = forms.BooleanField(
        label=gettext_lazy("None of these is this person: register a new patient"), required=False
    )

    def clean_birth_date(self) -> PartialDate:
        try:
            return PartialDate.parse(self.cleaned_data["birth_date"])
        except InvalidValueError as error:
            raise forms.ValidationError(
                _("This is {message}, as in 1970-05-03.").format(message=refusal(error))
            ) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("number") and not cleaned.get("issuer"):
            self.add_error("issuer", "A number only means something with who issued it.")
        return cleaned

    def name(self) -> PersonName:
        return PersonName.of(self.cleaned_data["family_name"], self.cleaned_data["given_name"])

    def identifiers(self) -> tuple[Identifier, ...]:
        data = self.cleaned_data
        if not data["number"]:
            return ()
        return (Identifier(data["number"], data["issuer"], "MR"),)

    def demographics(self) -> Demographics:
        data = self.cleaned_data
        return Demographics(
            name=self.name(),
            birth_date=data["birth_date"],
            sex=Sex(data["sex"]),
            phone=data["phone"],
        )

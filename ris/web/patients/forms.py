"""Forms about patients."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.arrivals import dates_in
from ris.domain.errors import InvalidValueError
from ris.domain.patients import Demographics, Sex
from ris.domain.places import Place
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.web import labels
from ris.web.forms import PageForm


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


def born(text: str) -> PartialDate:
    """A birth date as people write it, to the day or not; raises InvalidValueError for none.

    Beside slashes nobody knows whether the day or the month stands first.
    """
    text = text.strip()
    days = sorted(dates_in(text), reverse=True) if "/" not in text else []
    for day in days:
        with suppress(InvalidValueError):  # eight digits are read from either end
            return PartialDate.parse(day)
    return PartialDate.parse(text)


def birth_date_from(text: str) -> PartialDate:
    """What :func:`born` finds; raises ValidationError with words for the page."""
    try:
        return born(text)
    except InvalidValueError as error:
        raise forms.ValidationError(
            _("There is no such date, or it cannot be read: write 1970-05-03 or 3.5.1970.")
        ) from error


class PatientForm(PageForm):
    """A patient who is not known yet."""

    places: ClassVar[Mapping[str, str]] = {Place.PATIENT: "number", Place.NAME: "family_name"}

    family_name = forms.CharField(label=gettext_lazy("Family name"), max_length=64)
    given_name = forms.CharField(label=gettext_lazy("Given name"), max_length=64, required=False)
    birth_date = forms.CharField(
        label=gettext_lazy("Birth date"),
        max_length=10,
        required=False,
        help_text=gettext_lazy("As in 1954-12-31 or 31.12.1954; or only 1954-12 or 1954"),
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
        return birth_date_from(self.cleaned_data["birth_date"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("number") and not cleaned.get("issuer"):
            self.add_error("issuer", _("A number only means something with who issued it."))
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

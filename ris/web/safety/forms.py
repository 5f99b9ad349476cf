"""The questions of an exam as a form, and the form of one question of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ris.domain.errors import InvalidValueError
from ris.domain.safety import (
    OVERRIDING,
    AnswerKind,
    AnswerSource,
    Gate,
    QuestionDetails,
    SafetyAnswerGiven,
    Told,
    parse_rules,
    write_rules,
)
from ris.selectors.safety import Check, SafetyState
from ris.web import sheets
from ris.web.asking import as_day
from ris.web.forms import PageForm
from ris.web.labels import TABLES

# --- the questions of one exam


@dataclass(frozen=True, slots=True)
class FormRow:
    """A question with what stands in its field: typed, known beforehand, or answered."""

    check: Check
    value: str = ""
    on: str = ""


def form_rows(checks: list[Check], typed: Mapping[str, str] | None = None) -> list[FormRow]:
    """``typed`` is a form that could not be saved: nothing of it is lost."""
    return [_form_row(check, typed) for check in checks]


def _form_row(check: Check, typed: Mapping[str, str] | None) -> FormRow:
    code = check.question.code
    if typed is not None:
        return FormRow(check, typed.get(f"a-{code}", "")[:500], typed.get(f"on-{code}", "")[:10])
    known = check.answer or check.proposal
    if known is None:
        return FormRow(check)
    return FormRow(check, known.value, known.on.isoformat() if known.on else "")


def given(
    state: SafetyState, typed: Mapping[str, str]
) -> tuple[tuple[SafetyAnswerGiven, ...], int]:
    """What the form answers, and how many prefilled answers nobody confirmed."""
    found: list[SafetyAnswerGiven] = []
    unconfirmed = 0
    for check in state.checks:
        code = check.question.code
        value = typed.get(f"a-{code}", "").replace("\0", "").strip()[:500]
        if not value:
            continue
        on = as_day(typed.get(f"on-{code}", ""))
        source = AnswerSource.PERSON
        proposal = check.proposal
        if proposal is not None and _is_as_proposed(check, value, on):
            if not typed.get(f"confirm-{code}"):
                unconfirmed += 1
                continue
            source = proposal.source
        found.append(SafetyAnswerGiven(question=code, value=value, on=on, source=source))
    return tuple(found), unconfirmed


def _is_as_proposed(check: Check, value: str, on: date | None) -> bool:
    proposal = check.proposal
    if proposal is None or value != proposal.value:
        return False
    return not check.question.dated or on == proposal.on


# --- a question of the catalog


def _choices(table: str) -> list[tuple[str, Any]]:
    return [(value, label.lazy) for value, label in TABLES[table][1].items()]


def write_choices(choices: tuple[tuple[str, str], ...]) -> str:
    return "; ".join(f"{value}={words}" for value, words in choices)


def read_choices(text: str) -> tuple[tuple[str, str], ...]:
    """The answers of ``no=No; yes=Yes``; raises InvalidValueError."""
    found = []
    for part in text.replace("\n", ";").split(";"):
        if not part.strip():
            continue
        value, is_there, words = part.partition("=")
        if not is_there or not value.strip() or not words.strip():
            raise InvalidValueError("choices are written like “no=No; yes=Yes”", path="choices")
        found.append((value.strip()[:32], words.strip()[:64]))
    return tuple(found)


class QuestionForm(PageForm):
    """A question; its code stays, because answers and rules name it."""

    code = forms.RegexField(
        regex=r"^[A-Za-z0-9_-]{1,32}$",
        label=_("Code"),
        help_text=_("Rules of other questions may name it: letters, digits, _ and -"),
    )
    words = forms.CharField(label=_("Question"), max_length=200)
    help = forms.CharField(label=_("Help for who asks"), max_length=300, required=False)
    kind = forms.ChoiceField(label=_("Answer"), choices=lambda: _choices("answer_kind"))
    unit = forms.CharField(label=_("Unit"), max_length=32, required=False)
    choices = forms.CharField(
        label=_("Choices"),
        required=False,
        max_length=1000,
        help_text=_("For a choice: no=No; possible=Possibly; yes=Yes"),
    )
    unsafe = forms.CharField(
        label=_("Unsafe if"),
        required=False,
        max_length=500,
        help_text=_("is yes; below 30; older than 30 days; is yes if EGFR below 45"),
    )
    gate = forms.ChoiceField(label=_("Needed"), choices=lambda: _choices("gate"))
    override = forms.MultipleChoiceField(
        label=_("May override"),
        required=False,
        choices=[(role.value, role.value) for role in OVERRIDING],
        widget=forms.SelectMultiple(attrs={"size": 2, "class": "form-select"}),
        help_text=_("None: nobody may"),
    )
    modalities = forms.CharField(
        label=_("Modalities"), max_length=200, required=False, help_text=_("Empty: all")
    )
    contrast_only = forms.BooleanField(label=_("Only with contrast"), required=False)
    sex = forms.ChoiceField(
        label=_("Sex"),
        required=False,
        choices=[("", _("any")), ("F", _("female")), ("M", _("male"))],
    )
    age_from = forms.IntegerField(label=_("Age from"), min_value=0, max_value=130, required=False)
    age_to = forms.IntegerField(label=_("Age to"), min_value=0, max_value=130, required=False)
    procedures = forms.CharField(
        label=_("Procedure codes"), max_length=2000, required=False, help_text=_("Empty: all")
    )
    sites = forms.CharField(
        label=_("Sites"), max_length=500, required=False, help_text=_("Empty: all")
    )
    dated = forms.BooleanField(label=_("Ask for the day of the value"), required=False)
    loinc = forms.CharField(
        label=_("Filled in from results"),
        max_length=200,
        required=False,
        help_text=_("LOINC codes of OBX or FHIR Observation"),
    )
    told = forms.ChoiceField(
        label=_("On the worklist"), required=False, choices=lambda: _choices("told")
    )
    told_words = forms.CharField(
        label=_("Words on the worklist"),
        max_length=64,
        required=False,
        help_text=_("Of an unsafe answer"),
    )
    offer_days = forms.IntegerField(
        label=_("Offer an earlier answer for days"),
        min_value=0,
        max_value=3650,
        initial=365,
        help_text=_("0: never"),
    )
    position = forms.IntegerField(
        label=_("Place in the list"), min_value=0, max_value=999, initial=100
    )
    patient_words = forms.CharField(
        label=_("As the patient's own page asks it"),
        max_length=200,
        required=False,
        help_text=_("Empty: it is not asked there. What is answered there has to be confirmed."),
    )

    @classmethod
    def of(cls, question: QuestionDetails) -> QuestionForm:
        found = cls(initial=texts_of(question))
        found.keep_code()
        return found

    def keep_code(self) -> None:
        self.fields["code"].widget.attrs["readonly"] = True

    def clean_unsafe(self) -> object:
        try:
            return parse_rules(str(self.cleaned_data["unsafe"]))
        except InvalidValueError as error:
            raise ValidationError(error.message) from None

    def clean_choices(self) -> object:
        try:
            return read_choices(str(self.cleaned_data["choices"]))
        except InvalidValueError as error:
            raise ValidationError(error.message) from None

    def question(self) -> QuestionDetails:
        """What the form says, once it is valid."""
        said = self.cleaned_data
        return QuestionDetails(
            code=said["code"].upper(),
            words=said["words"],
            help=said["help"],
            kind=AnswerKind(said["kind"]),
            unit=said["unit"],
            choices=said["choices"],
            unsafe=said["unsafe"],
            gate=Gate(said["gate"]),
            override=tuple(role for role in OVERRIDING if role.value in said["override"]),
            modalities=sheets.split(said["modalities"].upper()),
            contrast_only=said["contrast_only"],
            sex=said["sex"],
            age_from=said["age_from"],
            age_to=said["age_to"],
            procedures=sheets.split(said["procedures"]),
            sites=sheets.split(said["sites"]),
            dated=said["dated"],
            loinc=sheets.split(said["loinc"]),
            told=Told(said["told"]),
            told_words=said["told_words"],
            offer_days=said["offer_days"],
            position=said["position"],
            patient_words=said["patient_words"],
        )


def texts_of(question: QuestionDetails) -> dict[str, object]:
    """A question as the form shows it."""
    return {
        "code": question.code,
        "words": question.words,
        "help": question.help,
        "kind": question.kind.value,
        "unit": question.unit,
        "choices": write_choices(question.choices),
        "unsafe": write_rules(question.unsafe),
        "gate": question.gate.value,
        "override": [role.value for role in question.override],
        "modalities": ", ".join(question.modalities),
        "contrast_only": question.contrast_only,
        "sex": question.sex,
        "age_from": question.age_from,
        "age_to": question.age_to,
        "procedures": ", ".join(question.procedures),
        "sites": ", ".join(question.sites),
        "dated": question.dated,
        "loinc": ", ".join(question.loinc),
        "told": question.told.value,
        "told_words": question.told_words,
        "offer_days": question.offer_days,
        "position": question.position,
        "patient_words": question.patient_words,
    }


def nothing_answered(unconfirmed: int) -> InvalidValueError:
    """Why a form saves nothing."""
    if unconfirmed:
        return InvalidValueError(gettext("Tick “confirmed” beside what was filled in."))
    return InvalidValueError(gettext("Nothing was answered yet."))

"""Forms of the rooms: why an exam ended, what was used, what was not borne, what is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.discontinuation import MODALITY_REASONS
from ris.domain.discontinuation import REASONS as EVERY_REASON
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.supplies import Agent, Route, Severity, SupplyKind, SupplyUsed
from ris.domain.values import Code
from ris.models import Supply
from ris.selectors.supplies import SupplyLine, UseLine
from ris.web.forms import PageForm
from ris.web.frontdesk.forms import SIDES, procedure_choices
from ris.web.performing import words

REASONS: tuple[tuple[str, str], ...] = tuple((row.value, row.meaning) for row in MODALITY_REASONS)
_BY_VALUE = {row.value: row for row in MODALITY_REASONS}
# What a patient may not bear: the coded words of CID 9300 for reactions, by their words.
REACTIONS: tuple[tuple[str, str], ...] = tuple(
    sorted(
        (
            (row.value, row.meaning)
            for (scheme, _value), row in EVERY_REASON.items()
            if scheme == "SCT"
        ),
        key=lambda pair: pair[1],
    )
)
SPARE = 2  # empty lines below what is there


def reason_in(value: str) -> Code:
    """The reason as DICOM codes it; raises MissingValueError for none."""
    reason = _BY_VALUE.get(value)
    if reason is None:
        raise MissingValueError("choose why the exam ended early", path="reason")
    return reason.code


# --- what was used


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the supplies form, as it is or as it was typed."""

    supply: str = ""
    amount: str = ""
    lot: str = ""
    expires_on: str = ""
    route: str = ""


def lines_of(uses: Sequence[UseLine], usual: Sequence[tuple[SupplyLine, Decimal]]) -> list[Line]:
    """What is recorded; where nothing is, what the procedure usually takes; and spare lines."""
    found = [
        Line(
            supply=use.supply,
            amount=f"{use.amount.normalize():f}",
            lot=use.lot,
            expires_on=use.expires_on.isoformat() if use.expires_on else "",
            route=use.route,
        )
        for use in uses
    ]
    if not found:
        found = [
            Line(supply=supply.public_id, amount=f"{amount.normalize():f}", route=supply.route)
            for supply, amount in usual
        ]
    return [*found, *[Line()] * SPARE]


def lines_in(sent: QueryDict) -> list[Line]:
    """The lines as they were typed."""
    names = ("supply", "amount", "lot", "expires_on", "route")
    columns = [[text.replace("\0", "").strip() for text in sent.getlist(name)] for name in names]
    return [Line(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=False)]


def used_in(lines: Sequence[Line]) -> tuple[SupplyUsed, ...]:
    """What the lines say; a line without a supply or an amount is none."""
    return tuple(_used(line) for line in lines if line.supply and line.amount)


def _used(line: Line) -> SupplyUsed:
    try:
        amount = Decimal(line.amount.replace(",", "."))
    except InvalidOperation:
        raise InvalidValueError(
            _("“%(text)s” is no amount") % {"text": line.amount[:20]}, path="amount"
        ) from None
    if not amount.is_finite():
        raise InvalidValueError(_("an amount is a number"), path="amount")
    try:
        expires_on = date.fromisoformat(line.expires_on) if line.expires_on else None
    except ValueError:
        raise InvalidValueError(
            _("“%(text)s” is no date, as in 2027-01-31") % {"text": line.expires_on[:20]},
            path="expires_on",
        ) from None
    route = Route(line.route) if line.route in set(Route) else None
    return SupplyUsed(
        supply=line.supply, amount=amount, lot=line.lot, expires_on=expires_on, route=route
    )


class ReactionForm(PageForm):
    """What the patient did not bear."""

    code = forms.ChoiceField(
        label=gettext_lazy("What happened"),
        choices=[("", gettext_lazy("Choose …")), *REACTIONS],
        help_text=gettext_lazy("Type the first letters to jump to a word."),
    )
    severity = forms.ChoiceField(
        label=gettext_lazy("How bad"),
        choices=[(item.value, words.SEVERITY[item]) for item in Severity],
    )
    supply = forms.ChoiceField(label=gettext_lazy("After what"), required=False)
    note = forms.CharField(
        label=gettext_lazy("What was done about it"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    propose_allergy = forms.BooleanField(
        label=gettext_lazy("Propose it as an allergy of the patient"), required=False, initial=True
    )

    def __init__(
        self, *args: Any, used: Sequence[UseLine], known: Sequence[SupplyLine], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = True
        given = [(use.supply, use.name) for use in used if use.kind != SupplyKind.MATERIAL.value]
        rest = [
            (line.public_id, line.name)
            for line in known
            if line.kind != SupplyKind.MATERIAL.value
            and line.public_id not in {key for key, _name in given}
        ]
        self.offer("supply", [("", _("Not known")), *dict(given).items(), *rest])

    def reaction(self) -> Code:
        value = str(self.cleaned_data["code"])
        return Code(value, "SCT", dict(REACTIONS)[value])


class ChangeForm(PageForm):
    """Another procedure of the same modality, or another side."""

    procedure = forms.ChoiceField(
        label=gettext_lazy("Exam"), required=False, help_text=gettext_lazy("Empty: as ordered")
    )
    laterality = forms.ChoiceField(label=gettext_lazy("Side"), choices=SIDES, required=False)
    reason = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=200,
        help_text=gettext_lazy("The requester and the radiologist are told."),
    )

    def __init__(self, *args: Any, modality: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("procedure", [("", _("As ordered")), *procedure_choices(modality)[1:]])


# --- the catalog


class SupplyForm(PageForm):
    """Something that is used up."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=64)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[(item.value, words.SUPPLY_KIND[item]) for item in SupplyKind],
    )
    unit = forms.CharField(label=gettext_lazy("Unit"), max_length=16, initial="ml")
    agent = forms.ChoiceField(
        label=gettext_lazy("Contrast agent of"),
        choices=[(item.value, words.AGENT[item]) for item in Agent],
        required=False,
    )
    concentration = forms.DecimalField(
        label=gettext_lazy("Concentration"),
        required=False,
        min_value=Decimal(0),
        max_digits=8,
        decimal_places=3,
        help_text=gettext_lazy("mg of iodine, or mmol of gadolinium, in a milliliter"),
    )
    route = forms.ChoiceField(
        label=gettext_lazy("Usual route"),
        choices=[
            ("", gettext_lazy("None")),
            *((item.value, words.ROUTE[item]) for item in Route),
        ],
        required=False,
    )
    lot_required = forms.BooleanField(
        label=gettext_lazy("A lot number is required"), required=False
    )
    active = forms.BooleanField(label=gettext_lazy("In use"), required=False, initial=True)


class UsualForm(PageForm):
    """What a procedure usually takes: one amount for each supply."""

    procedure = forms.ChoiceField(label=gettext_lazy("Exam"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("procedure", procedure_choices())
        self.add(
            {
                f"s-{row.public_id}": forms.DecimalField(
                    label=f"{row.name} ({row.unit})",
                    required=False,
                    min_value=Decimal(0),
                    max_digits=8,
                    decimal_places=2,
                )
                for row in Supply.objects.filter(active=True).order_by("kind", "name")
            }
        )

    def supplies(self) -> tuple[tuple[str, Decimal], ...]:
        return tuple(
            (name.removeprefix("s-"), value)
            for name, value in self.cleaned_data.items()
            if name.startswith("s-") and value
        )

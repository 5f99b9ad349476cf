"""What all our forms share: the classes of the controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any, ClassVar

from django import forms

from ris.domain.errors import InvalidValueError, RisError
from ris.web.places import LABELS
from ris.web.wall_clock import Offered, moment, turn_of, turns
from ris.web.words import refusal


@dataclass(frozen=True, slots=True)
class Turns:
    """The question beside a field which one is meant of its time, which comes twice."""

    name: str
    offered: Sequence[Offered]
    chosen: str


class PageForm(forms.Form):
    """A form whose controls look like ours and which can show a refusal of the core."""

    required_css_class = "required"
    places: ClassVar[Mapping[str, str]] = {}  # fields with another name than the core's place

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.turns: dict[str, Turns] = {}
        self.add({})

    def add(self, fields: Mapping[str, forms.Field]) -> None:
        """Take in fields that are known only when the form is made."""
        self.fields.update(fields)
        for item in self.fields.values():
            item.widget.attrs.setdefault("class", _css_class(item.widget))

    def offer(self, name: str, choices: Iterable[tuple[str, Any]]) -> None:
        """What may be chosen in a field, where it is known only when the form is made."""
        field = self.fields[name]
        if not isinstance(field, forms.ChoiceField):
            raise TypeError(f"{name} is no field of choices")
        field.choices = list(choices)

    def read_clock(
        self, name: str, walls: Iterable[tuple[date, time]], zone: tzinfo | None = None
    ) -> None:
        """Say at a field what its times cannot mean, and ask which of those that come twice."""
        for day, clock in walls:
            self._ask_turn(name, turns(day, clock, zone), self.turn(name))
            try:
                moment(day, clock, zone, turn=self.turn(name))
            except InvalidValueError as error:
                words = refusal(error)
                self.add_error(name, f"{words[:1].upper()}{words[1:]}.")
                return

    def recall_clock(self, name: str, wall: datetime, zone: tzinfo | None = None) -> None:
        """Show which one a time is that is known already."""
        self._ask_turn(name, turns(wall.date(), wall.time(), zone), turn_of(wall.time()))

    def turn(self, name: str) -> str:
        """Which one was chosen of a time that comes twice."""
        return str(self.data.get(self._turn_name(name), "")) if self.is_bound else ""

    def _ask_turn(self, name: str, offered: Sequence[Offered], chosen: str) -> None:
        if offered:
            self.turns.setdefault(name, Turns(self._turn_name(name), offered, chosen))

    def _turn_name(self, name: str) -> str:
        return f"{self.add_prefix(name)}-turn"

    def refuse(self, error: RisError) -> None:
        """Show the core's refusal at the field it names, else above the form."""
        self.add_error(self.field_of(error) or None, refusal(error))

    def field_of(self, error: RisError) -> str:
        """The field that a refusal is about; empty if it is none of this form."""
        path = error.path
        name = self.places.get(path, path if path in LABELS else path.rpartition(".")[2])
        return name if name in self.fields else ""


def _css_class(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    if isinstance(widget, forms.Select) and not isinstance(widget, forms.RadioSelect):
        return "form-select"
    return "form-control"


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%Y-%m-%d", **kwargs)


class TimeInput(forms.TimeInput):
    input_type = "time"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", **kwargs)

"""What all our forms share: the classes of the controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django import forms

from ris.domain.errors import InvalidValueError, RisError
from ris.web.words import refusal


class PageForm(forms.Form):
    """A form whose controls look like ours and which can show a refusal of the core."""

    required_css_class = "required"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
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

    def refuse_skipped(self, when: Callable[[], object], name: str = "at") -> None:
        """Say at a field that the clock jumps over its time (:func:`ris.web.wall_clock.moment`)."""
        try:
            when()
        except InvalidValueError as error:
            words = refusal(error)
            self.add_error(name, f"{words[:1].upper()}{words[1:]}.")

    def refuse(self, error: RisError) -> None:
        """Show the core's refusal at the field it names, else above the form."""
        name = error.path.rpartition(".")[2]
        self.add_error(name if name in self.fields else None, refusal(error))


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

"""What a state is shown with: words, icon and tone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy


class Tone(StrEnum):
    """The families of color in ris.css (``.tone-…``)."""

    NEUTRAL = "neutral"
    INFO = "info"
    BUSY = "busy"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Label:
    """``text`` is in English; ``words`` are in the language of the page."""

    text: str
    icon: str
    tone: Tone = Tone.NEUTRAL

    @property
    def words(self) -> str:
        return gettext(self.text) if self.text else ""

    @property
    def lazy(self) -> Promise:
        """The words for a list that is made before anybody's language is known."""
        return gettext_lazy(self.text)


# By the name that a template calls a table by: the enumeration it is total over, and the table. Its
# keys are found by their stored values too, for a member of a StrEnum is its value.
Tables = Mapping[str, tuple[type[StrEnum], Mapping[Any, Label]]]

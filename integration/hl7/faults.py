"""What is wrong with a message, and what it is taken without: told whole, and with its places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from integration.hl7 import schema
from integration.hl7.er7_segment import Segment
from ris.domain.errors import RisError, SeveralErrors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An extra that a message was taken without: where it stands, what was sent, what is wrong."""

    name: str
    path: str
    words: str  # what the standard calls the field
    text: str
    fault: str


@dataclass(slots=True)
class Faults:
    """Collects what is wrong, so that a sender is told everything at once."""

    errors: list[RisError] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def of_a_part(self) -> Faults:
        """For a part of a message: its faults are the whole's, what it leaves out is its own."""
        return Faults(self.errors)

    def take(self, read: Callable[[], T]) -> T | None:
        """What ``read`` gives, or None and one fault more."""
        try:
            return read()
        except RisError as error:
            self.add(error)
            return None

    def add(self, error: RisError) -> None:
        """One fault more, unless it is told already (what all orders of a message share)."""
        if all((told.path, told.message) != (error.path, error.message) for told in self.errors):
            self.errors.append(error)

    def leave_out(self, error: RisError, name: str, segment: Segment) -> None:
        """The message is taken without this value, which is told to people as it was sent."""
        number = error.path.partition("-")[2].partition(".")[0].partition("[")[0]
        texts = [_in_words(each.raw, segment) for each in segment.repeats(number)]
        specs = schema.segment(schema.VERSIONS[-1], segment.name) or {}
        words = specs[int(number)].name.capitalize() if int(number) in specs else number
        told = LeftOut(name, error.path, words, "; ".join(texts), error.message)
        if told not in self.left_out:
            self.left_out.append(told)

    def raise_if_any(self) -> None:
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise SeveralErrors(self.errors)


def _in_words(raw: str, segment: Segment) -> str:
    parts = raw.split(segment.delimiters.component)
    return " ".join(text for part in parts if (text := segment.unescape(part).strip()))

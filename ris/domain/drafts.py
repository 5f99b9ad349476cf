"""Drafts of orders: what somebody has typed and not sent yet, kept with the login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ris.domain.commands import Command

KEPT_DAYS = 7
MOST = 20  # of one login; the oldest goes when another comes
LONGEST = 20_000  # characters of all values together

# A draft is a form: names of fields, and the values they had.
Content = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOrderDraft(Command[str]):
    """Keep what is typed; ``draft`` empty: as a new one. Returns the draft's public id."""

    draft: str = ""
    patient: str = ""
    title: str = ""
    content: Content = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardOrderDraft(Command[None]):
    """Forget a draft, because it was sent or is not wanted."""

    draft: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetOrderDrafts(Command[int]):
    """Remove what nobody came back to for a week; returns how many."""

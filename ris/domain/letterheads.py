"""The head of printed reports: what a site's pages carry above and below the text."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event

# A logo as it is uploaded, and as it is kept.
LOGO_BYTES = 2_000_000
LOGO_PIXELS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLetterhead(Command[int]):
    """Give a site's reports another head from now on; returns the letterhead's number.

    What was signed before keeps the one that stood then. ``logo`` is a PNG or JPEG image; None
    keeps the present one, no bytes remove it.
    """

    site: str
    institution: str
    department: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    web: str = ""
    footer: str = ""
    logo: bytes | None = None
    expected_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterheadChanged(Event):
    site: str
    number: int
    changed: tuple[str, ...]

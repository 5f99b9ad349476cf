"""The page a patient is given for one appointment: what may be done there, and for how long."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command, Event

TOKEN_BYTES = 16  # 128 bits
MISSES = 5  # wrong birth dates, then the link is closed


class LinkPurpose(StrEnum):
    VISIT = "visit"


class LinkState(StrEnum):
    """What opening a link comes to."""

    OPEN = "open"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"  # too many wrong birth dates
    UNDATED = "undated"  # no whole birth date is known that could be asked for


def can_be_asked(birth_date: str) -> bool:
    """Whether whoever opens a link can be known by it: day, month and year."""
    return len(birth_date) == len("1970-05-03")


def token_for(secret: str, nonce: str) -> str:
    """The token of a link: made again from the nonce when a message needs it, never stored.

    Whoever has the database has not the site's secret, and without it no token.
    """
    made = hmac.new(secret.encode(), f"patient-link:{nonce}".encode(), hashlib.sha256)
    return made.hexdigest()[: TOKEN_BYTES * 2]


def digest_of(token: str) -> str:
    """What is stored of a token, and what a link is found by."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What patients of a site may do at their page, and what it tells them."""

    active: bool = True
    phone: str = ""
    bring: str = ""
    notice_hours: int = 24  # later than this before the appointment they have to call
    days_ahead: int = 28  # how far off a time they may take
    keep_hours: int = 48  # how long after the appointment the link works
    may_move: bool = True
    may_cancel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPatientPolicy(Command[None]):
    """Say what patients may do at their page; for one site, or for those without their own."""

    policy: Policy
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePatientLink(Command[str]):
    """The link of an appointment, made if there is none; returns its public id.

    With ``again`` the present one ends first.
    """

    appointment: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokePatientLink(Command[None]):
    """End the link of an appointment."""

    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPatientLink(Command[bool]):
    """Say the birth date that goes with a link; returns whether it is right."""

    link: str
    birth_date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPolicySet(Event):
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLinkMade(Event):
    order: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLinkRevoked(Event):
    order: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLinkOpened(Event):
    """The patient said the right birth date for the first time."""

    order: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLinkClosed(Event):
    """Too many wrong birth dates."""

    order: str
    appointment: str

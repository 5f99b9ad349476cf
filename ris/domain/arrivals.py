"""The front desk: who somebody is, which number calls them, and what the waiting room shows.

Two identifiers are compared when somebody arrives, and neither of them is the room or the time of
the appointment (Joint Commission NPSG.01.01.01; WHO Patient Safety Solutions 2). What was compared
and by whom is kept; what was said is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.values import PersonName, fold

# --- where they may go

# Who came in the evening may go on to another room after midnight; later it is another day.
_NIGHT = timedelta(hours=12)


def is_same_visit(
    booked_at: datetime, arrived_at: datetime | None, start_at: datetime, zone: tzinfo
) -> bool:
    """Whether somebody who is here can have an exam at ``start_at`` without going home."""
    days = {at.astimezone(zone).date() for at in (booked_at, start_at)}
    return len(days) == 1 or abs(start_at - (arrived_at or booked_at)) < _NIGHT


# --- who it is


class IdentifierKind(StrEnum):
    """What can tell one person from another."""

    NAME = "NAME"  # as said by the patient
    BIRTH_DATE = "BIRTH_DATE"  # as said by the patient
    NUMBER = "NUMBER"  # scanned or read from a card, wristband or letter


@dataclass(frozen=True, slots=True)
class Said:
    """One identifier as it was said or scanned."""

    kind: IdentifierKind
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored of a patient, to be compared with."""

    name: PersonName
    birth_date: str = ""
    numbers: frozenset[str] = frozenset()


REQUIRED = 2
_DAY_FIRST = re.compile(r"(\d{1,2})[./ ](\d{1,2})[./ ](\d{4})$")
_YEAR_FIRST = re.compile(r"(\d{4})[-./ ]?(\d{2})[-./ ]?(\d{2})$")
_EIGHT = re.compile(r"(\d{2})(\d{2})(\d{4})$")
_IN_PART = re.compile(r"\d{4}(?:-\d{2})?")


def agrees(said: Said, known: Known) -> bool:
    """Whether what was said is what is stored; what is stored as unknown agrees with nothing."""
    match said.kind:
        case IdentifierKind.NAME:
            return _is_name_of(said.value, known.name)
        case IdentifierKind.BIRTH_DATE:
            return len(known.birth_date) == 10 and known.birth_date in dates_in(said.value)
        case IdentifierKind.NUMBER:
            return bool(known.numbers & {fold(each) for each in numbers_in(said.value)})


def dates_in(text: str) -> frozenset[str]:
    """The days a text may mean, as ISO dates: 1970-05-03, 19700503, 3.5.1970, 03051970."""
    text = text.strip()
    found = set()
    if match := _YEAR_FIRST.fullmatch(text):
        found.add("-".join(match.groups()))
    if match := _DAY_FIRST.fullmatch(text) or _EIGHT.fullmatch(text):
        day, month, year = match.groups()
        found.add(f"{year}-{int(month):02d}-{int(day):02d}")
    return frozenset(found)


def numbers_in(text: str) -> tuple[str, ...]:
    """The numbers of a scan: a bare number, or our QR code, ``RIS:<accession>:<number>``."""
    text = text.strip()
    if text.startswith(f"{QR_PREFIX}:"):
        return tuple(part for part in text.split(":", 2)[2:] if part)
    return (text,) if text else ()


QR_PREFIX = "RIS"


def scanned(text: str) -> str:
    """What to look for when somebody scans or types into a search field: of our QR the accession.

    A label says ``RIS:<accession number>:<patient number>``.
    """
    text = text.strip()
    if text.startswith(f"{QR_PREFIX}:"):
        parts = text.split(":")
        return next((part for part in parts[1:] if part), "")
    return text


def _is_name_of(text: str, name: PersonName) -> bool:
    """The family name and a given name, in any order, in any of the writings that are stored.

    Somebody who is stored with one name only says one name only.
    """
    words = _words(text)
    for group in (name.alphabetic, name.ideographic, name.phonetic):
        for spelled in (str, _spelled_out):
            family, given = _words(spelled(group.family)), _words(spelled(group.given))
            if not family and not given:
                continue
            has_family = all(word in words for word in family)
            has_given = not given or any(word in words for word in given)
            if has_family and has_given:
                return True
        # Scripts without spaces between the parts.
        if words and fold(group.family + group.given) == "".join(words):
            return True
    return False


_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def _spelled_out(text: str) -> str:
    """Umlauts as they are typed where the keys are missing: ``Mueller`` for ``Müller``."""
    return text.translate(_SPELLED)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", fold(text))


def compare(said: Iterable[Said], known: Known) -> dict[IdentifierKind, bool]:
    """Each kind that was said and tells somebody apart, and whether it agrees."""
    return {
        each.kind: agrees(each, known)
        for each in said
        if each.value.strip() and not _leaves_open(each, known)
    }


def _leaves_open(said: Said, known: Known) -> bool:
    """Whether a birth date that is not known to the day, here or to who says it, fits so far.

    That is no proof of who somebody is, and none of the contrary: a child of whom only the year
    is stored is not somebody else for telling its birthday.
    """
    if said.kind is not IdentifierKind.BIRTH_DATE or agrees(said, known):
        return False
    text = said.value.strip()
    days = dates_in(text) or ({text} if _IN_PART.fullmatch(text) else set())
    return any(day.startswith(known.birth_date) or known.birth_date.startswith(day) for day in days)


# --- calling, correcting


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPatient(Command[int]):
    """Call a patient's number to a room; the waiting room shows it. Returns the number."""

    appointment: str
    room: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCorrection(Command[int]):
    """What a patient says is wrong in their data, for a person with the right to decide.

    Returns how many differences wait for a decision now.
    """

    patient: str
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""
    allergy: str = ""  # one that is not known here


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChecked(Event):
    """``checked``: the kinds that agreed. ``reason``: why fewer than two were asked for."""

    appointment: str
    order: str
    checked: tuple[IdentifierKind, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCalled(Event):
    order: str
    appointment: str
    number: int
    room: str


# --- what a site prints and shows


class LabelSize(StrEnum):
    """Width and height in millimeters, or labels on a sheet of A4."""

    SMALL = "50x25"
    MEDIUM = "62x29"
    LARGE = "89x36"
    WIDE = "102x51"
    A4_24 = "A4 3x8"
    A4_40 = "A4 4x10"


class WallNames(StrEnum):
    """How the waiting room names people; never by their names."""

    NUMBER = "NUMBER"
    INITIALS = "INITIALS"


class WallKind(StrEnum):
    WAITING = "WAITING"
    CONTROL = "CONTROL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureDesk(Command[None]):
    """What a site's front desk prints and its waiting room shows."""

    site: str
    label: LabelSize = LabelSize.MEDIUM
    names: WallNames = WallNames.NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueWallLink(Command[str]):
    """Let a screen show a site's wall without a login; returns the link's public id."""

    site: str
    kind: WallKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeWallLink(Command[None]):
    """Take a screen's link back: it shows nothing from now on."""

    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfigured(Event):
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WallLinkIssued(Event):
    link: str
    kind: WallKind


@dataclass(frozen=True, slots=True, kw_only=True)
class WallLinkRevoked(Event):
    link: str

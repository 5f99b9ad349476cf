"""A report version on paper (A4): letterhead, whom and what it is about, sections, who signed.

The same input gives the same bytes (no clock, no random identifier), so that a hash of the document
stays what it was when it was told to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.patients import Sex
from ris.domain.reporting import SECTIONS, VersionKind
from ris.domain.signatures import SignedAs
from ris.domain.values import PersonName
from ris.selectors.facility import SiteView
from ris.selectors.letterheads import LetterheadView
from ris.selectors.views import OrderView, ProcedureView, ReportVersionView, ReportView

# Printed once; lists, reads and messages then ask for the same versions again.
KEPT = 256

NOTICES = {
    VersionKind.PRELIMINARY: "PRELIMINARY REPORT - not yet verified",
    VersionKind.FINAL: "",
    VersionKind.ADDENDUM: "REPORT WITH ADDENDUM",
    VersionKind.CORRECTION: "CORRECTED REPORT - replaces the version before",
    VersionKind.RETRACTION: "WITHDRAWN - do not use",
}
# Across each page, so that no copy of a single one passes for a verified report.
MARKS = {VersionKind.PRELIMINARY: "PRELIMINARY", VersionKind.RETRACTION: "WITHDRAWN"}
_SIDES = {"L": "left", "R": "right", "B": "both sides", "U": "one side", "": ""}
_SEXES = {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other", Sex.UNKNOWN: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that is printed, as text; what it is made from may be known to several edges."""

    institution: str
    address: str = ""
    department: str = ""
    contact: str = ""
    logo: bytes = b""  # PNG
    foot: str = ""  # of the institution, below every page
    mark: str = ""  # across every page: what must not be taken for a verified report
    title: str = ""
    notice: str = ""
    patient: tuple[tuple[str, str], ...] = ()
    exam: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    signature: tuple[str, ...] = ()
    running: str = ""  # whom the following pages belong to
    footer: str = ""


def report_pdf(
    report: ReportView,
    covers: Sequence[tuple[OrderView, ProcedureView]],
    site: SiteView,
    number: int | None = None,
    letterhead: LetterheadView | None = None,
) -> bytes:
    """A signed version of a report as PDF; the newest if no ``number`` is given.

    What is handed out is kept (ris.services.report_documents): this makes it the first time.
    """
    version = report.version(number) if number else report.versions[-1]
    return _printed(sheet(version, covers, site, letterhead))


def sample_pdf(site: SiteView, letterhead: LetterheadView | None) -> bytes:
    """A page with a letterhead and a made-up report, for whoever changes it to look at."""
    return _printed(
        Sheet(
            **_head(site, letterhead),
            title="CT head without contrast",
            mark="SAMPLE",
            patient=(("Patient", "Sample, Sam"), ("Patient ID", "0000"), ("Born", "1970-01-01")),
            exam=(("Accession number", "SAMPLE"), ("Examined", "2026-01-01 08:00")),
            sections=(
                ("Findings", "No bleeding. No mass. Ventricles of normal width."),
                ("Impression", "Normal CT of the head."),
            ),
            signature=("Electronically signed by nobody: this is a sample",),
            footer="Sample",
        )
    )


@lru_cache(maxsize=KEPT)
def _printed(page: Sheet) -> bytes:
    # What draws is loaded when something is drawn: no other part of the system needs it.
    from ris.printing.page import draw

    stream = BytesIO()
    draw(page, stream)
    return stream.getvalue()


def sheet(
    version: ReportVersionView,
    covers: Sequence[tuple[OrderView, ProcedureView]],
    site: SiteView,
    letterhead: LetterheadView | None = None,
) -> Sheet:
    zone = ZoneInfo(site.time_zone)
    orders = list({order.public_id: order for order, _ in covers}.values())
    order = orders[0]
    patient = order.patient
    procedures = [procedure for _, procedure in covers]
    name = _writings(patient.name)
    number = patient.identifier
    accession = _joined(each.accession.value for each in orders)
    signed = f"{_when(version.signed_at, zone)} ({zone.key})"
    signer = _spoken(version.signer_name) or version.signer
    return Sheet(
        **_head(site, letterhead),
        mark=MARKS.get(version.kind, ""),
        title=_joined(map(_exam, procedures), " + "),
        notice=notice_of(version),
        patient=_filled(
            ("Patient", name),
            ("Patient ID", _joined((number.value, number.issuer), " / ")),
            ("Born", patient.birth_date.text),
            ("Sex", _SEXES[patient.sex]),
        ),
        exam=_filled(
            ("Accession number", accession),
            ("Order number", _joined(each.placer.value for each in orders)),
            ("Examined", _performed_at(procedures, zone)),
            ("Requested by", _spoken(order.requester)),
        ),
        sections=_filled(
            *((heading, version.sections.get(key, "").strip()) for key, heading in SECTIONS)
        ),
        signature=_signature(version, signer, signed),
        running=_joined((name, number.value, accession), "  |  "),
        footer=f"Version {version.number}, {signed}",
    )


def _head(site: SiteView, letterhead: LetterheadView | None) -> dict[str, Any]:
    """Above and below the text: the letterhead, or what the site itself says."""
    if letterhead is None:
        return {"institution": site.institution or site.name, "address": site.address}
    return {
        "institution": letterhead.institution or site.institution or site.name,
        "department": letterhead.department,
        "address": letterhead.address,
        "contact": letterhead.contact,
        "logo": letterhead.logo,
        "foot": letterhead.footer,
    }


def _exam(procedure: ProcedureView) -> str:
    """What was done, with its side: a title without it would be another exam's."""
    words = procedure.description or procedure.code.meaning or procedure.code.value
    return _joined((words, _SIDES[procedure.laterality]))


def notice_of(version: ReportVersionView) -> str:
    """What is not simply final says so, and why; empty for what is."""
    words = NOTICES[version.kind]
    return f"{words}: {version.reason}" if words and version.reason else words


def _signature(version: ReportVersionView, signer: str, signed: str) -> tuple[str, ...]:
    """Who wrote it, who answers for it, when."""
    at = f"{signed}, version {version.number}"
    if version.resident:
        resident = _spoken(version.resident_name) or version.resident
        lines = (
            f"Written by {resident}, resident",
            f"Verified and electronically signed by {signer}",
            at,
        )
    elif version.signed_as == SignedAs.RESIDENT.value:
        lines = (f"Electronically signed by {signer}, resident", at, "Not verified yet")
    else:
        author = _spoken(version.author_name) or version.author
        lines = (
            f"Electronically signed by {signer}" if signer else "",
            at,
            f"Written by {author}" if author and author != signer else "",
        )
    return tuple(line for line in lines if line)


def _performed_at(procedures: Iterable[ProcedureView], zone: ZoneInfo) -> str:
    """By the clock of the site where it was done."""
    started = [
        (performed.started_at, next((step.zone for step in each.steps if step.zone), zone))
        for each in procedures
        for performed in each.performed
    ]
    return _when(*min(started, key=lambda begun: begun[0])) if started else ""


def _when(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _writings(name: PersonName) -> str:
    """A name as it is filed, with its other writings."""
    groups = (name.alphabetic, name.ideographic, name.phonetic)
    said = [
        _joined(
            (
                each.family,
                _joined((each.prefix, each.given, each.middle, each.suffix), " "),
            ),
            ", " if each is name.alphabetic else " ",
        )
        for each in groups
        if each
    ]
    return said[0] + "".join(f" ({each})" for each in said[1:]) if said else ""


def _spoken(name: PersonName) -> str:
    group = name.alphabetic or name.ideographic or name.phonetic
    return _joined((group.prefix, group.given, group.middle, group.family, group.suffix), " ")


def _joined(parts: Iterable[str], between: str = ", ") -> str:
    return between.join(dict.fromkeys(part for part in parts if part))


def _filled(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value) for label, value in pairs if value)

"""Reports, their versions and critical results: states, commands, events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.orders import ReportState
from ris.domain.results import Particulars
from ris.domain.signatures import Proof
from ris.domain.states import StateMachine


class ReportStatus(StrEnum):
    DRAFT = "DRAFT"
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"
    AMENDED = "AMENDED"
    DISCARDED = "DISCARDED"
    RETRACTED = "RETRACTED"


class ReportTrigger(StrEnum):
    SIGN_PRELIMINARY = "sign_preliminary"
    FINALIZE = "finalize"
    AMEND = "amend"
    DISCARD = "discard"
    RETRACT = "retract"


REPORT = StateMachine[ReportStatus, ReportTrigger](
    "Report",
    ReportStatus.DRAFT,
    {
        (ReportStatus.DRAFT, ReportTrigger.SIGN_PRELIMINARY): ReportStatus.PRELIMINARY,
        (ReportStatus.PRELIMINARY, ReportTrigger.SIGN_PRELIMINARY): ReportStatus.PRELIMINARY,
        (ReportStatus.DRAFT, ReportTrigger.FINALIZE): ReportStatus.FINAL,
        (ReportStatus.PRELIMINARY, ReportTrigger.FINALIZE): ReportStatus.FINAL,
        (ReportStatus.FINAL, ReportTrigger.AMEND): ReportStatus.AMENDED,
        (ReportStatus.AMENDED, ReportTrigger.AMEND): ReportStatus.AMENDED,
        (ReportStatus.DRAFT, ReportTrigger.DISCARD): ReportStatus.DISCARDED,
        (ReportStatus.PRELIMINARY, ReportTrigger.RETRACT): ReportStatus.RETRACTED,
        (ReportStatus.FINAL, ReportTrigger.RETRACT): ReportStatus.RETRACTED,
        (ReportStatus.AMENDED, ReportTrigger.RETRACT): ReportStatus.RETRACTED,
    },
)

REPORT_STATE: Mapping[ReportStatus, ReportState] = {
    ReportStatus.DRAFT: ReportState.NONE,
    ReportStatus.PRELIMINARY: ReportState.PRELIMINARY,
    ReportStatus.FINAL: ReportState.FINAL,
    ReportStatus.AMENDED: ReportState.FINAL,
    ReportStatus.DISCARDED: ReportState.NONE,
    ReportStatus.RETRACTED: ReportState.NONE,
}


# What is still written; who writes holds it (ris.services.reading_leases).
EDITED = (ReportStatus.DRAFT.value, ReportStatus.PRELIMINARY.value)
# What stands for its exams: of each exam there is one at most.
LIVE = (*EDITED, ReportStatus.FINAL.value, ReportStatus.AMENDED.value)
# What nothing more is done with; the exam is read again under another report.
CLOSED = (ReportStatus.DISCARDED.value, ReportStatus.RETRACTED.value)


class VersionKind(StrEnum):
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"
    ADDENDUM = "ADDENDUM"
    CORRECTION = "CORRECTION"
    RETRACTION = "RETRACTION"


# The sections of a report, in reading order, with their LOINC or DCM code for the outside.
SECTIONS: tuple[tuple[str, str], ...] = (
    ("indication", "Indication"),
    ("technique", "Technique"),
    ("comparison", "Comparison"),
    ("findings", "Findings"),
    ("impression", "Impression"),
    ("recommendation", "Recommendation"),
    ("addendum", "Addendum"),
    ("communication", "Communication"),
)
# Sections that nobody writes in the editor: one is added later, one is made of what was noted.
ADDED = frozenset({"addendum", "communication"})


def unshown(sections: Mapping[str, str]) -> dict[str, str]:
    """What the editor does not show of a text; it stays when somebody signs after it."""
    return {key: text for key, text in sections.items() if key in ADDED}


# Columns of a version that say something beside its text; each counts for the hash once it says
# anything, so that the hashes of versions without them stay what they were.
BESIDE_THE_TEXT: tuple[str, ...] = ("communications", "coded", "template")


def content_hash(
    kind: VersionKind, sections: Mapping[str, str], beside: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 of what a version says, in a canonical form; shows any later change."""
    said: list[Any] = [kind.value, dict(sections)]
    more = {name: value for name, value in (beside or {}).items() if value}
    canonical = json.dumps([*said, more] if more else said, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def report_text(sections: Mapping[str, str]) -> str:
    """The report as plain text: a heading line and the text of each section that has any."""
    parts = []
    for key, title in SECTIONS:
        text = sections.get(key, "").strip()
        if text:
            parts.append(f"{title.upper()}\n{text}")
    return "\n\n".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReport(Command[str]):
    """Begin (or return to) the report on requested procedures; returns the report's public id.

    Several procedures of one patient may share a report.
    """

    procedures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverExams(Command[None]):
    """Let a draft be about further exams of its patient, or about some of its exams no more."""

    report: str
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveDraft(Command[int]):
    """Keep what was written so far; returns the new draft revision."""

    report: str
    sections: dict[str, str]
    expected_revision: int | None = None
    answers: dict[str, str] | None = None  # to the fields of its template, by name
    particulars: Particulars | None = None  # of a text that came from elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardDraft(Command[None]):
    """Throw an unsigned report away."""

    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignPreliminary(Command[int]):
    """Let others read an unverified report; returns the version number.

    ``attending`` is the login of who is to sign with a resident; empty: whoever reads it next,
    None: as it was.
    """

    report: str
    sections: dict[str, str]
    expected_revision: int | None = None
    answers: dict[str, str] | None = None  # to the fields of its template, by name
    particulars: Particulars | None = None  # of a text that came from elsewhere
    proof: Proof = Proof.NONE
    without_codes: tuple[str, ...] = ()  # fields whose code the text has lost, as its signer knows
    attending: str | None = None
    patient: str = ""  # whom its signer saw, by public id; empty: a machine saw nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseAttending(Command[None]):
    """Say who is to sign a report that waits with its resident; empty: whoever reads it next."""

    report: str
    attending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeReport(Command[int]):
    """Sign; returns the version number."""

    report: str
    sections: dict[str, str]
    expected_revision: int | None = None
    answers: dict[str, str] | None = None  # to the fields of its template, by name
    particulars: Particulars | None = None  # of a text that came from elsewhere
    proof: Proof = Proof.NONE
    without_codes: tuple[str, ...] = ()  # fields whose code the text has lost, as its signer knows
    patient: str = ""  # whom its signer saw, by public id; empty: a machine saw nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendReport(Command[int]):
    """Add to (ADDENDUM) or correct (CORRECTION) a signed report; returns the version number.

    For an addendum only ``sections["addendum"]`` counts; the rest stays as signed.
    """

    report: str
    kind: VersionKind
    sections: dict[str, str]
    reason: str = ""
    expected_version: int | None = None
    particulars: Particulars | None = None
    proof: Proof = Proof.NONE
    patient: str = ""  # whom its signer saw, by public id; empty: a machine saw nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractReport(Command[int]):
    """Withdraw a signed report, for example one on the wrong patient."""

    report: str
    reason: str
    expected_version: int | None = None
    proof: Proof = Proof.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReport(Command[None]):
    """Give a resident's report back with a note, instead of signing it.

    What the resident signed as preliminary stays preliminary; what nobody signed stays a draft.
    """

    report: str
    note: str
    expected_version: int | None = None  # 0: nothing is signed yet


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicateCriticalResult(Command[str]):
    """Record that a critical finding was told to somebody."""

    report: str
    finding: str
    told: str
    by: str = "phone"
    read_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeCriticalResult(Command[None]):
    critical_result: str
    acknowledged_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOpened(Event):
    report: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamsCovered(Event):
    """A draft is about further exams, or about some no more; each by its words and number."""

    report: str
    order: str
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDiscarded(Event):
    report: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSigned(Event):
    """Common to the events that carry a version outside."""

    report: str
    order: str
    number: int
    kind: str
    orders: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class PreliminarySigned(ReportSigned):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFinalized(ReportSigned):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAmended(ReportSigned):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRetracted(ReportSigned):
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReturned(Event):
    """An attending radiologist gave a resident's report back."""

    report: str
    order: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendingChosen(Event):
    """Who is to sign with the resident, by login; empty: whoever reads it next."""

    report: str
    order: str
    attending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalResultCommunicated(Event):
    report: str
    order: str
    critical_result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalResultAcknowledged(Event):
    report: str
    order: str
    critical_result: str

"""Referring doctors: what they may see, order and acknowledge, and how they are told of results.

A referring doctor works at the ordering side: the own patients' orders and results, nothing else.
What is the own is said by rows of access, from a login to a practitioner or to a practice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter
from urllib.parse import urlsplit

from ris.domain.commands import Command, Event
from ris.domain.orders import OrderDetails, OrderStatus, PlacedOrder, ProcedureRequest, Stage
from ris.domain.patients import Demographics
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.safety import SafetyAnswerGiven
from ris.domain.states import StateMachine
from ris.domain.values import PartialDate

# --- how far an exam is, in the words of who ordered it


class Progress(StrEnum):
    """Where an exam stands for who ordered it; derived, never stored."""

    REQUESTED = "REQUESTED"
    ON_HOLD = "ON_HOLD"
    BOOKED = "BOOKED"
    ARRIVED = "ARRIVED"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    BEING_READ = "BEING_READ"
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"
    CHANGED = "CHANGED"  # final, and added to or corrected since
    WITHDRAWN = "WITHDRAWN"  # a report was there and does not count any more
    CANCELED = "CANCELED"


_OF_STAGE: Mapping[Stage, Progress] = {
    Stage.REQUESTED: Progress.REQUESTED,
    Stage.SCHEDULED: Progress.BOOKED,
    Stage.ARRIVED: Progress.ARRIVED,
    Stage.IN_PROGRESS: Progress.IN_PROGRESS,
    Stage.PERFORMED: Progress.DONE,
    Stage.PRELIMINARY: Progress.PRELIMINARY,
    Stage.REPORTED: Progress.FINAL,
    Stage.CANCELED: Progress.CANCELED,
}
_OF_REPORT: Mapping[ReportStatus, Progress] = {
    ReportStatus.DRAFT: Progress.BEING_READ,
    ReportStatus.PRELIMINARY: Progress.PRELIMINARY,
    ReportStatus.FINAL: Progress.FINAL,
    ReportStatus.AMENDED: Progress.CHANGED,
    ReportStatus.RETRACTED: Progress.WITHDRAWN,
}
_ENDED = frozenset(
    {OrderStatus.CANCELED, OrderStatus.DISCONTINUED, OrderStatus.ENTERED_IN_ERROR}
)  # fmt: skip


def progress(order: OrderStatus, stage: Stage, report: ReportStatus | None) -> Progress:
    """How far an exam is; a report says more than the exam, and an exam more than its order."""
    if report is not None and report in _OF_REPORT:
        return _OF_REPORT[report]
    found = _OF_STAGE[stage]
    if found in {Progress.REQUESTED, Progress.BOOKED}:
        if order is OrderStatus.ON_HOLD:
            return Progress.ON_HOLD
        if order in _ENDED:
            return Progress.CANCELED
    return found


# Versions that somebody at the ordering side has to take note of.
BINDING = frozenset(
    {VersionKind.FINAL, VersionKind.ADDENDUM, VersionKind.CORRECTION, VersionKind.RETRACTION}
)


# --- completeness of a request


class Lack(StrEnum):
    """What a request can lack."""

    REASON = "REASON"
    SIDE = "SIDE"
    PHONE = "PHONE"
    SAFETY = "SAFETY"


# Without these nothing is sent; the rest may be answered later, if the doctor says so.
REQUIRED = frozenset({Lack.REASON, Lack.SIDE, Lack.PHONE})
SHORTEST_REASON = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is missing; ``of`` is the exam or the question it is about."""

    lack: Lack
    of: str = ""

    @property
    def is_required(self) -> bool:
        return self.lack in REQUIRED


def missing(
    *,
    reason: str,
    phone: str,
    sides: Mapping[str, str],
    questions: Mapping[str, str],
) -> tuple[Missing, ...]:
    """What a request lacks, in the order of its page.

    ``sides`` has each exam that needs a side, with what was said of it; ``questions`` each safety
    question (contrast, kidneys, pregnancy …) with its answer.
    """
    found = [Missing(Lack.SIDE, exam) for exam, side in sides.items() if not side]
    if len(reason.strip()) < SHORTEST_REASON:
        found.append(Missing(Lack.REASON))
    if sum(character.isdigit() for character in phone) < SHORTEST_REASON:
        found.append(Missing(Lack.PHONE))
    found += [Missing(Lack.SAFETY, words) for words, answer in questions.items() if not answer]
    return tuple(found)


# --- notices of results


class NoticeTime(StrEnum):
    """When a doctor wants to be written to."""

    OFF = "OFF"
    AT_ONCE = "AT_ONCE"
    DAILY = "DAILY"  # one mail in the morning; what cannot wait comes at once all the same


class NoticeOccasion(StrEnum):
    """Why a doctor is written to."""

    FINAL = "FINAL"
    CHANGED = "CHANGED"
    WITHDRAWN = "WITHDRAWN"
    CRITICAL = "CRITICAL"


# Never kept for the morning: something else was believed until now, or somebody is in danger.
URGENT = frozenset({NoticeOccasion.CHANGED, NoticeOccasion.WITHDRAWN, NoticeOccasion.CRITICAL})

EVENTS: Mapping[str, NoticeOccasion] = {
    "ReportFinalized": NoticeOccasion.FINAL,
    "ReportAmended": NoticeOccasion.CHANGED,
    "ReportRetracted": NoticeOccasion.WITHDRAWN,
    # Beside the call, never instead of it; the same finding is written of once.
    "CriticalFindingFlagged": NoticeOccasion.CRITICAL,
    "CriticalResultCommunicated": NoticeOccasion.CRITICAL,
}


class NoticeState(StrEnum):
    PLANNED = "PLANNED"
    SENT = "SENT"  # handed to the outbox, whose delivery says how it went
    DROPPED = "DROPPED"  # there was no reason to send it any more, or nowhere to


class NoticeTrigger(StrEnum):
    SEND = "send"
    DROP = "drop"


NOTICE = StateMachine[NoticeState, NoticeTrigger](
    "ResultNotice",
    NoticeState.PLANNED,
    {
        (NoticeState.PLANNED, NoticeTrigger.SEND): NoticeState.SENT,
        (NoticeState.PLANNED, NoticeTrigger.DROP): NoticeState.DROPPED,
    },
)


def check_portal_link(link: str) -> None:
    """Raises ValueError for what is no address of a portal.

    Only ids that say nothing go into it: a mailbox keeps the address for years.
    """
    names = [name for _, name, *_ in Formatter().parse(link) if name is not None]
    parts = urlsplit(link.strip())
    if parts.scheme not in {"https", "http"} or not parts.hostname or "{" in parts.netloc:
        raise ValueError("an address begins with https:// and the name of the portal")
    if not names or set(names) - {"order", "report"}:
        raise ValueError("only {order} and {report} stand in it, at least one of them")


# --- commands


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReferrerAccess(Command[str]):
    """Let a login see what a practitioner, or a practice, orders; returns the row's public id.

    Either ``practitioner`` (its public id) or ``service`` (as orders name the practice). What is
    granted already stays as it is.
    """

    username: str
    practitioner: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeReferrerAccess(Command[None]):
    """End an access; what was seen and acknowledged stays on record."""

    access: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedPatient:
    """Whom a request is for: one's own by ``public_id``, or by a number and the birth date.

    A number alone is no proof that the doctor knows the patient: both must agree.
    """

    public_id: str
    number: str = ""
    birth_date: PartialDate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExams(Command[PlacedOrder]):
    """Order exams as a referring doctor: for a patient, or for ``person``, who is new here.

    It is placed as any order is. Somebody new who is like a person that is known here is compared
    by the department before a time is booked.
    """

    procedures: tuple[ProcedureRequest, ...]
    details: OrderDetails
    patient: IdentifiedPatient | None = None
    person: Demographics | None = None
    answers: tuple[SafetyAnswerGiven, ...] = ()
    requester: str = ""  # public id of one's practitioner; empty: the only one, or the practice


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRequest(Command[str]):
    """Cancel an own order of which nothing was begun."""

    order: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDepartment(Command[None]):
    """Answer what the department asked of an own order."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeResult(Command[None]):
    """Say that a signed version was taken note of at the ordering side; once more is the same.

    Refused if a newer version is there: that one has to be read.
    """

    report: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeFinding(Command[None]):
    """Say that one knows of a critical finding and acts on it; its clock ends."""

    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResultNotices(Command[None]):
    """Say whether, when and where one wants to be told of results by mail."""

    when: NoticeTime
    address: str = ""  # empty: that of the login


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResultNotices(Command[int]):
    """Hand what is due to the outbox, drop what has no use any more; returns how many mails."""


# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerAccessGranted(Event):
    username: str
    practitioner: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerAccessRevoked(Event):
    username: str
    practitioner: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultAcknowledged(Event):
    """``orders`` as in the event of the version's signing."""

    report: str
    order: str
    number: int
    by: str
    orders: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultNoticesSet(Event):
    username: str
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultNoticeDropped(Event):
    """A doctor who wanted to be told of a result was not, and why."""

    order: str
    username: str
    occasion: str
    reason: str

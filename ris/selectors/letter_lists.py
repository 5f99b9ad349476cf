"""Letters about breast exams in lists: which wait, which left, and how far a mailed one got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Prefetch, Q, QuerySet

from ris.domain.exchange import DeliveryState, Protocol
from ris.domain.mammography_letters import LetterState, SentHow, mail_id
from ris.models import BreastLetter, Delivery, Endpoint
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

_NEVER_LEFT = frozenset({DeliveryState.REFUSED, DeliveryState.DEAD, DeliveryState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Mail:
    """How far a mailed letter got: at most to the mail server, for nobody hears what follows."""

    state: DeliveryState
    error: str

    @property
    def never_left(self) -> bool:
        """It has to be sent another way."""
        return self.state in _NEVER_LEFT


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterLine:
    """A letter of a list."""

    public_id: str
    assessment: str
    patient: PatientLine | None
    topic: str
    state: LetterState
    due_at: datetime
    language: str
    printed_at: datetime | None
    sent_at: datetime | None
    sent_by: str
    sent_how: str
    reason: str
    text: str
    mail: Mail | None = None  # how it went, of what was sent by mail


def mails_of(rows: Iterable[BreastLetter]) -> dict[str, Mail]:
    """Of those that were sent by mail, by public id; no query without one."""
    keys = {mail_id(str(row.public_id)): str(row.public_id) for row in rows if _is_mailed(row)}
    if not keys:
        return {}
    found = Delivery.objects.filter(
        endpoint__in=Endpoint.objects.filter(protocol=Protocol.MAIL.value), control_id__in=keys
    ).values_list("control_id", "state", "last_error")
    return {keys[key]: Mail(DeliveryState(state), error) for key, state, error in found}


def _is_mailed(row: BreastLetter) -> bool:
    return row.state == LetterState.SENT.value and row.sent_how == SentHow.MAIL.value


def letters(tab: str, now: datetime) -> QuerySet[BreastLetter]:
    """The letters of a tab: to be sent now, waiting for their hour, sent, stopped."""
    rows = BreastLetter.objects.all()
    if tab == "sent":
        return rows.filter(state=LetterState.SENT.value).order_by("-sent_at", "-id")
    if tab == "stopped":
        return rows.filter(state=LetterState.STOPPED.value).order_by("-updated_at", "-id")
    rows = rows.filter(state=LetterState.PLANNED.value)
    rows = rows.filter(due_at__gt=now) if tab == "waiting" else rows.filter(due_at__lte=now)
    return rows.order_by("due_at", "id")


def letter_counts(now: datetime) -> Mapping[str, int]:
    found = BreastLetter.objects.filter(state=LetterState.PLANNED.value).aggregate(
        due=Count("pk", filter=Q(due_at__lte=now)),
        waiting=Count("pk", filter=Q(due_at__gt=now)),
    )
    return {name: int(count) for name, count in found.items()}


def with_patients(rows: QuerySet[BreastLetter]) -> QuerySet[BreastLetter]:
    return rows.select_related(
        "assessment__report__order__patient__merged_into", "recall", "replaces"
    ).prefetch_related(
        Prefetch("assessment__report__order__patient__identifiers", queryset=IDENTIFIERS.queryset)
    )


def letter_lines(rows: Iterable[BreastLetter]) -> list[LetterLine]:
    """Lines of letters that were read with their patients; one query if any was mailed."""
    found = list(rows)
    mails = mails_of(found)
    return [letter_line(row, mails, line(row.assessment.report.order.patient)) for row in found]


def letter_line(
    row: BreastLetter, mails: Mapping[str, Mail], patient: PatientLine | None = None
) -> LetterLine:
    return LetterLine(
        public_id=str(row.public_id),
        assessment=str(row.assessment.public_id) if patient else "",
        patient=patient,
        topic=row.topic,
        state=LetterState(row.state),
        due_at=row.due_at,
        language=row.language,
        printed_at=row.printed_at,
        sent_at=row.sent_at,
        sent_by=row.sent_by,
        sent_how=row.sent_how,
        reason=row.reason,
        text=row.text,
        mail=mails.get(str(row.public_id)),
    )

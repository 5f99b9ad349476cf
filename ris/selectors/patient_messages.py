"""Rules, words and choices of messages to patients, and what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone, translation
from django.utils.formats import date_format

from ris.domain.exchange import MAIL_SUBSCRIPTIONS, PATIENT_PROTOCOLS, Direction
from ris.domain.local_time import which
from ris.domain.patient_messages import (
    AHEAD,
    CHANGES,
    CLINICAL,
    RULES,
    Channel,
    Occasion,
    PatientMessageState,
    Rule,
    fill,
)
from ris.domain.patient_texts import TEXTS, Words, language_of
from ris.domain.scheduling import AppointmentStatus
from ris.domain.waiting import OfferStatus
from ris.models import (
    Appointment,
    Endpoint,
    Patient,
    PatientMessage,
    PatientMessageRule,
    PatientMessageText,
    SlotOffer,
)
from ris.selectors.patient_links import RELATED, Visit
from ris.selectors.patient_links import declined as declined


def carriers() -> dict[Channel, Endpoint]:
    """The endpoint of each channel that is in use; nothing is sent by a channel without one."""
    found: dict[Channel, Endpoint] = {}
    for row in Endpoint.objects.filter(
        protocol__in=[each.value for each in PATIENT_PROTOCOLS],
        direction=Direction.OUT.value,
        active=True,
    ).order_by("id"):
        if MAIL_SUBSCRIPTIONS.isdisjoint(row.sends):  # those carry nothing to patients
            found.setdefault(Channel(row.protocol), row)
    return found


class Rules:
    """All rules that sites set, read once; the nearest one counts."""

    def __init__(self) -> None:
        self._rows = list(PatientMessageRule.objects.order_by("id"))

    def of(
        self, occasion: Occasion, channel: Channel, appointment: Appointment, site: int | None
    ) -> Rule:
        """For the procedure, else for the site, else for all, else as usual."""
        rows = [row for row in self._rows if row.occasion == occasion and row.channel == channel]
        procedures: set[int | None] = set()
        if any(row.procedure_id for row in rows):
            procedures = set(appointment.steps.values_list("procedure__definition_id", flat=True))
        for row in rows:
            if row.procedure_id is not None and row.procedure_id in procedures:
                return rule_of(row)
        for row in rows:
            if row.site_id is not None and row.site_id == site:
                return rule_of(row)
        for row in rows:
            if row.site_id is None and row.procedure_id is None:
                return rule_of(row)
        return RULES[occasion]

    def farthest(self, occasion: Occasion, channel: Channel) -> int:
        """The most hours ahead that any rule tells an occasion; 0 where all are off."""
        rows = [rule_of(row) for row in self._rows
                if row.occasion == occasion and row.channel == channel]  # fmt: skip
        general = any(
            row.occasion == occasion
            and row.channel == channel
            and row.site_id is None
            and row.procedure_id is None
            for row in self._rows
        )
        if not general:
            rows.append(RULES[occasion])
        return max((rule.hours_before for rule in rows if rule.active), default=0)


def rule_of(row: PatientMessageRule) -> Rule:
    return Rule(
        active=row.active,
        hours_before=row.hours_before,
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        names_exam=row.names_exam,
    )


def upcoming(
    occasion: Occasion, channel: Channel, since: datetime, until: datetime, limit: int
) -> list[Appointment]:
    """Booked appointments of a time for which an occasion was not planned yet, soonest first."""
    return list(
        Appointment.objects.select_related(*RELATED)
        .filter(
            status=AppointmentStatus.BOOKED.value, start_at__gt=since, start_at__lte=until,
            patient__isnull=False,
        )
        .exclude(
            Exists(
                PatientMessage.objects.filter(
                    appointment=OuterRef("pk"), occasion=occasion.value, channel=channel.value,
                    start_at=OuterRef("start_at"),
                )
            )
        )
        .order_by("start_at", "id")[:limit]
    )  # fmt: skip


def address(patient: Patient, channel: Channel) -> str:
    """Where a channel reaches the patient; empty if it does not."""
    if channel is Channel.MAIL:
        said = patient.email.strip()
        return said if said.count("@") == 1 and said.isprintable() and " " not in said else ""
    digits = "".join(c for c in patient.phone if c.isdigit())
    plus = "+" if patient.phone.strip().startswith("+") else ""
    return f"{plus}{digits}" if 6 <= len(digits) <= 15 else ""


def last_told(appointment: Appointment, channel: Channel) -> PatientMessage | None:
    """What the patient heard last of when the appointment is."""
    return (
        PatientMessage.objects.filter(
            appointment=appointment,
            channel=channel.value,
            state=PatientMessageState.SENT.value,
            occasion__in=[each.value for each in CHANGES],
        )
        .order_by("-sent_at", "-id")
        .first()
    )


def is_waiting(appointment: Appointment, channel: Channel) -> bool:
    """Whether a change of the appointment is planned and not told yet."""
    return PatientMessage.objects.filter(
        appointment=appointment,
        channel=channel.value,
        state=PatientMessageState.PLANNED.value,
        occasion__in=[each.value for each in CHANGES],
    ).exists()


def is_offered(message: PatientMessage, now: datetime) -> bool:
    """Whether the time that a message offers is still held for the patient."""
    return SlotOffer.objects.filter(
        entry__step__procedure__order=message.order_id,
        start_at=message.start_at,
        status=OfferStatus.OPEN.value,
        expires_at__gt=now,
    ).exists()


# What :func:`recipient` and :func:`outdated` look at.
WITH_RECIPIENT = (
    "patient__merged_into",
    "order__patient",
    *(f"appointment__{name}" for name in RELATED),
    "appointment__order__patient",
)


def recipient(message: PatientMessage) -> Patient:
    """Whose appointment it is by now: an order may have been given to another patient."""
    order = message.order or message.appointment.order
    if order is not None:
        return order.patient
    patient = message.appointment.patient or message.patient
    return patient.merged_into or patient


def outdated(message: PatientMessage, now: datetime) -> str:
    """Why a message is not true any more; empty if it is."""
    occasion, appointment = Occasion(message.occasion), message.appointment
    if occasion is Occasion.OFFER:
        return "" if is_offered(message, now) else "the time is offered no more"
    if occasion is Occasion.CANCELED:
        if appointment.status != AppointmentStatus.CANCELED.value or _is_booked_again(message):
            return "it is booked again"
        return "" if message.start_at > now else "the time is over"
    if appointment.status != AppointmentStatus.BOOKED.value:
        return "the appointment stands no more"
    if appointment.start_at <= now:
        return "the time is over"
    return "" if appointment.start_at == message.start_at else "another time is told instead"


def _is_booked_again(message: PatientMessage) -> bool:
    """Whether the same order has the same time by another appointment: a mistake taken back."""
    return (
        message.order_id is not None
        and Appointment.objects.filter(
            order=message.order_id,
            start_at=message.start_at,
            status=AppointmentStatus.BOOKED.value,
        ).exists()
    )


def words(occasion: Occasion, channel: Channel, language: str) -> Words:
    """The site's own words in a language, else ours."""
    row = PatientMessageText.objects.filter(
        occasion=occasion.value, channel=channel.value, language=language
    ).first()
    ours = TEXTS[language if language in TEXTS else "en"][occasion]
    if row is None:
        return ours
    return Words(row.subject or ours.subject, row.body, row.body)


def language_for(patient: Patient) -> str:
    return language_of(patient.language, settings.LANGUAGE_CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message as the patient reads it; the link is still a name in braces."""

    subject: str
    text: str


def write(
    occasion: Occasion,
    channel: Channel,
    language: str,
    visit: Visit,
    start_at: datetime,
    *,
    names_exam: bool,
    linked: bool,
) -> Written:
    """The words with what they name; what tells of an exam only where the rule lets it."""
    chosen = words(occasion, channel, language)
    values = dict(values_of(visit, start_at, language))
    if not names_exam:
        values.update(dict.fromkeys(CLINICAL, ""))
    values["link"] = "{link}" if linked else ""
    body = chosen.body if channel is Channel.MAIL else chosen.short
    return Written(subject=" ".join(fill(chosen.subject, values).split()), text=fill(body, values))


def values_of(visit: Visit, start_at: datetime, language: str) -> Mapping[str, str]:
    local = timezone.localtime(start_at, visit.zone)
    with translation.override(language):
        day = f"{date_format(local, 'l')}, {date_format(local, 'DATE_FORMAT')}"
        turn = which(start_at, visit.zone)
        clock = f"{date_format(local, 'TIME_FORMAT')} {turn}".rstrip()
    return {
        "site": visit.site or settings.SITE_NAME,
        "date": day,
        "time": clock,
        "place": visit.room,
        "address": " ".join(visit.address.split()),
        "phone": visit.policy.phone,
        "bring": ", ".join(
            line.strip() for line in visit.policy.bring.splitlines() if line.strip()
        ),
        "exam": ", ".join(visit.exams),
        "preparation": "\n".join(visit.preparation),
    }


# --- for pages


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """An occasion by a channel: the rule for all, and how many sites or procedures differ."""

    occasion: Occasion
    channel: Channel
    rule: Rule
    is_ahead: bool
    own: bool
    others: int


def rule_lines() -> list[RuleLine]:
    rows = list(PatientMessageRule.objects.order_by("id"))
    found = []
    for channel in Channel:
        for occasion in Occasion:
            mine = [r for r in rows if r.occasion == occasion and r.channel == channel]
            general = next((r for r in mine if not r.site_id and not r.procedure_id), None)
            found.append(
                RuleLine(
                    occasion=occasion,
                    channel=channel,
                    rule=rule_of(general) if general else RULES[occasion],
                    is_ahead=occasion in AHEAD,
                    own=general is not None,
                    others=len(mine) - (general is not None),
                )
            )
    return found


def exceptions_to_rules() -> list[PatientMessageRule]:
    """Rules of single sites and procedures."""
    return list(
        PatientMessageRule.objects.select_related("site", "procedure")
        .filter(Q(site__isnull=False) | Q(procedure__isnull=False))
        .order_by("occasion", "channel", "id")
    )


def own_texts() -> frozenset[tuple[str, str, str]]:
    """Occasion, channel and language of the texts that the site wrote itself."""
    rows = PatientMessageText.objects.values_list("occasion", "channel", "language")
    return frozenset(rows)


def recent(limit: int = 50) -> Sequence[PatientMessage]:
    """What was planned, sent or dropped last, newest first."""
    return list(
        PatientMessage.objects.select_related(
            "patient", "order", "delivery", "appointment__device__room__site"
        ).order_by("-id")[:limit]
    )


def of_appointments(keys: Sequence[str]) -> list[PatientMessage]:
    return list(
        PatientMessage.objects.select_related("delivery", "appointment")
        .filter(appointment__public_id__in=keys)
        .order_by("id")
    )

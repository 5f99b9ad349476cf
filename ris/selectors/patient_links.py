"""What stands behind a patient's link: the appointment, and what the site allows there."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ris.domain.patient_links import LinkState, Policy, can_be_asked, digest_of
from ris.domain.patient_messages import Channel
from ris.domain.scheduling import Answer, AppointmentStatus, Participant
from ris.models import (
    Appointment,
    AppointmentAnswer,
    AppointmentLink,
    ContactChoice,
    Patient,
    PatientPolicy,
    Site,
)
from ris.selectors import resources
from ris.selectors.resources import zone_of

ALL = "all"
_COLUMNS = tuple(field.name for field in fields(Policy))
RELATED = (
    "patient",
    "order",
    "device__room__site",
    "device__resource__site",
)


def site_of(appointment: Appointment) -> Site | None:
    """Where it takes place: where its device stands, else the only site there is."""
    device = appointment.device
    there = resources.site_of(device) if device is not None else None
    if there is not None:
        return there
    sites = list(Site.objects.order_by("id")[:2])
    return sites[0] if len(sites) == 1 else None


def policy_for(site: Site | None) -> Policy:
    """What patients of a site may do: as said for it, else for all, else as usual."""
    keys = [ALL, *([str(site.public_id)] if site else [])]
    rows = {row.key: row for row in PatientPolicy.objects.filter(key__in=keys)}
    row = rows.get(keys[-1]) or rows.get(ALL)
    return policy_of(row) if row else Policy()


def policy_of(row: PatientPolicy) -> Policy:
    values: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS}
    return Policy(**values)


def find(token: str) -> AppointmentLink | None:
    """The link a token opens, whatever its state."""
    return (
        AppointmentLink.objects.select_related(*(f"appointment__{name}" for name in RELATED))
        .filter(digest=digest_of(token))
        .first()
    )


def state(link: AppointmentLink, policy: Policy, now: datetime) -> LinkState:
    if link.revoked_at is not None or not policy.active:
        return LinkState.REVOKED
    if now >= link.appointment.end_at + timedelta(hours=policy.keep_hours):
        return LinkState.EXPIRED
    if link.closed_at is not None:
        return LinkState.CLOSED
    patient = link.appointment.patient
    known = patient is not None and can_be_asked(patient.birth_date)
    return LinkState.OPEN if known else LinkState.UNDATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An appointment as its patient is shown it."""

    public_id: str
    patient: str
    order: str
    version: int
    status: AppointmentStatus
    start_at: datetime
    end_at: datetime
    room: str
    site: str
    address: str
    exams: tuple[str, ...]
    preparation: tuple[str, ...]
    step: str
    site_id: int | None
    zone: tzinfo  # of the site
    confirmed: bool
    policy: Policy

    @property
    def is_booked(self) -> bool:
        return self.status is AppointmentStatus.BOOKED

    @property
    def is_ahead(self) -> bool:
        return self.is_booked and self.start_at > timezone.now()

    @property
    def in_time(self) -> bool:
        """Whether there is still time to change it without a call."""
        notice = timedelta(hours=self.policy.notice_hours)
        return self.is_booked and self.start_at - notice > timezone.now()

    @property
    def can_move(self) -> bool:
        return self.in_time and self.policy.may_move and bool(self.step)

    @property
    def can_cancel(self) -> bool:
        return self.in_time and self.policy.may_cancel


def visit(appointment: Appointment, policy: Policy | None = None) -> Visit:
    """The appointment for its patient; ``policy`` is that of its site, where it is known."""
    site = site_of(appointment)
    steps = list(
        appointment.steps.select_related("procedure__definition").order_by("start_at", "id")
    )
    device = appointment.device
    patient = appointment.patient
    answer = (
        AppointmentAnswer.objects.filter(
            appointment=appointment, participant=Participant.PATIENT.value
        )
        .order_by("-id")
        .first()
    )
    definitions = [step.procedure.definition for step in steps]
    return Visit(
        public_id=str(appointment.public_id),
        patient=str(patient.public_id) if patient else "",
        order=str(appointment.order.public_id) if appointment.order else "",
        version=appointment.version,
        status=AppointmentStatus(appointment.status),
        start_at=appointment.start_at,
        end_at=appointment.end_at,
        room=device.room.name if device and device.room else "",
        site=site.name if site else "",
        address=site.address if site else "",
        exams=tuple(
            dict.fromkeys(
                step.procedure.code_meaning or step.procedure.description or step.description
                for step in steps
            )
        ),
        preparation=tuple(
            dict.fromkeys(each.preparation for each in definitions if each and each.preparation)
        ),
        step=str(steps[0].public_id) if len(steps) == 1 else "",
        site_id=site.pk if site else None,
        zone=zone_of(site),
        confirmed=answer is not None and answer.answer == Answer.ACCEPTED.value,
        policy=policy or policy_for(site),
    )


def declined(patient: Patient) -> frozenset[Channel]:
    """The channels by which the patient wants nothing.

    What was said to a record that became this one holds until the patient says otherwise.
    """
    rows = ContactChoice.objects.filter(Q(patient=patient) | Q(patient__merged_into=patient))
    own = {row.channel: row.wanted for row in rows if row.patient_id == patient.pk}
    return frozenset(Channel(row.channel) for row in rows if not own.get(row.channel, row.wanted))


# --- for the desk


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLine:
    """A way to reach the patient: where, and whether it is wanted."""

    channel: str
    address: str
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a patient is reached, and how the link of the appointment stands."""

    channels: tuple[ChannelLine, ...]
    language: str
    state: str  # "" without a link
    link: str
    made_at: datetime | None
    opened_at: datetime | None
    bookable: bool
    dated: bool  # whether the birth date is known that the page asks for


def contact_of(appointment: str) -> Contact:
    """Of an appointment that exists, by public id."""
    row = Appointment.objects.select_related(*RELATED).get(public_id=appointment)
    link = row.links.filter(revoked_at__isnull=True).order_by("-id").first()
    patient = row.patient
    channels: tuple[ChannelLine, ...] = ()
    if patient is not None:
        unwanted = declined(patient)
        channels = (
            ChannelLine(channel="mail", address=patient.email, wanted=Channel.MAIL not in unwanted),
            ChannelLine(channel="sms", address=patient.phone, wanted=Channel.SMS not in unwanted),
        )
    return Contact(
        channels=channels,
        language=patient.language if patient else "",
        state=state(link, policy_for(site_of(row)), timezone.now()).value if link else "",
        link=str(link.public_id) if link else "",
        made_at=link.created_at if link else None,
        opened_at=link.opened_at if link else None,
        bookable=row.status == AppointmentStatus.BOOKED.value,
        dated=patient is not None and can_be_asked(patient.birth_date),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A booked appointment with what its patient would say at the page."""

    appointment: str
    patient: str
    birth_date: str


def to_come(after: datetime, limit: int) -> list[Coming]:
    """The next booked appointments of patients whose whole birth date is known."""
    rows = (
        Appointment.objects.filter(
            status=AppointmentStatus.BOOKED.value,
            start_at__gt=after,
            order__isnull=False,
            patient__birth_date__regex=r"^\d{4}-\d{2}-\d{2}$",
        )
        .select_related("patient")
        .order_by("start_at", "id")
    )
    return [
        Coming(
            appointment=str(row.public_id),
            patient=str(row.patient.public_id),
            birth_date=row.patient.birth_date,
        )
        for row in rows[:limit]
        if row.patient is not None
    ]

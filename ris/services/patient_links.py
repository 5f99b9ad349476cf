"""A patient's page for one appointment: made, opened with the birth date, ended; what it may do."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings

from ris import config
from ris.domain.actors import Role
from ris.domain.commands import Command
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patient_links import (
    MISSES,
    LinkPurpose,
    LinkState,
    MakePatientLink,
    OpenPatientLink,
    PatientLinkClosed,
    PatientLinkMade,
    PatientLinkOpened,
    PatientLinkRevoked,
    PatientPolicySet,
    RevokePatientLink,
    SetPatientPolicy,
    can_be_asked,
    digest_of,
    token_for,
)
from ris.domain.patient_messages import SetContactChoice
from ris.domain.safety_declared import DeclareSafetyAnswers
from ris.domain.scheduling import (
    Answer,
    AnswerAppointment,
    AppointmentStatus,
    CancelAppointment,
    Participant,
    RescheduleAppointment,
)
from ris.models import Appointment, AppointmentLink, Device, PatientPolicy, Site
from ris.selectors import resources
from ris.selectors.patient_links import ALL, RELATED, policy_for, site_of, state
from ris.services._context import Context
from ris.services._execute import register_guard
from ris.services._locks import public_key
from ris.services._transition import touch


def address_of(link: AppointmentLink) -> str:
    """Where the patient opens it; made when a message is sent, and kept nowhere."""
    return f"{config.load().public_url}/p/{token_of(link)}/"


def token_of(link: AppointmentLink) -> str:
    return token_for(settings.SECRET_KEY, link.nonce)


def live_link(appointment: Appointment) -> AppointmentLink | None:
    return (
        AppointmentLink.objects.select_for_update(of=("self",))
        .filter(appointment=appointment, purpose=LinkPurpose.VISIT.value, revoked_at__isnull=True)
        .first()
    )


def ensure_link(appointment: Appointment, context: Context) -> AppointmentLink:
    """The link of an appointment, made if there is none that works."""
    link = live_link(appointment)
    if link is not None and link.digest == digest_of(token_of(link)):
        return link
    if link is not None:  # the site's secret was changed: what was sent works no more
        link.revoked_at = context.now
        touch(link, "revoked_at")
    nonce = secrets.token_hex(16)
    link = AppointmentLink.objects.create(
        appointment=appointment,
        nonce=nonce,
        digest=digest_of(token_for(settings.SECRET_KEY, nonce)),
    )
    order = appointment.order
    context.emit(
        PatientLinkMade(
            order=str(order.public_id) if order else "",
            appointment=str(appointment.public_id),
        ),
        subject=link,
        order=order,
        patient=appointment.patient,
    )
    return link


def _appointment(public_id: str) -> Appointment:
    found = (
        Appointment.objects.select_related(*RELATED)
        .filter(public_id=public_key(public_id, "appointment"))
        .first()
    )
    if found is None:
        raise UnknownKeyError("no such appointment")
    return found


def _revoke(appointment: Appointment, context: Context) -> bool:
    link = live_link(appointment)
    if link is None:
        return False
    link.revoked_at = context.now
    touch(link, "revoked_at")
    order = appointment.order
    context.emit(
        PatientLinkRevoked(
            order=str(order.public_id) if order else "",
            appointment=str(appointment.public_id),
        ),
        subject=link,
        order=order,
        patient=appointment.patient,
    )
    return True


def make_patient_link(command: MakePatientLink, context: Context) -> str:
    appointment = _appointment(command.appointment)
    if appointment.status != AppointmentStatus.BOOKED.value or appointment.patient is None:
        raise StateConflictError("only a booked appointment has a page for its patient")
    if not can_be_asked(appointment.patient.birth_date):
        raise StateConflictError(
            "the page asks for the birth date, and day, month and year are not all known"
        )
    if command.again:
        _revoke(appointment, context)
    link = ensure_link(appointment, context)
    context.about(link, appointment.order)
    return str(link.public_id)


def revoke_patient_link(command: RevokePatientLink, context: Context) -> None:
    appointment = _appointment(command.appointment)
    if not _revoke(appointment, context):
        raise StateConflictError("this appointment has no link that works")


def open_patient_link(command: OpenPatientLink, context: Context) -> bool:
    link = (
        AppointmentLink.objects.select_for_update(of=("self",))
        .select_related(*(f"appointment__{name}" for name in RELATED))
        .filter(public_id=public_key(command.link, "link"))
        .first()
    )
    if link is None:
        raise UnknownKeyError("no such link")
    appointment = link.appointment
    order, patient = appointment.order, appointment.patient
    context.about(link, order)
    if state(link, policy_for(site_of(appointment)), context.now) is not LinkState.OPEN:
        raise StateConflictError("this link does not work any more")
    names = {
        "order": str(order.public_id) if order else "",
        "appointment": str(appointment.public_id),
    }
    known = patient.birth_date if patient else ""
    if can_be_asked(known) and secrets.compare_digest(known.encode(), command.birth_date.encode()):
        link.misses = 0
        if link.opened_at is None:
            link.opened_at = context.now
            context.emit(PatientLinkOpened(**names), subject=link, order=order, patient=patient)
        touch(link, "misses", "opened_at")
        return True
    link.misses += 1
    if link.misses >= MISSES:
        link.closed_at = context.now
        context.emit(PatientLinkClosed(**names), subject=link, order=order, patient=patient)
    touch(link, "misses", "closed_at")
    return False


def set_patient_policy(command: SetPatientPolicy, context: Context) -> None:
    site = None
    if command.site:
        site = Site.objects.filter(public_id=public_key(command.site, "site")).first()
        if site is None:
            raise UnknownKeyError("no such site")
    said = command.policy
    for name, least, most in (
        ("notice_hours", 0, 720), ("days_ahead", 1, 365), ("keep_hours", 0, 8760)
    ):  # fmt: skip
        if not least <= getattr(said, name) <= most:
            raise InvalidValueError(f"{least} to {most}", path=name)
    row, _ = PatientPolicy.objects.update_or_create(
        key=str(site.public_id) if site else ALL,
        defaults={
            "site": site,
            "active": said.active,
            "phone": said.phone.strip()[:40],
            "bring": said.bring.strip()[:2000],
            "notice_hours": said.notice_hours,
            "days_ahead": said.days_ahead,
            "keep_hours": said.keep_hours,
            "may_move": said.may_move,
            "may_cancel": said.may_cancel,
        },
    )
    context.emit(PatientPolicySet(site=command.site), subject=row)


# --- what a patient may do, asked at the door


def guard(command: Command[Any], context: Context) -> None:
    """A patient acts on one appointment, by an opened link, as far as its site allows."""
    own = context.actor.appointment
    link = (
        AppointmentLink.objects.select_related(*(f"appointment__{name}" for name in RELATED))
        .filter(
            appointment__public_id=public_key(own, "appointment"),
            purpose=LinkPurpose.VISIT.value,
            revoked_at__isnull=True,
        )
        .first()
        if own
        else None
    )
    if link is None:
        raise DeniedError("this page is for one appointment, and its link was ended")
    if isinstance(command, OpenPatientLink):
        if command.link != str(link.public_id):
            raise DeniedError("this page is for one appointment only")
        return  # whether it still works is told by the command
    if getattr(command, "appointment", "") != own:
        raise DeniedError("this page is for one appointment only")
    appointment = link.appointment
    site = site_of(appointment)
    policy = policy_for(site)
    if state(link, policy, context.now) is not LinkState.OPEN or link.opened_at is None:
        raise DeniedError("this link does not work any more")
    if isinstance(command, AnswerAppointment):
        if command.participant is not Participant.PATIENT or command.answer is not Answer.ACCEPTED:
            raise DeniedError("a patient confirms, moves or cancels")
        return
    if isinstance(command, SetContactChoice):
        patient = appointment.patient
        if patient is None or command.patient != str(patient.public_id):
            raise DeniedError("this page is for one patient only")
        return
    if isinstance(command, DeclareSafetyAnswers):
        return  # until the exam, and of no effect before somebody asked
    late = context.now + timedelta(hours=policy.notice_hours)
    if appointment.start_at <= late:
        raise DeniedError("it is too late to change this here: please call")
    if isinstance(command, CancelAppointment) and policy.may_cancel:
        return
    if appointment.status == AppointmentStatus.ARRIVED.value:
        raise DeniedError("you are here already: please ask at the desk")
    if isinstance(command, RescheduleAppointment) and policy.may_move:
        if command.start_at <= late:  # nobody could prepare for it, the patient included
            raise DeniedError("a time as near as this is agreed by phone")
        _check_move(command, appointment, site, policy.days_ahead, context)
        return
    raise DeniedError("this is not done here: please call")


def _check_move(
    command: RescheduleAppointment,
    appointment: Appointment,
    site: Site | None,
    days_ahead: int,
    context: Context,
) -> None:
    """A free time within opening hours, as long as before, at the same site, not too far off."""
    if command.overbook or not command.open_only or command.duration_minutes is not None:
        raise DeniedError("a patient takes a free time, as long as the one before")
    if not context.now < command.start_at <= context.now + timedelta(days=days_ahead):
        raise DeniedError(f"choose a time within the next {days_ahead} days")
    if command.device:
        device = (
            Device.objects.select_related("room__site", "resource__site")
            .filter(public_id=public_key(command.device, "device"))
            .first()
        )
        if device is None:
            raise UnknownKeyError("no such device")
        there = resources.site_of(device)
        if site is not None and there is not None and there.pk != site.pk:
            raise DeniedError("a time at another site is agreed by phone")


register_guard(Role.PATIENT, guard)

HANDLERS = {
    MakePatientLink: make_patient_link,
    RevokePatientLink: revoke_patient_link,
    OpenPatientLink: open_patient_link,
    SetPatientPolicy: set_patient_policy,
}

_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.SYSTEM}

PERMISSIONS = {
    MakePatientLink: _DESK,
    RevokePatientLink: _DESK,
    OpenPatientLink: {Role.PATIENT},
    SetPatientPolicy: {Role.MANAGER, Role.ADMIN, Role.SYSTEM},
}

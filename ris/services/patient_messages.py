"""Messages to patients: planned by changes and by the clock, then handed to the outbox.

A change plans one message for each channel that has an endpoint, a moment ahead, so that of a burst
of changes only the last is told. What is due is looked at again before it leaves: what is still
true, still ahead and still wanted is sent, exactly once (docs/adr/0037).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime

from ris.domain.actors import TIMER, Role
from ris.domain.errors import UnknownKeyError
from ris.domain.patient_links import can_be_asked
from ris.domain.patient_messages import (
    AHEAD,
    CHANGES,
    EVENTS,
    PATIENT_MESSAGE,
    Channel,
    Occasion,
    PatientMessageDropped,
    PatientMessageState,
    PatientMessageTrigger,
    Rule,
    SendPatientMessages,
)
from ris.domain.protocol import Outgoing, StoredEvent
from ris.domain.waiting import OfferStatus
from ris.models import (
    Appointment,
    AppointmentLink,
    Delivery,
    Endpoint,
    Patient,
    PatientMessage,
    Site,
    SlotOffer,
)
from ris.selectors import patient_messages as selectors
from ris.selectors.exchange import info
from ris.selectors.patient_links import RELATED, Visit, site_of, visit
from ris.selectors.resources import zone_of
from ris.services import _clock, outbox
from ris.services._context import Context
from ris.services._execute import execute, transactional
from ris.services._locks import public_key
from ris.services._transition import move, touch
from ris.services.patient_links import address_of, ensure_link

# So long a change waits for the next one of the same appointment.
WINDOW = timedelta(minutes=2)
AT_ONCE = 100
_CONTROL = "pm-"
_LATE = timedelta(hours=1)  # who is reminded later than that is on the way already


# --- planned


@transactional
def plan(event: StoredEvent, channel: Channel) -> None:
    """Note what a change means for the patient; of the fan-out, in its transaction."""
    occasion = EVENTS.get(event.name)
    said = parse_datetime(str(event.payload.get("start_at") or ""))
    key = str(event.payload.get("appointment") or "")
    now = _clock.now()
    if occasion is None or said is None or said <= now:
        return
    if event.payload.get("arrived"):
        return  # who is here is told by somebody
    if occasion is Occasion.OFFER:
        _plan_offer(str(event.payload.get("offer") or ""), channel, now)
        return
    appointment = Appointment.objects.select_related(*RELATED).filter(public_id=key).first()
    if appointment is None or appointment.patient is None:
        return
    site = site_of(appointment)
    rule = selectors.Rules().of(occasion, channel, appointment, site.pk if site else None)
    waiting = PatientMessage.objects.select_for_update(of=("self",)).filter(
        appointment=appointment,
        channel=channel.value,
        state=PatientMessageState.PLANNED.value,
        occasion__in=[each.value for each in CHANGES],
    ).first()  # fmt: skip
    due = _due(now + WINDOW, rule, site)
    if waiting is None:
        if rule.active:
            PatientMessage.objects.create(
                patient=appointment.patient,
                order=appointment.order,
                appointment=appointment,
                occasion=occasion.value,
                channel=channel.value,
                start_at=said,
                due_at=due,
            )
        return
    before = Occasion(waiting.occasion)
    if before is Occasion.BOOKED and occasion is Occasion.CANCELED:
        waiting.reason = "canceled before it was told"
        move(waiting, PATIENT_MESSAGE, PatientMessageTrigger.DROP, "reason")
        return
    # Who was not told of the first time is told of a booking, not of a move.
    waiting.occasion = (before if before is Occasion.BOOKED else occasion).value
    waiting.start_at, waiting.due_at = said, due
    touch(waiting, "occasion", "start_at", "due_at")


def _plan_offer(key: str, channel: Channel, now: datetime) -> None:
    """A time is held for somebody who waits: who has an appointment keeps it meanwhile."""
    offer = (
        SlotOffer.objects.select_related(
            "hold", "entry__step__appointment", "entry__step__procedure__order__patient"
        )
        .filter(public_id=key, status=OfferStatus.OPEN.value)
        .first()
    )
    if offer is None:
        return
    appointment = offer.entry.step.appointment or offer.hold
    if appointment is None:
        return
    site = site_of(appointment)
    rule = selectors.Rules().of(Occasion.OFFER, channel, appointment, site.pk if site else None)
    due = _due(now, rule, site)
    if not rule.active or due >= offer.expires_at:
        return
    order = offer.entry.step.procedure.order
    PatientMessage.objects.get_or_create(
        appointment=appointment,
        channel=channel.value,
        occasion=Occasion.OFFER.value,
        start_at=offer.start_at,
        defaults={"patient": order.patient, "order": order, "due_at": due},
    )


def _due(at: datetime, rule: Rule, site: Site | None) -> datetime:
    """``at``, moved out of the quiet hours by the site's clock."""
    return rule.not_before(at.astimezone(zone_of(site)))


def _plan_ahead(channels: Iterable[Channel], now: datetime) -> None:
    """Reminders and preparation of the appointments that come near."""
    rules = selectors.Rules()
    for channel in channels:
        for occasion in sorted(AHEAD):
            hours = rules.farthest(occasion, channel)
            if not hours:
                continue
            until = now + timedelta(hours=hours)
            for appointment in selectors.upcoming(occasion, channel, now, until, AT_ONCE):
                site = site_of(appointment)
                rule = rules.of(occasion, channel, appointment, site.pk if site else None)
                _plan_one(appointment, occasion, channel, rule, now)


def _plan_one(
    appointment: Appointment, occasion: Occasion, channel: Channel, rule: Rule, now: datetime
) -> None:
    """One row for each appointment and time, also where there is nothing to say."""
    if appointment.patient is None:
        return
    if selectors.is_waiting(appointment, channel):
        return  # a change is told first; then it is looked at again
    due = appointment.start_at - timedelta(hours=rule.hours_before)
    told = selectors.last_told(appointment, channel)
    reason = ""
    if not rule.active:
        reason = "the rule is off"
    elif occasion is Occasion.REMINDER and told and told.sent_at and told.sent_at >= due:
        reason = "was told of this time a short while before"
    # The timers of another worker may be at the same appointment: theirs counts as well.
    PatientMessage.objects.get_or_create(
        appointment=appointment,
        channel=channel.value,
        occasion=occasion.value,
        start_at=appointment.start_at,
        defaults={
            "patient": appointment.patient,
            "order": appointment.order,
            "due_at": max(_due(each, rule, site_of(appointment)) for each in (due, now)),
            "state": (PatientMessageState.DROPPED if reason else PatientMessageState.PLANNED).value,
            "reason": reason,
        },
    )


# --- sent


def due_to_send() -> bool:
    """Whether there is a channel at all, and so anything to look for."""
    return bool(selectors.carriers())


def send_patient_messages(command: SendPatientMessages, context: Context) -> int:
    carriers = selectors.carriers()
    # What changed is told first: who hears of a time just now needs no reminder of it.
    left = _settle_due(carriers, context)
    _plan_ahead(carriers, context.now)
    return left + _settle_due(carriers, context)


def _settle_due(carriers: dict[Channel, Endpoint], context: Context) -> int:
    rows = list(
        PatientMessage.objects.select_for_update(of=("self",))
        .select_related(*selectors.WITH_RECIPIENT)
        .filter(state=PatientMessageState.PLANNED.value, due_at__lte=context.now)
        .order_by("due_at", "id")[:AT_ONCE]
    )
    rules = selectors.Rules()
    return sum(_settle(row, carriers, rules, context) for row in rows)


def _settle(
    row: PatientMessage, carriers: dict[Channel, Endpoint], rules: selectors.Rules, context: Context
) -> bool:
    """Send what is still true and wanted, or drop it with its reason; whether it left."""
    channel, occasion = Channel(row.channel), Occasion(row.occasion)
    appointment = row.appointment
    patient = selectors.recipient(row)
    site = site_of(appointment)
    rule = rules.of(occasion, channel, appointment, site.pk if site else None)
    endpoint = carriers.get(channel)
    told = selectors.last_told(appointment, channel)
    reason = (
        "nothing carries this channel" if endpoint is None
        else "the rule is off" if not rule.active
        else _untrue(row, rule, told, context.now)
    )  # fmt: skip
    if reason or endpoint is None:
        return _drop(row, reason, context)
    wanted, where = selectors.declined(patient), selectors.address(patient, channel)
    if channel is Channel.SMS and _mail_reaches(patient, wanted, carriers, rules, row, site):
        return _drop(row, "told by mail", context)
    if channel in wanted:
        return _drop(row, "the patient does not want messages this way", context, tell=True)
    if not where:
        # Whoever has the other channel is reached by that one.
        other = Channel.SMS if channel is Channel.MAIL else Channel.MAIL
        reached = other in carriers and other not in wanted and selectors.address(patient, other)
        words = "no mail address" if channel is Channel.MAIL else "no phone number"
        return _drop(row, words, context, tell=not reached)
    _hand_over(row, patient, endpoint, where, rule, context)
    return True


def _untrue(
    row: PatientMessage,
    rule: Rule,
    told: PatientMessage | None,
    now: datetime,
) -> str:
    """Why the message says nothing any more; empty if it does."""
    occasion = Occasion(row.occasion)
    if occasion is Occasion.CANCELED and told and told.occasion == Occasion.CANCELED.value:
        return "told already"
    outdated = selectors.outdated(row, now)
    if outdated or occasion in {Occasion.CANCELED, Occasion.OFFER}:
        return outdated
    is_known = told is not None and told.start_at == row.start_at
    if occasion in CHANGES and is_known and told and told.occasion != Occasion.CANCELED.value:
        return "the patient knows this time"
    if occasion in AHEAD and row.start_at - now < min(
        _LATE, timedelta(hours=rule.hours_before) / 2
    ):
        return "too late to be of use"
    return ""


def _mail_reaches(
    patient: Patient,
    declined: frozenset[Channel],
    carriers: dict[Channel, Endpoint],
    rules: selectors.Rules,
    row: PatientMessage,
    site: Site | None,
) -> bool:
    """Whether the same is told by mail: then a text message would be the second of one change."""
    if Channel.MAIL not in carriers or Channel.MAIL in declined:
        return False
    rule = rules.of(
        Occasion(row.occasion), Channel.MAIL, row.appointment, site.pk if site else None
    )
    return rule.active and bool(selectors.address(patient, Channel.MAIL))


def _drop(row: PatientMessage, reason: str, context: Context, *, tell: bool = False) -> bool:
    row.reason = reason
    move(row, PATIENT_MESSAGE, PatientMessageTrigger.DROP, "reason")
    if tell:
        order = row.order
        context.emit(
            PatientMessageDropped(
                order=str(order.public_id) if order else "",
                appointment=str(row.appointment.public_id),
                occasion=row.occasion,
                channel=row.channel,
                reason=reason,
            ),
            subject=row,
            order=order,
            patient=row.patient,
        )
    return False


def _hand_over(
    row: PatientMessage,
    patient: Patient,
    endpoint: Endpoint,
    where: str,
    rule: Rule,
    context: Context,
) -> None:
    """Queue it. What is stored names the link by its row; its address is made when it is sent."""
    appointment = row.appointment
    occasion, channel = Occasion(row.occasion), Channel(row.channel)
    shown: Visit = visit(appointment)
    linked = (
        shown.policy.active
        and occasion not in {Occasion.CANCELED, Occasion.OFFER}
        and can_be_asked(patient.birth_date)
    )
    link = ensure_link(appointment, context) if linked else None
    language = selectors.language_for(patient)
    written = selectors.write(
        occasion,
        channel,
        language,
        shown,
        row.start_at,
        names_exam=rule.names_exam,
        linked=linked,
    )
    payload = {
        "to": where,
        "subject": written.subject,
        "text": written.text,
        "language": language,
        "link": str(link.public_id) if link else "",
    }
    key = outbox.enqueue(
        info(endpoint),
        Outgoing(
            lane=f"patient:{row.public_id}",
            control_id=f"{_CONTROL}{row.public_id}",
            message_type=f"patient {occasion.value}",
            payload=json.dumps(payload, ensure_ascii=False).encode(),
            orders=(str(row.order.public_id),) if row.order else (),
        ),
        patient=str(patient.public_id),
    )
    row.patient = patient
    row.sent_at = context.now
    row.delivery = Delivery.objects.get(public_id=key)
    move(row, PATIENT_MESSAGE, PatientMessageTrigger.SEND, "patient", "sent_at", "delivery")
    context.about(row, row.order)


def why_not_now(control_id: str) -> str:
    """Why what waited in the queue says nothing any more, or to somebody else; empty if it does.

    A carrier may have been away for hours: what became untrue meanwhile does not leave.
    """
    try:
        key = public_key(control_id.removeprefix(_CONTROL), "message")
    except UnknownKeyError:
        return ""
    row = (
        PatientMessage.objects.select_related(*selectors.WITH_RECIPIENT)
        .filter(public_id=key)
        .first()
    )
    if row is None:
        return ""
    owner = selectors.recipient(row)
    if owner.pk != (row.patient.merged_into_id or row.patient_id):
        return "the appointment is another patient's"
    if Channel(row.channel) in selectors.declined(owner):
        return "the patient does not want messages this way"
    return selectors.outdated(row, _clock.now())


def link_address(link: str) -> str:
    """Where a patient opens a link, by its public id; empty if it was ended meanwhile."""
    if not link:
        return ""
    row = AppointmentLink.objects.filter(public_id=link, revoked_at__isnull=True).first()
    return address_of(row) if row else ""


def moment() -> datetime:
    """What time it is for the carriers: that of the story where one is told."""
    return _clock.now()


def run_due() -> None:
    """Of the timers; without an endpoint for patients it asks one question and does nothing."""
    if due_to_send():
        execute(SendPatientMessages(), actor=TIMER)


HANDLERS = {SendPatientMessages: send_patient_messages}

PERMISSIONS = {SendPatientMessages: {Role.SYSTEM}}

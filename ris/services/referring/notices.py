"""Notices of results to referring doctors: planned by events, then handed to the outbox as mail.

A mail says that there is something to read and where, never what it is nor of whom: an initial and
a link that needs the login (docs/adr/0037 for why it is planned first). A report is never attached
to it, encrypted or not: mailboxes keep for years what a portal can take back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import groupby

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ris import config
from ris.domain.actors import TIMER, Role
from ris.domain.critical import CriticalState
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.exchange import Direction, Protocol, Subscription
from ris.domain.protocol import Outgoing, StoredEvent
from ris.domain.referring import (
    EVENTS,
    NOTICE,
    URGENT,
    NoticeOccasion,
    NoticeState,
    NoticeTime,
    NoticeTrigger,
    ResultNoticeDropped,
    ResultNoticesSet,
    SendResultNotices,
    SetResultNotices,
)
from ris.domain.reporting import ReportStatus
from ris.domain.values import PersonName
from ris.models import (
    CriticalFinding,
    Delivery,
    Endpoint,
    NoticeChoice,
    Order,
    Report,
    ResultNotice,
    ResultReceipt,
    User,
)
from ris.selectors import referring as selected
from ris.selectors.accounts import roles_of
from ris.selectors.exchange import info
from ris.services import _clock, outbox
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._transition import move

CONTROL = "rn-"
MORNING = time(7)
AT_ONCE = 200
# In one mail; what is more waits a moment for the next.
IN_ONE = 40


# --- planned


def plan(event: StoredEvent) -> None:
    """Note whom an event is told to; of the fan-out, in its transaction."""
    occasion = EVENTS.get(event.name)
    said = event.payload
    if occasion is None:
        return
    of = str(said.get("report") or "")
    report = Report.objects.filter(public_id=of).first() if of else None
    if report is None and occasion is not NoticeOccasion.CRITICAL:
        return
    keys = [str(key) for key in said.get("orders") or () if key] or [str(said.get("order") or "")]
    concerned = Q(public_id__in=[key for key in keys if key])
    if occasion is NoticeOccasion.CRITICAL and report is not None:
        # It names one order; the report it is in may be on those of other doctors as well.
        concerned |= Q(procedures__reports=report)
    orders = list(Order.objects.filter(concerned).distinct().order_by("id"))
    # A critical result is told once, however often it is spoken of and whatever report it is in.
    key = str(said.get("critical_result") or said.get("number") or "")[:40]
    known = Q(occasion=occasion.value, key=key)
    if occasion is not NoticeOccasion.CRITICAL:
        known &= Q(report=report)
    told = set(ResultNotice.objects.filter(known).values_list("user_id", flat=True))
    for choice in _wanting(orders):
        to = selected.reach(choice.user_id)
        order = next((each for each in orders if to.covers(each)), None)
        if order is None or choice.user_id in told:
            continue
        ResultNotice.objects.create(
            user_id=choice.user_id,
            order=order,
            report=report,
            occasion=occasion.value,
            key=key,
            due_at=_due(occasion, NoticeTime(choice.when)),
        )


def _wanting(orders: Sequence[Order]) -> list[NoticeChoice]:
    """The choices of those who see one of the orders and want mail."""
    found: dict[int, NoticeChoice] = {}
    rows = NoticeChoice.objects.exclude(when=NoticeTime.OFF.value).filter(user__is_active=True)
    for order in orders:
        # Whose number it is and who gave it out is judged by the reach, one by one.
        by_person = rows.filter(
            user__referrer_access__practitioner__identifier=order.requester_identifier
        )
        by_service = rows.filter(user__referrer_access__service=order.requesting_service)
        if order.requester_identifier:
            found.update((row.pk, row) for row in by_person)
        if order.requesting_service:
            found.update((row.pk, row) for row in by_service)
    return [found[key] for key in sorted(found)]


def _due(occasion: NoticeOccasion, when: NoticeTime) -> datetime:
    now = _clock.now()
    if when is NoticeTime.AT_ONCE or occasion in URGENT:
        return now
    local = timezone.localtime(now)
    day = local.date() + timedelta(days=1 if local.time() >= MORNING else 0)
    return timezone.make_aware(datetime.combine(day, MORNING))


# --- sent


def carrier() -> Endpoint | None:
    """The mail endpoint that is there for notices."""
    rows = Endpoint.objects.filter(
        protocol=Protocol.MAIL.value, direction=Direction.OUT.value, active=True
    ).order_by("id")
    return next((row for row in rows if Subscription.REPORT_NOTICES.value in row.sends), None)


def _planned() -> QuerySet[ResultNotice]:
    return ResultNotice.objects.filter(
        state=NoticeState.PLANNED.value, due_at__lte=_clock.now()
    )  # fmt: skip


def run_due() -> None:
    """Of the timers; one question by index where nothing waits."""
    if _planned().exists():
        execute(SendResultNotices(), actor=TIMER)


def send_result_notices(command: SendResultNotices, context: Context) -> int:
    endpoint = carrier()
    rows = list(
        _planned()
        .select_for_update(of=("self",))
        .select_related("user__notice_choice", "order__patient", "report")
        .order_by("user_id", "due_at", "id")[:AT_ONCE]
    )
    mails = 0
    for _user, of_user in groupby(rows, key=lambda row: row.user_id):
        told = [row for row in of_user if _is_told(row, endpoint, context)][:IN_ONE]
        if told and endpoint is not None:
            _hand_over(told, endpoint, context)
            mails += 1
    return mails


def _is_told(row: ResultNotice, endpoint: Endpoint | None, context: Context) -> bool:
    """Whether a notice still says something to somebody; else it is dropped with its reason."""
    reason = "nothing carries notices" if endpoint is None else _untrue(row)
    address = _address(row.user)
    if not reason and not address:
        context.emit(
            ResultNoticeDropped(
                order=str(row.order.public_id),
                username=row.user.username,
                occasion=row.occasion,
                reason="no mail address",
            ),
            subject=row,
            order=row.order,
        )
        reason = "no mail address"
    if reason:
        row.reason = reason
        move(row, NOTICE, NoticeTrigger.DROP, "reason")
    return not reason


def _choice(user: User) -> NoticeChoice | None:
    return getattr(user, "notice_choice", None)


def _address(user: User) -> str:
    choice = _choice(user)
    return (choice.address if choice else "") or user.email


def _untrue(row: ResultNotice) -> str:
    """Why a notice says nothing any more, or to nobody; empty if it does."""
    choice = _choice(row.user)
    if not row.user.is_active or Role.REFERRER not in roles_of(row.user):
        return "the login does not work any more"
    if choice is None or choice.when == NoticeTime.OFF.value:
        return "not wanted any more"
    if not selected.reach(row.user_id).covers(row.order):
        return "the login does not see this order any more"
    if row.report is not None and row.occasion == NoticeOccasion.FINAL.value:
        if row.report.status == ReportStatus.RETRACTED.value:
            return "withdrawn meanwhile"
        if row.report.versions.filter(number__gt=_number(row)).exists():
            return "a newer version is told"
    if row.occasion == NoticeOccasion.CRITICAL.value:
        gone = CriticalFinding.objects.filter(
            public_id=row.key, status=CriticalState.WITHDRAWN.value
        )
        return "it was no critical finding" if gone.exists() else ""
    return "was read before" if _is_opened(row) else ""


def _number(row: ResultNotice) -> int:
    return int(row.key) if row.key.isdecimal() else 0


def _is_opened(row: ResultNotice) -> bool:
    return ResultReceipt.objects.filter(
        user=row.user_id, version__report=row.report_id, version__number=_number(row)
    ).exists()


def _hand_over(rows: Sequence[ResultNotice], endpoint: Endpoint, context: Context) -> None:
    """One mail for all that is due to somebody."""
    first = rows[0]
    with translation.override(first.user.preferences.get("language") or "en"):
        subject, text = write(rows, str(endpoint.settings.get("portal_link") or ""))
        language = translation.get_language() or "en"
    payload = {
        "to": _address(first.user),
        "subject": subject,
        "text": text,
        "language": language,
        "link": "",
    }
    # Of one report it stands with the receipts of the report's other receivers.
    alone = len({row.report_id for row in rows}) == 1
    key = outbox.enqueue(
        info(endpoint),
        Outgoing(
            lane=f"notice:{first.public_id}",
            control_id=f"{CONTROL}{first.public_id}",
            message_type="result notice",
            payload=json.dumps(payload, ensure_ascii=False).encode(),
            orders=tuple(dict.fromkeys(str(row.order.public_id) for row in rows)),
        ),
        report=str(first.report.public_id) if alone and first.report else "",
    )
    delivery = Delivery.objects.get(public_id=key)
    for row in rows:
        row.sent_at, row.delivery = context.now, delivery
        move(row, NOTICE, NoticeTrigger.SEND, "sent_at", "delivery")
    context.about(first, first.order)


def _link(row: ResultNotice, portal: str) -> str:
    """Where somebody reads it; without a report yet, only the page of the order here has it."""
    if portal and (row.report is not None or "{report}" not in portal):
        report = str(row.report.public_id) if row.report is not None else ""
        return portal.format(order=row.order.public_id, report=report)
    return f"{config.load().public_url}/referrer/orders/{row.order.public_id}/"


def write(rows: Sequence[ResultNotice], portal: str = "") -> tuple[str, str]:
    """Subject and text in the language that is in force: no name, no exam, no finding."""
    base = config.load().public_url
    lines = [f"- {_told(row)}\n  {_link(row, portal)}" for row in rows]
    urgent = any(row.occasion == NoticeOccasion.CRITICAL.value for row in rows)
    subject = (
        _("Please read now: a result of your patient")
        if urgent
        else ngettext(
            "A result of your patient", "%(count)s results of your patients", len(rows)
        ) % {"count": len(rows)}
    )  # fmt: skip
    text = "\n\n".join(
        (
            _("There is something to read about exams that you asked for:"),
            "\n".join(lines),
            _("The links open after you have logged in. For privacy this mail says nothing more."),
            _("Choose whether and when you get such mails: {address}").format(
                address=f"{base}/referrer/notices/"
            ),
        )
    )
    return subject, text + "\n"


def _told(row: ResultNotice) -> str:
    who = _initial(row.order.patient.name)
    occasion = NoticeOccasion(row.occasion)
    if occasion is NoticeOccasion.CRITICAL:
        return _("Patient {who}: a critical finding").format(who=who)
    if occasion is NoticeOccasion.WITHDRAWN:
        return _("Patient {who}: a report was withdrawn; do not rely on it").format(who=who)
    if occasion is NoticeOccasion.CHANGED:
        return _("Patient {who}: a report was added to or corrected").format(who=who)
    return _("Patient {who}: a report is final").format(who=who)


def _initial(name: str) -> str:
    """The first letter of the family name, as it is read in most places; never more."""
    parsed = PersonName.parse(name)
    group = parsed.alphabetic or parsed.phonetic or parsed.ideographic
    return f"{group.family[:1]}." if group.family else "?"


def why_not_now(control_id: str) -> str:
    """Why what waited in the queue is not sent any more; empty if it is, or is no notice."""
    if not control_id.startswith(CONTROL):
        return ""
    rows = ResultNotice.objects.filter(delivery__control_id=control_id).select_related(
        "user__notice_choice", "order", "report"
    )
    reasons = [_untrue(row) for row in rows]
    return reasons[0] if reasons and all(reasons) else ""


# --- chosen


def set_result_notices(command: SetResultNotices, context: Context) -> None:
    key = context.actor.user_id
    user = User.objects.filter(pk=key).first() if key is not None else None
    if user is None:
        raise UnknownKeyError("only a login can be written to")
    address = command.address.strip()
    if address:
        try:
            validate_email(address)
        except ValidationError:
            raise InvalidValueError("this is no mail address", path="address") from None
    if command.when is not NoticeTime.OFF and not (address or user.email):
        raise MissingValueError("say where mails go", path="address")
    row, _new = NoticeChoice.objects.update_or_create(
        user=user, defaults={"when": command.when.value, "address": address[:254]}
    )
    context.emit(ResultNoticesSet(username=user.username, when=row.when), subject=row)

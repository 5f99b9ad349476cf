"""Take, leave and take over a report; skip an exam; what each reads, and by when it is due."""

from __future__ import annotations

from datetime import timedelta

from ris.domain.actors import Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import Priority
from ris.domain.patients import PatientClass
from ris.domain.reading import (
    LONGEST_TARGET,
    SKIPPED,
    ClaimReading,
    EndSilentReadings,
    LeaseEnd,
    ReadingReleased,
    ReadingScopeSet,
    ReadingTakenOver,
    ReadingTargetsSet,
    ReleaseReading,
    SetReadingScope,
    SetReadingTargets,
    SkipReading,
    TakeOverReading,
)
from ris.domain.reporting import EDITED
from ris.models import (
    ReadingLease,
    ReadingScope,
    ReadingSkip,
    ReadingTarget,
    Report,
    RequestedProcedure,
    Site,
    User,
)
from ris.selectors.reading_leases import silent
from ris.selectors.reading_targets import targets
from ris.selectors.reports import person_name
from ris.services import reading_leases as leases
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._sets import require_as_shown
from ris.services.reporting.parts import lock

_SWEPT = 100  # at once; the rest half a minute later


# --- commands about a report --------------------------------------------------------------------


def claim_reading(command: ClaimReading, context: Context) -> None:
    report = lock(command.report)
    _require_unsigned(report)
    _reader(context)
    context.about(report, report.order)
    leases.hold_telling(report, context)


def release_reading(command: ReleaseReading, context: Context) -> None:
    report = lock(command.report)
    context.about(report, report.order)
    lease = leases.present(report)
    if lease is not None and lease.reader_id == _reader(context):
        _release(lease, report, context)


def take_over_reading(command: TakeOverReading, context: Context) -> None:
    reader = _reader(context)
    reason = command.reason.strip()
    if not reason:
        raise MissingValueError("to take a report over needs a reason", path="reason")
    report = lock(command.report)
    _require_unsigned(report)
    context.about(report, report.order)
    lease = leases.present(report)
    if lease is None or lease.reader_id == reader or not leases.is_alive(lease, context):
        leases.hold_telling(report, context)
        return
    leases.end_one(lease, LeaseEnd.TAKEN_OVER, context, reason[:500])
    leases.take(report, reader, context)
    context.emit(
        ReadingTakenOver(
            report=str(report.public_id),
            order=str(report.order.public_id),
            reader=person_name(lease.reader).display,
            reason=reason[:500],
        ),
        subject=report,
        order=report.order,
    )


def skip_reading(command: SkipReading, context: Context) -> None:
    reader = _reader(context)
    procedure = (
        RequestedProcedure.objects.select_related("order__patient")
        .filter(public_id=public_key(command.procedure, "procedure"))
        .first()
    )
    if procedure is None:
        raise UnknownKeyError("no such procedure")
    context.about(procedure, procedure.order)
    mine = ReadingLease.objects.filter(
        report__procedures=procedure, reader_id=reader, ended_at=None
    ).values_list("report__public_id", flat=True)
    for key in list(mine[:1]):
        release_reading(ReleaseReading(report=str(key)), context)
    # After the orders: the timer has them locked when it forgets skips.
    ReadingSkip.objects.update_or_create(
        reader_id=reader, procedure=procedure, defaults={"until": context.now + SKIPPED}
    )


def end_silent_readings(command: EndSilentReadings, context: Context) -> int:
    """Also forgets what was skipped longer ago than a skip lasts."""
    ended = 0
    found = list(silent(context.now).order_by("alive_at").values_list("report_id")[:_SWEPT])
    reports = Report.objects.filter(pk__in=[pk for (pk,) in found])
    # All at once: one report after the other would lock orders in no order.
    lock_orders(reports.values_list("procedures__order_id", flat=True))
    for key in list(reports.order_by("pk").values_list("public_id", flat=True)):
        report = lock(str(key))
        # Asked again under the lock: its page may have spoken meanwhile.
        lease = silent(context.now).filter(report=report).first()
        if lease is not None:
            _release(lease, report, context, LeaseEnd.SILENT)
            ended += 1
    ReadingSkip.objects.filter(until__lt=context.now - timedelta(days=1)).delete()
    return ended


def _release(
    lease: ReadingLease, report: Report, context: Context, how: LeaseEnd = LeaseEnd.RELEASED
) -> None:
    leases.end_one(lease, how, context)
    context.emit(
        ReadingReleased(
            report=str(report.public_id), order=str(report.order.public_id), how=how.value
        ),
        subject=report,
        order=report.order,
    )


def _require_unsigned(report: Report) -> None:
    if report.status not in EDITED:
        raise StateConflictError("this report is signed or closed: there is nothing to write")


def _reader(context: Context) -> int:
    if context.actor.user_id is None:
        raise DeniedError("reading belongs to a login")
    return context.actor.user_id


# --- what each reads, and by when ---------------------------------------------------------------


def set_reading_scope(command: SetReadingScope, context: Context) -> None:
    reader = _reader(context)
    user = User.objects.get(pk=reader)
    sites = set(map(str, Site.objects.values_list("public_id", flat=True)))
    if not set(command.sites) <= sites:
        raise UnknownKeyError("no such site", path="sites")
    ReadingScope.objects.update_or_create(
        reader=user,
        defaults={
            "subspecialties": _words(command.subspecialties, 64, "subspecialties"),
            "modalities": [each.upper() for each in _words(command.modalities, 16, "modalities")],
            "sites": sorted(set(command.sites)),
        },
    )
    context.emit(ReadingScopeSet(username=user.username), subject=user)


def _words(said: tuple[str, ...], limit: int, path: str) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in said if word.strip()))
    if len(words) > 50 or any(len(word) > limit for word in words):
        raise InvalidValueError(f"at most 50 words of {limit} characters", path=path)
    return words


def set_reading_targets(command: SetReadingTargets, context: Context) -> None:
    seen = set()
    for each in command.targets:
        if each.priority and each.priority not in set(Priority):
            raise InvalidValueError("no such priority", path="priority")
        if each.patient_class and each.patient_class not in set(PatientClass):
            raise InvalidValueError("no such class of patients", path="patient_class")
        if not 1 <= each.minutes <= LONGEST_TARGET:
            raise InvalidValueError("a time is 1 minute to 60 days", path="minutes")
        if (each.priority, each.patient_class) in seen:
            raise InvalidValueError("two times for the same exams", path="priority")
        seen.add((each.priority, each.patient_class))
    require_as_shown("report target times", targets, command.expected_version)
    ReadingTarget.objects.all().delete()
    rows = ReadingTarget.objects.bulk_create(
        [
            ReadingTarget(
                priority=each.priority, patient_class=each.patient_class, minutes=each.minutes
            )
            for each in command.targets
        ]
    )
    subject = rows[0] if rows else ReadingTarget(pk=0)
    context.emit(ReadingTargetsSet(count=len(rows)), subject=subject)


HANDLERS = {
    ClaimReading: claim_reading,
    ReleaseReading: release_reading,
    TakeOverReading: take_over_reading,
    SkipReading: skip_reading,
    EndSilentReadings: end_silent_readings,
    SetReadingScope: set_reading_scope,
    SetReadingTargets: set_reading_targets,
}

_READERS = {Role.RADIOLOGIST, Role.RESIDENT}

PERMISSIONS = {
    ClaimReading: _READERS,
    ReleaseReading: _READERS,
    TakeOverReading: _READERS,
    SkipReading: _READERS,
    EndSilentReadings: {Role.SYSTEM},
    SetReadingScope: _READERS,
    SetReadingTargets: {Role.MANAGER, Role.ADMIN},
}

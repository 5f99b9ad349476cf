"""A room goes down: its appointments are moved to other places in one transaction."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, RisError, SlotTakenError, StateConflictError
from ris.domain.openings import Against
from ris.domain.places import Place
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.scheduling import MOVABLE, AppointmentStatus
from ris.models import Appointment, Device, Resource, StaffMember
from ris.selectors.linked import links_of
from ris.selectors.openings import exam_of
from ris.services._context import Context
from ris.services._locks import lock_appointments, steps_of_appointment
from ris.services.scheduling.calendar import move_appointment, require_movable
from ris.services.scheduling.linked import require_kept
from ris.services.scheduling.resources import find_device, give_back, lock, resources_of
from ris.services.scheduling.rules import agree

MOST = 200  # at once; a room's week
# Who was told to prepare for a time is ready later too.
_PREPARED = frozenset({Against.LEAD_TIME})


def relocate_appointments(command: RelocateAppointments, context: Context) -> int:
    wanted = sorted(command.relocations, key=lambda each: each.appointment)
    if len({each.appointment for each in wanted}) != len(wanted):
        raise InvalidValueError("an appointment is named twice", path="relocations")
    if len(wanted) > MOST:
        raise InvalidValueError(f"at most {MOST} appointments at once", path="relocations")
    # Appointments before resources, each in one order: two who move at once never wait in a circle.
    rows = lock_appointments(each.appointment for each in wanted)
    devices = {key: find_device(key) for key in {each.device for each in wanted}}
    _lock_places(list(devices.values()))
    for each in wanted:
        _require_movable(rows[each.appointment], each)
    # Who goes back to where they were goes back to the times that were between them.
    links = links_of([rows[each.appointment] for each in wanted if each.before is None])
    # What they leave is free for the others.
    for row in rows.values():
        give_back(row)
    # In the order that was asked for: an urgent exam may go before one that it makes way for.
    for each in command.relocations:
        _move(rows[each.appointment], devices[each.device], each, command.reason, context)
    try:
        require_kept(links, {row.pk: (row.start_at, row.end_at) for row in rows.values()})
    except RisError as error:
        raise SlotTakenError(f"nothing was moved: {error.message}", path=error.path) from error
    return len(wanted)


def _lock_places(devices: list[Device]) -> None:
    places: list[Resource] = [each for device in devices for each in resources_of(device)]
    staff = StaffMember.objects.select_related("resource").filter(active=True)
    lock([*places, *(member.resource for member in staff)])


def _require_movable(row: Appointment, wanted: Relocation) -> None:
    if wanted.expected_version is not None and wanted.expected_version != row.version:
        raise StateConflictError(
            f"somebody else changed the appointment at {row.start_at:%H:%M} meanwhile: look again"
        )
    if AppointmentStatus(row.status) not in MOVABLE:
        raise StateConflictError("only what is booked and not begun can be moved")


def _move(
    row: Appointment, device: Device, wanted: Relocation, reason: str, context: Context
) -> None:
    steps = steps_of_appointment(row)
    if not steps:
        raise StateConflictError("the appointment is for no exam")
    if wanted.start_at.tzinfo is None:
        raise InvalidValueError("a time needs a zone", path=Place.START_AT)
    require_movable(row, steps, device, wanted.start_at)
    before = wanted.before
    minutes = before.minutes if before else None if device.pk != row.device_id else _minutes(row)
    exam = exam_of(steps[0], minutes)
    tolerated = _PREPARED if wanted.start_at >= row.start_at else frozenset()
    if before is not None:
        tolerated, reason = _PREPARED | before.against, before.reason
    try:
        agreed = agree(
            exam,
            device,
            wanted.start_at,
            context,
            overbook=before is not None and before.overbooked,
            open_only=before is None,
            but=row,
            tolerated=tolerated,
        )
        move_appointment(
            row,
            device,
            wanted.start_at,
            exam.minutes_on(device),
            context,
            overbook=before is not None and before.overbooked,
            reason=reason[:200],
            agreed=agreed,
            linked=False,
        )
    except RisError as error:
        name = steps[0].procedure.order.accession_number
        raise SlotTakenError(
            f"nothing was moved: {name} cannot be there: {error.message}", path=error.path
        ) from error


def _minutes(row: Appointment) -> int:
    return round((row.end_at - row.start_at).total_seconds() / 60)


HANDLERS = {RelocateAppointments: relocate_appointments}

PERMISSIONS = {RelocateAppointments: {Role.SCHEDULER, Role.MANAGER, Role.SYSTEM}}

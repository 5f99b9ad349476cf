"""Undo: a message that something was done carries, for a while, the button that takes it back.

Only for what has an inverse command, only for whoever did it, and only as long as nobody changed
the same thing since: the token in the message is signed, names the login, the version and what was
before, and holds for :data:`SECONDS`. Before the command, a view notes the way back; after it, it
tells with it::

    way = undo.of_move(key)
    do(request, RescheduleAppointment(…))
    undo.tell(request, _("Moved."), way)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from ris.domain.errors import DeniedError, StateConflictError
from ris.domain.openings import Against
from ris.domain.orders import OrderReference, ReleaseOrder
from ris.domain.relocating import Before, RelocateAppointments, Relocation
from ris.domain.scheduling import (
    AppointmentStatus,
    BookAppointment,
    RescheduleAppointment,
)
from ris.domain.undoing import RestoreOrder, UndoArrival, UndoNoShow
from ris.models import Appointment, Order, ScheduledProcedureStep
from ris.selectors.relocation import stands_against
from ris.selectors.undoing import can_restore
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import whole

Version = Callable[[str], int | None]
Run = Callable[[PageRequest, str, int, Mapping[str, Any]], str]

SECONDS = 600
TAG = "undo:"
_SALT = "ris.web.undo"


@dataclass(frozen=True, slots=True)
class Way:
    """A way back: which inverse, of what, and what it needs to know of how it was."""

    what: str
    key: str
    before: Mapping[str, Any] = field(default_factory=dict)


# --- noted before the command -------------------------------------------------------------------


def of_cancel_order(key: str) -> Way:
    return Way("restore-order", key)


def of_hold(key: str) -> Way:
    return Way("release-order", key)


def of_arrival(key: str) -> Way:
    return Way("arrival", key)


def of_no_show(key: str) -> Way:
    return Way("no-show", key)


def of_cancel_appointment(key: str) -> Way | None:
    """None for what was only held, and for what several exams share."""
    row = _appointment(key)
    if row is None or row.status != AppointmentStatus.BOOKED.value or row.device is None:
        return None
    steps = list(row.steps.values_list("public_id", flat=True)[:2])
    if len(steps) != 1:
        return None
    return Way("rebook", str(steps[0]), _place_of(row))


def of_move(key: str) -> Way | None:
    row = _appointment(key)
    if row is None or row.device is None:
        return None
    return Way("move", key, _place_of(row))


def of_relocation(keys: Sequence[str]) -> Way | None:
    """All that move at once go back at once; with what stood against their places already."""
    rows = list(
        Appointment.objects.select_related("device__resource", "device__room__resource")
        .filter(public_id__in=keys)
        .order_by("start_at", "pk")
    )
    if not rows or any(row.device is None for row in rows):
        return None
    against = stands_against(rows, timezone.now())
    places = [{**_place_of(row), "against": sorted(against.get(row.pk, ()))} for row in rows]
    return Way("relocation", " ".join(str(row.public_id) for row in rows), {"places": places})


def _appointment(key: str) -> Appointment | None:
    return Appointment.objects.select_related("device").filter(public_id=uuid.UUID(key)).first()


def _place_of(row: Appointment) -> dict[str, Any]:
    return {
        "device": str(row.device.public_id) if row.device else "",
        "start": row.start_at.isoformat(),
        "minutes": round((row.end_at - row.start_at).total_seconds() / 60),
        "overbooked": row.overbooked,
        "reason": row.reason,
    }


# --- told after it ------------------------------------------------------------------------------


def tell(request: PageRequest, words: str, way: Way | None) -> None:
    """Say that it is done; with the button where it can be taken back now, and by this person."""
    token = _token(request, way) if way is not None else ""
    messages.success(request, words, extra_tags=f"{TAG}{token}" if token else "")


def _token(request: PageRequest, way: Way) -> str:
    inverse = _INVERSES[way.what]
    version = inverse.version(way.key)
    if version is None or not may(request.actor, inverse.command):
        return ""
    said_of = [way.what, way.key, version, dict(way.before), request.user.pk]
    return signing.dumps(said_of, salt=_SALT, compress=True)


@require_POST
@page()
def undo(request: PageRequest) -> HttpResponse:
    try:
        what, key, version, before, user = signing.loads(
            whole(request, "token"), salt=_SALT, max_age=SECONDS
        )
    except signing.SignatureExpired:
        raise StateConflictError(
            _("this was done more than ten minutes ago: change it on its own page")
        ) from None
    except signing.BadSignature:
        raise StateConflictError(_("this cannot be undone")) from None
    if user != request.user.pk:
        raise DeniedError(_("only whoever did it can undo it"))
    inverse = _INVERSES[what]
    if inverse.version(key) != version:
        raise StateConflictError(_("it was changed since: see how it stands now"))
    messages.success(request, inverse.run(request, key, version, before))
    return redirect_back(request, "/")


def register(what: str, command: type[Any], version: Version, run: Run) -> None:
    """Add an inverse of another area; ``version`` is what :func:`undo` compares, or None."""
    _INVERSES[what] = _Inverse(command, version, run)


# --- the inverses -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Inverse:
    """``version`` is that of what was changed; None if there is no way back from how it is."""

    command: type[Any]
    version: Version
    run: Run


def _order_version(key: str) -> int | None:
    return Order.objects.filter(public_id=uuid.UUID(key)).values_list("version", flat=True).first()


def _canceled_version(key: str) -> int | None:
    return _order_version(key) if can_restore(key, timezone.now()) else None


def _appointment_version(key: str) -> int | None:
    row = _appointment(key)
    return row.version if row else None


def _versions(keys: str) -> int | None:
    """Of all together: each only grows, so the sum is the same as long as each is."""
    found = Appointment.objects.filter(public_id__in=keys.split()).values_list("version", flat=True)
    return sum(found) if len(found) == len(keys.split()) else None


def _step_version(key: str) -> int | None:
    rows = ScheduledProcedureStep.objects.filter(public_id=uuid.UUID(key))
    return rows.values_list("version", flat=True).first()


def _restore_order(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    waiting = do(
        request,
        RestoreOrder(order=OrderReference(public_id=key), expected_version=version),
    )
    return restored_words(waiting)


def restored_words(waiting: tuple[str, ...]) -> str:
    if waiting:
        return _(
            "The order is open again. Its time was given to others or is past: "
            "it waits under To schedule."
        )
    return _("The order is open again, as it was.")


def _release(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    do(request, ReleaseOrder(order=OrderReference(public_id=key)))
    return _("The hold is over.")


def _arrival(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    do(request, UndoArrival(appointment=key, expected_version=version))
    return _("The arrival is taken back: the patient is expected again.")


def _no_show(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    do(request, UndoNoShow(appointment=key, expected_version=version))
    return _("The appointment stands again.")


def _place(before: Mapping[str, Any]) -> dict[str, Any]:
    """Where and when an appointment was."""
    start = parse_datetime(str(before["start"]))
    if start is None:
        raise StateConflictError(_("this cannot be undone"))
    return {
        "device": str(before["device"]),
        "start_at": start,
        "duration_minutes": int(before["minutes"]),
        "overbook": bool(before["overbooked"]),
        "reason": str(before["reason"]),
    }


def _rebook(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    do(
        request,
        BookAppointment(
            step=key,
            expected_version=version,
            **_place(before),
        ),
    )
    return _("Booked again at its time.")


def _move_back(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    do(
        request,
        RescheduleAppointment(
            appointment=key,
            expected_version=version,
            **_place(before),
        ),
    )
    return _("Moved back.")


def _all_back(request: PageRequest, key: str, version: int, before: Mapping[str, Any]) -> str:
    versions = {
        str(public_id): own
        for public_id, own in Appointment.objects.filter(public_id__in=key.split()).values_list(
            "public_id", "version"
        )
    }
    relocations = []
    for appointment, place in zip(key.split(), before["places"], strict=True):
        there = _place(place)
        relocations.append(
            Relocation(
                appointment=appointment,
                device=there["device"],
                start_at=there["start_at"],
                expected_version=versions[appointment],
                before=Before(
                    minutes=there["duration_minutes"],
                    overbooked=there["overbook"],
                    reason=there["reason"],
                    against=frozenset(Against(each) for each in place["against"]),
                ),
            )
        )
    count = do(request, RelocateAppointments(relocations=tuple(relocations)))
    words = ngettext("%(count)d exam was moved back.", "%(count)d exams were moved back.", count)
    return words % {"count": count}


_INVERSES: dict[str, _Inverse] = {
    "restore-order": _Inverse(RestoreOrder, _canceled_version, _restore_order),
    "release-order": _Inverse(ReleaseOrder, _order_version, _release),
    "arrival": _Inverse(UndoArrival, _appointment_version, _arrival),
    "no-show": _Inverse(UndoNoShow, _appointment_version, _no_show),
    "rebook": _Inverse(BookAppointment, _step_version, _rebook),
    "relocation": _Inverse(RelocateAppointments, _versions, _all_back),
    "move": _Inverse(RescheduleAppointment, _appointment_version, _move_back),
}

urlpatterns = [path("undo/", undo, name="undo")]

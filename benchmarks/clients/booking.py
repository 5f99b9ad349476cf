"""``python -m benchmarks.clients.booking ATTEMPTS WORKERS``: many people book the same few rooms.

Each worker is a process with a connection of its own. It books, holds, moves, cancels and books
sets of two exams through the door, all at times that the others want too. At the end the bookings
are looked at by themselves: no two that are exclusive may overlap. Prints JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

ROOMS = 4
STARTS = 24  # five minutes apart, so that most of them overlap
STEPS = 126  # exams of each worker at most: a thousand want two hours of four rooms
_FIRST = datetime(2031, 3, 3, 9, tzinfo=UTC)


def main(argv: list[str]) -> int:
    import django

    from ris.loading import kept

    with kept():
        django.setup()
    attempts, workers = (int(each) for each in argv)
    share = -(-attempts // workers)
    steps = _prepare(workers, min(STEPS, 2 * share))
    from django.db import connections

    connections.close_all()  # children open their own
    context = multiprocessing.get_context("fork")
    began = time.monotonic()
    with context.Pool(workers) as pool:
        found = pool.starmap(_work, [(number, share, own) for number, own in enumerate(steps)])
    seconds = time.monotonic() - began
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []
    for counted, took in found:
        outcomes.update(counted)
        latencies += took
    print(json.dumps({**outcomes, **_summary(latencies, seconds), **_audit()}))
    return 0


def _prepare(workers: int, steps: int) -> list[list[str]]:
    """Rooms that are open at those times, and exams to be booked; each pair is of one patient."""
    from ris.domain.actors import OPERATOR
    from ris.domain.facility import RegisterDevice
    from ris.domain.orders import PlaceOrder, ProcedureRequest, StepRequest
    from ris.domain.patients import Demographics, PatientReference
    from ris.domain.values import Code, Identifier, PersonName
    from ris.models import ScheduledProcedureStep
    from ris.services import execute

    for number in range(ROOMS):
        execute(
            RegisterDevice(ae_title=f"RACE{number}", modality="ZZ", room=f"Race {number}"),
            actor=OPERATOR,
        )
    request = ProcedureRequest(
        code=Code("RACE", "BENCH", "Raced exam"),
        steps=(StepRequest(modality="ZZ", duration_minutes=20),),
    )
    found: list[list[str]] = []
    for worker in range(workers):
        own = []
        for number in range(steps):
            patient = PatientReference(
                identifiers=(Identifier(f"R{worker}-{number // 2}", "BENCH", "MR"),),
                demographics=Demographics(name=PersonName.of("Racer", f"{worker}")),
            )
            placed = execute(PlaceOrder(patient=patient, procedures=(request,)), actor=OPERATOR)
            step = ScheduledProcedureStep.objects.get(procedure__order__public_id=placed.public_id)
            own.append(str(step.public_id))
        found.append(own)
    return found


def _work(number: int, attempts: int, steps: list[str]) -> tuple[dict[str, int], list[float]]:
    from ris.domain.errors import BusyError, StateConflictError

    chance = random.Random(number)
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []
    booked: dict[int, str] = {}  # nobody else books our exams
    held: dict[int, str] = {}
    for _ in range(attempts):
        began = time.monotonic()
        try:
            outcomes[_attempt(chance, steps, booked, held)] += 1
        except StateConflictError:
            outcomes["refused"] += 1
        except BusyError:  # a deadlock that was broken, or a lock that was waited for too long
            outcomes["busy"] += 1
        latencies.append(time.monotonic() - began)
    return dict(outcomes), latencies


def _attempt(
    chance: random.Random, steps: list[str], booked: dict[int, str], held: dict[int, str]
) -> str:
    """One thing that somebody at a calendar does; what came of it in a word."""
    from ris.domain.exam_sets import BookTogether, SetItem
    from ris.domain.scheduling import (
        BookAppointment,
        CancelAppointment,
        HoldSlot,
        RescheduleAppointment,
    )
    from ris.services import execute

    desk = _desk()
    index = chance.randrange(len(steps))
    device, start_at = f"RACE{chance.randrange(ROOMS)}", _at(chance)
    doing = chance.random()
    if index in booked:
        key = booked[index]
        if doing < 0.4:
            execute(CancelAppointment(appointment=key, reason="raced"), actor=desk)
            del booked[index]
            return "canceled"
        execute(
            RescheduleAppointment(appointment=key, start_at=start_at, device=device), actor=desk
        )
        return "moved"
    if index in held:  # whoever decided takes it, or lets it go
        key = held.pop(index)
        if doing < 0.5:
            execute(CancelAppointment(appointment=key, reason="raced"), actor=desk)
            return "canceled"
        booked[index] = execute(BookAppointment(appointment=key), actor=desk)
        return "booked"
    if doing < 0.2:
        wanted_hold = HoldSlot(step=steps[index], device=device, start_at=start_at)
        held[index] = execute(wanted_hold, actor=desk)
        return "held"
    if doing < 0.4:
        pair = (steps[index], steps[index ^ 1])
        later = (f"RACE{chance.randrange(ROOMS)}", start_at + timedelta(minutes=30))
        items = tuple(
            SetItem(step=each, device=where, start_at=at)
            for each, (where, at) in zip(pair, ((device, start_at), later), strict=True)
        )
        booked[index], booked[index ^ 1] = execute(BookTogether(items=items), actor=desk)
        held.pop(index ^ 1, None)
        return "sets"
    wanted = BookAppointment(step=steps[index], device=device, start_at=start_at)
    booked[index] = execute(wanted, actor=desk)
    return "booked"


def _desk() -> Any:
    from ris.domain.actors import Actor, ActorKind, Role

    return Actor(kind=ActorKind.USER, name="bench", roles=frozenset({Role.SCHEDULER}))


def _at(chance: random.Random) -> datetime:
    return _FIRST + timedelta(minutes=5 * chance.randrange(STARTS))


def _summary(latencies: list[float], seconds: float) -> dict[str, float]:
    ordered = sorted(latencies)
    return {
        "attempts": len(ordered),
        "seconds": seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "most_ms": ordered[-1] * 1000,
    }


def _audit() -> dict[str, int]:
    """What the database holds now, asked of it directly."""
    from django.db import connection

    deadlocks = 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Each backend reports what it met when it ends; the children have ended.
            cursor.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
            deadlocks = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT COUNT(*) FROM ris_booking a JOIN ris_booking b ON a.resource_id = b.resource_id"
            " AND a.id < b.id AND a.start_at < b.end_at AND b.start_at < a.end_at"
            " WHERE a.live AND b.live AND a.exclusive AND b.exclusive"
        )
        doubled = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT COUNT(*) FROM ris_appointment a JOIN ris_appointment b"
            " ON a.patient_id = b.patient_id AND a.id < b.id"
            " AND a.start_at < b.end_at AND b.start_at < a.end_at"
            " WHERE a.status IN ('HELD', 'BOOKED') AND b.status IN ('HELD', 'BOOKED')"
        )
        twice = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT COUNT(*) FROM ris_appointment a WHERE a.status IN ('HELD', 'BOOKED')"
            " AND 2 <> (SELECT COUNT(*) FROM ris_booking b"
            " WHERE b.appointment_id = a.id AND b.live)"
        )
        halves = int(cursor.fetchone()[0])
    return {
        "double_bookings": doubled,
        "patients_twice": twice,
        "half_bookings": halves,
        "deadlocks": deadlocks,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

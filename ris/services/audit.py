"""The audit of reads; changes are audited by the door itself.

A process that answers many reads opens a spool (:func:`open_spool`): then a read is on record in
its file before it is answered, and in the database a moment later, so that it neither begins a
transaction nor waits for whoever else is writing
(docs/adr/0038-fhir-reads-are-audited-by-way-of-a-file-and-known-answers-given-again.md).
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import IntegerField, Value

from ris.domain.actors import Actor
from ris.models import AuditEvent, Order, Patient
from ris.models.prepared import add_all
from ris.services import _clock
from ris.services._execute import transactional
from ris.services.spool import Reading, Records, Spool

log = structlog.get_logger(__name__)

_TOKEN = secrets.token_hex(6)
_NUMBERS = count(1)


def _correlation() -> str:
    """Tells reads apart, also those of different processes."""
    return f"read {_TOKEN}-{os.getpid()}-{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who read what; ``patients`` and ``order`` are public ids (PS3.15 A.5.3)."""

    at: datetime
    actor_kind: str
    actor_name: str
    address: str
    action: str
    patients: tuple[str, ...] = ()
    order: str = ""
    subject: str = ""
    outcome: str = "success"
    detail: Mapping[str, Any] = field(default_factory=dict)
    correlation: str = ""  # of its own if it goes by way of the file

    def to_json(self) -> str:
        said = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps({**said, "at": self.at.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> Access:
        said = json.loads(text)
        said["at"] = datetime.fromisoformat(said["at"])
        said["patients"] = tuple(said["patients"])
        return cls(**said)


def record_access(
    actor: Actor,
    *,
    action: str,
    patients: Sequence[str] = (),
    order: str = "",
    subject: str = "",
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Keep who read what: ``patients`` and ``order`` are public ids (PS3.15 A.5.3)."""
    # What belongs to a transaction is kept or lost with it.
    spool = None if connection.in_atomic_block else _spool
    access = Access(
        at=_clock.now(),
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action=action,
        patients=tuple(patients),
        order=order,
        subject=subject,
        outcome=outcome,
        detail=dict(detail or {}),
        correlation=_correlation() if spool is not None else "",
    )
    if spool is not None:
        try:
            spool.keep(access)
        except OSError as error:
            log.warning("a read is recorded at once", error=str(error)[:200])
        else:
            return
    _write([access])


@transactional
def record(accesses: Sequence[Access]) -> None:
    """Bring reads into the database, all or none of them."""
    _write(accesses)


def _write(accesses: Sequence[Access]) -> None:
    """Rows of reads; a resource may name somebody who is not here."""
    alone = [each.patients[0] for each in accesses if len(each.patients) == 1]
    patients, orders = _numbers(alone, [each.order for each in accesses if each.order])
    add_all(
        [
            AuditEvent(
                at=each.at,
                actor_kind=each.actor_kind,
                actor_name=each.actor_name,
                address=each.address,
                action=each.action,
                subject=each.subject,
                patient_id=patients.get(each.patients[0]) if len(each.patients) == 1 else None,
                patients=list(each.patients),
                order_id=orders.get(each.order),
                outcome=each.outcome,
                detail=dict(each.detail),
                correlation=each.correlation,
            )
            for each in accesses
        ]
    )


def recorded(readings: Sequence[Reading]) -> set[str]:
    """The correlations of those that are on record already."""
    first, last = min(each.at for each in readings), max(each.at for each in readings)
    known = AuditEvent.objects.filter(
        at__range=(first, last), correlation__in=[each.correlation for each in readings]
    )
    return set(known.values_list("correlation", flat=True))


def _numbers(
    patients: Sequence[str], orders: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Primary keys of patients and of orders by public id; one query for both."""
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    asked = [
        model._default_manager.filter(public_id__in=keys).values_list(
            Value(place, IntegerField()), "public_id", "pk"
        )
        for place, (model, named) in enumerate(((Patient, patients), (Order, orders)))
        if (keys := {key for each in set(named) if (key := _key(each)) is not None})
    ]
    if asked:
        for place, public_id, number in asked[0].union(*asked[1:], all=True):
            found[place][str(public_id)] = number
    return found


def _key(public_id: str) -> UUID | None:
    try:
        return UUID(public_id)
    except ValueError:
        return None


# --- the spool of this process

_spool: Spool[Access] | None = None


def open_spool(folder: Path, seconds: float = 0.2) -> Spool[Access]:
    """From now on reads of this process go through a file in ``folder``."""
    global _spool
    records = Records(name="reads", from_json=Access.from_json, record=record, recorded=recorded)
    opened = _spool = Spool(records, folder, seconds)
    atexit.register(close_spool)
    return opened


def close_spool() -> None:
    """What is in the file is brought into the database; later reads are written at once."""
    global _spool
    opened, _spool = _spool, None
    if opened is not None:
        opened.close()


def record_security(actor: Actor, *, action: str, detail: Mapping[str, Any]) -> None:
    """Keep a refused connection, a failed login, a wrong token (PS3.15 A.5.3.11)."""
    AuditEvent.objects.create(
        at=_clock.now(),
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action=action,
        outcome="refused",
        detail=dict(detail),
    )

"""The audit trail and the journal of changes, searched.

The audit grows with every request, so its rows have no public id of their own: it is made from the
key, and the other way round.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from django.db.models import F, Func, Q, QuerySet, UUIDField

from ris.models import AuditEvent, Device, DomainEvent, Practitioner
from ris.selectors.search import terms
from ris.selectors.search.criteria import Common
from ris.selectors.search.engine import Finder, Found, Page, Source
from ris.selectors.search.terms import Ids, Terms, TextTerm, TimeTerm

# A UUID of version 7 from the beginning of time, its last part the key of the row.
_BASE = uuid.UUID("00000000-0000-7000-8000-000000000000").int
_MOST = 1 << 48


# What an action is, by how it begins: FHIR interactions as their views name them, what pages show,
# and commands. Of two rows that fit the first one counts; what begins like none is a change.
ACTIVITIES: Mapping[str, tuple[str, ...]] = {
    "token": ("FHIR token", "GrantToken"),
    "vread": ("FHIR vread",),
    "read": ("FHIR read", "FHIR GET", "FHIR HEAD"),
    "history": ("FHIR history",),
    "search": ("FHIR search",),
    "operation": ("FHIR $",),
    "create": ("FHIR POST", "FHIR create", "FHIR conditional create"),
    "update": ("FHIR PUT", "FHIR update"),
    "patch": ("FHIR PATCH", "FHIR patch"),
    "delete": ("FHIR DELETE", "FHIR delete"),
    "transaction": ("FHIR ",),
    "view": ("View", "Read", "Compare", "REST GET"),
    "query": ("List", "Find", "Query", "Explain", "DICOMweb"),
    "refused": ("Refuse", "HL7 sender refused", "more refused calls"),
    "new": (
        "Add", "Attach", "Book", "Create", "Define", "File", "Hold", "Issue", "Keep", "Open",
        "Place", "Propose", "Record", "Register", "Start", "Subscribe",
    ),
    "removal": ("Delete", "Remove"),
    "run": ("Try", "DryRun", "Replay", "Requeue", "Resend"),
}  # fmt: skip
OTHER = "change"
# What a client asked for by a command of the core is told as the REST call that it was.
BY_CLIENT: Mapping[str, str] = {
    "client new": "new",
    "client removal": "removal",
    "client change": OTHER,
}
OUTCOMES = ("success", "refusal", "fault")
FAULTS = ("internal", "failed", "error")


# --- criteria


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCriteria(Common):
    recorded: Terms[TimeTerm] = ()
    patients: Ids = ()
    entities: Ids = ()  # public ids of patients or orders
    agents: Ids = ()  # public ids of devices or practitioners
    agent_name: Terms[TextTerm] = ()
    address: Terms[TextTerm] = ()
    activities: frozenset[str] | None = None
    outcomes: frozenset[str] | None = None  # of OUTCOMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCriteria(Common):
    recorded: Terms[TimeTerm] = ()
    targets: Ids = ()
    patients: Ids = ()
    agents: Ids = ()


# --- what is found


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorView:
    """Who did it; ``device`` and ``practitioner`` are public ids, where it is one."""

    kind: str
    name: str
    address: str = ""
    device: str = ""
    practitioner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHit:
    public_id: str
    at: datetime
    actor: ActorView
    action: str
    subject: str
    order: str
    patients: tuple[str, ...]
    outcome: str
    detail: Mapping[str, Any]
    correlation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHit:
    """A change as the journal has it, and the message it was made for."""

    public_id: str
    at: datetime
    actor: ActorView
    name: str
    target: tuple[str, str]  # table and public id, or for a kept resource its FHIR type
    patient: str
    message: str
    message_type: str


def _actors(rows: Sequence[AuditEvent | DomainEvent]) -> Callable[[Any], ActorView]:
    """Who is behind the names of these rows, in at most two queries."""
    titles = {row.actor_name for row in rows if row.actor_kind == "device"}
    logins = {row.actor_name for row in rows if row.actor_kind == "user"}
    devices = (
        {
            name: str(key)
            for name, key in Device.objects.filter(ae_title__in=titles).values_list(
                "ae_title", "public_id"
            )
        }
        if titles
        else {}
    )
    people = (
        {
            name: str(key)
            for name, key in Practitioner.objects.filter(user__username__in=logins).values_list(
                "user__username", "public_id"
            )
        }
        if logins
        else {}
    )

    def actor(row: Any) -> ActorView:
        return ActorView(
            kind=row.actor_kind,
            name=row.actor_name,
            address=getattr(row, "address", ""),
            device=devices.get(row.actor_name, "") if row.actor_kind == "device" else "",
            practitioner=people.get(row.actor_name, "") if row.actor_kind == "user" else "",
        )

    return actor


def _agents(criteria: Ids) -> Q:
    """Rows of one of these devices or practitioners."""
    found = Q()
    for alternatives in criteria:
        key = terms.among(("public_id",), alternatives)
        devices = Device.objects.filter(key).values("ae_title")
        people = Practitioner.objects.filter(key, user__isnull=False).values("user__username")
        found &= Q(actor_kind="device", actor_name__in=devices) | Q(
            actor_kind="user", actor_name__in=people
        )
    return found


# --- the audit trail


class AuditId(Func):
    """The public id of an audit row, in SQL."""

    output_field = UUIDField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        # As Django stores a UUID there: its digits.
        template = f"printf('{uuid.UUID(int=_BASE).hex[:20]}%%012x', %(expressions)s)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        start = str(uuid.UUID(int=_BASE))[:24]
        template = f"('{start}' || lpad(to_hex(%(expressions)s), 12, '0'))::uuid"
        return self.as_sql(compiler, connection, template=template, **context)


def audit_id(key: int) -> str:
    return str(uuid.UUID(int=_BASE | key))


def _audit_keys(texts: Iterable[str]) -> list[int]:
    """The keys behind public ids; what is none of ours is left out."""
    return [key.int - _BASE for key in terms.as_keys(texts) if 0 < key.int - _BASE < _MOST]


def _own_ids(criteria: Ids) -> Q:
    """Ids that were given are looked up by the key, which has an index."""
    found = Q()
    for alternatives in criteria:
        named = [each for each in alternatives if isinstance(each, str)]
        chosen = [each for each in alternatives if not isinstance(each, str)]
        either = Q(pk__in=_audit_keys(named))
        if chosen:
            either |= terms.among(("public_id",), chosen)
        found &= either
    return found


def _about(alternatives: Iterable[Any], *, orders: bool = False) -> Q:
    """Rows that show one of these patients, also among others; or one of these orders.

    As one set of keys, each part of which an index finds: joined with "or" it would be the whole
    audit, row by row.
    """
    given = list(alternatives)
    among_others = terms.NOTHING
    for key in terms.as_keys(each for each in given if isinstance(each, str)):
        among_others |= Q(patients__icontains=str(key))
    found = [
        terms.among(("patient__public_id",), given),
        Q(patient__isnull=True) & among_others,
    ]
    if orders:
        found.append(terms.among(("order__public_id",), given))
    first, *others = (AuditEvent.objects.filter(each).values("pk") for each in found)
    return Q(pk__in=first.union(*others))


def _activities(wanted: Iterable[str]) -> Q:
    """Actions that are told as one of these."""
    found = terms.NOTHING
    for activity in wanted:
        found |= _activity(activity)
    return found


def _activity(name: str) -> Q:
    if name in BY_CLIENT:
        return _like(BY_CLIENT[name]) & Q(actor_kind="client")
    if name in BY_CLIENT.values():
        return _like(name) & ~Q(actor_kind="client")
    return _like(name)


def _like(name: str) -> Q:
    """Actions that begin as a row of :data:`ACTIVITIES` has it, and as no row before does."""
    if name == OTHER:
        return ~_begins(each for beginnings in ACTIVITIES.values() for each in beginnings)
    own = ACTIVITIES[name]
    before = takewhile(lambda other: other != name, ACTIVITIES)
    nearer = [each for other in before for each in ACTIVITIES[other] if each.startswith(own)]
    return _begins(own) & ~_begins(nearer) if nearer else _begins(own)


def _begins(beginnings: Iterable[str]) -> Q:
    found = terms.NOTHING
    for beginning in beginnings:
        found |= Q(action__startswith=beginning)
    return found


def activity_of(action: str, actor_kind: str = "") -> str:
    """The row of :data:`ACTIVITIES`, or of :data:`BY_CLIENT`, that an action is told by."""
    found = next((name for name, own in ACTIVITIES.items() if action.startswith(own)), OTHER)
    if actor_kind == "client":
        return next((name for name, inner in BY_CLIENT.items() if inner == found), found)
    return found


def _outcomes(wanted: Iterable[str]) -> Q:
    rows = {
        "success": Q(outcome="success"),
        "fault": Q(outcome__in=FAULTS),
        "refusal": ~Q(outcome__in=["success", *FAULTS]),
    }
    found = terms.NOTHING
    for each in wanted:
        found |= rows[each]
    return found


def outcome_of(stored: str) -> str:
    return "success" if stored == "success" else "fault" if stored in FAULTS else "refusal"


def _audit(criteria: AuditCriteria) -> QuerySet[AuditEvent] | None:
    if not criteria.possible:
        return None
    found = _own_ids(criteria.public_ids)
    found &= terms.every(criteria.recorded, terms.instant("at"))
    found &= terms.every(criteria.updated, terms.instant("at"))
    for alternatives in criteria.patients:
        found &= _about(alternatives)
    for alternatives in criteria.entities:
        found &= _about(alternatives, orders=True)
    found &= _agents(criteria.agents)
    found &= terms.every(criteria.agent_name, terms.text("actor_name"))
    found &= terms.every(criteria.address, terms.text("address"))
    if criteria.activities is not None:
        found &= _activities(criteria.activities)
    if criteria.outcomes is not None:
        found &= _outcomes(criteria.outcomes)
    return AuditEvent.objects.annotate(public_id=AuditId(F("pk"))).filter(found)


def _load_audit(public_ids: Sequence[str]) -> list[AuditHit]:
    rows = list(AuditEvent.objects.filter(pk__in=_audit_keys(public_ids)).select_related("order"))
    actor = _actors(rows)
    found = {
        audit_id(row.pk): AuditHit(
            public_id=audit_id(row.pk),
            at=row.at,
            actor=actor(row),
            action=row.action,
            subject=row.subject,
            order=str(row.order.public_id) if row.order else "",
            patients=tuple(row.patients),
            outcome=row.outcome,
            detail=row.detail,
            correlation=row.correlation,
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


@dataclass(frozen=True, slots=True)
class AuditFinder(Finder[AuditCriteria, AuditHit]):
    """Newest first unless asked otherwise; pages go by the key, which has an index."""

    def keys(self, criteria: AuditCriteria, page: Page) -> Found[str]:
        rows = self.sources[0].found(criteria)
        if rows is None:
            return Found(())
        # What comes behind the first sort key changes nothing: keys grow as time goes by.
        order = page.order or (("_id", True),)
        names = [name for name, _ in order] + ([] if "_id" in dict(order) else ["_id"])
        first, down = order[0]
        if page.after is not None:
            last = dict(zip(names, page.after, strict=True))
            key = next(iter(_audit_keys([str(last["_id"])])), 0)
            rows = rows.filter(_behind(first, down, key, last.get(first)))
        columns = ("pk",) if first == "_id" else ("at", "pk")
        rows = rows.order_by(*(f"-{column}" if down else column for column in columns))
        found = list(rows.values_list("pk", "at")[: page.size + 1])
        shown = found[: page.size]
        following = None
        if len(found) > page.size and shown:
            key, at = shown[-1]
            following = tuple(audit_id(key) if name == "_id" else at for name in names)
        return Found(tuple(audit_id(key) for key, _ in shown), following)


def _behind(first: str, down: bool, key: int, at: Any) -> Q:
    """Rows that come after the one with this key and time."""
    way = "lt" if down else "gt"
    if first == "_id":
        return Q(**{f"pk__{way}": key})
    return Q(**{f"at__{way}": at}) | Q(**{"at": at, f"pk__{way}": key})


audit_events: AuditFinder = AuditFinder(
    sources=(
        Source(
            _audit,
            {"at": F("at"), "updated": F("at")},
            paths={"patients": ("patient__public_id",), "entities": ("order__public_id",)},
            there={
                "recorded": Q(),
                "activities": _activities(
                    (
                        *(n for n, own in ACTIVITIES.items() if own[0].startswith("FHIR ")),
                        *BY_CLIENT,
                    )
                )
                & ~_activity("token"),
                "agent_name": ~Q(actor_name=""),
                "address": ~Q(address=""),
                "agents": ~Q(actor_name=""),
                "patients": ~Q(patients=[]),
                "entities": ~Q(patients=[]) | Q(order__isnull=False),
            },
        ),
    ),
    load=_load_audit,
)


# --- the journal of changes

# Tables whose rows are FHIR resources; a change of anything else has no target to name.
TABLES = (
    "Appointment",
    "Device",
    "FhirResource",
    "Order",
    "Patient",
    "PerformedProcedureStep",
    "Practitioner",
    "Report",
    "Room",
    "ScheduledProcedureStep",
    "Site",
    "Visit",
)


def _changes(criteria: ChangeCriteria) -> QuerySet[DomainEvent] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.recorded, terms.instant("at"))
    found &= terms.every(criteria.updated, terms.instant("at"))
    found &= _subjects(criteria.targets)
    found &= terms.keys("patient__public_id", criteria.patients)
    found &= _agents(criteria.agents)
    return DomainEvent.objects.filter(found, subject_type__in=TABLES)


def _subjects(criteria: Ids) -> Q:
    """Changes of one of these, or of something of one of these patients: both are named as target.

    The journal has ids as text.
    """
    found = Q()
    for alternatives in criteria:
        either = terms.NOTHING
        named = [str(key) for key in terms.as_keys(e for e in alternatives if isinstance(e, str))]
        if named:
            # With the table, which the index begins with.
            either |= Q(subject_type__in=TABLES, subject_id__in=named)
        for each in alternatives:
            if not isinstance(each, str):
                for rows in each.rows():
                    keys = [str(next(iter(row.values()))) for row in rows[:MOST_CHOSEN]]
                    either |= Q(subject_type__in=TABLES, subject_id__in=keys)
        found &= either | terms.among(("patient__public_id",), alternatives)
    return found


# Targets that another search finds are read, because the journal has texts; so many of them count.
MOST_CHOSEN = 1000


def _load_changes(public_ids: Sequence[str]) -> list[ChangeHit]:
    rows = list(
        DomainEvent.objects.filter(
            public_id__in=list(terms.as_keys(public_ids)), subject_type__in=TABLES
        ).select_related("patient", "message")
    )
    actor = _actors(rows)
    found = {
        str(row.public_id): ChangeHit(
            public_id=str(row.public_id),
            at=row.at,
            actor=actor(row),
            name=row.name,
            target=_target(row),
            patient=str(row.patient.public_id) if row.patient else "",
            message=str(row.message.public_id) if row.message else "",
            message_type=row.message.message_type if row.message else "",
        )
        for row in rows
    }
    return [found[each] for each in public_ids if each in found]


def _target(row: DomainEvent) -> tuple[str, str]:
    if row.subject_type == "FhirResource":
        return str(row.payload.get("type", "")), str(row.payload.get("resource", row.subject_id))
    return row.subject_type, row.subject_id


changes: Finder[ChangeCriteria, ChangeHit] = Finder(
    sources=(
        Source(
            _changes,
            {"at": F("at"), "updated": F("at")},
            paths={"patients": ("patient__public_id",)},
            there={
                "recorded": Q(),
                "targets": Q(),
                "patients": Q(patient__isnull=False),
                "agents": ~Q(actor_name=""),
            },
        ),
    ),
    load=_load_changes,
)

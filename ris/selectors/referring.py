"""What a referring doctor is shown: the own orders, how far they are, their results.

Every query here begins with :func:`own`, which no page can leave out: what is not the own does not
exist for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from ris.domain.actors import Role
from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus
from ris.domain.values import Identifier, PersonName
from ris.models import (
    Order,
    Patient,
    PatientIdentifier,
    Practitioner,
    ReferrerAccess,
    ReportVersion,
    User,
)
from ris.selectors.order_lists import asked_for_already, matching
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.practitioners import written

# What the department is asked when a doctor enters somebody who is like a person known here. It is
# the department's own note: who entered the person is not told whom we know.
COMPARE = (
    "Entered as a new patient by the referring doctor, and like somebody who is known here. "
    "Compare before a time is booked; merge if it is one person."
)
OPEN = frozenset({OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A practitioner whose orders a login sees."""

    public_id: str
    name: PersonName
    identifier: Identifier
    phone: str = ""
    # Nobody else is registered with this number. Then an order that does not say who gave the
    # number out, as most do (XCN-9), is this person's if the family name agrees.
    alone: bool = False

    def is_named(self, order: Order) -> bool:
        """Whether an order was requested by this person; the same as :func:`own` says of rows."""
        if order.requester_identifier != self.identifier.value:
            return False
        if order.requester_issuer == self.identifier.issuer:
            return True
        family = order.requester.partition("^")[0].casefold()
        return self.alone and not order.requester_issuer and family == self.family.casefold()

    @property
    def family(self) -> str:
        return str(self.name).partition("^")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whose orders a login sees. What was signed before ``since`` is neither new nor waiting."""

    user: int
    people: tuple[Person, ...] = ()
    services: tuple[str, ...] = ()
    since: datetime | None = None

    def covers(self, order: Order) -> bool:
        """Whether an order is the own; the same as :func:`own` says of rows."""
        return any(each.is_named(order) for each in self.people) or (
            bool(order.requesting_service) and order.requesting_service in self.services
        )


def reach(user: int) -> Reach:
    """What a login may see; nothing if nobody granted it anything. One query."""
    others = Practitioner.objects.filter(identifier=OuterRef("practitioner__identifier")).exclude(
        pk=OuterRef("practitioner")
    )
    rows = list(
        ReferrerAccess.objects.filter(user=user)
        .select_related("practitioner")
        .annotate(shared=Exists(others))
        .order_by("id")
    )
    people = tuple(
        Person(
            public_id=str(row.practitioner.public_id),
            name=PersonName.parse(row.practitioner.name),
            identifier=Identifier(row.practitioner.identifier, row.practitioner.issuer),
            phone=row.practitioner.phone,
            alone=not row.shared,
        )
        for row in rows
        if row.practitioner is not None and row.practitioner.identifier
    )
    return Reach(
        user=user,
        people=people,
        services=tuple(row.service for row in rows if row.service),
        since=min((row.granted_at for row in rows), default=None),
    )


def own(to: Reach) -> QuerySet[Order]:
    """The orders of a reach: by the requester's number and who gave it out, never by a name alone.

    See :meth:`Person.is_named`.
    """
    condition = Q(pk__in=())
    for each in to.people:
        condition |= Q(
            requester_identifier=each.identifier.value, requester_issuer=each.identifier.issuer
        )
        if each.alone and each.family:
            condition |= Q(requester_identifier=each.identifier.value, requester_issuer="") & (
                Q(requester__istartswith=f"{each.family}^") | Q(requester__iexact=each.family)
            )
    if to.services:
        condition |= Q(requesting_service__in=to.services)
    return Order.objects.filter(condition)


def own_order(to: Reach, key: str | UUID) -> Order:
    """An own order; raises UnknownKeyError for any other, as for one that does not exist."""
    row = own(to).filter(public_id=key).select_related("patient").first()
    if row is None:
        raise UnknownKeyError("no such order among your own")
    return row


def own_version(to: Reach, report: str | UUID, number: int | None = None) -> ReportVersion:
    """A signed version, the newest unless a number is said; raises UnknownKeyError."""
    rows = ReportVersion.objects.filter(
        report__public_id=report, report__procedures__order__in=own(to)
    ).select_related("report__order__patient")
    if number is not None:
        rows = rows.filter(number=number)
    row = rows.order_by("-number").first()
    if row is None:
        raise UnknownKeyError("no such result among your own")
    return row


# --- patients


def own_patients(to: Reach, text: str, limit: int = 8) -> list[PatientLine]:
    """One's own patients by name, birth date or number."""
    keys = matching(own(to), text).values("patient")
    rows = (
        Patient.objects.filter(pk__in=keys, merged_into=None)
        .select_related("merged_into")
        .prefetch_related(IDENTIFIERS)
        .order_by("name_key")[:limit]
    )
    return [line(row) for row in rows]


def is_own_patient(to: Reach, patient: Patient) -> bool:
    return own(to).filter(patient=patient).exists()


def identified(number: str, birth_date: str) -> Patient | None:
    """The one living patient with this number, whoever issued it, born on this day.

    Both must agree, and a whole date is needed; of two such people neither is told.
    """
    if not number or len(birth_date) != len("1970-05-03"):
        return None
    keys = set(
        PatientIdentifier.objects.filter(value=number).values_list("patient", flat=True)[:20]
    )
    found = set()
    for row in Patient.objects.filter(pk__in=keys).select_related("merged_into"):
        living = row.merged_into or row
        if living.birth_date == birth_date and living.removed_at is None:
            found.add(living)
    return found.pop() if len(found) == 1 else None


def own_open(
    to: Reach, patient: str, exams: Iterable[tuple[str, str]] | None = None
) -> Sequence[Order]:
    """One's own open orders of a patient, for the question whether it is the same once more.

    Or of these exams alone, with their sides.
    """
    rows = own(to).filter(patient__public_id=patient, status__in=OPEN)
    if exams is not None:
        rows = rows.filter(pk__in=asked_for_already(patient, exams).values("pk"))
    return list(rows.prefetch_related("procedures").order_by("-ordered_at")[:5])


# --- who sees what, for the department


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    public_id: str
    username: str
    display: str
    active: bool
    person: str
    number: str
    service: str
    granted_at: datetime
    granted_by: str


def access_rows() -> QuerySet[ReferrerAccess]:
    """Every access, by login."""
    rows = ReferrerAccess.objects.select_related("user", "practitioner")
    return rows.order_by("user__username", "id")


def access_lines(rows: Iterable[ReferrerAccess]) -> list[AccessLine]:
    return [
        AccessLine(
            public_id=str(row.public_id),
            username=row.user.username,
            display=row.user.get_full_name() or row.user.username,
            active=row.user.is_active,
            person=str(PersonName.parse(row.practitioner.name).display) if row.practitioner else "",
            number=row.practitioner.identifier if row.practitioner else "",
            service=row.service,
            granted_at=row.granted_at,
            granted_by=row.granted_by,
        )
        for row in rows
    ]


def logins() -> list[tuple[str, str]]:
    """The logins of referring doctors that work, with the person's name."""
    rows = User.objects.filter(groups__name=Role.REFERRER.value, is_active=True)
    return [
        (row.username, f"{row.get_full_name()} ({row.username})" if row.last_name else row.username)
        for row in rows.order_by("last_name", "username")
    ]


def people(limit: int = 300) -> list[str]:
    """Who may be named as a requester, as the field of the page takes them."""
    rows = Practitioner.objects.exclude(identifier="").order_by("name", "id")[:limit]
    return [_words(row) for row in rows]


def practitioner_named(text: str) -> str:
    """The public id of the one whose name and number stand in a field; empty if it is not clear."""
    wanted = " ".join(text.split())
    number = wanted.rpartition("(")[2].rstrip(")").strip()
    rows = Practitioner.objects.filter(identifier=number) if number else []
    found = [row for row in rows if _words(row) == wanted]
    return str(found[0].public_id) if len(found) == 1 else ""


def _words(row: Practitioner) -> str:
    """With who gave the number out: the same number may be two people's."""
    by = f", {row.issuer}" if row.issuer else ""
    return f"{written(PersonName.parse(row.name))}{by} ({row.identifier})"

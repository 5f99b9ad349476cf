"""Who is at a report now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import FilteredRelation, Q, QuerySet
from django.utils import timezone

from ris.domain.reading import LEASE, LeaseEnd
from ris.domain.reporting import ReportStatus
from ris.domain.values import PersonName
from ris.models import ReadingLease, Report
from ris.selectors.reports import person_name


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """Somebody reading a report."""

    reader_id: int
    reader: PersonName
    since: datetime
    alive_at: datetime

    @property
    def is_new(self) -> bool:
        """It began within this minute: there is no time to name yet."""
        return timezone.now() - self.since < timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ousted:
    """Who took a report over from whoever asks, and why."""

    reader: PersonName
    reason: str


def going_on(now: datetime | None = None) -> QuerySet[ReadingLease]:
    """Those whose page spoke lately; what is silent is over, swept up or not."""
    since = (now or timezone.now()) - LEASE
    return ReadingLease.objects.filter(ended_at=None, alive_at__gt=since).select_related(
        "reader__practitioner"
    )


def view_of(lease: ReadingLease) -> LeaseView:
    return LeaseView(
        reader_id=lease.reader_id,
        reader=person_name(lease.reader),
        since=lease.taken_at,
        alive_at=lease.alive_at,
    )


def is_being_written(report: Report) -> bool:
    """Whether an open editor has its reader: there is a draft, or one after what is signed.

    A preliminary text that nobody wrote on since is only shown: a page that was left open would
    keep it from whoever is to sign it.
    """
    return report.status == ReportStatus.DRAFT.value or (
        report.status == ReportStatus.PRELIMINARY.value and bool(report.draft)
    )


# What to read along with reports :func:`with_report` as their ``lease``.
WITH_READER: tuple[str, ...] = ("lease__reader__practitioner",)


def with_report() -> FilteredRelation:
    """The reading that goes on, joined to a query of reports: there is one at most."""
    alive = Q(leases__alive_at__gt=timezone.now() - LEASE)
    return FilteredRelation("leases", condition=Q(leases__ended_at=None) & alive)


def of_row(report: Report) -> LeaseView | None:
    """Who reads a report that was read :func:`with_report` as its ``lease``."""
    lease: ReadingLease | None = getattr(report, "lease", None)
    return view_of(lease) if lease is not None else None


def of_report(public_id: str) -> LeaseView | None:
    """Who reads a report now; None if nobody does."""
    lease = going_on().filter(report__public_id=public_id).first()
    return view_of(lease) if lease is not None else None


def ousted(public_id: str, user_id: int) -> Ousted | None:
    """Who took a report over from somebody, if that was how their reading ended."""
    rows = ReadingLease.objects.filter(report__public_id=public_id).select_related(
        "reader__practitioner"
    )
    last = rows.filter(reader=user_id).order_by("-id").first()
    if last is None or last.ended_how != LeaseEnd.TAKEN_OVER.value:
        return None
    after = rows.filter(pk__gt=last.pk).order_by("id").first()
    if after is None:
        return None
    return Ousted(reader=person_name(after.reader), reason=last.reason)


def silent(now: datetime) -> QuerySet[ReadingLease]:
    """What goes on in the table only."""
    return ReadingLease.objects.filter(ended_at=None, alive_at__lte=now - LEASE)


def due_to_end() -> bool:
    return silent(timezone.now()).exists()


def first(leases: Iterable[ReadingLease]) -> LeaseView | None:
    """That of leases that were read with a report already."""
    since = timezone.now() - LEASE
    found = next((each for each in leases if each.alive_at > since), None)
    return view_of(found) if found is not None else None

"""What is kept beside the core for FHIR: as received, and the versions that were shown."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.db.models import CharField, Exists, OuterRef, Q, UUIDField, Value
from django.utils import timezone

from ris.domain.exchange import Protocol
from ris.models import (
    ApiClient,
    ApiToken,
    Endpoint,
    FhirOverlay,
    FhirResource,
    FhirSubscription,
    FhirVersion,
)
from ris.models.prepared import Given, Select
from ris.selectors.search.bare import given, lists
from ris.selectors.search.terms import as_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayView:
    """JSON, as bytes: what came, and what the core showed of it then."""

    received: bytes
    shown: bytes


def overlays(kind: str, public_ids: Collection[str]) -> dict[str, OverlayView]:
    """By public id, those there are."""
    return {
        str(row.public_id): OverlayView(received=row.received.encode(), shown=row.shown.encode())
        for length, keys in lists(list(as_keys(public_ids)))
        for row in _overlays(length).all(type=kind, **keys)
    }


@cache
def _overlays(length: int) -> Select[FhirOverlay]:
    return Select(
        lambda: FhirOverlay.objects.filter(
            type=Given("type", CharField()), public_id__in=given(length, UUIDField)
        )
    )


# --- kept resources that are gone


def is_deleted(kind: str, public_id: str) -> bool:
    """Whether there was a resource of this id, and is none any more."""
    keys = list(as_keys([public_id]))
    return FhirResource.objects.filter(
        type=kind, public_id__in=keys, deleted_at__isnull=False
    ).exists() or (
        kind == "Subscription"
        and FhirSubscription.objects.filter(public_id__in=keys, removed_at__isnull=False).exists()
    )


# --- versions


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """A version as it was shown; ``content`` is empty where the resource was deleted."""

    number: int  # the row's own, for paging
    type: str
    public_id: str
    version: str
    method: str
    at: datetime
    content: str
    patient: str  # whose it was, if it was written as this


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """``after`` is (at, number) of the last entry of the page before."""

    types: tuple[str, ...] = ()  # none: every type
    public_id: str = ""
    since: datetime | None = None
    current: tuple[datetime, datetime] | None = None  # versions that were so at some point in it
    after: tuple[datetime, int] | None = None
    count: int = 20


def versions(query: HistoryQuery) -> list[VersionView]:
    """The newest first, one more than asked for if there are more."""
    wanted = _wanted(query)
    if query.after is not None:
        at, number = query.after
        wanted &= Q(at__lt=at) | Q(at=at, id__lt=number)
    rows = FhirVersion.objects.select_related("patient").filter(wanted).order_by("-at", "-id")
    return [_view(row) for row in rows[: query.count + 1]]


def count_versions(query: HistoryQuery) -> int:
    return FhirVersion.objects.filter(_wanted(query)).count()


def _wanted(query: HistoryQuery) -> Q:
    wanted = Q(type__in=query.types) if query.types else Q()
    if query.public_id:
        wanted &= Q(public_id__in=list(as_keys([query.public_id])))
    if query.since is not None:
        wanted &= Q(at__gte=query.since)
    if query.current is not None:
        low, high = query.current
        # Those that began before its end, and were not followed by another before its begin.
        following = FhirVersion.objects.filter(
            type=OuterRef("type"), public_id=OuterRef("public_id"), at__lte=low
        ).filter(Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), id__gt=OuterRef("id")))
        wanted &= Q(at__lt=high) & Q(~Exists(following))
    return wanted


def version(kind: str, public_id: str, number: str) -> VersionView | None:
    rows = FhirVersion.objects.select_related("patient")
    row = rows.filter(type=kind, public_id__in=list(as_keys([public_id])), version=number).first()
    return _view(row) if row else None


def _view(row: FhirVersion) -> VersionView:
    return VersionView(
        number=row.pk,
        type=row.type,
        public_id=str(row.public_id),
        version=row.version,
        method=row.method,
        at=row.at,
        content=row.content,
        patient=str(row.patient.public_id) if row.patient else "",
    )


def versions_of(kind: str, public_id: str, number: str) -> tuple[bool, bool]:
    """Whether any version of one resource is kept, and whether this one is."""
    rows = _LAST_VERSIONS.all(type=kind, public_id=uuid.UUID(public_id))
    if any(row.version == number for row in rows):
        return True, True
    if len(rows) < _LAST:
        return bool(rows), False
    return True, bool(versions_among(kind, [(public_id, number)])[1])


_LAST = 20
_LAST_VERSIONS = Select(
    lambda: (
        FhirVersion.objects.filter(
            type=Given("type", CharField()), public_id=Given("public_id", UUIDField())
        )
        .only("version")
        .order_by("-id")[:_LAST]
    )
)


def versions_among(
    kind: str, wanted: Collection[tuple[str, str]]
) -> tuple[set[str], set[tuple[str, str]]]:
    """Of which ids any version is kept, and which of these (public id, version); one query."""
    every = FhirVersion.objects.filter(
        type=kind, public_id__in=[uuid.UUID(public_id) for public_id, _ in wanted]
    ).order_by()
    these = every.filter(version__in={number for _, number in wanted})
    some = every.annotate(any_version=Value("")).values_list("public_id", "any_version")
    found = {
        (str(key), number)
        for key, number in these.values_list("public_id", "version").union(some.distinct())
    }
    return {key for key, _ in found}, {pair for pair in found if pair[1]}


def anybody_listens() -> bool:
    """Whether somebody could ask: a live token, a client that can get one, or a FHIR endpoint."""
    tokens = ApiToken.objects.filter(revoked_at=None)
    if tokens.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now())).exists():
        return True
    if ApiClient.objects.filter(disabled_at=None).exists():
        return True
    return Endpoint.objects.filter(protocol=Protocol.FHIR.value, active=True).exists()

"""What a reading list is narrowed to: what somebody asks for, and what he reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast

from ris.models import (
    Order,
    ProcedureDefinition,
    ReadingScope,
    RequestedProcedure,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.order_lists import matching
from ris.selectors.resources import at_site


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What somebody reads; an empty list is all."""

    subspecialties: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return self != Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Empty fields narrow nothing. ``scope`` is ``mine``, ``all``, or empty: mine if I have one."""

    subspecialty: str = ""
    modality: str = ""
    priority: str = ""
    site: str = ""
    patient_class: str = ""
    location: str = ""
    q: str = ""
    scope: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From an address' question; what it does not know is left out."""
        return cls(**{each.name: given.get(each.name, "")[:100].strip() for each in fields(cls)})

    @classmethod
    def from_query(cls, query: str) -> Filters:
        return cls.of(dict(parse_qsl(query[:2000])))

    @property
    def query(self) -> str:
        return urlencode(
            [(each.name, value) for each in fields(self) if (value := getattr(self, each.name))]
        )

    @property
    def any(self) -> bool:
        """Whether somebody narrowed the list, besides to what he reads."""
        return any(getattr(self, each.name) for each in fields(self) if each.name != "scope")


def scope_of(user_id: int | None) -> Scope:
    row = ReadingScope.objects.filter(reader=user_id).first() if user_id is not None else None
    if row is None:
        return Scope()
    return Scope(
        subspecialties=tuple(row.subspecialties),
        modalities=tuple(row.modalities),
        sites=tuple(row.sites),
    )


def is_mine(filters: Filters, scope: Scope) -> bool:
    """Whether the list shows what somebody reads, rather than everything."""
    return scope.any and filters.scope != "all"


def narrowed(
    rows: QuerySet[RequestedProcedure], filters: Filters, scope: Scope
) -> QuerySet[RequestedProcedure]:
    """The procedures that fit. What belongs to no subspecialty, or to no site, is everybody's."""
    if is_mine(filters, scope):
        if scope.subspecialties:
            rows = rows.filter(
                Q(definition=None) | Q(definition__subspecialty__in=("", *scope.subspecialties))
            )
        if scope.modalities:
            rows = rows.filter(_step(modality__in=("", *scope.modalities)))
        if scope.sites:
            rows = rows.filter(_at(scope.sites) | ~_step(device__isnull=False))
    if filters.subspecialty:
        rows = rows.filter(definition__subspecialty=filters.subspecialty)
    if filters.modality:
        rows = rows.filter(_step(modality=filters.modality))
    if filters.priority:
        rows = rows.filter(order__priority=filters.priority)
    if filters.site:
        rows = rows.filter(_at((filters.site,)))
    if filters.patient_class:
        rows = rows.filter(order__visit__patient_class=filters.patient_class)
    if filters.location:
        rows = rows.filter(order__visit__location__icontains=filters.location)
    if filters.q:
        # One order at a time: the pile is short, the archive is not.
        rows = rows.filter(Exists(matching(Order.objects.filter(pk=OuterRef("order")), filters.q)))
    return rows


def _step(**conditions: object) -> Exists:
    return Exists(ScheduledProcedureStep.objects.filter(procedure=OuterRef("pk"), **conditions))


def _at(sites: tuple[str, ...]) -> Exists:
    return Exists(
        ScheduledProcedureStep.objects.filter(
            at_site("device__", public_id__in=sites),
            procedure=OuterRef("pk"),
        )
    )


def choices() -> tuple[list[str], list[tuple[str, str]]]:
    """The subspecialties that the catalog names, and the sites by public id: one query."""
    words = (
        ProcedureDefinition.objects.exclude(subspecialty="")
        .annotate(key=Value("", CharField()), name=F("subspecialty"))
        .values_list("key", "name")
        .order_by()
    )
    places = Site.objects.annotate(key=Cast("public_id", CharField())).values_list("key", "name")
    found = sorted(words.union(places), key=lambda row: row[1].casefold())
    return (
        [name for key, name in found if not key],
        [(str(UUID(key)), name) for key, name in found if key],
    )


def subspecialties() -> list[str]:
    """Those that the catalog names."""
    return list(
        ProcedureDefinition.objects.exclude(subspecialty="")
        .order_by("subspecialty")
        .values_list("subspecialty", flat=True)
        .distinct()
    )

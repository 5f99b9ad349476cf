"""Report templates and macros: which fit an exam, what they hold."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.report_templates import TemplateContent, fitting
from ris.models import ReportMacro, ReportTemplate, ReportTemplateVersion, RequestedProcedure

MOST = 500  # templates that are looked at for an exam, and macros of a login


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLine:
    """A template without what it holds. ``mine``: of the login that asks, not of the site."""

    public_id: str
    name: str
    language: str
    modalities: tuple[str, ...]
    procedures: tuple[str, ...]
    regions: tuple[str, ...]
    sites: tuple[str, ...]
    automatic: bool
    mine: bool
    retired_at: datetime | None
    number: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersionLine:
    number: int
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroLine:
    public_id: str
    name: str
    text: str
    mine: bool


def _visible(user: int | None) -> Q:
    """The site's, and the login's own."""
    return Q(owner=None) | Q(owner=user) if user is not None else Q(owner=None)


def _line(row: ReportTemplate) -> TemplateLine:
    return TemplateLine(
        public_id=str(row.public_id),
        name=row.name,
        language=row.language,
        modalities=tuple(row.modalities),
        procedures=tuple(row.procedures),
        regions=tuple(row.regions),
        sites=tuple(row.sites),
        automatic=row.automatic,
        mine=row.owner_id is not None,
        retired_at=row.retired_at,
        number=row.number,
        updated_at=row.updated_at,
    )


def rows(user: int | None, *, retired: bool = False) -> QuerySet[ReportTemplate]:
    """The templates that a login sees, its own first."""
    found = ReportTemplate.objects.filter(_visible(user), retired_at__isnull=not retired)
    return found.order_by(F("owner").asc(nulls_last=True), "name")


def lines(found: Iterable[ReportTemplate]) -> list[TemplateLine]:
    return [_line(row) for row in found]


def template_line(public_id: str, user: int | None) -> TemplateLine:
    """A template that the login may see; raises UnknownKeyError."""
    try:
        return _line(ReportTemplate.objects.filter(_visible(user)).get(public_id=_key(public_id)))
    except ReportTemplate.DoesNotExist:
        raise UnknownKeyError("no such template") from None


def offered_as(name: str, user: int | None, *, own: bool) -> TemplateLine | None:
    """The template that has a name, however it is capitalized: the login's own, or the site's."""
    wanted = " ".join(name.split())
    found = rows(user).filter(name__iexact=wanted, owner=user if own else None).first()
    return _line(found) if found is not None else None


def _key(public_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(public_id)
    except ValueError:
        raise UnknownKeyError("no such template") from None


def content_of(public_id: str, number: int) -> TemplateContent:
    """What a version held; raises UnknownKeyError."""
    held = (
        ReportTemplateVersion.objects.filter(template__public_id=_key(public_id), number=number)
        .values_list("content", flat=True)
        .first()
    )
    if held is None:
        raise UnknownKeyError("there is no such version of the template")
    return TemplateContent.from_json(held)


def versions_of(public_id: str) -> list[TemplateVersionLine]:
    found = ReportTemplateVersion.objects.filter(template__public_id=_key(public_id)).values_list(
        "number", "made_at", "made_by"
    )
    return [
        TemplateVersionLine(number=number, made_at=at, made_by=by)
        for number, at, by in found.order_by("-number")[:100]
    ]


@dataclass(frozen=True, slots=True)
class ExamKeys:
    """What templates are chosen by."""

    modalities: frozenset[str]
    procedures: frozenset[str]
    regions: frozenset[str]
    sites: frozenset[str]


def exam_keys(procedures: Iterable[str]) -> ExamKeys:
    """Of requested procedures, by public id; one query."""
    found: list[tuple[Any, ...]] = list(
        RequestedProcedure.objects.filter(public_id__in=list(procedures)).values_list(
            "code_value",
            "definition__code",
            "definition__body_part",
            "steps__modality",
            "steps__device__room__site__name",
        )
    )
    return ExamKeys(
        modalities=frozenset(row[3] for row in found if row[3]),
        procedures=frozenset(code for row in found for code in row[:2] if code),
        regions=frozenset(row[2].casefold() for row in found if row[2]),
        sites=frozenset(row[4] for row in found if row[4]),
    )


def fitting_for(keys: ExamKeys, user: int | None) -> list[TemplateLine]:
    """The templates that fit, best first; of equal ones the login's own; one query."""
    scored = []
    for row in rows(user)[:MOST]:
        score = fitting(
            modalities=row.modalities,
            procedures=row.procedures,
            regions=[region.casefold() for region in row.regions],
            sites=row.sites,
            exam_modalities=keys.modalities,
            exam_procedures=keys.procedures,
            exam_regions=keys.regions,
            exam_sites=keys.sites,
        )
        if score is not None:
            scored.append((-score, row.owner_id is None, row.name.casefold(), _line(row)))
    return [line for *_, line in sorted(scored, key=lambda each: each[:3])]


def macros(user: int | None) -> list[MacroLine]:
    """By name; one of the login's hides the site's of the same name."""
    found: dict[str, MacroLine] = {}
    named = ReportMacro.objects.filter(_visible(user)).order_by(
        F("owner").asc(nulls_first=True), "name"
    )
    for row in named[:MOST]:
        found[row.name.casefold()] = MacroLine(
            public_id=str(row.public_id),
            name=row.name,
            text=row.text,
            mine=row.owner_id is not None,
        )
    return sorted(found.values(), key=lambda line: line.name.casefold())


def every_macro(user: int | None) -> list[MacroLine]:
    """Those of the site and the login's, hidden ones too, as their page lists them."""
    named = ReportMacro.objects.filter(_visible(user)).order_by("name", "id")
    return [
        MacroLine(
            public_id=str(row.public_id),
            name=row.name,
            text=row.text,
            mine=row.owner_id is not None,
        )
        for row in named[:MOST]
    ]

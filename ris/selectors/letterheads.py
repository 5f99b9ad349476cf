"""Letterheads: that of a site at a time, and which site a report is of."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from ris.models import Device, Letterhead, Site
from ris.selectors.facility import SiteView, site, site_view
from ris.selectors.resources import site_of
from ris.selectors.views import OrderView, ProcedureView


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterheadView:
    public_id: str
    number: int
    institution: str
    department: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    web: str = ""
    footer: str = ""
    logo: bytes = b""  # PNG
    since: datetime | None = None
    changed_by: str = ""

    @property
    def contact(self) -> str:
        return "  ".join(each for each in (self.phone, self.email, self.web) if each)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteHead:
    """A site with its letterhead; None: only what the site itself says is printed."""

    site: SiteView
    letterhead: LetterheadView | None


def _view(row: Letterhead) -> LetterheadView:
    return LetterheadView(
        public_id=str(row.public_id),
        number=row.number,
        institution=row.institution,
        department=row.department,
        address=row.address,
        phone=row.phone,
        email=row.email,
        web=row.web,
        footer=row.footer,
        logo=bytes(row.logo),
        since=row.since,
        changed_by=row.changed_by,
    )


def all_sites() -> list[SiteHead]:
    """Every site with its present letterhead."""
    rows = list(Site.objects.order_by("id"))
    later = Letterhead.objects.filter(site=OuterRef("site"), number__gt=OuterRef("number"))
    newest = {each.site_id: each for each in Letterhead.objects.filter(~Exists(later))}
    return [
        SiteHead(
            site=site_view(row),
            letterhead=_view(newest[row.pk]) if row.pk in newest else None,
        )
        for row in rows
    ]


def logo_of(site_key: str) -> bytes:
    """The site's present logo; no bytes without one."""
    row = Letterhead.objects.filter(site__public_id=uuid.UUID(site_key)).order_by("-number").first()
    return bytes(row.logo) if row is not None else b""


def head_of(covers: Sequence[tuple[OrderView, ProcedureView]], at: datetime) -> SiteHead:
    """The site where the exams of a report were done, with its letterhead of that time."""
    here = site()
    row = _site_of(covers)
    if row is not None:
        here = site_view(row)
    if not here.public_id:
        return SiteHead(site=here, letterhead=None)
    letterhead = (
        Letterhead.objects.filter(site__public_id=uuid.UUID(here.public_id), since__lte=at)
        .order_by("-number")
        .first()
    )
    return SiteHead(site=here, letterhead=_view(letterhead) if letterhead else None)


def _site_of(covers: Sequence[tuple[OrderView, ProcedureView]]) -> Site | None:
    """That of the device which did the exam, else of the one it was planned on."""
    procedures = [procedure for _, procedure in covers]
    stations = [
        *(each.station_ae_title for procedure in procedures for each in procedure.performed),
        *(each.station_ae_title for procedure in procedures for each in procedure.steps),
    ]
    wanted = [each for each in dict.fromkeys(stations) if each]
    if not wanted:
        return None
    rows = Device.objects.filter(ae_title__in=wanted).select_related("room__site", "resource__site")
    sites = {row.ae_title: site_of(row) for row in rows}
    return next((site for each in wanted if (site := sites.get(each)) is not None), None)

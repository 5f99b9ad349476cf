"""The views somebody may open of a list: their own, and those of their roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from ris.domain.saved_views import ViewedPage
from ris.models import SavedView


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLine:
    public_id: str
    name: str
    query: str
    role: str  # empty: one's own
    is_default: bool


def views_of(page: ViewedPage, user: int, roles: Iterable[str]) -> list[ViewLine]:
    """By name, one's own before those of roles."""
    rows = SavedView.objects.filter(
        Q(owner=user) | Q(owner=None, role__in=list(roles)), page=page.value
    ).order_by("role", "name")
    return [
        ViewLine(
            public_id=str(row.public_id),
            name=row.name,
            query=row.query,
            role=row.role,
            is_default=row.is_default,
        )
        for row in rows
    ]


def opening(views: Iterable[ViewLine]) -> ViewLine | None:
    """What a page opens with: one's own default, else that of a role."""
    return next((view for view in views if view.is_default), None)

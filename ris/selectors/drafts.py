"""Drafts of orders: one's own, newest first, and whether any is due to be forgotten."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from ris.domain.drafts import KEPT_DAYS
from ris.models import OrderDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    public_id: str
    title: str
    patient: str  # public id, or empty
    content: Mapping[str, Sequence[str]]
    saved_at: datetime

    @property
    def forgotten_at(self) -> datetime:
        return self.saved_at + timedelta(days=KEPT_DAYS)


def _view(row: OrderDraft) -> DraftView:
    return DraftView(
        public_id=str(row.public_id),
        title=row.title,
        patient=str(row.patient_key) if row.patient_key else "",
        content=row.content,
        saved_at=row.updated_at,
    )


def drafts_of(user: int) -> list[DraftView]:
    rows = OrderDraft.objects.filter(owner=user).order_by("-updated_at", "-pk")
    return [_view(row) for row in rows]


def draft_of(user: int, key: str) -> DraftView | None:
    """One's own draft; another's is as good as none."""
    try:
        row = OrderDraft.objects.filter(owner=user, public_id=uuid.UUID(key)).first()
    except ValueError:
        return None
    return _view(row) if row else None


def due_to_forget() -> bool:
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    return OrderDraft.objects.filter(updated_at__lt=before).exists()

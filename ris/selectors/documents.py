"""Documents as they came: lists without content for pages, and one with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from ris.domain.documents import DocumentStatus
from ris.domain.errors import UnknownKeyError
from ris.domain.values import PersonName
from ris.models import Document, Order, Report

MANY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """What a list says of a document; ``version`` is that of its report."""

    public_id: str
    status: DocumentStatus
    title: str
    kind: str
    completion: str
    media_type: str
    size: int
    link: str
    author: PersonName
    at: datetime
    source: str
    version: int | None

    @property
    def type(self) -> str:
        """Its type as people call it: PDF, JPEG, PLAIN."""
        kind, _, subtype = self.media_type.partition("/")
        return "text" if kind == "text" else subtype.removeprefix("x-").upper()

    @property
    def is_web_link(self) -> bool:
        """Whether the link may be followed from a page; anything else is told as text."""
        return self.link.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A document with its content."""

    public_id: str
    patient: str
    order: str
    title: str
    file_name: str
    media_type: str
    content: bytes
    version: int | None = None


def _line(row: Document) -> DocumentLine:
    return DocumentLine(
        public_id=str(row.public_id),
        status=DocumentStatus(row.status),
        title=row.title or row.kind or "Document",
        kind=row.kind,
        completion=row.completion,
        media_type=row.media_type,
        size=row.size,
        link=row.link,
        author=PersonName.parse(row.author),
        at=row.authored_at or row.received_at,
        source=row.source,
        version=row.version,
    )


def _lines(rows: QuerySet[Document]) -> list[DocumentLine]:
    return [_line(row) for row in rows.defer("content").order_by("-id")[:MANY]]


def of_order(order: str) -> list[DocumentLine]:
    """All of an order, those of its reports among them, the newest first."""
    key = uuid.UUID(order)
    reports = Report.objects.filter(procedures__order__public_id=key)
    orders = Order.objects.filter(public_id=key)
    return _lines(
        Document.objects.filter(
            Q(order__in=orders.values("pk")) | Q(report__in=reports.values("pk"))
        )
    )


def of_patient(patients: Iterable[str]) -> list[DocumentLine]:
    """What belongs to a person and to none of the orders, the newest first."""
    keys = [uuid.UUID(patient) for patient in patients]
    rows = Document.objects.filter(
        Q(patient__public_id__in=keys) | Q(patient__merged_into__public_id__in=keys)
    )
    return _lines(rows.filter(order=None))


def document(public_id: str) -> DocumentView:
    """One with its content; raises UnknownKeyError."""
    try:
        row = Document.objects.select_related("patient", "order").get(
            public_id=uuid.UUID(public_id)
        )
    except (Document.DoesNotExist, ValueError):
        raise UnknownKeyError("no such document") from None
    return _view(row)


def of_version(report: str, number: int) -> list[DocumentView]:
    """What came with a version of a report, with its content, the oldest first."""
    rows = Document.objects.select_related("patient", "order").filter(
        report__public_id=uuid.UUID(report),
        version=number,
        status=DocumentStatus.CURRENT.value,
        link="",
    )
    return [_view(row) for row in rows.order_by("id")]


def _view(row: Document) -> DocumentView:
    return DocumentView(
        public_id=str(row.public_id),
        patient=str(row.patient.public_id),
        order=str(row.order.public_id) if row.order else "",
        title=row.title,
        file_name=row.file_name,
        media_type=row.media_type,
        content=bytes(row.content),
        version=row.version,
    )

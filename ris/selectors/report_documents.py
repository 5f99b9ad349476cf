"""The documents that were made of signed versions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from ris.domain.documents import PDF
from ris.models import ReportDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFile:
    """One document of one version: the same bytes for whoever asks."""

    report: str
    number: int
    media_type: str
    content: bytes
    digest: str  # SHA-256

    @property
    def size(self) -> int:
        return len(self.content)


def of_versions(wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], DocumentFile]:
    """What there is of (report, version), in one question."""
    asked = [Q(report__public_id=uuid.UUID(report), number=number) for report, number in wanted]
    if not asked:
        return {}
    either = asked[0]
    for each in asked[1:]:
        either |= each
    rows = ReportDocument.objects.select_related("report").filter(either, media_type=PDF)
    return {(str(row.report.public_id), row.number): to_file(row) for row in rows}


def to_file(row: ReportDocument) -> DocumentFile:
    return DocumentFile(
        report=str(row.report.public_id),
        number=row.number,
        media_type=row.media_type,
        content=bytes(row.content),
        digest=row.digest,
    )

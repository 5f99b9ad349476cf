"""A PDF as an answer: shown in the browser, named if it is saved, kept by no cache on the way."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from ris.domain.documents import PDF


def pdf(content: bytes, name: str) -> HttpResponse:
    """``name`` is that of the file."""
    return HttpResponse(
        content,
        content_type=PDF,
        headers={
            "Content-Disposition": content_disposition_header(False, name) or "",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )

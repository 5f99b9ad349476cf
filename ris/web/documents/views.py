"""One document, handed out as it came.

It was made by strangers: it is saved and not shown in place, under a type that no browser runs, and
never guessed at (nosniff); a policy keeps it from loading or running anything all the same.
"""

from __future__ import annotations

import re
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.selectors import documents
from ris.selectors.documents import DocumentView
from ris.web.access import PageRequest, page, saw

# What is handed out under its own type; anything else is bytes to save.
_TYPES = {
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tiff",
    "text/plain": ".txt",
}
_UNFIT = re.compile(r"[^\w .()-]+")


@require_GET
@page()
def document(request: PageRequest, key: UUID) -> HttpResponse:
    found = documents.document(str(key))
    if not found.content:
        raise UnknownKeyError("this document is only told by where it is")
    saw(
        request,
        "ViewDocument",
        [found.patient],
        order=found.order,
        subject=f"Document {key}",
    )
    known = found.media_type in _TYPES
    kind = found.media_type if known else "application/octet-stream"
    return HttpResponse(
        found.content,
        content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        headers={
            "Content-Disposition": content_disposition_header(True, _file_name(found)) or "",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


def _file_name(found: DocumentView) -> str:
    """Its title or its sender's name for it, without what a file system minds."""
    name = _UNFIT.sub(" ", found.file_name or found.title).strip(" .")[:80] or "document"
    ending = _TYPES.get(found.media_type, "")
    return name if not ending or name.lower().endswith(ending) else f"{name}{ending}"

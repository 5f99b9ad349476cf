"""The document of a signed version, made when it is first asked for and never again.

Whoever asks first (a page, the fan-out, a FHIR read) has it made; whoever asks later is given the
same bytes, whatever the letterhead, the fonts or the patient's name have become since. The head is
the one that stood when the version was signed, so it does not matter who asked first.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

from django.utils import timezone

from ris.domain.documents import PDF
from ris.domain.errors import UnknownKeyError
from ris.domain.reporting import VersionKind
from ris.models import Letterhead, Report, ReportDocument
from ris.printing.report import report_pdf
from ris.printing.stamp import stamped
from ris.selectors.letterheads import head_of
from ris.selectors.orders import covered
from ris.selectors.report_documents import DocumentFile, of_versions, to_file
from ris.selectors.reports import report_view
from ris.selectors.views import ReportView


def report_document(report: str, number: int) -> DocumentFile:
    """The version ``number`` as PDF; raises UnknownKeyError if there is no such version."""
    found = of_versions([(report, number)]).get((report, number))
    return found if found is not None else _made(report, number)


def handed_out(report: str, number: int) -> DocumentFile:
    """The version ``number`` as whoever asks now is given it; raises UnknownKeyError."""
    return as_it_stands(report_view(report), report_document(report, number))


def as_it_stands(report: ReportView, document: DocumentFile) -> DocumentFile:
    """With a stamp, if it is no longer what the report says (docs/adr/0051).

    What is kept, and what was sent when it was signed, has none: it was valid then.
    """
    words = _stamp(report, document.number)
    if words is None:
        return document
    content = stamped(document.content, *words)
    return replace(document, content=content, digest=hashlib.sha256(content).hexdigest())


def _stamp(report: ReportView, number: int) -> tuple[str, str] | None:
    newest = report.versions[-1]
    if number == newest.number:
        return None
    at = timezone.localtime(newest.signed_at).strftime("%Y-%m-%d %H:%M")
    if newest.kind is VersionKind.RETRACTION:
        return "WITHDRAWN", f"WITHDRAWN - do not use: the report was withdrawn, {at}"
    valid = f"version {newest.number}, {at}, takes its place"
    return "SUPERSEDED", f"SUPERSEDED - version {number} is not the valid report: {valid}"


def _made(key: str, number: int) -> DocumentFile:
    view, covers = covered(key)
    if not covers or not 1 <= number <= len(view.versions):
        raise UnknownKeyError("there is no such signed version to print")
    head = head_of(covers, view.version(number).signed_at)
    content = report_pdf(view, covers, head.site, number, head.letterhead)
    used = head.letterhead.public_id if head.letterhead else None
    # Two that ask at once are both given the row of the first.
    row, _ = ReportDocument.objects.get_or_create(
        report=Report.objects.get(public_id=uuid.UUID(view.public_id)),
        number=number,
        media_type=PDF,
        defaults={
            "content": content,
            "size": len(content),
            "digest": hashlib.sha256(content).hexdigest(),
            "letterhead": Letterhead.objects.filter(public_id=used).first() if used else None,
        },
    )
    return to_file(row)

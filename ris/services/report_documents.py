"""The document of a signed version, made when it is first asked for and never again.

Whoever asks first (a page, the fan-out, a FHIR read) has it made; whoever asks later is given the
same bytes, whatever the letterhead, the fonts or the patient's name have become since. The head is
the one that stood when the version was signed, so it does not matter who asked first.
"""

from __future__ import annotations

import hashlib
import uuid

from ris.domain.errors import UnknownKeyError
from ris.models import Letterhead, Report, ReportDocument
from ris.printing.report import report_pdf
from ris.selectors.letterheads import head_of
from ris.selectors.orders import covered
from ris.selectors.report_documents import PDF, DocumentFile, of_versions, to_file


def report_document(report: str, number: int) -> DocumentFile:
    """The version ``number`` as PDF; raises UnknownKeyError if there is no such version."""
    found = of_versions([(report, number)]).get((report, number))
    return found if found is not None else _made(report, number)


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

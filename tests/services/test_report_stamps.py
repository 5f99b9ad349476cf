"""A document that is no longer what its report says: the same bytes, and a stamp over them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest
from reportlab.pdfgen.canvas import Canvas

from ris.domain.reporting import AmendReport, RetractReport, VersionKind
from ris.models import Report
from ris.printing.report import Sheet, _printed
from ris.printing.stamp import stamped
from ris.services import execute
from ris.services.report_documents import handed_out, report_document
from tests import ground, make, people
from tests.programs import requires


def said(document: bytes) -> list[str]:
    """The text of each page, read by another program; none without complaint."""
    run = subprocess.run(
        [shutil.which("pdftotext") or "pdftotext", "-layout", "-", "-"],
        input=document, capture_output=True, check=True,
    )  # fmt: skip
    assert run.stderr == b""
    return run.stdout.decode().split("\f")[:-1]


@requires("poppler")
def test_every_page_says_it_and_keeps_what_it_said() -> None:
    text = "\n".join(f"Line {number}" for number in range(90))
    original = _printed(Sheet(institution="General", title="CT", sections=(("Findings", text),)))

    document = stamped(original, "SUPERSEDED", "SUPERSEDED (by version 2)")

    pages = said(document)
    assert len(pages) == 2
    assert all("SUPERSEDED (by version 2)" in page for page in pages)
    assert "Line 0" in pages[0]
    assert "Line 89" in pages[1]
    assert document.startswith(original)
    assert stamped(original, "SUPERSEDED", "SUPERSEDED (by version 2)") == document


def test_what_cannot_be_stamped_is_refused() -> None:
    compressed = Canvas("", invariant=1)
    compressed.drawString(72, 72, "from elsewhere")
    foreign = compressed.getpdfdata().replace(b"/Font", b"/Tnof")

    for document in (b"", b"%PDF-1.7\n%%EOF", foreign):
        with pytest.raises(ValueError, match=r"table of objects|another form"):
            stamped(document, "WITHDRAWN", "WITHDRAWN")


def _final() -> Report:
    make.device()
    return make.final_report(make.performed())


@pytest.fixture
def report() -> Report:
    found, _ = ground.begin("a signed report", _final)
    return found


def correct(report: Report) -> None:
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={"impression": "Bleeding."},
            reason="seen again",
        ),
        actor=people.radiologist,
    )


@pytest.mark.django_db
def test_the_valid_version_has_no_stamp(report: Report) -> None:
    key = str(report.public_id)

    assert handed_out(key, 1) == report_document(key, 1)


@pytest.mark.django_db
@requires("poppler")
def test_a_corrected_version_says_which_one_is_valid(report: Report) -> None:
    key = str(report.public_id)
    before = report_document(key, 1)
    correct(report)

    document = handed_out(key, 1)

    (page,) = said(document.content)
    assert "SUPERSEDED - version 1 is not the valid report: version 2, " in page
    assert document.content.startswith(before.content)
    assert document.digest == hashlib.sha256(document.content).hexdigest()
    assert report_document(key, 1) == before
    assert handed_out(key, 2) == report_document(key, 2)


@pytest.mark.django_db
@requires("poppler")
def test_every_version_of_a_withdrawn_report_says_that(report: Report) -> None:
    key = str(report.public_id)
    correct(report)
    execute(RetractReport(report=key, reason="wrong patient"), actor=people.radiologist)

    texts = [said(handed_out(key, number).content)[0] for number in (1, 2, 3)]

    assert ["WITHDRAWN - do not use: the report was withdrawn, " in text for text in texts[:2]] == [
        True,
        True,
    ]
    assert "WITHDRAWN - do not use: wrong patient" in texts[2]

"""ORU in: sections, coded results, comments and documents of a report."""

from __future__ import annotations

import base64

import pytest

from ris.domain.result_texts import headings
from ris.domain.values import Identifier
from ris.models import Document, Report
from tests import make
from tests.integration.hl7.reports import (
    NODULE,
    PDF,
    PID,
    body,
    exam,
    named,
    obr,
    oru,
    trust,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(accepting: None) -> None:
    make.site()
    make.device()


# --- texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segments", "sections"),
    [
        (
            ("OBX|1|TX|71020&IMP^Chest^C4||Normal.~No change.||||||F",),
            {"impression": "Normal.\nNo change."},
        ),
        (
            ("OBX|1|TX|71020&GDT||Line one.||||||F", "OBX|2|TX|71020&GDT||Line two.||||||F"),
            {"findings": "Line one.\nLine two."},
        ),
        (
            (
                "OBX|1|TX|CTHEAD^CT head^TEST||FINDINGS||||||F",
                "OBX|2|TX|CTHEAD^CT head^TEST||No mass.||||||F",
                "OBX|3|TX|CTHEAD^CT head^TEST||IMPRESSION||||||F",
                "OBX|4|TX|CTHEAD^CT head^TEST||Normal.||||||F",
            ),
            {"findings": "No mass.", "impression": "Normal."},
        ),
        (
            ("OBX|1|FT|18748-4^Study^LN||Technique: native\\.br\\IMPRESSION: Normal.||||||F",),
            {"findings": "Technique: native", "impression": "Normal."},
        ),
        (("OBX|1|ST|^Recommendation||Control in a year.||||||F",),
         {"recommendation": "Control in a year."}),
    ],
)  # fmt: skip
def test_sections_by_suffix_code_name_or_heading(
    segments: tuple[str, ...], sections: dict[str, str]
) -> None:
    assert oru(PID, obr(exam()), *segments) == ["AA"]
    assert Report.objects.get().draft == sections


def test_headings_keep_what_stands_before_the_first() -> None:
    assert headings("CT of the head\n\nImpression:\nNormal.") == [
        ("findings", "CT of the head"),
        ("impression", "Normal."),
    ]


def test_results_of_an_algorithm_are_lines_of_a_draft() -> None:
    told = oru(
        PID,
        obr(exam(), "R"),
        "OBX|1|CWE|RID50149^Pulmonary nodule^RADLEX||RID28472^present^RADLEX||||||P",
        "OBX|2|NM|118565006^Volume^SCT||120|mm3^^UCUM||H|||P||"
        "Cat3^Noncritical actionable finding^RADLEX",
    )

    assert told == ["AA"]
    report = Report.objects.get()
    assert report.draft == {
        "findings": "Pulmonary nodule: present\nVolume: 120 mm3 (H, Noncritical actionable finding)"
    }
    assert report.particulars["observations"][1]["category"] == "Noncritical actionable finding"


def test_results_of_an_algorithm_stand_beside_the_dictation_whichever_comes_first() -> None:
    first, second = exam(), exam()

    named("AI", PID, obr(first, "R"), NODULE.format(value=120))
    oru(PID, obr(first, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")
    oru(PID, obr(second, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")
    named("AI", PID, obr(second, "R"), NODULE.format(value=110))
    named("AI", PID, obr(second, "R"), NODULE.format(value=120))

    drafts = [report.draft for report in Report.objects.order_by("id")]
    assert drafts == [{"findings": "No bleeding.\n\nVolume: 120 mm3"}] * 2
    assert {report.particulars["source"] for report in Report.objects.all()} == {"HIS^GENERAL"}


def test_the_draft_of_another_sender_is_neither_replaced_nor_taken_back() -> None:
    order = exam()
    oru(PID, obr(order, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")

    assert named("OTHER", PID, obr(order, "P"), "OBX|1|TX|&GDT||Bleeding.||||||P") == [
        "AE",
        "207 OBR^1^25",
    ]
    assert named("OTHER", PID, obr(order, "P"), "OBX|1|TX|&GDT||Bleeding.||||||D") == [
        "AE",
        "207 OBR^1^25",
    ]
    assert Report.objects.get().draft == {"findings": "No bleeding."}


def test_comments_are_kept_beside_the_text() -> None:
    oru(PID, obr(exam()), "NTE|1|L|Dictated twice.", *body())

    assert Report.objects.get().particulars["comments"] == "Dictated twice."


def test_a_report_without_text_or_status_is_refused() -> None:
    order = exam()

    assert oru(PID, obr(order)) == ["AE", "101 OBX^1^5"]
    assert oru(PID, obr(order, ""), *body("")) == ["AE", "101 OBR^1^25"]
    assert oru(PID, obr(order, "S"), *body("S")) == ["AE", "103 OBR^1^25"]


# --- documents ----------------------------------------------------------------------------------


def test_a_pdf_is_kept_with_the_version() -> None:
    trust()
    broken = "\\.br\\".join(PDF[at : at + 8] for at in range(0, len(PDF), 8))

    told = oru(PID, obr(exam()), *body(), f"OBX|3|ED|PDF^Report||^Application^PDF^Base64^{broken}")

    assert told == ["AA"]
    document = Document.objects.get()
    assert bytes(document.content) == b"%PDF-1.4 an invented document"
    assert (document.media_type, document.version, document.title) == (
        "application/pdf", 1, "Report",
    )  # fmt: skip


def test_a_report_may_be_nothing_but_a_document() -> None:
    told = oru(PID, obr(exam()), f"OBX|1|ED|PDF||^Application^PDF^Base64^{PDF}||||||F")

    assert told == ["AA"]
    document = Document.objects.get()
    assert (document.report.status, document.version) == ("DRAFT", None)
    assert document.report.draft == {"findings": "See the attached document."}


def test_a_link_is_kept_as_a_link() -> None:
    oru(PID, obr(exam()), *body(), "OBX|3|RP|PDF^Report||https://example.org/r/1^X^AP^PDF")

    document = Document.objects.get()
    assert (document.link, document.size, document.media_type) == (
        "https://example.org/r/1", 0, "application/pdf",
    )  # fmt: skip


def test_a_document_beyond_the_limit_is_refused_with_its_place() -> None:
    trust(document_megabytes=1)
    large = base64.b64encode(b"%PDF-1.4" + bytes(1024 * 1024)).decode()

    told = oru(PID, obr(exam()), *body(), f"OBX|3|ED|PDF||^Application^PDF^Base64^{large}")

    assert told == ["AE", "102 OBX^3^5"]


def test_what_is_no_base64_is_refused() -> None:
    told = oru(PID, obr(exam()), *body(), "OBX|3|ED|PDF||^Application^PDF^Base64^?*?")

    assert told == ["AE", "102 OBX^3^5^1^5"]


def test_an_order_can_be_named_by_the_placer_alone() -> None:
    order = exam(placer=Identifier("PL9", "HIS"))

    assert oru(PID, obr(None, f2="PL9^HIS"), *body()) == ["AA"]
    assert Report.objects.get().order_id == order.pk

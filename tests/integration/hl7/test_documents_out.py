"""MDM: a version of a report as the document it is filed as (HL7 v2.5.1 9.6)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from integration.hl7.from_domain.documents import document_number, mdm, notices
from integration.hl7.from_domain.draft import Draft
from integration.hl7.settings import Settings
from ris.domain.reporting import VersionKind
from ris.domain.values import PersonName
from ris.selectors.documents import DocumentView
from ris.selectors.views import ReportVersionView, ReportView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written

REPORT = "0193a1b2-0000-7000-8000-00000000002a"
P, F = VersionKind.PRELIMINARY, VersionKind.FINAL
A, C, R = VersionKind.ADDENDUM, VersionKind.CORRECTION, VersionKind.RETRACTION
PRINTED = DocumentView(
    public_id=REPORT, patient="", order="", title="Report", file_name="report-v1.pdf",
    media_type="application/pdf", content=b"%PDF-1.4",
)  # fmt: skip


def versions(*kinds: VersionKind) -> tuple[ReportVersionView, ...]:
    found = []
    sections = {"impression": "Normal CT of the head."}
    for number, kind in enumerate(kinds, start=1):
        if kind is A:
            earlier = sections.get("addendum", "")
            added = f"Addendum {number}."
            sections = {**sections, "addendum": f"{earlier}\n\n{added}" if earlier else added}
        found.append(views.version(number=number, kind=kind, sections=sections))
    return tuple(found)


def report(*kinds: VersionKind) -> ReportView:
    return replace(views.report(*versions(*kinds)), public_id=REPORT)


def drafts(told: ReportView, version: str = "2.5.1", **settings: Any) -> list[Draft]:
    order = views.order(procedures=(views.procedure(performed=(views.performed(),)),))
    profile = views.profile(version, **settings)
    return mdm(told, len(told.versions), [order], views.AT, profile, PRINTED)


def message(told: ReportView, version: str = "2.5.1", **settings: Any) -> str:
    (draft,) = drafts(told, version, **settings)
    return written(draft, views.profile(version, **settings))


def number(of: int) -> str:
    return f"{document_number(REPORT, of)}^RIS"


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
def test_a_final_report_is_a_document_with_its_orders_and_the_printed_page(version: str) -> None:
    sent = message(report(F), version)

    assert field(sent, "MSH-9").split("^")[:2] == ["MDM", "T02"]
    names = [line[:3] for line in sent.split("\r") if line]
    orders = ["ORC", "OBR", "NTE"] if version == "2.5.1" else []
    assert names == ["MSH", "EVN", "PID", "PV1", *orders, "TXA", "OBX"]
    assert field(sent, "EVN-1") == "T02"
    assert field(sent, "TXA-2") == "DI"
    assert field(sent, "TXA-3") == "AP"
    assert field(sent, "TXA-4") == "20260303100000+0100"
    assert field(sent, "TXA-12") == number(1)
    assert len(field(sent, "TXA-12").split("^")[0]) <= 30
    assert field(sent, "TXA-13") == ""
    assert field(sent, "TXA-14") == "PL1^EHR"
    assert field(sent, "TXA-15") == "F000000001^RIS"
    assert [field(sent, f"TXA-{each}") for each in (17, 18, 19, 20)] == ["LA", "U", "AV", "AC"]
    assert field(sent, "TXA-22") == "^Radic^Rita^^^^^^^^^^^^20260302093015+0100"
    assert field(sent, "OBX-2") == "ED"
    assert field(sent, "OBX-3") == "18748-4^Diagnostic imaging study^LN"
    assert base64.b64decode(field(sent, "OBX-5").split("^")[4]) == b"%PDF-1.4"
    assert field(sent, "OBX-11") == "F"


def test_an_independent_parser_finds_the_groups_of_the_standard() -> None:
    for kinds, structure, group in (((F,), "MDM_T02", "MDM_T02"), ((F, R), "MDM_T01", "MDM_T01")):
        sent = message(report(*kinds))
        parsed = parse_message(sent, validation_level=VALIDATION_LEVEL.TOLERANT)

        assert field(sent, "MSH-9").split("^")[2] == structure
        assert getattr(parsed, f"{group}_COMMON_ORDER".lower()).obr.obr_25.to_er7() in "FC"
        assert parsed.txa.txa_12.txa_12_1.to_er7() == document_number(REPORT, 1)


def test_the_text_goes_instead_of_the_page_or_beside_it() -> None:
    only = message(report(F), document_content="text")
    both = message(report(F), document_content="both", report_layout="whole")

    assert field(only, "TXA-3") == "FT"
    assert [line.split("|")[2] for line in segments(only, "OBX")] == ["FT"]
    assert [line.split("|")[2] for line in segments(both, "OBX")] == ["ED", "FT"]
    assert field(both, "OBX[2]-5") == "IMPRESSION\\.br\\Normal CT of the head."


@pytest.mark.parametrize(
    ("kinds", "settings", "expected"),
    [
        ((P,), {}, [("T02", 1, 0)]),
        ((P, P), {}, [("T10", 2, 1)]),
        ((P, F), {}, [("T10", 2, 1)]),
        ((P, F), {"document_final": "T04"}, [("T04", 1, 0)]),
        ((P, F), {"document_final": "T08"}, [("T08", 1, 0)]),
        ((P,), {"preliminary_results": False}, []),
        ((P, F), {"preliminary_results": False}, [("T02", 2, 0)]),
        ((F, A), {}, [("T06", 2, 1)]),
        ((F, A, A), {}, [("T06", 3, 1)]),
        ((F, A), {"document_addendum": "T08"}, [("T08", 1, 0)]),
        ((F, A), {"document_addendum": "T10"}, [("T10", 2, 1)]),
        ((F, C), {}, [("T10", 2, 1)]),
        ((F, C, C), {}, [("T10", 3, 2)]),
        ((F, C), {"document_correction": "T08"}, [("T08", 1, 0)]),
        ((F, A, C), {}, [("T10", 3, 1), ("T11", 2, 0)]),
        ((F, R), {}, [("T11", 1, 0)]),
        ((F, A, A, R), {}, [("T11", 2, 0), ("T11", 3, 0), ("T11", 1, 0)]),
        ((F, C, R), {}, [("T11", 2, 0)]),
        ((P, R), {"preliminary_results": False}, []),
    ],
)
def test_each_version_is_told_by_its_event_and_names_what_it_follows(
    kinds: tuple[VersionKind, ...],
    settings: dict[str, Any],
    expected: list[tuple[str, int, int]],
) -> None:
    told = notices(versions(*kinds), len(kinds), Settings(**settings))

    assert [(each.trigger, each.document, each.parent) for each in told] == expected


def test_an_addendum_names_the_document_it_adds_to_and_says_only_what_it_adds() -> None:
    sent = message(report(F, A, A), document_content="both")

    assert field(sent, "MSH-9") == "MDM^T06^MDM_T02"
    assert field(sent, "TXA-12") == number(3)
    assert field(sent, "TXA-13") == number(1)
    assert [line.split("|")[5] for line in segments(sent, "OBX")][1:] == ["Addendum 3."]
    assert field(sent, "OBX-11") == "C"


def test_what_takes_the_place_of_another_says_why() -> None:
    first, second = versions(F, C)
    told = replace(report(F), versions=(first, replace(second, reason="wrong side")))

    sent = message(told)

    assert field(sent, "MSH-9") == "MDM^T10^MDM_T02"
    assert (field(sent, "TXA-12"), field(sent, "TXA-13")) == (number(2), number(1))
    assert field(sent, "TXA-8") == "20260302093015+0100"
    assert field(sent, "TXA-21") == "wrong side"


def test_a_preliminary_document_is_not_authenticated() -> None:
    assert field(message(report(P)), "TXA-17") == "PA"
    assert field(message(report(F), document_signed="AU"), "TXA-17") == "AU"


def test_what_is_withdrawn_is_canceled_and_shows_no_text() -> None:
    sent = message(report(F, R))

    assert field(sent, "MSH-9") == "MDM^T11^MDM_T01"
    assert field(sent, "TXA-19") == "CA"
    assert field(sent, "TXA-12") == number(1)
    assert segments(sent, "OBX") == []


def test_the_resident_is_the_author_and_the_attending_signs() -> None:
    (version,) = versions(F)
    told = replace(
        report(F), versions=(replace(version, resident_name=PersonName.of("Novak", "Nina")),)
    )

    sent = message(told)

    assert field(sent, "TXA-9") == "^Novak^Nina"
    assert field(sent, "TXA-10") == "^Radic^Rita"
    assert field(sent, "OBR-32") == "&Radic&Rita"
    assert field(sent, "OBR-33") == "&Novak&Nina"


def test_no_two_documents_have_one_number() -> None:
    others = {document_number(f"0193a1b2-0000-7000-8000-0000000000{n:02x}", 1) for n in range(99)}

    assert len(others) == 99
    assert document_number(REPORT, 1) != document_number(REPORT, 2)

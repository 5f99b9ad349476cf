"""The conformance statement says what the tables say, and its copy is current."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from worklist.attributes import WORKLIST, Matching
from worklist.charset import SINGLE
from worklist.conformance import statement
from worklist.conformance_worklist import MATCHING, REQUIRED
from worklist.device_settings import NAMES
from worklist.elements import tag_path
from worklist.mpps_attributes import PERFORMED
from worklist.registry import Profile
from worklist.rules import DEVIATIONS
from worklist.sop_classes import SOP_CLASSES, TRANSFER_SYNTAXES


def test_the_copy_in_the_documentation_is_current(golden: Callable[[str, str], None]) -> None:
    golden("docs/reference/dicom-conformance.md", statement())


# PS3.2 Annex N: the chapters, and the parts of those that are about services.
TEMPLATE = """
1 Overview
1.1 Content and transfer
1.2 DIMSE services
1.3 DICOM web services
1.4 Media services
1.5 Real-Time Video services
1.6 De-identification profiles
1.7 Specific Character Sets
2 Table of contents
3 Introduction
4 Implementation model
5 Service and interoperability description
5.1 Mapping of services to Application Entities
5.2 DIMSE services
5.2.1 Basic Worklist Management service
5.2.2 Modality Performed Procedure Step service
5.2.3 Unified Worklist and Procedure Step service
5.2.4 Instance Availability Notification service
5.2.5 Storage service
5.2.6 Storage Commitment service
5.2.7 Query/Retrieve service
5.2.8 Print Management service
5.3 DICOM web services
5.3.1 URI web service
5.3.2 Studies web service
5.3.3 Worklist web service
5.3.4 Non-patient instance web service
5.3.5 Notification web service
5.3.6 Storage Commitment web service
5.3.7 Modality Scheduled Procedure Step web service
5.3.8 Modality Performed Procedure Step web service
5.4 Media services
5.5 Real-Time Video services
5.6 Cross-service considerations
5.7 Specific Character Sets
6 Configuration
6.6 Configuration of audit trail
7 Network and media communication details
7.1 General
7.2 Specifications
7.3 Status codes
8 Security
8.4 DICOM security profiles
8.5 User identity negotiation
9 Annex A: Information Object Definitions
10 Annex B: Structured Report content encoding
11 Annex C: Security details
11.2.2 Audit messages
12 Annex D: Mapping of attributes
13 Annex E: Code set usage
"""


def headings() -> list[str]:
    return [line.lstrip("#").strip() for line in statement().splitlines() if line.startswith("##")]


def test_the_chapters_are_those_of_the_template_in_its_order() -> None:
    wanted = TEMPLATE.split("\n")[1:-1]

    assert [one for one in headings() if one in wanted] == wanted


def test_every_heading_has_a_number_of_its_own_behind_the_one_before() -> None:
    numbers = [[int(part) for part in one.split()[0].split(".")] for one in headings()]

    assert numbers == sorted(numbers)
    assert len({tuple(number) for number in numbers}) == len(numbers)


def test_the_table_of_contents_leads_to_headings_that_are_there() -> None:
    text = statement()
    listed = [line.split("[")[1].split("]")[0] for line in text.splitlines() if "](#" in line]

    assert listed == [one for one in headings() if one.split()[0].count(".") < 2]


def test_every_worklist_attribute_has_its_row() -> None:
    text = statement()

    for row in WORKLIST:
        said = f"| {row.return_type} | {MATCHING[row.matching]} |"
        head = f"{row.keyword} | {tag_path(row.tag)} | {row.vr} |"
        assert [one for one in text.splitlines() if head in one and said in one]


def test_every_kind_of_matching_has_its_word() -> None:
    words = {word for said in MATCHING.values() for word in said.split(", ")}

    assert set(MATCHING) == set(Matching)
    assert words == {"SINGLE_VALUE", "UID", "WILDCARD", "RANGE", "SEQUENCE", "UNIVERSAL"}


def test_the_required_keys_of_the_standard_are_matched_and_said_to_be() -> None:
    rows = [row for row in statement().splitlines() if "| R |" in row]

    assert len(rows) == len(REQUIRED)
    assert not [row for row in rows if row.split("|")[6].strip() == "UNIVERSAL"]


def test_every_deviation_that_is_noted_is_told() -> None:
    text = statement()

    assert [kind for kind in DEVIATIONS if f"| {kind} | " not in text] == []


def test_every_performed_attribute_has_its_row() -> None:
    text = statement()

    for row in PERFORMED:
        assert f"{row.keyword} | {tag_path(row.tag)} | {row.create} | {row.set} |" in text


@pytest.mark.parametrize(
    "word",
    [
        *(one.uid for one in SOP_CLASSES),
        *TRANSFER_SYNTAXES,
        *filter(None, SINGLE),
        "`RIS_DICOM__UNKNOWN_AE`",
        "A710",
    ],
)
def test_the_statement_names(word: str) -> None:
    assert word in statement()


def test_every_setting_of_a_device_is_documented() -> None:
    text = statement()

    for name in NAMES:
        assert f"\n| `{name}` | " in text
    assert Profile("X").known is False

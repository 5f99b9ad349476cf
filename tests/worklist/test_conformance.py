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
        assert f"| `{name}` | " in text
    assert Profile("X").known is False

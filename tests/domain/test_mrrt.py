"""MRRT files: what they become, how they come back, and why others are refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ris.domain.mrrt import Reading
from ris.domain.mrrt_reading import read
from ris.domain.mrrt_writing import write
from ris.domain.report_fields import Choice, Concept, Field, FieldKind, MergeSource
from ris.domain.report_templates import Term
from tests.domain.mrrt_defects import DEFECTS, FILES, defective

GOOD = sorted((FILES / "good").glob("*.html"))


@pytest.mark.parametrize("name", DEFECTS)
def test_defective_file_is_refused_with_the_line_of_its_fault(name: str) -> None:
    reading = read(defective(name))

    assert reading.content is None
    assert str(reading.faults[0]) == DEFECTS[name]["said"]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_template_goes_out_and_comes_back_as_it_was(path: Path) -> None:
    """Sections get the code that their place in the report has; all else stays."""
    first = read(path.read_bytes())
    assert first.content is not None

    again = read(_written(first))

    assert again.faults == ()
    assert again.content is not None
    assert again.content.fields == first.content.fields or _same_but_ids(
        first.content.fields, again.content.fields
    )
    assert [(p.section, p.title, p.text) for p in again.content.parts] == [
        (p.section, p.title, p.text) for p in first.content.parts
    ]
    assert again.content.terms == first.content.terms
    assert _written(again) == _written(first)


def _written(reading: Reading) -> bytes:
    assert reading.content is not None
    return write(
        reading.content,
        name=reading.name,
        language=reading.language,
        identifier="urn:uuid:1",
        on="2026-01-01",
    )


def _same_but_ids(first: tuple[Field, ...], again: tuple[Field, ...]) -> bool:
    return [(f.name, f.kind, f.choices, f.default, f.concept) for f in first] == [
        (f.name, f.kind, f.choices, f.default, f.concept) for f in again
    ]


def test_fields_ranges_and_codes_are_taken_over() -> None:
    content = read((FILES / "good" / "ct_liver.html").read_bytes()).content
    assert content is not None

    assert content.fields == (
        Field(
            name="Liver span",
            kind=FieldKind.NUMBER,
            required=True,
            unit="mm",
            minimum=Decimal(50),
            maximum=Decimal(250),
            concept=Concept(code="RID13432", scheme="RADLEX", meaning="Craniocaudal length"),
            identifier="F1",
        ),
        Field(
            name="Contour",
            kind=FieldKind.CHOICE,
            choices=(
                Choice(
                    text="smooth",
                    concept=Concept(code="RID5803", scheme="RADLEX", meaning="Smooth"),
                ),
                Choice(
                    text="nodular",
                    concept=Concept(code="RID5804", scheme="RADLEX", meaning="Nodular"),
                ),
            ),
            default="smooth",
            identifier="F2",
        ),
        Field(name="Summary", identifier="F3"),
    )
    assert content.terms[1] == Term(
        type="body part", concept=Concept(code="RID58", scheme="RADLEX", meaning="liver")
    )
    assert content.about["creator"] == "Muster, Erika"


def test_what_the_system_knows_is_filled_in_from_there() -> None:
    content = read((FILES / "good" / "chest_two_views.html").read_bytes()).content
    assert content is not None

    assert [(f.name, f.source) for f in content.fields if f.kind is FieldKind.MERGE] == [
        ("Reason for exam", MergeSource.INDICATION),
        ("Prior date", MergeSource.PRIOR_DATE),
    ]
    assert [part.section for part in content.parts] == [
        "technique",
        "indication",
        "comparison",
        "findings",
        "impression",
    ]


def test_codes_of_the_first_edition_are_read() -> None:
    reading = read((FILES / "good" / "us_abdomen_first_edition.html").read_bytes())
    assert reading.content is not None

    assert reading.modalities == ("US",)
    assert reading.content.fields[0].concept == Concept(
        code="RID58", scheme="RADLEX", meaning="Liver"
    )
    assert reading.content.parts[0].text == "Liver [Liver]\nSpleen [Spleen]"


def test_markup_becomes_text_and_what_is_left_out_is_said() -> None:
    reading = read((FILES / "good" / "free_text.html").read_bytes())
    assert reading.content is not None

    assert reading.content.parts[0].text == "Write as you like ; see (1) & <note>."
    assert [note.line for note in reading.notes] == [15, 16, 31]


def test_every_fault_is_named_at_once() -> None:
    payload = (FILES / "good" / "ct_liver.html").read_bytes()
    broken = payload.replace(b'min="50"', b'min="x"').replace(
        b'content="2026-02-14"', b'content=""'
    )

    assert [str(fault) for fault in read(broken).faults] == [
        "line 13: dcterms.date is missing",
        "line 50: Liver span: min is no number: x",
    ]


@pytest.mark.parametrize("payload", [b"", b"<", b"\xff\xfe", b"<html>" * 5000, b"a" * 1_000_001])
def test_anything_else_is_refused_without_an_accident(payload: bytes) -> None:
    reading = read(payload)

    assert reading.content is None
    assert reading.faults


def test_a_file_of_far_too_many_fields_is_refused_before_they_are_named() -> None:
    good = (FILES / "good" / "ct_liver.html").read_bytes()
    many = good.replace(b"</section>", b'<input title="Same name"/>' * 20_000 + b"</section>", 1)

    reading = read(many)

    assert reading.content is None
    assert "at most 200 can be asked" in str(reading.faults[0])

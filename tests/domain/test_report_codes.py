"""An answer whose words were changed comes back where its code counts again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ris.domain.report_codes import Answered, taken_again
from ris.domain.report_fields import Choice, Concept, Field, FieldKind

SMOOTH = Choice(text="smooth", concept=Concept(code="RID1", scheme="RADLEX", meaning="Smooth"))
CONTOUR = Field(name="Contour", kind=FieldKind.CHOICE, choices=(SMOOTH,))


@pytest.mark.parametrize(
    ("lead", "text", "after"),
    [
        ("Contour:", "", "Contour: smooth"),
        ("Contour:", "Contour is even.", "Contour is even.\nContour: smooth"),
        ("Contour:", "Contour: [Contour].", "Contour: smooth."),
        (".", "Span 12 cm. Even.", "Span 12 cm. Even.\nsmooth"),
        (".", "Span 12 cm. Even", "Span 12 cm. Even.\nsmooth"),
        ("", "Even.", "Even.\nsmooth"),
    ],
)
def test_an_answer_stands_again_where_it_was_taken_again(lead: str, text: str, after: str) -> None:
    gone = Answered(field=CONTOUR, section="findings", answer="smooth", lead=lead, text=text)

    sections = taken_again({"findings": text}, gone)

    assert sections == {"findings": after}
    assert (gone.stands, replace(gone, text=after).stands) == (False, True)

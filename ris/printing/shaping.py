"""Letters as a font's own rules draw them beside each other (OpenType GSUB and GPOS, by HarfBuzz).

What comes out are glyphs with their places, and most glyphs have no character of their own. PDF
fonts are embedded here by character, so each glyph of such a font is given one of the private use
area: always the same one, so that the same text makes the same document.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import uharfbuzz
from reportlab.pdfbase import pdfmetrics

_PRIVATE = 0xE000
_MOST = 0xF8FF - _PRIVATE
_FEATURES = {"kern": True, "liga": True}


@dataclass(frozen=True, slots=True)
class Glyph:
    """What is drawn, and where: in thousandths of the size, from where the last one ended."""

    char: str
    x: float
    y: float
    advance: float


@lru_cache(maxsize=4096)
def glyphs(font: str, text: str) -> tuple[Glyph, ...]:
    """The glyphs of ``text``, which is of one script that ``font`` has."""
    drawn, scale = _font(font)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    uharfbuzz.shape(drawn, buffer, _FEATURES)
    return tuple(
        Glyph(
            chr(_PRIVATE + info.codepoint),
            place.x_offset * scale,
            place.y_offset * scale,
            place.x_advance * scale,
        )
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    )


def width(font: str, text: str) -> float:
    """The width at size 1."""
    return sum(glyph.advance for glyph in glyphs(font, text)) / 1000


@cache
def _font(name: str) -> tuple[Any, float]:
    """A registered font as HarfBuzz has it, and a unit of its in thousandths of the size."""
    known = pdfmetrics.getFont(name)
    face = uharfbuzz.Face(uharfbuzz.Blob(known.face._ttf_data))
    drawn = uharfbuzz.Font(face)
    scale = 1000 / face.upem
    if face.glyph_count > _MOST:
        raise ValueError(f"{name} has more glyphs than there are private characters")
    for glyph in range(face.glyph_count):
        known.face.charToGlyph[_PRIVATE + glyph] = glyph
        known.face.charWidths[_PRIVATE + glyph] = drawn.get_glyph_h_advance(glyph) * scale
    return drawn, scale

"""The fonts of printed pages, and which of them draws which character.

All lie in a folder beside this file and are embedded, only with the characters that are used:
DejaVu Sans has Latin, Greek, Cyrillic, Hebrew, Arabic and more, M PLUS 1p the kana and kanji of
Japanese, Droid Sans Fallback what else Chinese and Korean are written with, and a Noto Sans each of
the scripts that are shaped (Devanagari, Tamil, Thai, Khmer). A character that none of them has (an
emoji of last year) is never left out and never a box: its code point stands there in brackets, and
the page says below which that is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from ris.printing import scripts, shaping

FOLDER = Path(__file__).parent / "vendor"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
JAPANESE, FALLBACK = "MPLUS1p-Regular", "DroidSansFallback"
SHAPED = {script: f"NotoSans{script}-Regular" for script in scripts.COMPLEX}
_SHAPING = frozenset(SHAPED.values())
# Written in several scripts of India, and kept with the letters before.
_SHARED = frozenset("\u0964\u0965")

# Registered fonts are shared by all documents of the process, and count what each of them used.
DRAWING = Lock()


@cache
def _known() -> tuple[tuple[str, frozenset[int]], ...]:
    """The fonts that are always at hand with their characters, the first that has one draws it."""
    for name in (REGULAR, BOLD, JAPANESE):
        _register(name)
    return tuple((name, _characters(name)) for name in (REGULAR, JAPANESE))


@cache
def _heavy() -> frozenset[int]:
    """Those that are there in bold; of the rest the plain form is drawn."""
    _known()
    return _characters(BOLD)


@cache
def _further() -> frozenset[int]:
    """Those of the fallback, which few documents need: it is read for the first that does."""
    _register(FALLBACK)
    return _characters(FALLBACK)


@cache
def _of_script(name: str) -> frozenset[int]:
    """Those of a font that is shaped; it is read for the first text of its script."""
    _register(name)
    return _characters(name)


def _register(name: str) -> None:
    pdfmetrics.registerFont(TTFont(name, str(FOLDER / f"{name}.ttf")))


def _characters(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


def stand_in(each: str) -> str:
    """What stands for a character that no font has."""
    return f"[U+{ord(each):04X}]"


def missing(texts: Iterable[str]) -> dict[str, str]:
    """The characters of ``texts`` that no font has, each with its name."""
    found = {
        each
        for text in texts
        for each in scripts.clean(text)
        if each not in scripts.JOINERS and _font(each) is None
    }
    return {each: unicodedata.name(each, "a character without a name") for each in sorted(found)}


def runs(text: str, *, bold: bool = False) -> list[tuple[str, str]]:
    """``text`` as (font, part): what one font draws after the other."""
    found: list[tuple[str, str]] = []
    for each in text:
        if found and _stays(each, found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1] + each)
            continue
        if each in scripts.JOINERS:
            continue  # behind a letter that is not shaped there is nothing to join
        font, shown = _choice(each, bold)
        if found and found[-1][0] == font:
            found[-1] = (font, found[-1][1] + shown)
        else:
            found.append((font, shown))
    return found


def _stays(each: str, font: str) -> bool:
    """Whether a character is drawn together with the shaped letters before it."""
    if font not in _SHAPING:
        return False
    bound = each in scripts.JOINERS or each in _SHARED or unicodedata.category(each)[0] == "M"
    return bound and ord(each) in _of_script(font)


def _font(each: str) -> str | None:
    point = ord(each)
    shaped = SHAPED.get(scripts.complex_script(each))
    if shaped is not None and point in _of_script(shaped):
        return shaped
    for name, characters in _known():
        if point in characters:
            return name
    return FALLBACK if point in _further() else None


def _choice(each: str, bold: bool) -> tuple[str, str]:
    font = _font(each)
    if font is None:
        return (BOLD if bold else REGULAR), stand_in(each)
    if font == REGULAR and bold and ord(each) in _heavy():
        return BOLD, each
    return font, each


def width(text: str, size: float, *, bold: bool = False) -> float:
    if text and max(text) < scripts.FIRST_COMPLEX:
        return size * sum(_advance(each, bold) for each in text)
    return size * sum(
        shaping.width(font, part)
        if font in _SHAPING
        else sum(_advance(each, bold) for each in part)
        for font, part in runs(text, bold=bold)
    )


@lru_cache(maxsize=16_384)
def _advance(each: str, bold: bool) -> float:
    """The width of a character at size 1; no font here moves letters closer to each other."""
    font, shown = _choice(each, bold)
    return float(pdfmetrics.stringWidth(shown, font, 1))


# --- drawing


def draw(canvas: Canvas, x: float, y: float, text: str, size: float, *, bold: bool = False) -> None:
    """One line, in visual order, from ``x`` on."""
    for font, part in runs(text, bold=bold):
        canvas.setFont(font, size)
        if font in _SHAPING:
            x = _draw_shaped(canvas, x, y, font, part, size)
        else:
            canvas.drawString(x, y, part)
            x += canvas.stringWidth(part, font, size)


def _draw_shaped(canvas: Canvas, x: float, y: float, font: str, text: str, size: float) -> float:
    """Glyph by glyph, each at its place; what they say is told beside them (ISO 32000-1 14.9.4),
    for whoever searches, copies or listens. Where the next one begins."""
    said = f"\ufeff{text}".encode("utf-16-be").hex()
    canvas._code.append(f"/Span << /ActualText <{said}> >> BDC")
    for glyph in shaping.glyphs(font, text):
        canvas.drawString(x + glyph.x * size / 1000, y + glyph.y * size / 1000, glyph.char)
        x += glyph.advance * size / 1000
    canvas._code.append("EMC")
    return x

"""The fonts of printed pages, and which of them draws which character.

All lie in a folder beside this file and are embedded, only with the characters that are used:
DejaVu Sans has Latin, Greek, Cyrillic, Hebrew, Arabic and more, M PLUS 1p the kana and kanji of
Japanese, Noto Sans Thai those of Thai, Droid Sans Fallback what else Chinese and Korean are written
with. A character that none of them has (Devanagari, an emoji of last year) is never left out and
never a box: its code point stands there in brackets, and the page says below which that is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from ris.printing import scripts

FOLDER = Path(__file__).parent / "vendor"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
JAPANESE, THAI, FALLBACK = "MPLUS1p-Regular", "NotoSansThai-Regular", "DroidSansFallback"

# Registered fonts are shared by all documents of the process, and count what each of them used.
DRAWING = Lock()


@cache
def _known() -> tuple[tuple[str, frozenset[int]], ...]:
    """The fonts that are always at hand with their characters, the first that has one draws it."""
    for name in (REGULAR, BOLD, JAPANESE, THAI):
        _register(name)
    return tuple((name, _characters(name)) for name in (REGULAR, JAPANESE, THAI))


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


def _register(name: str) -> None:
    pdfmetrics.registerFont(TTFont(name, str(FOLDER / f"{name}.ttf")))


def _characters(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


def stand_in(each: str) -> str:
    """What stands for a character that no font has."""
    return f"[U+{ord(each):04X}]"


def missing(texts: Iterable[str]) -> dict[str, str]:
    """The characters of ``texts`` that no font has, each with its name."""
    found = {each for text in texts for each in scripts.clean(text) if _font(each) is None}
    return {each: unicodedata.name(each, "a character without a name") for each in sorted(found)}


def runs(text: str, *, bold: bool = False) -> list[tuple[str, str]]:
    """``text`` as (font, part): what one font draws after the other."""
    found: list[tuple[str, str]] = []
    for each in text:
        font, shown = _choice(each, bold)
        if found and found[-1][0] == font:
            found[-1] = (font, found[-1][1] + shown)
        else:
            found.append((font, shown))
    return found


def _font(each: str) -> str | None:
    point = ord(each)
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
    return size * sum(_advance(each, bold) for each in text)


@lru_cache(maxsize=16_384)
def _advance(each: str, bold: bool) -> float:
    """The width of a character at size 1; no font here moves letters closer to each other."""
    font, shown = _choice(each, bold)
    return float(pdfmetrics.stringWidth(shown, font, 1))

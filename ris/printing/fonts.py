"""The fonts of printed pages, and which of them draws which character.

DejaVu Sans lies in a folder beside this file and is embedded, only with the characters that are
used: Latin, Greek, Cyrillic, Hebrew, Arabic and more. M PLUS 1p beside it has the kana and kanji of
Japanese. What neither has of Korean and Chinese is set in the Asian fonts that PDF readers bring
(ISO 32000-1 9.7.5.2, predefined CMaps), which are named and not embedded: they are ten times as
large.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from ris.printing import scripts

FOLDER = Path(__file__).parent / "vendor"
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
JAPANESE, KOREAN, CHINESE = "MPLUS1p-Regular", "HYSMyeongJo-Medium", "STSong-Light"
UNKNOWN = "\ufffd"

# Registered fonts are shared by all documents of the process, and count what each of them used.
DRAWING = Lock()


@cache
def _known() -> tuple[frozenset[int], frozenset[int]]:
    """The characters of the two embedded families."""
    for name in (REGULAR, BOLD, JAPANESE):
        pdfmetrics.registerFont(TTFont(name, str(FOLDER / f"{name}.ttf")))
    for name in (KOREAN, CHINESE):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return _characters(REGULAR), _characters(JAPANESE)


def _characters(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


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


def _choice(each: str, bold: bool) -> tuple[str, str]:
    own, japanese = _known()
    point = ord(each)
    if point in own:
        return (BOLD if bold else REGULAR), each
    if point in japanese:
        return JAPANESE, each
    if scripts.is_cjk(each) and point <= 0xFFFF:
        return (KOREAN if scripts.is_hangul(each) else CHINESE), each
    return (BOLD if bold else REGULAR), UNKNOWN


def width(text: str, size: float, *, bold: bool = False) -> float:
    return size * sum(_advance(each, bold) for each in text)


@lru_cache(maxsize=16_384)
def _advance(each: str, bold: bool) -> float:
    """The width of a character at size 1; no font here moves letters closer to each other."""
    font, shown = _choice(each, bold)
    return float(pdfmetrics.stringWidth(shown, font, 1))

"""Labels and wristbands: who it is in words, Code 128 and QR; nothing on them is ever cut.

A text that is too long is set smaller, then on more lines. What says what is done may be left out
where there is no room for it; what says who it is may not: then the label is refused, and a larger
one has to be chosen. The QR code says ``RIS:<accession number>:<patient number>``
(ris.domain.arrivals). Code 128 is ISO/IEC 15417, QR ISO/IEC 18004; both keep their quiet zones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.code128 import Code128
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from ris.domain.arrivals import QR_PREFIX, LabelSize
from ris.domain.errors import InvalidValueError
from ris.printing import fonts, scripts

LEADING = 1.16
SMALLEST = 5.0  # points; smaller is not read at arm's length
NARROWEST = 0.17 * mm  # of a bar, for a 300 dpi printer and a hand scanner
WIDEST = 0.33 * mm
QUIET = 10  # modules on each side (ISO/IEC 15417 4.3.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is printed; all in the words and numbers people read."""

    name: str
    birth_date: str
    sex: str
    number: str  # the patient's
    accession: str = ""
    exam: str = ""
    at: str = ""  # when and where
    ticket: str = ""  # the number in the waiting room
    alert: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One label in points, and how many of them lie on a page."""

    width: float
    height: float
    columns: int = 0  # 0: a page for each label
    rows: int = 0
    left: float = 0
    top: float = 0

    @property
    def on_a_page(self) -> int:
        return max(self.columns * self.rows, 1)


FORMS: dict[LabelSize, Form] = {
    LabelSize.SMALL: Form(50 * mm, 25 * mm),
    LabelSize.MEDIUM: Form(62 * mm, 29 * mm),
    LabelSize.LARGE: Form(89 * mm, 36 * mm),
    LabelSize.WIDE: Form(102 * mm, 51 * mm),
    LabelSize.A4_24: Form(70 * mm, 37 * mm, 3, 8, 0, 0.5 * mm),
    LabelSize.A4_40: Form(52.5 * mm, 29.7 * mm, 4, 10, 0, 0),
}
WRISTBAND = Form(250 * mm, 25 * mm)
_BAND = (60 * mm, 130 * mm)  # where a wristband's text begins, and how wide it may be


def qr_text(label: Label) -> str:
    return f"{QR_PREFIX}:{label.accession}:{label.number}"


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of the label; ``needed`` says who it is."""

    text: str
    size: float
    bold: bool = False
    needed: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    text: str  # in visual order
    size: float
    bold: bool
    width: float
    backwards: bool


def print_labels(
    labels: Sequence[Label], size: LabelSize, stream: IO[bytes], *, copies: int = 1, first: int = 1
) -> None:
    """Write the labels, each ``copies`` times; on a sheet beginning at place ``first``.

    Raises InvalidValueError, with what to do about it, if who it is does not fit.
    """
    form = FORMS[size]
    wanted = [label for label in labels for _ in range(copies)]
    place = min(max(first, 1), form.on_a_page) - 1 if form.columns else 0
    with fonts.DRAWING:
        sheet = A4 if form.columns else (form.width, form.height)
        canvas = _canvas(sheet, "Labels")
        for number, label in enumerate(wanted, start=place):
            x, y = 0.0, 0.0
            if form.columns:
                cell = number % form.on_a_page
                if number > place and cell == 0:
                    canvas.showPage()
                x = form.left + (cell % form.columns) * form.width
                y = A4[1] - form.top - (cell // form.columns + 1) * form.height
            elif number:
                canvas.showPage()
            _label(canvas, label, x, y, form.width, form.height)
        canvas.showPage()
        stream.write(canvas.getpdfdata())


def print_wristband(label: Label, stream: IO[bytes]) -> None:
    """Who somebody is, to be worn: name, birth date, sex, number; nothing of the exam."""
    with fonts.DRAWING:
        canvas = _canvas((WRISTBAND.width, WRISTBAND.height), "Wristband")
        _band(canvas, label)
        canvas.showPage()
        stream.write(canvas.getpdfdata())


def _canvas(size: tuple[float, float], title: str) -> Canvas:
    canvas = Canvas("", pagesize=size, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(title)
    canvas.setCreator("RIS")
    return canvas


def _label(canvas: Canvas, label: Label, x: float, y: float, width: float, height: float) -> None:
    margin = 2 * mm
    inner, high = width - 2 * margin, height - 2 * margin
    bars = [number for number in (label.accession, label.number) if _has_bars(number)]
    tall = min(max(high * 0.17, 4 * mm), 8 * mm)
    # Side by side where there is room for both, else one over the other.
    rows = _rows(bars, inner)
    below = len(rows) * (tall + 1.2 * mm)
    square = min(high - below, inner * 0.34, 24 * mm)
    texts = _texts(label)
    lines = _fit(texts, inner - square - 1.5 * mm, high - below)
    _draw_lines(canvas, lines, x + margin, y + height - margin, inner - square - 1.5 * mm)
    _draw_qr(
        canvas, qr_text(label), x + width - margin - square, y + height - margin - square, square
    )
    bottom = y + margin
    for row in reversed(rows):
        share = inner / len(row)
        for position, value in enumerate(row):
            _draw_bars(canvas, value, x + margin + position * share, bottom, share, tall)
        bottom += tall + 1.2 * mm


def _band(canvas: Canvas, label: Label) -> None:
    left, inner = _BAND
    margin = 2.5 * mm
    high = WRISTBAND.height - 2 * margin
    has_bars = _has_bars(label.number)
    wide = inner * 0.34 if has_bars else 0.0
    texts = [
        _Text(label.name, 15, bold=True, needed=True),
        _Text(_born(label), 11, needed=True),
        _Text(f"MRN {label.number}", 11, bold=True, needed=True),
        *([_Text(label.alert, 9, bold=True)] if label.alert else []),
    ]
    lines = _fit(texts, inner - high - wide - 4 * mm, high)
    _draw_qr(canvas, qr_text(label), left, margin, high)
    _draw_lines(canvas, lines, left + high + 2 * mm, margin + high, inner - high - wide - 4 * mm)
    if has_bars:
        _require_bars(label.number, wide)
        _draw_bars(canvas, label.number, left + inner - wide, margin + 4 * mm, wide, high - 8 * mm)


def _born(label: Label) -> str:
    return "  ".join(part for part in (f"* {label.birth_date or '?'}", label.sex) if part)


def _texts(label: Label) -> list[_Text]:
    """In the order of reading; what is needed is never left out."""
    numbers = f"MRN {label.number}"
    return [
        text
        for text in (
            _Text(label.name, 10, bold=True, needed=True),
            _Text(_born(label), 8, needed=True),
            _Text(numbers, 8, needed=True),
            _Text(f"Acc {label.accession}" if label.accession else "", 8, needed=True),
            _Text(label.alert, 8, bold=True),
            _Text(label.exam, 8),
            _Text(label.at, 7.5),
            _Text(f"No. {label.ticket}" if label.ticket else "", 12, bold=True),
        )
        if text.text
    ]


# --- fitting


def _fit(texts: Sequence[_Text], width: float, height: float) -> list[_Line]:
    """The lines, as large as they fit; what is not needed is left out whole, from the end."""
    needed = [text for text in texts if text.needed]
    spare = [text for text in texts if not text.needed]
    for count in range(len(spare), -1, -1):
        kept = [text for text in texts if text.needed or text in spare[:count]]
        if lines := _largest(kept, width, height, anywhere=False):
            return lines
    # A name that is one word too long goes over the end of the line rather than unprinted.
    if lines := _largest(needed, width, height, anywhere=True):
        return lines
    raise InvalidValueError(
        "the name and numbers do not fit on this label: choose a larger one", path="size"
    )


def _largest(
    texts: Sequence[_Text], width: float, height: float, *, anywhere: bool
) -> list[_Line] | None:
    for percent in range(100, 40, -4):
        lines = _lines(texts, width, percent / 100, anywhere=anywhere)
        if lines is not None and sum(line.size * LEADING for line in lines) <= height:
            return lines
    return None


def _lines(
    texts: Sequence[_Text], width: float, scale: float, *, anywhere: bool
) -> list[_Line] | None:
    """All texts at a scale, wrapped at words; None if a word alone is wider than the label."""
    found: list[_Line] = []
    for text in texts:
        size = max(text.size * scale, SMALLEST)
        backwards = scripts.is_right_to_left(text.text)
        parts = _wrap(text, size, width, anywhere=anywhere and text.bold)
        if not parts:
            return None
        for part in parts:
            shown = scripts.visual(part.rstrip(), right_to_left=backwards)
            wide = fonts.width(shown, size, bold=text.bold)
            found.append(_Line(shown, size, text.bold, wide, backwards))
    return found


def _wrap(text: _Text, size: float, width: float, *, anywhere: bool) -> list[str]:
    """Lines of whole words, and of the parts of double names; none at all if one does not fit."""
    found, current = [], ""
    for word in scripts.words(scripts.join(scripts.clean(text.text))):
        for part in re.findall(r"[^-]*-?\s*", word):
            pieces = (
                scripts.clusters(part)
                if anywhere and _too_wide(part, text, size, width)
                else [part]
            )
            for piece in filter(None, pieces):
                if _too_wide(piece, text, size, width):
                    return []
                if current and _too_wide(current + piece, text, size, width):
                    found.append(current)
                    current = ""
                current += piece
    return [*found, current]


def _too_wide(shown: str, text: _Text, size: float, width: float) -> bool:
    return fonts.width(shown.rstrip(), size, bold=text.bold) > width


# --- drawing


def _draw_lines(canvas: Canvas, lines: Sequence[_Line], x: float, top: float, width: float) -> None:
    y = top
    canvas.setFillGray(0)
    for line in lines:
        y -= line.size * LEADING
        at = x + width - line.width if line.backwards else x
        fonts.draw(canvas, at, y + line.size * 0.2, line.text, line.size, bold=line.bold)


def _draw_qr(canvas: Canvas, text: str, x: float, y: float, side: float) -> None:
    widget = QrCodeWidget(text, barLevel="M", barBorder=2)
    left, bottom, right, top = widget.getBounds()
    drawing = Drawing(
        side, side, transform=[side / (right - left), 0, 0, side / (top - bottom), 0, 0]
    )
    drawing.add(widget)
    renderPDF.draw(drawing, canvas, x, y)


def _has_bars(value: str) -> bool:
    """Code 128 has ASCII only; other numbers stand in the QR code and in words."""
    return bool(value) and value.isascii() and value.isprintable()


def _modules(value: str) -> float:
    """How many bar widths a value takes, quiet zones included."""
    return float(Code128(value, barWidth=1, quiet=0).width) + 2 * QUIET


def _module(value: str, width: float) -> float:
    widest: float = WIDEST
    return min(width / _modules(value), widest)


def _require_bars(value: str, width: float) -> None:
    if _module(value, width) < NARROWEST:
        raise InvalidValueError(
            f"the barcode of {value} does not fit on this label: choose a larger one", path="size"
        )


def _rows(values: Sequence[str], width: float) -> list[list[str]]:
    if len(values) == 2 and all(_module(value, width / 2) >= NARROWEST * 1.2 for value in values):
        return [list(values)]
    for value in values:
        _require_bars(value, width)
    return [[value] for value in values]


def _draw_bars(canvas: Canvas, value: str, x: float, y: float, width: float, height: float) -> None:
    module = _module(value, width)
    bars = Code128(value, barWidth=module, barHeight=height, quiet=0, humanReadable=False)
    bars.drawOn(canvas, x + QUIET * module, y)

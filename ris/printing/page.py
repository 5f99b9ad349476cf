"""A sheet laid out on A4 pages and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ris.printing import fonts, scripts
from ris.printing.report import Sheet

WIDTH, HEIGHT = A4
MARGIN = 56.0
RIGHT = WIDTH - MARGIN
WIDE = RIGHT - MARGIN
BOTTOM = 64.0
TOP = HEIGHT - MARGIN
TEXT, SMALL, HEADING, TITLE, LETTERHEAD = 10.0, 8.0, 11.0, 14.0, 15.0
LEADING = 1.4
LABEL = 92.0  # width of a label column
GRAY = 0.35
LOGO_WIDTH, LOGO_HEIGHT = 150.0, 60.0
MARK, MARK_GRAY = 72.0, 0.9
FOOT_LINES = 2  # of the institution, below every page
# So many characters that cannot be printed are named; whoever meets more has another problem.
NAMED = 12

Ink = tuple[float, float, str, float, bool, float]  # x, y, text in visual order, size, bold, gray


@dataclass(slots=True)
class _Layout:
    """Pages being filled from the top."""

    sheet: Sheet
    pages: list[list[Ink]] = field(default_factory=lambda: [[]])
    rules: list[list[tuple[float, float]]] = field(default_factory=lambda: [[]])
    y: float = TOP

    def feed(self) -> None:
        self.pages.append([])
        self.rules.append([])
        self.y = TOP
        # A number of which a part stands here only would be another's.
        for place, line in enumerate(self.lines(self.sheet.running, SMALL, WIDE, bold=False)):
            self.y -= SMALL * LEADING if place else 0
            self.ink(MARGIN, _visual(line), SMALL, False, GRAY)
        self.y -= SMALL * 0.8
        self.rule()
        self.y -= TEXT

    def room(self, height: float) -> None:
        """Begin a new page unless there is this much room."""
        if self.y - height < BOTTOM:
            self.feed()

    def put(self, x: float, text: str, size: float, *, bold: bool = False, gray: float = 0) -> None:
        """One line at the present height, as it is read."""
        shown = scripts.join(scripts.clean(text))
        self.ink(x, scripts.visual(shown, right_to_left=False), size, bold, gray)

    def ink(self, x: float, shown: str, size: float, bold: bool, gray: float) -> None:
        self.pages[-1].append((x, self.y, shown, size, bold, gray))

    def rule(self) -> None:
        self.rules[-1].append((self.y, GRAY))

    def lines(self, text: str, size: float, width: float, *, bold: bool) -> list[str]:
        """A paragraph as lines that fit, still in the order of reading."""
        found: list[str] = []
        current = ""
        used = 0.0  # of the line, by the words that are in it
        for word in scripts.words(scripts.join(scripts.clean(text))):
            more = fonts.width(word, size, bold=bold)
            bare = fonts.width(word.rstrip(), size, bold=bold)
            if used + bare <= width:
                current += word
                used += more
                continue
            if current:
                found.append(current)
            current = ""
            for each in self.fitting(word, size, width, bold=bold):
                if current:
                    found.append(current)
                current = each
            used = fonts.width(current, size, bold=bold)
        return [*found, current]

    def fitting(self, word: str, size: float, width: float, *, bold: bool) -> list[str]:
        """A word; one that is wider than the line, in pieces."""
        if fonts.width(word.rstrip(), size, bold=bold) <= width:
            return [word]
        found, current = [], ""
        for each in scripts.clusters(word):
            if current and fonts.width(current + each, size, bold=bold) > width:
                found.append(current)
                current = ""
            current += each
        return [*found, current]

    def paragraph(
        self,
        text: str,
        size: float = TEXT,
        *,
        left: float = MARGIN,
        right: float = RIGHT,
        bold: bool = False,
        gray: float = 0,
    ) -> None:
        """A paragraph in its own direction, over as many lines and pages as it takes."""
        backwards = scripts.is_right_to_left(text)
        for line in self.lines(text, size, right - left, bold=bold):
            self.room(size * LEADING)
            self.y -= size * LEADING
            shown = scripts.visual(line.rstrip(), right_to_left=backwards)
            x = right - fonts.width(shown, size, bold=bold) if backwards else left
            self.ink(x, shown, size, bold, gray)

    def table(self, pairs: Sequence[tuple[str, str]], left: float, right: float) -> None:
        for label, value in pairs:
            start = self.y
            self.y -= TEXT * LEADING
            self.put(left, label, SMALL, gray=GRAY)
            self.y = start
            self.paragraph(value, left=left + LABEL, right=right)


def draw(sheet: Sheet, stream: IO[bytes]) -> None:
    """Write the document; the same sheet gives the same bytes."""
    draw_all([sheet], stream, title=f"Report {sheet.title}", subject="Radiology report")


def draw_all(sheets: Sequence[Sheet], stream: IO[bytes], *, title: str, subject: str) -> None:
    """Write sheets one after the other, each with page numbers of its own."""
    with fonts.DRAWING:
        canvas = Canvas("", pagesize=A4, invariant=1, pageCompression=1, lang="en")
        canvas.setTitle(scripts.clean(title))
        canvas.setAuthor(scripts.clean(sheets[0].institution if sheets else ""))
        canvas.setCreator("RIS")
        canvas.setSubject(subject)
        for sheet in sheets:
            _draw(canvas, sheet)
        stream.write(canvas.getpdfdata())


def _draw(canvas: Canvas, sheet: Sheet) -> None:
    layout = _lay_out(sheet)
    total = len(layout.pages)
    for number, (inks, rules) in enumerate(zip(layout.pages, layout.rules, strict=True), start=1):
        if sheet.mark:
            _mark(canvas, sheet.mark)
        if sheet.logo and number == 1:
            _logo(canvas, sheet.logo)
        for x, y, text, size, bold, gray in inks:
            _write(canvas, x, y, text, size, bold, gray)
        for y, gray in rules:
            canvas.setStrokeGray(gray)
            canvas.setLineWidth(0.6)
            canvas.line(MARGIN, y, RIGHT, y)
        _foot(canvas, sheet, f"Page {number} of {total}")
        canvas.showPage()


def _lay_out(sheet: Sheet) -> _Layout:
    layout = _Layout(sheet)
    _head(layout, sheet)
    layout.y -= TEXT * 0.8
    layout.rule()
    layout.y -= TEXT * 0.4
    middle = (MARGIN + RIGHT) / 2
    start = layout.y
    layout.table(sheet.patient, MARGIN, middle - 10)
    left_end = layout.y
    layout.y = start
    layout.table(sheet.exam, middle + 10, RIGHT)
    layout.y = min(left_end, layout.y) - TEXT
    layout.rule()
    layout.y -= TEXT * 0.6
    layout.paragraph(sheet.title, TITLE, bold=True)
    if sheet.notice:
        layout.y -= TEXT * 0.3
        layout.paragraph(sheet.notice, HEADING, bold=True)
    for heading, text in sheet.sections:
        layout.room(HEADING * LEADING + 2 * TEXT * LEADING + TEXT)
        layout.y -= TEXT * 0.9
        layout.paragraph(heading, HEADING, bold=True)
        layout.y -= TEXT * 0.1
        for line in text.splitlines():
            if line.strip():
                layout.paragraph(line)
            else:
                layout.y -= TEXT * 0.6
    layout.room((len(sheet.signature) + 2) * TEXT * LEADING)
    layout.y -= TEXT * 1.6
    for position, line in enumerate(sheet.signature):
        layout.paragraph(line, bold=position == 0)
    _name_missing(layout, sheet)
    return layout


def _head(layout: _Layout, sheet: Sheet) -> None:
    """The letterhead: who it is, the logo at its right."""
    width, height = _logo_size(sheet.logo)
    right = RIGHT - width - TEXT if width else RIGHT
    layout.paragraph(sheet.institution, LETTERHEAD, right=right, bold=True)
    if sheet.department:
        layout.paragraph(sheet.department, HEADING, right=right)
    for line in (*sheet.address.splitlines(), sheet.contact):
        if line:
            layout.paragraph(line, SMALL, right=right, gray=GRAY)
    layout.y = min(layout.y, TOP - height)


def _logo_size(logo: bytes) -> tuple[float, float]:
    if not logo:
        return 0.0, 0.0
    width, height = ImageReader(BytesIO(logo)).getSize()
    scale = min(LOGO_WIDTH / width, LOGO_HEIGHT / height)
    return width * scale, height * scale


def _name_missing(layout: _Layout, sheet: Sheet) -> None:
    """Which characters stand in brackets, so that no box or gap is taken for what was written."""
    said = fonts.missing(_texts(sheet))
    if not said:
        return
    names = [f"{fonts.stand_in(each)} {name}" for each, name in said.items()][:NAMED]
    more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
    layout.room(4 * TEXT * LEADING)
    layout.y -= TEXT * 0.8
    layout.paragraph("This paper cannot show every character of the report.", bold=True)
    layout.paragraph(f"In brackets stand: {'; '.join(names)}{more}. The report itself has them.")


def _texts(sheet: Sheet) -> list[str]:
    pairs = (*sheet.patient, *sheet.exam, *sheet.sections)
    return [
        sheet.institution,
        sheet.department,
        sheet.address,
        sheet.contact,
        sheet.foot,
        sheet.title,
        sheet.notice,
        *(text for pair in pairs for text in pair),
        *sheet.signature,
    ]


def _logo(canvas: Canvas, logo: bytes) -> None:
    width, height = _logo_size(logo)
    canvas.drawImage(
        ImageReader(BytesIO(logo)), RIGHT - width, TOP - height, width, height, mask="auto"
    )


def _mark(canvas: Canvas, words: str) -> None:
    """Words across the page, below what is written and too light to disturb it."""
    canvas.saveState()
    canvas.translate(WIDTH / 2, HEIGHT / 2)
    canvas.rotate(52)
    _write(canvas, -fonts.width(words, MARK, bold=True) / 2, 0, words, MARK, True, MARK_GRAY)
    canvas.restoreState()


def _foot(canvas: Canvas, sheet: Sheet, page: str) -> None:
    canvas.setStrokeGray(GRAY)
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN, BOTTOM - 14, RIGHT, BOTTOM - 14)
    y = BOTTOM - 26
    _write(canvas, MARGIN, y, sheet.footer, SMALL, False, GRAY)
    x = RIGHT - fonts.width(page, SMALL)
    _write(canvas, x, y, page, SMALL, False, GRAY)
    for line in foot_lines(sheet.foot)[:FOOT_LINES]:
        y -= SMALL * LEADING
        _write(canvas, MARGIN, y, _visual(line), SMALL, False, GRAY)


def foot_lines(text: str) -> list[str]:
    """What stands below every page, in the lines that it takes; :data:`FOOT_LINES` have room."""
    layout = _Layout(Sheet(institution=""))
    said = [layout.lines(each, SMALL, WIDE, bold=False) for each in text.splitlines()]
    return [line for lines in said for line in lines]


def _visual(line: str) -> str:
    return scripts.visual(line.rstrip(), right_to_left=False)


def _write(
    canvas: Canvas,
    x: float,
    y: float,
    text: str,
    size: float,
    bold: bool,
    gray: float,
) -> None:
    canvas.setFillGray(gray)
    fonts.draw(canvas, x, y, text, size, bold=bold)

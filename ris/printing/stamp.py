"""A stamp on a document that was made before: the bytes stay, what is drawn over them follows.

PDF lets a file be changed by what is appended to it (ISO 32000-1 7.5.6, incremental updates). So
the document that was signed and sent is the beginning of what is handed out later, byte for byte,
and whoever cuts off the end has it again. Only documents that this system made are stamped: their
form is known (one cross-reference table, one dictionary of fonts).
"""

from __future__ import annotations

import re
from functools import lru_cache

_FONT = "Helvetica-Bold"  # one of those that every reader has (ISO 32000-1 9.6.2.2)
_NAME = "RISStamp"
_MARK, _LINE = 64.0, 9.0
_KEPT = 64

_STARTXREF = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")
_ENTRY = re.compile(rb"(\d{10}) (\d{5}) ([nf])")
_ROOT = re.compile(rb"/Root\s+\d+\s+\d+\s+R")
_INFO = re.compile(rb"/Info\s+\d+\s+\d+\s+R")
_IS_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_CONTENTS = re.compile(rb"/Contents\s+(\d+)\s+0\s+R")
_FONTS = re.compile(rb"/Font\s+(\d+)\s+0\s+R")
_BOX = re.compile(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)\s*\]")


@lru_cache(maxsize=_KEPT)
def stamped(document: bytes, mark: str, line: str) -> bytes:
    """``document`` with a word across every page and a line above it; both in plain letters.

    Raises ValueError for a document that has another form than ours: one that could not be stamped
    must not go out as if it were valid.
    """
    offsets, trailer, before = _table(document)
    objects = {number: _object(document, at) for number, at in offsets.items()}
    pages = {number: body for number, body in objects.items() if _IS_PAGE.search(body)}
    if not pages:
        raise ValueError("no pages to stamp")
    free = max(offsets) + 1
    font, new = free, {free: b"<< /Type /Font /Subtype /Type1 /BaseFont /%s >>" % _FONT.encode()}
    drawn: dict[tuple[float, float], int] = {}
    for number, body in pages.items():
        box, contents, fonts = _BOX.search(body), _CONTENTS.search(body), _FONTS.search(body)
        if box is None or contents is None or fonts is None:
            raise ValueError("a page has another form than ours")
        size = float(box[1]), float(box[2])
        if size not in drawn:
            drawn[size] = free = free + 1
            new[free] = _stream(_drawing(*size, mark, line))
        both = b"/Contents [ %s 0 R %d 0 R ]" % (contents[1], drawn[size])
        new[number] = body[: contents.start()] + both + body[contents.end() :]
        dictionary = int(fonts[1])
        if dictionary not in new:
            new[dictionary] = _with_font(objects[dictionary], font)
    return document + _appended(new, trailer, before, len(document))


def _table(document: bytes) -> tuple[dict[int, int], bytes, int]:
    """Where each object is, the trailer, and where the table itself begins."""
    found = _STARTXREF.search(document)
    if found is None or not document.startswith(b"xref", int(found[1])):
        raise ValueError("no table of objects")
    start = int(found[1])
    head, _, trailer = document[start : found.start()].partition(b"trailer")
    first, _, rows = head.removeprefix(b"xref").lstrip().partition(b"\n")
    number = int(first.split()[0])
    offsets = {
        number + place: int(row[1])
        for place, row in enumerate(_ENTRY.finditer(rows))
        if row[3] == b"n"
    }
    return offsets, trailer, start


def _object(document: bytes, at: int) -> bytes:
    """What stands between ``obj`` and ``endobj``; of a stream, its dictionary."""
    start = document.index(b"obj", at) + len(b"obj")
    end = document.index(b"endobj", start)
    return document[start:end].partition(b"stream")[0].strip()


def _with_font(dictionary: bytes, font: int) -> bytes:
    inner = dictionary.removeprefix(b"<<").removesuffix(b">>")
    return b"<<%s /%s %d 0 R >>" % (inner, _NAME.encode(), font)


def _stream(drawing: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing)


def _drawing(width: float, height: float, mark: str, line: str) -> bytes:
    """The word as an outline, so that what is below can be read; the line in a box of its own."""
    # Loaded here only: what draws is large, and every process knows of documents.
    from reportlab.pdfbase.pdfmetrics import stringWidth

    across = stringWidth(mark, _FONT, _MARK)
    size = _LINE * min(1.0, (width - 80) / stringWidth(line, _FONT, _LINE))
    long = stringWidth(line, _FONT, size)
    left, top = (width - long) / 2, height - 28
    # cos and sin of 52 degrees: the slope of the marks that are printed with a document.
    return (
        "q 0.75 0 0 RG 0.75 0 0 rg 1 w\n"
        f"q 0.6157 0.7880 -0.7880 0.6157 {width / 2:.2f} {height / 2:.2f} cm\n"
        f"BT /{_NAME} {_MARK:g} Tf 1 Tr {-across / 2:.2f} -20 Td ({_escaped(mark)}) Tj ET Q\n"
        f"q 1 g {left - 6:.2f} {top - 6:.2f} {long + 12:.2f} {size + 9:.2f} re B Q\n"
        f"BT /{_NAME} {size:.2f} Tf 0 Tr {left:.2f} {top:.2f} Td ({_escaped(line)}) Tj ET Q"
    ).encode("ascii", "replace")


def _escaped(text: str) -> str:
    return re.sub(r"([\\()])", r"\\\1", text)


def _appended(new: dict[int, bytes], trailer: bytes, before: int, at: int) -> bytes:
    """The changed and added objects, and a table of them that names the one before."""
    root, info = _ROOT.search(trailer), _INFO.search(trailer)
    if root is None:
        raise ValueError("no root")
    parts, rows, place = [b"\n"], [], at + 1
    for number, body in sorted(new.items()):
        text = b"%d 0 obj\n%s\nendobj\n" % (number, body)
        rows.append(b"%d 1\n%010d 00000 n \n" % (number, place))
        parts.append(text)
        place += len(text)
    said = b" ".join(filter(None, (root[0], info[0] if info else b"")))
    parts.append(
        b"xref\n%strailer\n<< /Size %d %s /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
        % (b"".join(rows), max(new) + 1, said, before, place)
    )
    return b"".join(parts)

"""Letters to patients about breast exams, on the site's letterhead, one after the other (A4)."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from ris.printing.report import Sheet, _filled, _head, _joined, _writings
from ris.selectors.letters import LetterPage, frame_of


def letters_pdf(pages: Sequence[LetterPage]) -> bytes:
    """The letters, each on pages of its own, under the head that it was printed with."""
    # What draws is loaded when something is drawn: no other part of the system needs it.
    from ris.printing.page import draw_all

    stream = BytesIO()
    draw_all(
        [sheet(page) for page in pages],
        stream,
        title=frame_of(pages[0].language).title if len(pages) == 1 else f"{len(pages)} letters",
        subject="Letter to the patient",
    )
    return stream.getvalue()


def sheet(page: LetterPage) -> Sheet:
    words = frame_of(page.language)
    name = _writings(page.name)
    return Sheet(
        **_head(page.head.site, page.head.letterhead),
        title=words.title,
        patient=_filled(
            (words.patient, name),
            ("", page.address),
            (words.born, page.birth_date),
            (words.number, page.number),
        ),
        exam=_filled((words.written, page.written_on), (words.examined, page.examined_on)),
        sections=(("", page.text),),
        signature=(words.signed,),
        running=_joined((name, page.number), "  |  "),
        footer=_joined((page.number, page.written_on), "  |  "),
    )

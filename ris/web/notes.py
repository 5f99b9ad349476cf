"""Notes that the system wrote on exams and dose documents, in the language of the page.

They are stored in English, as the log of what happened. Those of the edges stand here for the
catalogs, by their patterns; those of the core where they are written.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as noop

from ris.domain.measures import MEASURES
from ris.sentences import sentence

# What had to be repaired in what a device sent (worklist.mpps, worklist.dose, worklist.modality).
OF_THE_EDGES = (
    noop("{attribute} is missing"),
    noop("{attribute} has no value"),
    noop("not allowed in an N-SET"),
    noop("a performed step ends with at least one series"),
    noop("longer than {limit} characters"),
    noop("a date out of range"),
    noop("a time that had not come; the message's is used"),
    noop("a time long gone; the message's is used"),
    noop("more than one value"),
    noop("not a date (YYYYMMDD)"),
    noop("no such day"),
    noop("not a time (HHMMSS)"),
    noop("no such time"),
    noop("not an offset from UTC"),
    noop("text does not fit its character set"),
    noop("told by {station}, which did not begin it"),
    noop("{count} irradiation events, more than are kept"),
    noop("an irradiation event has no UID"),
    noop("an irradiation event is told twice"),
)
# Why a number of a dose document counts in no total (ris.domain.measures), behind its measure.
OF_NUMBERS = (
    noop("more than one number"),
    noop("no number"),
    noop("not a number"),
    noop("out of any range"),
    noop("less than nothing"),
    noop("unit not understood: {unit}"),
)
# Why something is proposed for an exam that fits no order (ris.selectors.corrections).
OF_PROPOSALS = (
    noop("Its images are to be moved or deleted in the archive."),
    noop("The patient's only open {modality} of that day: {exam}, {accession}."),
    noop("The patient's only open step of that day: {exam}, {accession}."),
    noop("Its order may come still; it is tied by itself then. Until"),
    noop("The patient has {count} open steps: choose one."),
    noop("The patient has no open step it could be for."),
    noop("The device sent no patient number."),
    noop("Nobody here has this patient's number."),
)
# "(0040,0254): no such day" names an element, whatever the language.
_OF_ELEMENT = re.compile(r"(\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)[^:]*: )(.+)", re.DOTALL)


_MEASURES = frozenset(info.words for info in MEASURES.values())


def note(text: str) -> str:
    found = _OF_ELEMENT.fullmatch(text)
    if found:
        return found[1] + sentence(found[2])
    measure, colon, problem = text.partition(": ")
    if colon and measure in _MEASURES:
        return f"{gettext(measure)}: {sentence(problem)}"
    return sentence(text)

"""What the core says in English, in the language of the page."""

from __future__ import annotations

from collections.abc import Iterable

from ris.domain.errors import RisError
from ris.selectors.order_lists import ExamLine
from ris.sentences import sentence as sentence
from ris.web.labels.orders import LATERALITY


def refusal(error: RisError) -> str:
    """Why the core refused, in the language of the page; in English what no catalog has."""
    return sentence(error.message)


def exam_words(exams: Iterable[ExamLine]) -> str:
    """Exams with their sides, in the language of the page: ``Knee X-ray, left; Chest X-ray``."""
    return "; ".join(
        f"{exam.words}, {LATERALITY[exam.laterality]}"
        if exam.laterality in LATERALITY
        else exam.words
        for exam in exams
    )

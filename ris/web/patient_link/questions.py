"""Safety questions at the patient's page: answered before the visit, confirmed by a person."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from ris.domain.errors import RisError
from ris.domain.safety import AnswerSource, SafetyAnswerGiven
from ris.domain.safety_declared import DeclareSafetyAnswers
from ris.selectors.safety_declared import Declared, asked_at
from ris.services import execute
from ris.web.asking import as_day, said
from ris.web.errors import STATUS
from ris.web.patient_link.gate import VisitRequest, of_a_patient
from ris.web.patient_link.views import back, show_page
from ris.web.words import refusal


@dataclass(frozen=True, slots=True)
class Row:
    """A question with what stands in its field: typed, or said before."""

    question: Declared
    value: str
    on: str


@require_http_methods(["GET", "POST"])
@of_a_patient
def questions(request: VisitRequest) -> HttpResponse:
    if not request.is_open or not request.visit.is_ahead:
        return back(request)
    asked = asked_at(request.link.appointment)
    if request.method == "GET" or not asked:
        return _page(request, asked)
    answers = tuple(
        SafetyAnswerGiven(
            question=code,
            value=value,
            on=as_day(said(request, f"on-{code}", 10)),
            source=AnswerSource.PATIENT,
        )
        for code in (each.question.code for each in asked)
        if (value := said(request, f"a-{code}", 500))
    )
    if not answers:
        return back(request)
    try:
        execute(
            DeclareSafetyAnswers(appointment=request.visit.public_id, answers=answers),
            actor=request.actor,
        )
    except RisError as error:
        return _page(request, asked, error)
    return back(request, "answered")


def _page(
    request: VisitRequest, asked: list[Declared], error: RisError | None = None
) -> HttpResponse:
    rows = [
        Row(each, each.value, each.on.isoformat() if each.on else "")
        if error is None
        else Row(
            each,
            said(request, f"a-{each.question.code}", 500),
            said(request, f"on-{each.question.code}", 10),
        )
        for each in asked
    ]
    context = {"rows": rows, "error": refusal(error) if error else ""}
    return show_page(request, "questions", context, status=STATUS[error.code] if error else 200)

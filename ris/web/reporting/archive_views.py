"""What archives of others have of the patient, beside the report: fetched once the page stands."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.archives import ArchiveAnswer, Doubt
from ris.selectors.archives import examined
from ris.services import archives
from ris.web.access import PageRequest, page, saw
from ris.web.navigation import READERS


@require_GET
@page(*READERS)
def archive(request: PageRequest, key: UUID) -> HttpResponse:
    """Earlier exams elsewhere, and whether the images of this one arrived."""
    exam = examined(str(key))
    # On record before any archive is asked: the question itself tells it whom we look at.
    saw(
        request,
        "QueryArchives",
        [exam.patient.public_id],
        order=exam.order,
        subject=f"Report {key}",
        part_of=f"/reports/{key}/archive/",
    )
    answers = archives.about(exam)
    context = {
        "answers": [(each, _withheld(each)) for each in answers],
        "report_key": key,
        "part": "reporting/_archive.html",
    }
    if "HX-Request" in request.headers:
        return render(request, "reporting/_archive.html", context)
    context |= {
        "title": _("In other archives"),
        "number": exam.accession_number,
        "home": f"/reports/{key}/",
        "patient": exam.patient,
    }
    return render(request, "orders/section.html", context)


def _withheld(answer: ArchiveAnswer) -> str:
    """How many studies are not shown, and why, in words."""
    reasons = {
        Doubt.NUMBER: _("the number is of another or of no issuer"),
        Doubt.BIRTH_DATE: _("the birth date differs"),
        Doubt.NAME: _("the name differs"),
    }
    said = [words for why, words in reasons.items() if why in answer.withheld]
    return "; ".join(said)

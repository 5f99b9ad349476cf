"""What archives of others have of the patient, beside the report: fetched once the page stands."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.archives import ArchiveAnswer, Doubt
from ris.domain.errors import UnknownKeyError
from ris.models import Report
from ris.selectors.orders import order_view
from ris.services import archives
from ris.web.access import PageRequest, page, saw
from ris.web.navigation import READERS


@require_GET
@page(*READERS)
def archive(request: PageRequest, key: UUID) -> HttpResponse:
    """Earlier exams elsewhere, and whether the images of this one arrived."""
    report = Report.objects.select_related("order").filter(public_id=key).first()
    if report is None:
        raise UnknownKeyError("no such report")
    order = order_view(str(report.order.public_id))
    covered = {
        str(each) for each in report.procedures.order_by().values_list("public_id", flat=True)
    }
    # On record before any archive is asked: the question itself tells it whom we look at.
    saw(
        request,
        "QueryArchives",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key}",
        part_of=f"/reports/{key}/archive/",
    )
    answers = archives.about(
        order, [each for each in order.procedures if each.public_id in covered]
    )
    context = {
        "answers": [(each, _withheld(each)) for each in answers],
        "report_key": key,
        "part": "reporting/_archive.html",
    }
    if "HX-Request" in request.headers:
        return render(request, "reporting/_archive.html", context)
    context |= {
        "title": _("In other archives"),
        "number": order.accession.value,
        "home": f"/reports/{key}/",
        "patient": order.patient,
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

"""What follows from a report: recommended exams and second looks, fetched once its page stands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ris.domain.actors import Actor
from ris.domain.errors import UnknownKeyError
from ris.domain.follow_ups import (
    Arranger,
    DeclineFollowUp,
    LinkFollowUpOrder,
    NoteFollowUpReminder,
    RecommendFollowUp,
    Reminder,
    ReopenFollowUp,
)
from ris.domain.orders import PlaceOrder
from ris.domain.peer_review import EXPLAINED, FlagDiscrepancy, Grade, GradeDifference, Score
from ris.domain.values import PersonName
from ris.models import Report
from ris.selectors import follow_ups, peer_review
from ris.selectors.patients import to_view
from ris.selectors.practitioners import written
from ris.selectors.views import PatientView
from ris.services import may
from ris.web.access import PageRequest, page, saw
from ris.web.orders.forms import catalog

MONTHS = (1, 3, 6, 12, 24)


def allowed(actor: Actor) -> dict[str, bool]:
    return {
        "may_recommend": may(actor, RecommendFollowUp),
        "may_link": may(actor, LinkFollowUpOrder),
        "may_remind": may(actor, NoteFollowUpReminder),
        "may_decline": may(actor, DeclineFollowUp),
        "may_reopen": may(actor, ReopenFollowUp),
        "may_place": may(actor, PlaceOrder),
    }


@require_GET
@page()
def after_report(request: PageRequest, key: UUID) -> HttpResponse:
    """The part alone for the report's page, which was audited already; else with a page around."""
    report = (
        Report.objects.select_related("order__patient", "author")
        .prefetch_related("versions")
        .filter(public_id=key)
        .first()
    )
    if report is None:
        raise UnknownKeyError("no such report")
    order, patient, home = report.order, report.order.patient, f"/reports/{key}/"
    saw(
        request,
        "ViewReport",
        [str(patient.public_id)],
        order=str(order.public_id),
        part_of=home,
    )
    rights = allowed(request.actor)
    versions = list(report.versions.all())
    text = versions[-1].sections if versions else report.draft
    context: dict[str, Any] = {
        "report_key": str(key),
        "home": home,
        "lines": follow_ups.of_report(str(key)),
        "others": follow_ups.of_patient(str(patient.public_id), besides_report=str(key)),
        "recommended": text.get("recommendation", "")[:500],
        "catalog": catalog()[0] if rights["may_recommend"] else [],
        "months": MONTHS,
        "arrangers": list(Arranger),
        "hows": list(Reminder),
        **rights,
    }
    if may(request.actor, FlagDiscrepancy) or may(request.actor, GradeDifference):
        context |= {
            "beside": peer_review.beside_report(report, request.user.pk),
            "scores": [score for score in Score if score in EXPLAINED],
            "grades": list(Grade),
        }
    if "HX-Request" in request.headers:
        return render(request, "follow_ups/_report.html", context)
    context |= {"number": order.accession_number, "patient": to_view(patient)}
    return render(request, "follow_ups/report.html", context)


def order_initial(key: str, patient: PatientView | None) -> dict[str, str]:
    """What an order for a recommended exam begins with (``?follow_up=``)."""
    if not key or patient is None:
        return {}
    try:
        line = follow_ups.find(str(UUID(key)))
    except ValueError:
        return {}
    if line.patient_key != patient.public_id:
        return {}
    return {
        "procedure": line.definition,
        "reason": ": ".join(filter(None, (line.words, line.reason)))[:500],
        "requester": written(PersonName.parse(line.requester)),
    }

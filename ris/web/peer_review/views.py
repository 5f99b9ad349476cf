"""Reviews to give, reviews received, and the rates for a manager; each sees only what is his."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError
from ris.domain.peer_review import (
    AcknowledgePeerReview,
    DropPeerReview,
    FlagDiscrepancy,
    Grade,
    GradeDifference,
    ReturnPeerReview,
    Score,
    ScorePeerReview,
    TakePeerReview,
)
from ris.selectors import peer_review
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import PEER_REVIEW

PERIODS = (30, 90, 365)


@require_GET
@page(*PEER_REVIEW)
def overview(request: PageRequest) -> HttpResponse:
    me = request.user.pk
    context: dict[str, Any] = {"reviews": may(request.actor, TakePeerReview)}
    if context["reviews"]:
        context |= {"open": peer_review.open_for(me).count(), "taken": peer_review.taken_by(me)}
    if may(request.actor, AcknowledgePeerReview):
        context |= {"has_own": True, "own": peer_review.own_results(me)}
    if request.actor.has(Role.MANAGER):
        text = asked(request, "days", 4)
        days = int(text) if text in {str(each) for each in PERIODS} else PERIODS[1]
        now = timezone.now()
        context |= {
            "manages": True,
            "days": days,
            "periods": PERIODS,
            "readers": peer_review.readers(now - timedelta(days=days), now),
            "scores": list(Score),
            "waiting": peer_review.waiting_lines(),
        }
    return show(request, "peer_review/overview.html", context)


@require_POST
@page()
def take(request: PageRequest) -> HttpResponse:
    key = do(request, TakePeerReview())
    if not key:
        messages.success(request, _("There is nothing for you to review."))
        return redirect_back(request, "/peer-review/")
    return redirect_back(request, f"/peer-review/{key}/")


@require_GET
@page()
def review(request: PageRequest, key: UUID) -> HttpResponse:
    shown = peer_review.blinded(str(key), request.user.pk)
    saw(request, "ReviewReport", [shown.patient.public_id], subject=f"PeerReview {key}")
    context = {"review": shown, "patient": shown.patient, "scores": list(Score)}
    return show(request, "peer_review/review.html", context)


def _score(request: PageRequest) -> Score:
    try:
        return Score(said(request, "score", 2))
    except ValueError:
        raise InvalidValueError("choose a score", path="score") from None


@require_POST
@page()
def score(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        ScorePeerReview(
            review=str(key), score=_score(request), comment=said(request, "comment", 4000)
        ),
    )
    messages.success(request, _("Thank you. Whose report it was learns the score, not yours."))
    return redirect_back(request, "/peer-review/")


@require_POST
@page()
def give_back(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ReturnPeerReview(review=str(key)))
    messages.success(request, _("Given back; somebody else reviews it."))
    return redirect_back(request, "/peer-review/")


@require_POST
@page()
def drop(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DropPeerReview(review=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("Left out of the sample."))
    return redirect_back(request, "/peer-review/")


@require_POST
@page()
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AcknowledgePeerReview(review=str(key)))
    return redirect_back(request, "/peer-review/")


@require_POST
@page()
def discrepancy(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        FlagDiscrepancy(
            report=str(key), score=_score(request), comment=said(request, "comment", 4000)
        ),
    )
    messages.success(request, _("Noted. Whose report it is learns it, not the record."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def difference(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        grade = Grade(said(request, "grade", 5))
    except ValueError:
        raise InvalidValueError("choose how far it was", path="grade") from None
    do(request, GradeDifference(report=str(key), grade=grade, note=said(request, "note", 4000)))
    messages.success(request, _("Noted for the resident."))
    return redirect_back(request, f"/reports/{key}/")

"""Figures about reports: critical findings told in time, follow-ups, addenda, second looks."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.actors import Role
from ris.domain.follow_ups import FollowUpState
from ris.selectors import report_figures
from ris.web import labels
from ris.web.access import PageRequest, page, show
from ris.web.analytics import charts
from ris.web.analytics.charts import Line
from ris.web.analytics.views import PERIODS, since, wanted_of
from ris.web.navigation import SYSTEM


@require_GET
@page(*SYSTEM)
def reports(request: PageRequest) -> HttpResponse:
    """Four queries, and none grows with the archive: each period has an index."""
    asked = wanted_of(request)
    zone = timezone.get_current_timezone()
    first = datetime.combine(asked.first, time(), zone)
    last = datetime.combine(asked.last + timedelta(days=1), time(), zone)
    told = report_figures.told(first, last, timezone.now())
    followed = report_figures.followed(first, last)
    amended = report_figures.amended(first, last)
    changes = [
        (_("Addenda"), amended.addenda, amended.rate(amended.addenda)),
        (_("Corrections"), amended.corrections, amended.rate(amended.corrections)),
        (_("Withdrawn"), amended.withdrawn, amended.rate(amended.withdrawn)),
    ]
    context = {
        "wanted": asked,
        "periods": [(days, since(request, days)) for days in PERIODS],
        "told": told,
        "chart_told": charts.rows(
            [
                Line(
                    name=line.category,
                    value=line.share or 0,
                    text="–" if line.share is None else f"{line.share} %",
                )
                for line in told
            ],
            most=100,
        ),
        "followed": followed,
        "chart_followed": charts.rows(
            [
                Line(name=_state(state), value=count, text=str(count))
                for state, count in followed.items()
            ]
        ),
        "amended": amended,
        "changes": changes,
        "chart_amended": charts.rows(
            [
                Line(name=words, value=rate, text=f"{number_format(round(rate, 1), 1)} %")
                for words, _count, rate in changes
            ]
        ),
    }
    if request.actor.has(Role.MANAGER):
        seconds = report_figures.seconds(first, last)
        context |= {
            "seconds": seconds,
            "chart_seconds": charts.rows(
                [
                    Line(name=score.value, value=count, text=str(count))
                    for score, count in seconds.scores.items()
                ]
            ),
        }
    return show(request, "analytics/reports.html", context)


def _state(state: FollowUpState) -> str:
    return labels.label("recommendation", state.value).words

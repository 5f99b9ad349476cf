"""The kinds of exceptions: what each shows on their page, read only when it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from ris import config
from ris.domain.corrections import RevisePerformedStep
from ris.domain.discontinuation import FollowUpAction
from ris.domain.orders import DiscontinueOrder, RepeatStep
from ris.domain.performing import CompletePerformedStep
from ris.models import PerformedProcedureStep
from ris.selectors import corrections, worklist_quality
from ris.selectors import exceptions as lists
from ris.selectors import messages as message_lists
from ris.selectors.corrections import FollowUpLine
from ris.services import may
from ris.web.access import PageRequest
from ris.web.asking import asked
from ris.web.critical.parts import exceptions_context as of_findings
from ris.web.dose.views import exceptions_context as of_dose
from ris.web.exchange.became import with_what_became
from ris.web.paging import slice_of
from ris.web.patients.records import exceptions_context as of_patients

SHOWN = 50
# What the page gets of a kind, and the patients (by public id) whom that shows.
Part = tuple[Mapping[str, Any], list[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One tab of the page; ``lists`` names what of its context is a list."""

    name: str
    words: object
    lists: tuple[str, ...]
    part: Callable[[PageRequest], Part]


def _exams(request: PageRequest) -> Part:
    unmatched, stations = _of_station(request)
    found = slice_of(lists.with_lines(unmatched), request, SHOWN)
    rows = found.rows
    proposed = corrections.proposals(rows, config.load().performing.rematch_minutes)
    performed = [(lists.performed_line(row), proposed[str(row.public_id)]) for row in rows]
    stuck = lists.performed_lines(lists.stuck(), SHOWN)
    decide = slice_of(corrections.open_follow_ups(), request, SHOWN, "decide")
    follow_ups = corrections.follow_up_lines(decide.rows)
    known = (
        *(line.patient for line, _ in performed),
        *(line.patient for line in stuck),
        *(line.patient for line in follow_ups),
    )
    context = {
        "performed": performed,
        "page": found,
        "stations": stations,
        "station": asked(request, "station", 16),
        "stuck": stuck,
        "follow_ups": [(line, _open_to(request, line)) for line in follow_ups],
        "decide": decide,
    }
    return context, [patient.public_id for patient in known if patient]


def _of_station(
    request: PageRequest,
) -> tuple[QuerySet[PerformedProcedureStep], list[tuple[str, int]]]:
    """Exams that fit no order, of one device if it was chosen; the devices if there are many.

    A device that was set up anew, or tested, tells hundreds at once.
    """
    rows = lists.unmatched()
    station = asked(request, "station", 16)
    return (
        rows.filter(station_ae_title=station) if station else rows,
        lists.unmatched_by_station() if station or rows[SHOWN:].exists() else [],
    )


# What each answer to a follow-up does, besides settling it.
_DOES = {
    FollowUpAction.PLAN_AGAIN: RepeatStep,
    FollowUpAction.CANCEL_ORDER: DiscontinueOrder,
    FollowUpAction.WAS_COMPLETED: RevisePerformedStep,
    FollowUpAction.ENDED_TOO: CompletePerformedStep,
}


def _open_to(request: PageRequest, line: FollowUpLine) -> list[FollowUpAction]:
    """The answers this person may give, the proposed one first; DONE has a form of its own."""
    return [
        action for action in line.actions if action in _DOES and may(request.actor, _DOES[action])
    ]


def _schedule(request: PageRequest) -> Part:
    double, not_offered = lists.double_booked(), worklist_quality.lines()
    patients = [*(line.patient for line in double), *(line.patient for line in not_offered)]
    context = {"double": double, "not_offered": not_offered}
    return context, [patient.public_id for patient in patients]


def _messages(request: PageRequest) -> Part:
    rows_in = message_lists.with_inbound_lines(lists.stuck_messages())[:SHOWN]
    rows_out = message_lists.with_outbound_lines(lists.stuck_deliveries())[:SHOWN]
    context = {
        "inbound": with_what_became(message_lists.inbound_lines(rows_in)),
        "outbound": message_lists.outbound_lines(rows_out),
    }
    return context, []


KINDS = (
    Kind(
        "results",
        gettext_lazy("Results"),
        ("critical_late",),
        lambda request: of_findings(SHOWN),
    ),
    Kind("exams", gettext_lazy("Exams"), ("performed", "stuck", "follow_ups"), _exams),
    Kind(
        "patients",
        gettext_lazy("Patients"),
        ("reviews", "ended_visits"),
        lambda request: of_patients(SHOWN),
    ),
    Kind(
        "dose",
        gettext_lazy("Dose"),
        ("doses", "images_differ"),
        lambda request: (of_dose(SHOWN), []),
    ),
    Kind("schedule", gettext_lazy("Schedule"), ("double", "not_offered"), _schedule),
    Kind("messages", gettext_lazy("Messages"), ("inbound", "outbound"), _messages),
)

"""The order lists: tabs, filters that live in the address, columns, and the same as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from ris.domain.orders import Priority
from ris.domain.saved_views import ViewedPage
from ris.models import InboundMessage, Order
from ris.selectors import exceptions, order_lists
from ris.selectors.facility import devices
from ris.selectors.order_lists import Narrow, OrderLine, Sort, Tab
from ris.selectors.waiting import WaitingLine, waiting_lines
from ris.web import labels
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import as_day, asked
from ris.web.navigation import MENDING, SYSTEM
from ris.web.paging import slice_of
from ris.web.sheets import guarded
from ris.web.views_saved import saved_views
from ris.web.words import exam_words

TABS: dict[Tab, object] = {
    Tab.TO_SCHEDULE: gettext_lazy("To schedule"),
    Tab.NEEDS_INFORMATION: gettext_lazy("Needs information"),
    Tab.WAIT_LIST: gettext_lazy("Wait list"),
    Tab.SCHEDULED: gettext_lazy("Scheduled"),
    Tab.PERFORMED: gettext_lazy("Performed"),
    Tab.ON_HOLD: gettext_lazy("On hold"),
    Tab.CLOSED: gettext_lazy("Closed"),
}
EMPTY: dict[Tab, tuple[object, object]] = {
    Tab.TO_SCHEDULE: (
        gettext_lazy("No orders waiting"),
        gettext_lazy(
            "Orders without a time appear here, whether they come by HL7, FHIR or by hand: "
            "connect an ordering system, or add one (key n)."
        ),
    ),
    Tab.NEEDS_INFORMATION: (
        gettext_lazy("Nothing lacks information"),
        gettext_lazy(
            "An order whose procedure the catalog does not know waits here for its modality, and "
            "so does one about which something was asked."
        ),
    ),
    Tab.WAIT_LIST: (
        gettext_lazy("Nobody is on the wait list"),
        gettext_lazy(
            "Select orders and put them on the wait list: what becomes free is offered here in "
            "turn, and held until somebody accepts or declines."
        ),
    ),
    Tab.SCHEDULED: (
        gettext_lazy("Nothing scheduled"),
        gettext_lazy("Book an order under To schedule and it appears here."),
    ),
    Tab.PERFORMED: (
        gettext_lazy("Nothing waits to be read"),
        gettext_lazy("Exams that were performed appear here."),
    ),
    Tab.ON_HOLD: (
        gettext_lazy("No order is on hold"),
        gettext_lazy("Orders on hold are not shown on any worklist."),
    ),
    Tab.CLOSED: (
        gettext_lazy("Nothing closed yet"),
        gettext_lazy("Completed and canceled orders appear here."),
    ),
}
DEFAULT_SORT = {Tab.SCHEDULED: Sort.START, Tab.CLOSED: Sort.CHANGED, Tab.PERFORMED: Sort.ORDERED}
SORTS: dict[Sort, object] = {
    Sort.PRIORITY: gettext_lazy("Priority, oldest first"),
    Sort.START: gettext_lazy("Time of the exam"),
    Sort.ORDERED: gettext_lazy("Newest order first"),
    Sort.CHANGED: gettext_lazy("Latest change first"),
    Sort.NAME: gettext_lazy("Patient name"),
}
# The columns beside the patient, in their order; which are shown is part of the address.
COLUMNS: dict[str, object] = {
    "priority": gettext_lazy("Priority"),
    "procedure": gettext_lazy("Procedure"),
    "requester": gettext_lazy("Requested by"),
    "ordered": gettext_lazy("Ordered"),
    "when": gettext_lazy("When and where"),
    "waiting": gettext_lazy("Wait list"),
    "state": gettext_lazy("State"),
    "source": gettext_lazy("Came from"),
}
_WAITING = ("priority", "procedure", "ordered", "state")
_TIMED = ("priority", "procedure", "when", "state")
_LISTED = ("priority", "procedure", "waiting", "state")
USUAL = {
    Tab.WAIT_LIST: _LISTED,
    Tab.TO_SCHEDULE: _WAITING,
    Tab.NEEDS_INFORMATION: _WAITING,
    Tab.ON_HOLD: _WAITING,
}
MOST_ROWS = 1000  # of a file


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of the lists."""

    tab: Tab
    sort: Sort
    columns: tuple[str, ...]
    to: Narrow

    @property
    def is_usual(self) -> bool:
        return self.columns == USUAL.get(self.tab, _TIMED)


def _tab(text: str) -> Tab:
    try:
        return Tab(text)
    except ValueError:
        return Tab.TO_SCHEDULE


def asked_of(request: PageRequest) -> Asked:
    """Words that are none of a list's count as not said."""
    tab = _tab(asked(request, "tab"))
    try:
        sort = Sort(asked(request, "sort"))
    except ValueError:
        sort = DEFAULT_SORT.get(tab, Sort.PRIORITY)
    chosen = set(request.GET.getlist("col"))
    columns = tuple(name for name in COLUMNS if name in chosen)
    priority = asked(request, "priority")
    return Asked(
        tab,
        sort,
        columns or USUAL.get(tab, _TIMED),
        Narrow(
            modality=asked(request, "modality", 16).upper(),
            site=_key(asked(request, "site", 36)),
            priority=priority if priority in {item.value for item in Priority} else "",
            requester=asked(request, "requester", 60),
            first=as_day(asked(request, "from", 10)),
            last=as_day(asked(request, "to", 10)),
            text=asked(request, "q"),
        ),
    )


def _key(text: str) -> str:
    try:
        return str(UUID(text)) if text else ""
    except ValueError:
        return ""


@require_GET
@page()
def order_list(request: PageRequest) -> HttpResponse:
    saved = saved_views(request, ViewedPage.ORDERS)
    if saved.opens_with:
        return saved.redirect()
    wanted = asked_of(request)
    rows = order_lists.sorted_by(
        order_lists.narrowed(order_lists.in_tab(wanted.tab), wanted.to, wanted.tab), wanted.sort
    )
    if asked(request, "format") == "csv":
        lines = _lines(wanted, order_lists.with_lines(rows)[:MOST_ROWS])
        saw(request, "ExportOrders", (line.patient.public_id for line in lines))
        return _file(wanted, lines)
    page_of = slice_of(order_lists.with_lines(rows), request)
    lines = _lines(wanted, page_of.rows)
    saw(request, "ListOrders", (line.patient.public_id for line in lines))
    standing = order_lists.standing(_failed_messages(request))
    context = {
        **saved.context(),
        "tabs": [(item, words, standing.counts[item]) for item, words in TABS.items()],
        "stat": standing.stat,
        "tab": wanted.tab,
        "wanted": wanted,
        "to": wanted.to,
        "text": wanted.to.text,
        "sort": wanted.sort,
        "sorts": SORTS.items(),
        "columns": wanted.columns,
        "all_columns": COLUMNS.items(),
        "modalities": sorted({device.modality for device in devices() if device.active}),
        "sites": order_lists.sites(),
        "priorities": list(Priority),
        "lines": lines,
        "page": page_of,
        "empty": EMPTY[wanted.tab],
        "failed": standing.also,
        "sees_messages": request.actor.has(*SYSTEM),
    }
    return show(request, "orders/list.html", context, fragment="orders/_list.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine(OrderLine):
    """A line with its place on the wait list, where that is shown."""

    waiting: WaitingLine | None = None


def _lines(wanted: Asked, rows: Iterable[Order]) -> list[ShownLine]:
    shows = "waiting" in wanted.columns
    entries = {entry.step: entry for entry in waiting_lines()} if shows else {}
    return [
        ShownLine(
            **{each.name: getattr(line, each.name) for each in fields(line)},
            waiting=next(
                (entries[step.public_id] for step in line.steps if step.public_id in entries), None
            ),
        )
        for line in order_lists.lines(rows)
    ]


def _failed_messages(request: PageRequest) -> QuerySet[InboundMessage] | None:
    """Messages with orders that came to nothing; for those who can see to it."""
    return exceptions.failed_orders() if request.actor.has(*MENDING, *SYSTEM) else None


# --- the same as a file


class _Echo:
    """What a CSV writer writes to: it gives the line back."""

    def write(self, text: str) -> str:
        return text


def _file(wanted: Asked, lines: Sequence[ShownLine]) -> HttpResponse:
    """What is shown, all pages of it up to :data:`MOST_ROWS`, with the columns shown."""
    day = timezone.localdate().isoformat()
    return HttpResponse(
        "".join(_rows(wanted, lines)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="orders-{wanted.tab.value}-{day}.csv"'
        },
    )


def _rows(wanted: Asked, lines: Iterable[ShownLine]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    heads = ["accession", "patient", "number", "birth_date"]
    heads += [name for column in wanted.columns for name in _CSV_HEADS[column]]
    yield "\ufeff" + writer.writerow(heads)  # the mark tells a spreadsheet that it is UTF-8
    for line in lines:
        cells = [
            line.accession_number,
            line.patient.name.display,
            line.patient.number,
            line.patient.birth_date,
        ]
        cells += [text for column in wanted.columns for text in _cells(column, line)]
        yield writer.writerow([guarded(text) for text in cells])


_CSV_HEADS = {
    "priority": ("priority",),
    "procedure": ("procedures", "modalities", "reason"),
    "requester": ("requested_by", "service"),
    "ordered": ("ordered_at", "wished_at"),
    "when": ("start_at", "where"),
    "waiting": ("place", "offered_at"),
    "state": ("state",),
    "source": ("source",),
}


def _cells(column: str, line: ShownLine) -> tuple[str, ...]:
    if column == "priority":
        return (line.priority,)
    if column == "procedure":
        return (exam_words(line.exams), ", ".join(line.modalities), line.reason)
    if column == "requester":
        return (line.requester.display, line.service)
    if column == "ordered":
        wish = line.to_schedule.wished_at if line.to_schedule else None
        return (_time(line.ordered_at), _time(wish))
    if column == "when":
        step = line.next_step
        if step is None:
            return ("", "")
        return (_time(step.start_at, step.zone), step.room or step.station)
    if column == "waiting":
        entry = line.waiting
        if entry is None:
            return ("", "")
        offer = entry.offer
        return (str(entry.place), _time(offer.start_at, offer.zone) if offer else "")
    if column == "state":
        table, value = ("stage", line.stage) if line.status == "ACTIVE" else ("order", line.status)
        return (labels.label(table, value).words,)
    return (line.source,)


def _time(value: datetime | None, zone: tzinfo | None = None) -> str:
    if value is None:
        return ""
    return f"{timezone.localtime(value, zone):%Y-%m-%d %H:%M}"

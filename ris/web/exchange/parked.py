"""Everything that does not go on by itself, in and out, with why and what to do about it."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from ris.domain.exchange import Direction
from ris.selectors import exceptions
from ris.selectors import messages as lists
from ris.web.access import PageRequest, page, show
from ris.web.exchange.became import with_what_became
from ris.web.navigation import SYSTEM

SHOWN = 100


@require_GET
@page(*SYSTEM)
def parked(request: PageRequest) -> HttpResponse:
    incoming = lists.with_inbound_lines(exceptions.stuck_messages())[:SHOWN]
    outgoing = lists.with_outbound_lines(exceptions.stuck_deliveries())[:SHOWN]
    counts = {
        Direction.IN.value: exceptions.stuck_messages().count(),
        Direction.OUT.value: exceptions.stuck_deliveries().count(),
    }
    context = {
        "incoming": with_what_became(lists.inbound_lines(incoming)),
        "outgoing": lists.outbound_lines(outgoing),
        "counts": counts,
        "shown": SHOWN,
    }
    return show(request, "exchange/parked.html", context, fragment="exchange/_parked.html")

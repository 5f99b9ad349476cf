"""The peer systems with how their traffic stands: all of them, and each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    RequestError,
    StateConflictError,
)
from ris.domain.exchange import (
    ConfigureEndpoint,
    Direction,
    PauseEndpoint,
    Protocol,
    RequeueDelivery,
)
from ris.domain.interfaces import AcknowledgeAlert
from ris.models import Endpoint
from ris.selectors import interfaces as lists
from ris.selectors import messages as message_lists
from ris.selectors import subscription_lists
from ris.selectors.interfaces import Hour
from ris.services import may, peers
from ris.services.mapping import can_map
from ris.services.peers import Peer
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.exchange.became import with_what_became
from ris.web.exchange.endpoint_forms import EndpointForm, in_words, watch_in_words
from ris.web.navigation import SYSTEM

AT_ONCE = 500
SHOWN = 10


@require_GET
@page(*SYSTEM)
def interface_list(request: PageRequest) -> HttpResponse:
    tiles = lists.tiles(ended=False)
    context = {
        "tiles": tiles,
        "alerts": [lists.alert_line(row) for row in lists.open_alerts()],
        "testable": _testable(),
        "stuck": sum(tile.stuck for tile in tiles),
    }
    return show(request, "exchange/interfaces.html", context, fragment="exchange/_interfaces.html")


def _testable() -> set[str]:
    return {protocol.value for protocol in Protocol if peers.can_test(protocol)}


@require_GET
@page(*SYSTEM)
def interface(request: PageRequest, key: UUID) -> HttpResponse:
    """One connection: traffic, queue, last messages and faults, settings."""
    endpoint = lists.endpoint_row(str(key))
    is_out = endpoint.direction == Direction.OUT.value
    now = timezone.now()
    traffic = lists.traffic(endpoint, now)
    hours = lists.hours(traffic, now)
    context = {
        "endpoint": endpoint,
        "tile": lists.tile(endpoint, traffic, now),
        "is_out": is_out,
        "hours": hours,
        "bars": bars(hours),
        "parked": lists.parked(endpoint) if is_out else (),
        "tried": lists.tried(endpoint) if is_out else (),
        "settings": in_words(endpoint),
        "watch": watch_in_words(endpoint),
        "past": lists.past_alerts(endpoint, SHOWN),
        "testable": _testable(),
        "subscription": subscription_lists.behind(endpoint),
        "mapping": _mapping(key) if can_map(Protocol(endpoint.protocol)) else "",
        **_last(endpoint, is_out=is_out),
    }
    return show(request, "exchange/interface.html", context, fragment="exchange/_interface.html")


def _mapping(key: UUID) -> str:
    """The page of its value maps and rules, if there is one."""
    with suppress(NoReverseMatch):
        return reverse("mapping", args=[key])
    return ""


def _last(endpoint: Endpoint, *, is_out: bool) -> dict[str, object]:
    wrong = {"wrong_in": with_what_became(message_lists.last_unapplied(endpoint, SHOWN))}
    if is_out:
        return {"last_out": message_lists.last_sent(endpoint, SHOWN), **wrong}
    return {"last_in": with_what_became(message_lists.last_received(endpoint, SHOWN)), **wrong}


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of the picture: where it stands, and how high its two parts are."""

    x: int
    width: int
    good_y: int
    good_height: int
    bad_y: int
    bad_height: int
    words: str


HEIGHT, STEP = 100, 20


def bars(hours: Sequence[Hour]) -> list[Bar]:
    """The hours as bars beside each other; what went wrong stands on top."""
    highest = max((hour.sums.messages + _bad(hour) for hour in hours), default=0) or 1
    found = []
    for number, hour in enumerate(hours):
        bad = _height(_bad(hour), highest)
        good = min(_height(hour.sums.messages, highest), HEIGHT - bad)
        found.append(
            Bar(
                x=number * STEP + 2,
                width=STEP - 4,
                good_y=HEIGHT - good,
                good_height=good,
                bad_y=HEIGHT - good - bad,
                bad_height=bad,
                words=f"{hour.start_at:%H:%M}: {hour.sums.messages} messages, "
                f"{hour.sums.refused} refused, {hour.sums.failed} failed",
            )
        )
    return found


def _bad(hour: Hour) -> int:
    return hour.sums.refused + hour.sums.failed


def _height(count: int, highest: int) -> int:
    return max(2, round(count / highest * HEIGHT)) if count else 0


# --- what may be done with one


@require_POST
@page()
def pause(request: PageRequest, key: UUID) -> HttpResponse:
    paused = said(request, "paused") == "yes"
    reason = said(request, "reason", 200)
    if paused and not reason:
        raise MissingValueError("say why it is paused", path="reason")
    do(request, PauseEndpoint(endpoint=str(key), paused=paused, reason=reason))
    messages.success(
        request,
        _("Paused: messages are kept and sent once it is resumed.") if paused else _("Resumed."),
    )
    return redirect_back(request, "/interfaces/")


@require_POST
@page(*SYSTEM)
def test(request: PageRequest, key: UUID) -> HttpResponse:
    """Ask the peer whether it answers, now; nothing is delivered by that."""
    endpoint = lists.endpoint_row(str(key))
    probed = peers.test_connection(
        Protocol(endpoint.protocol),
        Peer(
            host=endpoint.host,
            port=endpoint.port or 0,
            name=endpoint.protocol_name,
            settings=endpoint.settings,
        ),
    )
    if probed.ok:
        messages.success(
            request,
            _("{name} {words} ({milliseconds} ms).").format(
                name=endpoint.name, words=probed.words, milliseconds=probed.milliseconds
            ),
        )
    else:
        messages.warning(request, f"{endpoint.name}: {probed.words}.")
    return redirect_back(request, "/interfaces/")


@require_POST
@page()
def requeue(request: PageRequest, key: UUID) -> HttpResponse:
    """Send all again that this peer refused or that was given up: its fault is mended."""
    count = left = 0
    for delivery in message_lists.stuck_deliveries(str(key), AT_ONCE):
        left += 1
        # Somebody else was quicker with this one, or it cannot be written.
        with suppress(StateConflictError, InvalidValueError):
            do(request, RequeueDelivery(delivery=delivery, reason=said(request, "reason", 200)))
            count += 1
            left -= 1
    words = ngettext(
        "{count} message waits to be sent again.", "{count} messages wait to be sent again.", count
    ).format(count=count)
    if left:
        more = ngettext(
            "{left} could not be: it is under Parked messages.",
            "{left} could not be: they are under Parked messages.",
            left,
        ).format(left=left)
        messages.warning(request, f"{words} {more}")
    else:
        messages.success(request, words)
    return redirect_back(request, "/interfaces/")


@require_POST
@page(*SYSTEM)
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AcknowledgeAlert(alert=str(key), note=said(request, "note", 500)))
    messages.success(request, _("Acknowledged. It stays here until what is wrong is mended."))
    return redirect_back(request, "/interfaces/")


# --- adding and changing


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def new(request: PageRequest) -> HttpResponse:
    """Choose what it speaks and which way, then fill in the rest."""
    protocol = asked(request, "protocol")
    direction = asked(request, "direction")
    if protocol not in set(Protocol) or direction not in set(Direction):
        return show(request, "exchange/interface_new.html", {"protocols": list(Protocol)})
    form = EndpointForm(
        request.POST if request.method == "POST" else None,
        protocol=Protocol(protocol),
        direction=Direction(direction),
    )
    return _configure(request, form)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def edit(request: PageRequest, key: UUID) -> HttpResponse:
    endpoint = lists.endpoint_row(str(key))
    form = EndpointForm(
        request.POST if request.method == "POST" else None,
        protocol=Protocol(endpoint.protocol),
        direction=Direction(endpoint.direction),
        endpoint=endpoint,
    )
    return _configure(request, form)


def _configure(request: PageRequest, form: EndpointForm) -> HttpResponse:
    if not may(request.actor, ConfigureEndpoint):
        raise DeniedError("your roles do not include changing interfaces")
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                key = do(request, form.command())
            except RequestError as error:
                form.refuse(error)
                status = STATUS[error.code]
            else:
                messages.success(request, _("Saved."))
                response = HttpResponseRedirect(f"/interfaces/{key}/")
                response.status_code = 303
                return response
    kept: Endpoint | None = form.endpoint
    context = {"form": form, "endpoint": kept, "groups": list(form.groups())}
    return show(request, "exchange/interface_edit.html", context, status=status)

"""The peer systems with how their traffic stands."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.exchange import PauseEndpoint, Protocol, RequeueDelivery
from ris.models import Endpoint
from ris.selectors.interfaces import tiles
from ris.selectors.messages import stuck_deliveries
from ris.services import peers
from ris.services.peers import Peer
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.navigation import SYSTEM


@require_GET
@page(*SYSTEM)
def interface_list(request: PageRequest) -> HttpResponse:
    testable = {protocol.value for protocol in Protocol if peers.can_test(protocol)}
    context = {"lines": tiles(), "testable": testable}
    return show(request, "exchange/interfaces.html", context, fragment="exchange/_interfaces.html")


@require_POST
@page()
def pause(request: PageRequest, key: UUID) -> HttpResponse:
    paused = said(request, "paused") == "yes"
    reason = said(request, "reason", 200)
    do(request, PauseEndpoint(endpoint=str(key), paused=paused, reason=reason))
    messages.success(
        request,
        "Paused: messages are kept and sent once it is resumed." if paused else "Resumed.",
    )
    return redirect_back(request, "/interfaces/")


@require_POST
@page(*SYSTEM)
def test(request: PageRequest, key: UUID) -> HttpResponse:
    """Ask the peer whether it answers, now; nothing is delivered by that."""
    endpoint = Endpoint.objects.filter(public_id=key).first()
    if endpoint is None:
        raise UnknownKeyError("no such interface")
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
        messages.success(request, f"{endpoint.name} {probed.words} ({probed.milliseconds} ms).")
    else:
        messages.warning(request, f"{endpoint.name}: {probed.words}.")
    return redirect_back(request, "/interfaces/")


AT_ONCE = 500


@require_POST
@page()
def requeue(request: PageRequest, key: UUID) -> HttpResponse:
    """Send all again that this peer refused or that was given up: its fault is mended."""
    count = 0
    for delivery in stuck_deliveries(str(key), AT_ONCE):
        with suppress(StateConflictError):  # somebody else was quicker with this one
            do(request, RequeueDelivery(delivery=delivery, reason=said(request, "reason", 200)))
            count += 1
    noun = "message waits" if count == 1 else "messages wait"
    messages.success(request, f"{count} {noun} to be sent again.")
    return redirect_back(request, "/interfaces/")

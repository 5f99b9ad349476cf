"""The peer systems with how their traffic stands."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_POST

from ris.domain.exchange import PauseEndpoint
from ris.selectors.messages import endpoint_lines
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.navigation import SYSTEM


@require_GET
@page(*SYSTEM)
def interface_list(request: PageRequest) -> HttpResponse:
    context = {"lines": endpoint_lines()}
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

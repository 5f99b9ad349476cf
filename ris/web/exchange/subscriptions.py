"""What FHIR clients subscribed to: how each stands, and what may be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import MissingValueError
from ris.domain.subscriptions import RemoveSubscription
from ris.selectors import subscription_lists as lists
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.navigation import SYSTEM

LIST = "/interfaces/subscriptions/"


@require_GET
@page(*SYSTEM)
def subscription_list(request: PageRequest) -> HttpResponse:
    return show(
        request,
        "exchange/subscriptions.html",
        {"lines": lists.lines()},
        fragment="exchange/_subscriptions.html",
    )


@require_POST
@page(*SYSTEM)
def remove(request: PageRequest, key: UUID) -> HttpResponse:
    reason = said(request, "reason", 200)
    if not reason:
        raise MissingValueError("say why it is removed", path="reason")
    do(request, RemoveSubscription(subscription=str(key), reason=reason))
    messages.success(request, _("Removed. What was still waiting is not sent."))
    return redirect_back(request, LIST)

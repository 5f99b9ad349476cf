"""Change the request: nobody's change is lost, and nobody's typing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.errors import DeniedError, RequestError, RisError, StateConflictError
from ris.domain.orders import OrderDetails, OrderReference, OrderStatus, ReviseOrder
from ris.selectors import timeline
from ris.selectors.orders import order_view
from ris.selectors.practitioners import written
from ris.selectors.views import OrderView
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import as_moment, said
from ris.web.errors import STATUS
from ris.web.orders.forms import EditForm
from ris.web.telling import Told, tell


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that somebody else changed, or that was typed otherwise than it is now."""

    label: str
    typed: str
    now: str


@require_http_methods(["GET", "POST"])
@page()
def revise(request: PageRequest, key: UUID) -> HttpResponse:
    if not may(request.actor, ReviseOrder):
        raise DeniedError(_("your roles do not include changing orders"))
    view = order_view(str(key))
    saw(request, "ViewOrder", [view.patient.public_id], order=view.public_id)
    if request.method == "GET":
        return _page(request, view, EditForm(initial=_initial(view)))
    form = EditForm(request.POST)
    if not form.is_valid():
        return _page(request, view, form, status=422)
    try:
        do(
            request,
            ReviseOrder(
                order=OrderReference(public_id=view.public_id),
                details=_said(form, view),
                expected_version=form.cleaned_data["version"],
            ),
        )
    except StateConflictError as error:
        return _conflict(request, order_view(str(key)), form, error)
    except RequestError as error:
        form.refuse(error)
        return _page(request, view, form, status=STATUS[error.code])
    messages.success(request, _("Saved."))
    return redirect_back(request, f"/orders/{key}/")


def _said(form: EditForm, view: OrderView) -> OrderDetails:
    """What is said; a requester who was left alone keeps every part and writing of the name."""
    details = form.details()
    if form.cleaned_data["requester"] == written(view.requester):
        return replace(details, requester=None, requester_identifier=None)
    return details


def _initial(view: OrderView) -> dict[str, Any]:
    return {
        "priority": view.priority.value,
        "reason": view.reason,
        "requester": written(view.requester),
        "service": view.requesting_service,
        "callback_phone": view.callback_phone,
        "transport": view.transport,
        "comments": view.comments,
        "version": view.version,
    }


def _page(
    request: PageRequest,
    view: OrderView,
    form: EditForm,
    *,
    status: int = 200,
    error: RisError | None = None,
    differences: tuple[Difference, ...] = (),
    changes: tuple[Told, ...] = (),
) -> HttpResponse:
    context = {
        "order": view,
        "patient": view.patient,
        "form": form,
        "error": error,
        "differences": differences,
        "changes": changes,
        "seen_at": view.updated_at,
        "is_open": view.status in {OrderStatus.ACTIVE, OrderStatus.ON_HOLD},
    }
    return show(request, "orders/edit.html", context, status=status)


def _conflict(
    request: PageRequest, view: OrderView, form: EditForm, error: StateConflictError
) -> HttpResponse:
    """What was typed stays; what it is now stands beside it; saving again is on purpose."""
    now = _initial(view)
    found = tuple(
        Difference(
            str(form.fields[name].label or name), str(form[name].value() or ""), str(now[name])
        )
        for name in now
        if name != "version" and name in form.data and str(form[name].value() or "") != now[name]
    )
    typed = {name: form[name].value() for name in now} | {"version": view.version}
    again = EditForm(initial=typed)
    changes = tuple(_changes_since(view, as_moment(said(request, "seen_at", 40))))
    return _page(request, view, again, status=409, error=error, differences=found, changes=changes)


def _changes_since(view: OrderView, seen_at: datetime | None) -> list[Told]:
    """What happened to the order since the page was opened, as its timeline tells it."""
    if seen_at is None:
        return []
    return [
        tell(entry)
        for entry in timeline.entries(view.public_id)
        if entry.kind is timeline.EntryKind.EVENT and entry.at > seen_at
    ]

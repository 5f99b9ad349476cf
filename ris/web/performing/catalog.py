"""The catalog of what is used up: contrast agents, drugs, material; what exams usually take."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import DeniedError, RequestError, UnknownKeyError
from ris.domain.supplies import Agent, DefineSupply, Route, SetDefaultSupplies, SupplyKind
from ris.selectors import supplies as lists
from ris.services import may
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.navigation import REPAIR
from ris.web.performing.forms import SupplyForm, UsualForm


@require_GET
@page(*REPAIR)
def supply_list(request: PageRequest) -> HttpResponse:
    context = {
        "lines": lists.catalog(retired=True),
        "usual": lists.default_words(),
        "can_define": may(request.actor, DefineSupply),
    }
    return show(request, "performing/supply_list.html", context)


@require_http_methods(["GET", "POST"])
@page(*REPAIR)
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "POST"])
@page(*REPAIR)
def supply(request: PageRequest, key: UUID) -> HttpResponse:
    found = lists.find(str(key))
    if found is None:
        raise UnknownKeyError("no such supply")
    return _edit(request, found)


def _edit(request: PageRequest, line: lists.SupplyLine | None) -> HttpResponse:
    if not may(request.actor, DefineSupply):
        raise DeniedError(_("your roles do not include the catalog of supplies"))
    if request.method == "GET":
        initial: dict[str, Any] = (
            {
                name: getattr(line, name)
                for name in (
                    *("code", "name", "kind", "unit", "agent", "concentration", "route"),
                    *("lot_required", "active"),
                )
            }
            if line
            else {"active": True}
        )
        if line and line.concentration is not None:
            # 600.000 is six hundred thousand to whoever writes decimals with a comma.
            initial["concentration"] = f"{line.concentration.normalize():f}"
        return _page(request, SupplyForm(initial=initial), line)
    form = SupplyForm(request.POST)
    if not form.is_valid():
        return _page(request, form, line, status=422)
    data = form.cleaned_data
    try:
        do(
            request,
            DefineSupply(
                code=data["code"],
                name=data["name"],
                unit=data["unit"],
                kind=SupplyKind(data["kind"]),
                agent=Agent(data["agent"]),
                concentration=data["concentration"],
                lot_required=data["lot_required"],
                route=Route(data["route"]) if data["route"] else None,
                active=data["active"],
            ),
        )
    except RequestError as error:
        form.refuse(error)
        return _page(request, form, line, status=STATUS[error.code])
    messages.success(request, _("Saved."))
    return HttpResponseRedirect("/supplies/", status=303)


def _page(
    request: PageRequest, form: SupplyForm, line: lists.SupplyLine | None, *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "line": line}
    return show(request, "performing/supply.html", context, status=status)


@require_http_methods(["GET", "POST"])
@page(*REPAIR)
def usual(request: PageRequest) -> HttpResponse:
    """What a procedure usually takes."""
    if not may(request.actor, SetDefaultSupplies):
        raise DeniedError(_("your roles do not include the catalog of supplies"))
    if request.method == "GET":
        key = asked(request, "procedure")
        initial: dict[str, object] = {"procedure": key}
        initial |= {f"s-{line.public_id}": amount for line, amount in lists.defaults(_uuid(key))}
        return show(request, "performing/usual.html", {"form": UsualForm(initial=initial)})
    form = UsualForm(request.POST)
    if not form.is_valid():
        return show(request, "performing/usual.html", {"form": form}, status=422)
    do(
        request,
        SetDefaultSupplies(procedure=form.cleaned_data["procedure"], supplies=form.supplies()),
    )
    messages.success(request, _("Saved."))
    return HttpResponseRedirect("/supplies/", status=303)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""

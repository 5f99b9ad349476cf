"""How a peer's messages are rewritten: the editor, its versions, and a file of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.configuration_file import parse_mapping, render_mapping
from ris.domain.errors import RequestError, RisError, UnsupportedError
from ris.domain.exchange import Protocol
from ris.domain.mapping import RollBackMapping, SaveMapping, differences
from ris.selectors.mapping import MappedEndpoint, mapped_endpoint, mapped_endpoints, versions
from ris.services import mapping as service
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import number, said
from ris.web.errors import STATUS
from ris.web.mapping.forms import LONGEST, MappingForm, content_of, of_content, of_post, refused
from ris.web.navigation import SYSTEM
from ris.web.words import refusal


@require_GET
@page(*SYSTEM)
def mapping_list(request: PageRequest) -> HttpResponse:
    """Every interface whose messages can be rewritten."""
    found = [
        each
        for protocol in Protocol
        if service.can_map(protocol)
        for each in mapped_endpoints(protocol)
    ]
    return show(request, "mapping/list.html", {"endpoints": found})


def endpoint_of(key: UUID) -> MappedEndpoint:
    found = mapped_endpoint(str(key))
    if not service.can_map(found.protocol):
        raise UnsupportedError(f"messages of {found.protocol.value} are not rewritten")
    return found


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def edit(request: PageRequest, key: UUID) -> HttpResponse:
    """POST: save, or with ``file`` fill the form in from a file that was pasted."""
    endpoint = endpoint_of(key)
    kinds = service.kinds(endpoint.protocol, endpoint.direction)
    if request.method != "POST":
        return _page(request, endpoint, of_content(endpoint.content, kinds))
    if "mapping" in request.POST:
        return _from_file(request, endpoint)
    content, form = content_of(of_post(request.POST, kinds))
    if form.faulty:
        return _page(request, endpoint, form, status=422)
    command = SaveMapping(
        endpoint=endpoint.public_id,
        content=content,
        note=said(request, "note", 200),
        expected=number(request, "version"),
    )
    try:
        do(request, command)
    except RequestError as error:
        return _page(request, endpoint, refused(form, error), status=STATUS[error.code])
    messages.success(request, _("Saved. It counts from the next message on."))
    return _to(endpoint)


def _from_file(request: PageRequest, endpoint: MappedEndpoint) -> HttpResponse:
    """The form filled in from a mapping's file; nothing is saved yet."""
    kinds = service.kinds(endpoint.protocol, endpoint.direction)
    text = str(request.POST["mapping"])[:LONGEST]
    try:
        content = parse_mapping(text)
        form = of_content(_shaped(content), kinds)
    except RisError as error:
        place = f"{error.path}: " if error.path else ""
        form = of_content(endpoint.content, kinds)
        messages.error(
            request,
            _("The file cannot be read: {place}{message}.").format(
                place=place, message=refusal(error)
            ),
        )
        return _page(request, endpoint, form, status=422, file=text)
    try:
        service.check(endpoint.protocol, endpoint.direction, content)
    except RisError as error:
        form = refused(form, error)
    messages.info(request, _("Filled in from the file; nothing is saved yet."))
    return _page(request, endpoint, form)


def _shaped(content: dict[str, Any]) -> dict[str, Any]:
    """What a form can show of it; the rest is told as wrong by the check."""
    maps = content.get("maps")
    rules = content.get("rules")
    return {
        "maps": {
            name: {
                "otherwise": table.get("otherwise", "pass"),
                "fixed": table.get("fixed", ""),
                "values": table["values"] if isinstance(table.get("values"), dict) else {},
            }
            for name, table in (maps.items() if isinstance(maps, dict) else ())
            if isinstance(table, dict)
        },
        "rules": [str(line) for line in rules] if isinstance(rules, list) else [],
    }


def _page(
    request: PageRequest,
    endpoint: MappedEndpoint,
    form: MappingForm,
    *,
    status: int = 200,
    file: str = "",
) -> HttpResponse:
    stored = versions(endpoint.public_id)
    older = [*stored[1:], None]
    history = [
        (each, differences(before.content if before else {}, each.content)[:200])
        for each, before in zip(stored, older, strict=False)
    ]
    asked = number(request, "version") if request.method == "POST" else None
    context = {
        "endpoint": endpoint,
        "form": form,
        "used": [table for table in form.tables if table.is_used or table.errors],
        "unused": [table for table in form.tables if not (table.is_used or table.errors)],
        "forms": service.forms(endpoint.protocol),
        "history": history,
        "version": endpoint.version if asked is None else asked,
        "note": said(request, "note", 200) if request.method == "POST" else "",
        "file": file,
        "allowed": may(request.actor, SaveMapping),
    }
    return show(request, "mapping/edit.html", context, status=status)


def _to(endpoint: MappedEndpoint) -> HttpResponse:
    response = HttpResponseRedirect(f"/interfaces/{endpoint.public_id}/mapping/")
    response.status_code = 303
    return response


@require_POST
@page()
def roll_back(request: PageRequest, key: UUID, version: int) -> HttpResponse:
    command = RollBackMapping(
        endpoint=str(key),
        number=version,
        note=said(request, "reason", 200),
        expected=number(request, "version"),
    )
    do(request, command)
    messages.success(request, _("Version {version} is in force again.").format(version=version))
    return redirect_back(request, f"/interfaces/{key}/mapping/")


@require_GET
@page(*SYSTEM)
def export(request: PageRequest, key: UUID) -> HttpResponse:
    """The mapping in force as a file, as it stands below an endpoint of a site file."""
    endpoint = endpoint_of(key)
    response = HttpResponse(
        render_mapping(endpoint.content), content_type="application/toml; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="mapping.toml"'
    return response

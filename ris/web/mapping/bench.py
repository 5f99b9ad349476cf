"""The test bench: what a message would do, and what changed rules would do to those that came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.configuration_file import parse_mapping, render_mapping
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.exchange import Direction, Protocol
from ris.selectors import messages as lists
from ris.selectors.mapping import MappedEndpoint, mapped_endpoints
from ris.services import desk, dry_runs, rehearsal
from ris.services import mapping as service
from ris.services.dry_runs import Differs
from ris.services.rehearsal import Trial
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked, number, said
from ris.web.errors import STATUS
from ris.web.exchange.decoding import Decoded, decode
from ris.web.mapping.editor import endpoint_of
from ris.web.mapping.forms import LONGEST, content_of, of_post
from ris.web.navigation import SYSTEM

_PROTOCOL = Protocol.HL7


@dataclass(slots=True)
class _Asked:
    """What stands in the form of the bench."""

    text: str = ""
    endpoint: str = ""
    mapping: str = ""  # rules that are not saved, as a file
    unsaved: bool = False


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def bench(request: PageRequest) -> HttpResponse:
    """GET takes ``?message=`` (a stored one) and ``?endpoint=``."""
    if request.method != "POST":
        return _page(request, _opened(request))
    form = _Asked(
        text=str(request.POST.get("text", ""))[: rehearsal.MAX_BYTES],
        endpoint=said(request, "endpoint", 60),
        mapping=str(request.POST.get("mapping", ""))[:LONGEST],
        unsaved=bool(said(request, "unsaved")),
    )
    if said(request, "from") == "editor":
        form.mapping, form.unsaved = _from_editor(request), True
        return _page(request, form)
    try:
        content = parse_mapping(form.mapping) if form.unsaved else None
        raw = desk.form_of(_PROTOCOL).raw(form.text, _character_set(form.endpoint))
        trial = rehearsal.try_message(
            request.actor, raw, protocol=_PROTOCOL, endpoint=form.endpoint, content=content
        )
    except RisError as error:
        return _page(request, form, errors=_in_words(error), status=STATUS[error.code])
    return _page(request, form, trial=trial)


def _opened(request: PageRequest) -> _Asked:
    form = _Asked(endpoint=asked(request, "endpoint", 60))
    key = asked(request, "message", 60)
    if key:
        row = lists.inbound_message(key)
        saw(request, "ViewMessage", lists.patients_of(row), subject=f"InboundMessage {key}")
        charset = row.endpoint.character_set if row.endpoint else ""
        form.text = desk.text(Protocol(row.protocol), bytes(row.raw), charset) or ""
        if row.endpoint and not form.endpoint:
            form.endpoint = str(row.endpoint.public_id)
    return form


def _from_editor(request: PageRequest) -> str:
    """The rules that somebody is writing, as a file."""
    key = said(request, "endpoint", 60)
    endpoint = endpoint_of(UUID(key))
    kinds = service.kinds(endpoint.protocol, endpoint.direction)
    content, _ = content_of(of_post(request.POST, kinds))
    return render_mapping(content)


def _character_set(endpoint: str) -> str:
    for each in mapped_endpoints(_PROTOCOL, Direction.IN):
        if each.public_id == endpoint:
            return each.info.character_set
    return ""


def _in_words(error: RisError) -> list[str]:
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return [f"{each.path}: {each.message}" if each.path else each.message for each in errors]


def _page(
    request: PageRequest,
    form: _Asked,
    *,
    trial: Trial | None = None,
    errors: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "endpoints": mapped_endpoints(_PROTOCOL, Direction.IN),
        "errors": errors or [],
        "trial": trial,
    }
    if trial is not None:
        context |= {
            "read": decode(trial.explanation.raw or b"", _PROTOCOL.value),
            "answer": decode(trial.answer).text if trial.answer else "",
            "asks": list(trial.understanding.values.items()),
            "offered": [
                (each.entry, _dataset(each.dataset) if each.dataset else None)
                for each in trial.worklist
            ],
        }
    return show(request, "mapping/try.html", context, status=status)


def _dataset(dataset: Mapping[str, Any]) -> Decoded:
    return decode(json.dumps(dataset).encode(), Protocol.DICOM.value)


# --- many messages


@require_POST
@page(*SYSTEM)
def dry_run(request: PageRequest, key: UUID) -> HttpResponse:
    """With the rules of the editor, or those of an earlier part of the same run."""
    endpoint = endpoint_of(key)
    given = request.POST.get("mapping")
    text = str(given)[:LONGEST] if given is not None else _of_editor(request, endpoint)
    already = number(request, "checked") or 0
    context: dict[str, Any] = {"endpoint": endpoint, "mapping": text, "already": already}
    try:
        found = dry_runs.dry_run(
            request.actor,
            endpoint.public_id,
            parse_mapping(text),
            limit=dry_runs.MOST_MESSAGES - already,
            before=number(request, "before"),
            seconds=8,
        )
    except RisError as error:
        context |= {"errors": _in_words(error)}
        return show(request, "mapping/dry_run.html", context, status=STATUS[error.code])
    context |= {
        "found": found,
        "checked": already + found.checked,
        "groups": _together(found.differing),
    }
    return show(request, "mapping/dry_run.html", context)


@dataclass(frozen=True, slots=True)
class _Group:
    """Messages that would differ in the same way."""

    kind: str
    lines: tuple[str, ...]
    messages: list[Differs]


_ORDER = ("fails", "differs", "passes")


def _together(differing: Sequence[Differs]) -> list[_Group]:
    """What would fail first, then by how many messages it concerns."""
    groups: dict[tuple[str, tuple[str, ...]], _Group] = {}
    for each in differing:
        key = (each.kind, each.lines)
        groups.setdefault(key, _Group(*key, [])).messages.append(each)
    return sorted(groups.values(), key=lambda one: (_ORDER.index(one.kind), -len(one.messages)))


def _of_editor(request: PageRequest, endpoint: MappedEndpoint) -> str:
    kinds = service.kinds(endpoint.protocol, endpoint.direction)
    return render_mapping(content_of(of_post(request.POST, kinds))[0])

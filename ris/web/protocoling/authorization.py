"""Whether payers agreed: the list, what is noted of an order, and the rules."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.authorization import (
    AuthorizationState,
    RecordAuthorization,
    RequestAuthorization,
    RuleDetails,
    SetAuthorizationRules,
)
from ris.domain.errors import InvalidValueError, RequestError, RisError
from ris.domain.sets import version_of
from ris.selectors import authorization
from ris.services import may
from ris.services.authorization import adapters
from ris.web import sheets
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, day, number, said
from ris.web.errors import STATUS
from ris.web.navigation import DESK, SYSTEM
from ris.web.paging import slice_of


@require_GET
@page(*DESK)
def order_list(request: PageRequest) -> HttpResponse:
    try:
        tab = AuthorizationState(asked(request, "tab").upper() or "REQUIRED")
    except ValueError:
        tab = AuthorizationState.REQUIRED
    page_of = slice_of(authorization.with_lines(authorization.in_state(tab)), request)
    lines = authorization.lines(page_of.rows)
    saw(request, "ListAuthorizations", (line.patient.public_id for line in lines))
    counts = authorization.counts()
    context = {
        "tabs": [(state, counts[state]) for state in authorization.TABS],
        "tab": tab,
        "lines": lines,
        "page": page_of,
        "may_set": may(request.actor, SetAuthorizationRules),
    }
    return show(
        request, "protocoling/authorizations.html", context,
        fragment="protocoling/_authorizations.html",
    )  # fmt: skip


@require_POST
@page()
def ask(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RequestAuthorization(order=str(key), note=said(request, "note", 500)))
    messages.success(request, _("Requested. Write down here what the payer says."))
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def record(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        state = AuthorizationState(said(request, "state"))
    except ValueError:
        raise InvalidValueError("choose what the payer said", path="state") from None
    do(
        request,
        RecordAuthorization(
            order=str(key),
            state=state,
            number=said(request, "number", 64),
            valid_from=day(request, "valid_from"),
            valid_until=day(request, "valid_until"),
            units=number(request, "units"),
            note=said(request, "note", 500),
        ),
    )
    messages.success(request, _("Noted."))
    return redirect_back(request, f"/orders/{key}/")


# --- rules, a line each

_PART = re.compile(r"(procedures|modalities|payers|adapter)\s*=\s*(.*)", re.IGNORECASE)


def read_rules(text: str) -> tuple[RuleDetails, ...]:
    """The rules of lines such as ``needed; modalities=CT,MR; payers=Acme``."""
    found = []
    for count, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        words, *parts = (part.strip() for part in line.split(";"))
        if words.lower() not in {"needed", "not needed"}:
            raise InvalidValueError(
                f"line {count} begins with “needed” or “not needed”", path="rules"
            )
        said_of: dict[str, tuple[str, ...]] = {}
        for part in filter(None, parts):
            match = _PART.fullmatch(part)
            if match is None:
                raise InvalidValueError(
                    f"line {count}: “{part}” is none of procedures=, modalities=, payers=, "
                    "adapter=",
                    path="rules",
                )
            said_of[match[1].lower()] = sheets.split(match[2])
        found.append(
            RuleDetails(
                needed=words.lower() == "needed",
                procedures=said_of.get("procedures", ()),
                modalities=tuple(each.upper() for each in said_of.get("modalities", ())),
                payers=said_of.get("payers", ()),
                adapter=next(iter(said_of.get("adapter", ())), "manual"),
            )
        )
    return tuple(found)


def write_rules(rules: list[RuleDetails]) -> str:
    lines = []
    for rule in rules:
        parts = ["needed" if rule.needed else "not needed"]
        parts += [
            f"{name}={','.join(values)}"
            for name in ("procedures", "modalities", "payers")
            if (values := getattr(rule, name))
        ]
        if rule.adapter != "manual":
            parts.append(f"adapter={rule.adapter}")
        lines.append("; ".join(parts))
    return "\n".join(lines)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def rules(request: PageRequest) -> HttpResponse:
    shown = authorization.rules()
    text, version = write_rules(shown), version_of(shown)
    error: RisError | None = None
    if request.method == "POST":
        version = said(request, "version", 16)
        text = request.POST.get("rules", "").replace("\0", "")[:20_000]
        try:
            do(
                request,
                SetAuthorizationRules(rules=read_rules(text), expected_version=version),
            )
        except RequestError as refusal:
            error = refusal
        else:
            messages.success(request, _("Saved. The rules count for every order from now on."))
            return redirect_back(request, "/authorization/rules/")
    context = {
        "text": text,
        "version": version,
        "error": error,
        "adapters": adapters(),
        "allowed": may(request.actor, SetAuthorizationRules),
    }
    return show(
        request,
        "protocoling/rules.html",
        context,
        status=STATUS[error.code] if error else 200,
    )

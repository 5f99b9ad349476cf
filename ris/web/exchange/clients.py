"""API clients and their tokens: who may come in over FHIR, REST and DICOMweb, and with what."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.accounts import IssueToken, RevokeToken
from ris.domain.api_clients import AddClient, DisableClient, EnableClient
from ris.domain.errors import DeniedError, RequestError
from ris.selectors import api_clients
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.exchange.client_forms import ClientForm, KeysForm, TokenForm
from ris.web.exchange.scope_words import in_words
from ris.web.navigation import SYSTEM


@require_GET
@page(*SYSTEM)
def client_list(request: PageRequest) -> HttpResponse:
    return _page(request)


def _page(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    everything = asked(request, "ended") == "yes"
    context: dict[str, Any] = {
        "clients": [(each, in_words(each.scopes)) for each in api_clients.clients()],
        "tokens": [(each, in_words(each.scopes)) for each in api_clients.tokens(ended=everything)],
        "everything": everything,
        "token_url": request.build_absolute_uri("/fhir/token"),
        "allowed": may(request.actor, AddClient),
        "form": more.pop("form", None) or ClientForm(),
        "token_form": more.pop("token_form", None) or TokenForm(auto_id="token_%s"),
        **more,
    }
    return show(request, "exchange/clients.html", context, status=status)


@require_POST
@page(*SYSTEM)
def add(request: PageRequest) -> HttpResponse:
    """Register a client by its public keys; there is no secret to show."""
    _require(request, AddClient)
    form = ClientForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            client_id = do(request, form.command())
        except RequestError as error:
            form.refuse(error)
            status = STATUS[error.code]
        else:
            messages.success(
                request,
                _("Registered. Its client id is {client_id}; give it to the client.").format(
                    client_id=client_id
                ),
            )
            return _to("api-clients")
    return _page(request, form=form, status=status)


@require_POST
@page(*SYSTEM)
def issue(request: PageRequest) -> HttpResponse:
    """Make a static token. This answer shows it, and nothing ever shows it again."""
    _require(request, IssueToken)
    form = TokenForm(request.POST, auto_id="token_%s")
    if not form.is_valid():
        return _page(request, token_form=form, status=422)
    try:
        issued = do(request, form.command(timezone.now()))
    except RequestError as error:
        form.refuse(error)
        return _page(request, token_form=form, status=STATUS[error.code])
    return _page(request, secret=issued.secret, secret_of=form.cleaned_data["client"])


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def keys(request: PageRequest, client_id: str) -> HttpResponse:
    """See and replace the keys of a client."""
    client = api_clients.client(client_id)
    form = KeysForm(
        request.POST if request.method == "POST" else None, initial={"jwks_uri": client.jwks_uri}
    )
    status = 200
    if request.method == "POST":
        _require(request, AddClient)
        status = 422
        if form.is_valid():
            try:
                do(request, form.command(client_id))
            except RequestError as error:
                form.refuse(error)
                status = STATUS[error.code]
            else:
                messages.success(
                    request, _("The keys of {name} were replaced.").format(name=client.name)
                )
                return _to("api-clients")
    context = {"client": client, "form": form, "allowed": may(request.actor, AddClient)}
    return show(request, "exchange/client_keys.html", context, status=status)


@require_POST
@page(*SYSTEM)
def disable(request: PageRequest, client_id: str) -> HttpResponse:
    do(request, DisableClient(client=client_id))
    messages.success(request, _("Disabled: its tokens ended with it."))
    return redirect_back(request, "/interfaces/clients/")


@require_POST
@page(*SYSTEM)
def enable(request: PageRequest, client_id: str) -> HttpResponse:
    do(request, EnableClient(client=client_id))
    messages.success(request, _("Enabled: it may ask for tokens again."))
    return redirect_back(request, "/interfaces/clients/")


@require_POST
@page(*SYSTEM)
def revoke(request: PageRequest, key: Any) -> HttpResponse:
    do(request, RevokeToken(token=str(key)))
    messages.success(request, _("Revoked: the token is worth nothing from now on."))
    return redirect_back(request, "/interfaces/clients/")


def _require(request: PageRequest, command: type[Any]) -> None:
    if not may(request.actor, command):
        raise DeniedError("your roles do not include changing API clients")


def _to(name: str) -> HttpResponse:
    response = HttpResponseRedirect(reverse(name))
    response.status_code = 303
    return response

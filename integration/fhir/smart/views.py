"""``.well-known/smart-configuration`` and the token endpoint (SMART App Launch 2.2)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from integration.fhir.auth import actor_for
from integration.fhir.exchange import BASE_PATH
from integration.fhir.scopes import granted
from integration.fhir.smart.assertions import ACCEPTED, Assertion, verify
from integration.fhir.smart.errors import OAuthError, invalid_client
from ris.domain.actors import Actor, ActorKind
from ris.domain.api_clients import TOKEN_LIFE, GrantToken
from ris.domain.errors import BusyError, DuplicateKeyError, RisError, StateConflictError
from ris.services import bearer, execute, refused_calls

log = structlog.get_logger(__name__)

TOKEN_PATH = f"{BASE_PATH}/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
MAX_BODY = 32 * 1024
SCOPES = ("system/*.cruds", "system/*.rs", "system/*.read", "system/*.write", "system/*.*")

Form = dict[str, str]


class SmartConfigurationView(View):
    """``[base]/.well-known/smart-configuration``: open to everybody, and to scripts of any page."""

    http_method_names = ["get", "head", "options"]  # noqa: RUF012 - Django's way of configuring

    def get(self, request: HttpRequest) -> HttpResponse:
        return _open(JsonResponse(configuration(token_url(request))))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _open(HttpResponse(status=204))


def configuration(token_endpoint: str) -> dict[str, Any]:
    return {
        "token_endpoint": token_endpoint,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ACCEPTED),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def token_url(request: HttpRequest) -> str:
    return request.build_absolute_uri(TOKEN_PATH)


def _open(response: HttpResponse) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
    response["Access-Control-Allow-Headers"] = "*"
    return response


@method_decorator(csrf_exempt, name="dispatch")
class TokenView(View):
    """``POST [base]/token``: client_credentials with private_key_jwt, nothing else."""

    http_method_names = ["post"]  # noqa: RUF012

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            answer: dict[str, Any] = _grant(request)
            status = 200
        except OAuthError as error:
            _record(request, error)
            answer = {"error": error.error, "error_description": error.message}
            status = error.status
        except (BusyError, OperationalError):
            answer = {"error": "temporarily_unavailable", "error_description": "try again"}
            status = 503
        response = JsonResponse(answer, status=status)
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        if status == 503:
            response["Retry-After"] = "2"
        return response


def _grant(request: HttpRequest) -> dict[str, Any]:
    form = _form(request)
    if form.get("grant_type") != "client_credentials":
        raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    if not form.get("client_assertion"):
        raise OAuthError("invalid_request", "client_assertion is missing")
    audiences = {token_url(request), f"{settings.CONFIG.public_url}{TOKEN_PATH}"}
    proven = verify(form["client_assertion"], audiences, timezone.now())
    client = proven.client
    if form.get("client_id", client.client_id) != client.client_id:
        raise invalid_client("client_id is another than that of the assertion")
    address = bearer.address_of(request.META)
    if client.addresses and not bearer.is_among(address, client.addresses):
        raise invalid_client("the client may not come from this address")
    scopes = granted(form.get("scope", "").split(), client.scopes)
    if not scopes:
        raise OAuthError("invalid_scope", "none of the scopes is granted to the client")
    return _issue(proven, scopes, actor_for(client.name, None, address))


def _form(request: HttpRequest) -> Form:
    if request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"the body must be {FORM}")
    if request.META["QUERY_STRING"]:
        raise OAuthError("invalid_request", "parameters belong into the body")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise OAuthError("invalid_request", f"the body is longer than {MAX_BODY} bytes")
    try:
        with _reading(bearer.address_of(request.META)):
            raw = request.body
    except (UnreadablePostError, RequestDataTooBig):
        raise OAuthError("invalid_request", "the body cannot be read") from None
    if len(raw) > MAX_BODY:
        raise OAuthError("invalid_request", f"the body is longer than {MAX_BODY} bytes")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request", "the body is no form") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", "a parameter is there twice")
    return form


# Nobody has shown a right yet, and a body that never ends holds a thread: half of the threads at
# most, half of those for one address. The others are told to come again.
_lock = threading.Lock()
_being_read: Counter[str] = Counter()


@contextmanager
def _reading(address: str) -> Iterator[None]:
    most = max(1, settings.CONFIG.http.threads // 2)
    with _lock:
        if _being_read.total() >= most or _being_read[address] >= max(1, most // 2):
            raise BusyError("too many requests for tokens are being sent")
        _being_read[address] += 1
    try:
        yield
    finally:
        with _lock:
            _being_read[address] -= 1
            if not _being_read[address]:
                del _being_read[address]


def _issue(proven: Assertion, scopes: tuple[str, ...], actor: Actor) -> dict[str, Any]:
    command = GrantToken(
        client=proven.client.client_id,
        assertion_id=proven.id,
        assertion_expires_at=proven.expires_at,
        scopes=scopes,
    )
    try:
        issued = execute(command, actor=actor)
    except (DuplicateKeyError, StateConflictError) as error:
        raise invalid_client(error.message) from None
    except BusyError:
        raise
    except RisError as error:
        raise OAuthError("invalid_request", error.message) from None
    return {
        "access_token": issued.secret,
        "token_type": "bearer",
        "expires_in": int(TOKEN_LIFE.total_seconds()),
        "scope": " ".join(scopes),
    }


def _record(request: HttpRequest, error: OAuthError) -> None:
    address = bearer.address_of(request.META)
    refused_calls.record(
        Actor(ActorKind.CLIENT, "", address=address),
        action="FHIR token",
        outcome="refused",
        detail={"reason": error.message, "error": error.error},
    )

"""What all FHIR addresses share: authentication, negotiation, headers and errors; no rules."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
    ValidationError,
)
from django.db import OperationalError
from django.http import Http404, HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integration.fhir import formats, reading, rows, transport, writing
from integration.fhir.auth import BearerToken, Client
from integration.fhir.exchange import BASE_PATH, KEPT, Incoming, Reply, etag, preference
from integration.fhir.formats import FhirRenderer, Negotiation
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError, refusal
from integration.fhir.parameters import Reading
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from ris.domain.actors import Actor, ActorKind
from ris.domain.errors import InternalError, RisError, unavailable
from ris.selectors import search as selectors
from ris.services import bearer, inbox, refused_calls
from ris.services.audit import record_access

log = structlog.get_logger(__name__)

MAX_KEY = 160

# In the environment of an entry's request: who asked the bundle.
CLIENT = "ris.fhir.client"

# What a database says of a statement that it will never take, in its own words.
_TOO_LARGE = ("too large", "too many", "stack overflow", "stack depth")

# HTTP status of an exception of Django or DRF → issue code.
_ISSUES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    413: "too-long",
    415: "not-supported",
    429: "throttled",
}


class Acknowledgment(Response):
    """The answer to a stored message; notes that it was sent once the server closes it."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(reply.body, status=reply.status, headers=dict(reply.headers))
        self.message = message

    def close(self) -> None:
        try:
            inbox.mark_replied_soon(self.message, sent=True)
        except OperationalError:
            log.warning("the answer was sent, but this could not be noted")
        super().close()


class FhirView(APIView):
    """What all FHIR addresses share."""

    authentication_classes = [BearerToken]  # noqa: RUF012 - DRF's way of configuring a view
    permission_classes = []  # noqa: RUF012 - scopes are asked for where the type is known
    renderer_classes = [FhirRenderer]  # noqa: RUF012
    content_negotiation_class = Negotiation
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]  # noqa: RUF012

    # Whether scripts of any origin may read the answers, because they need no token.
    is_open: bool = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "OPTIONS":
            self.http_method_names = [*self.http_method_names, "options"]
        with rows.a_request():
            return super().dispatch(request, *args, **kwargs)

    def get_authenticators(self) -> list[BaseAuthentication]:
        # Browsers ask whether they may send a token before they send it.
        return [] if self.request.method == "OPTIONS" else list(super().get_authenticators())

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Client) and CLIENT not in request.META:
            limit = settings.CONFIG.fhir.requests_per_minute
            transport.throttle.take(request.user.actor.name, limit)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """What may be done here: in the Allow header, and for browsers by CORS."""
        return Response(status=204)

    # --- the request

    audited: Mapping[str, Any] | None = None  # what the audit says of this answer
    said = ""  # the parameters of a search whose parameters are a form

    @property
    def client(self) -> Client:
        user = self.request.user
        if not isinstance(user, Client):
            raise HttpError(401, "login", "a bearer token is required")
        return user

    @property
    def base(self) -> str:
        return self.request.build_absolute_uri(BASE_PATH)

    @property
    def request_id(self) -> str:
        return getattr(self.request, "correlation_id", "") or uuid.uuid4().hex

    def kind(self, name: str, letter: str) -> Kind:
        """The type, if it is served and the client may do this with it."""
        client = self.client
        if name not in KINDS:
            raise HttpError(404, "not-supported", f"there are no {name[:64]} resources here")
        if not client.may(name, letter):
            raise HttpError(403, "forbidden", f"the token lacks the scope system/{name}.{letter}")
        return KINDS[name]

    def require_read(self, kind: Kind, public_id: str) -> None:
        """Raises HttpError 404 for a row that the client's scopes do not reach."""
        rows.require_read(self.client, kind, public_id, self.reading)

    def reading(self) -> Reading:
        return Reading(
            self.base,
            Systems(selectors.issuers()),
            timezone.get_default_timezone(),
            access=self.client,
        )

    def body(self) -> bytes:
        try:
            raw = self.request.body
        except UnreadablePostError:
            raise HttpError(400, "incomplete", "the body did not arrive") from None
        except RequestDataTooBig:
            raise HttpError(413, "too-long", "the body is longer than this server takes") from None
        coding = self.request.headers.get("Content-Encoding", "")
        return transport.plain(raw, coding, settings.CONFIG.fhir.body_bytes)

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of the address, in their order."""
        return parse_qsl(self.request.META["QUERY_STRING"], keep_blank_values=True)

    @property
    def strict(self) -> bool:
        """Whether what is not understood is refused (FHIR R4 3.1.1.2)."""
        handling = preference(self.request.headers.get("Prefer", ""), "handling")
        return handling.lower() == "strict"

    def incoming(self) -> Incoming:
        """The request as the inbox keeps it."""
        incoming = Incoming(
            method=str(self.request.method),
            url=self.request.build_absolute_uri(),
            headers={name: self.request.headers.get(name, "") for name in KEPT},
            body=self.body(),
        )
        if len(incoming.header("Idempotency-Key")) > MAX_KEY:
            raise HttpError(400, "too-long", f"Idempotency-Key: more than {MAX_KEY} characters")
        return incoming

    def write(self) -> Response:
        """Hand the request to the inbox and give its answer."""
        incoming = self.incoming()
        receipt = writing.receive(incoming, self.client, request_id=self.request_id)
        reply = Reply.from_answer(receipt.answer)
        return Acknowledgment(receipt.message, reply)

    def not_allowed(self, message: str) -> HttpError:
        return HttpError(405, "not-supported", message)

    # --- the answer

    def answer(self, resource: Resource, *, versioned: bool = True) -> Response:
        headers = {}
        if versioned:
            headers["ETag"] = etag(resource)
            if "lastUpdated" in resource["meta"]:
                headers["Last-Modified"] = writing.last_modified(resource)
        return Response(resource, headers=headers)

    def audit(self, action: str, resources: list[Resource], subject: str = "") -> None:
        self.audited = {
            "action": f"FHIR {action}"[:60],
            "patients": reading.patients_in(resources),
            "subject": subject[:100],
            "detail": {"query": (self.said or self.request.META.get("QUERY_STRING", ""))[:500]},
        }
        record_access(self.client.actor, **self.audited)

    def get_renderer_context(self) -> dict[str, Any]:
        context = super().get_renderer_context()
        context["pretty"] = ("_pretty", "true") in self.pairs()
        return context

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code in {401, 403}:
            self.record_refused(final.status_code, final.data)
        if final.data is not None:
            # The name the client knows the format by; DRF would give the renderer's own.
            media_type = getattr(request, "accepted_media_type", formats.FHIR_JSON)
            final.content_type = f"{media_type}; charset=utf-8"
        transport.allow_origin(
            request, final, settings.CONFIG.fhir.cors_origins, open_to_all=self.is_open
        )
        if isinstance(final, Response):
            final.add_post_render_callback(lambda rendered: transport.compress(request, rendered))
        return final

    def handle_exception(self, exc: Exception) -> Response:
        """Every error as OperationOutcome; only our own texts reach the client."""
        error = self.known_error(exc)
        found = refusal(error, request_id=self.request_id)
        response = Response(found.body, status=found.status, headers=found.headers)
        response.exception = True
        return response

    def record_refused(self, status: int, answer: Any) -> None:
        """In the audit: who was refused what (401, 403), here or in the transaction of a write."""
        # Not ``request.user``, which would authenticate a second time.
        client = getattr(self.request, "_user", None)
        address = bearer.address_of(self.request.META)
        known = client.actor if isinstance(client, Client) else None
        refused_calls.record(
            known or Actor(ActorKind.CLIENT, "", address=address),
            action=f"FHIR {self.request.method} {self.kwargs.get('kind', '')}".strip(),
            outcome="denied" if known else "refused",
            detail={"status": status, "reason": _reason(answer)[:200]},
        )

    def known_error(self, exc: Exception) -> RisError:
        if isinstance(exc, RisError):
            return exc
        if isinstance(exc, RequestDataTooBig):
            return HttpError(413, "too-long", "the request is too long")
        if isinstance(exc, exceptions.APIException):
            status = exc.status_code if exc.status_code in _ISSUES else 400
            return HttpError(status, _ISSUES[status], str(exc.detail)[:200])
        if isinstance(exc, TooManyFieldsSent):
            return HttpError(400, "too-costly", "more parameters than this server takes")
        if isinstance(exc, Http404):
            return HttpError(404, "not-found", "there is nothing at this address")
        if isinstance(exc, PermissionDenied):
            return HttpError(403, "forbidden", "not allowed")
        if isinstance(exc, ValidationError):
            # A value that a column cannot even be compared with, such as a forged cursor.
            return HttpError(400, "invalid", "a value has the wrong form")
        if isinstance(exc, OperationalError):
            if any(words in str(exc).lower() for words in _TOO_LARGE):
                # To come again would not help.
                log.warning("a search was too large", error=str(exc)[:200])
                return HttpError(400, "too-costly", "this asks for too much at once")
            log.warning("the database was busy", error=str(exc)[:200])
            return unavailable(exc)
        log.error("a FHIR request failed", error_id=self.request_id, exc_info=exc)
        return InternalError("internal error", details={"error_id": self.request_id})


def _reason(answer: Any) -> str:
    """What an OperationOutcome says first."""
    issues = answer.get("issue") if isinstance(answer, dict) else None
    return str(issues[0].get("diagnostics", "")) if issues else ""

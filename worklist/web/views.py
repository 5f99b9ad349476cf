"""The HTTP side of DICOMweb (PS3.18 8): authentication, negotiation, header fields and errors."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from ris import config
from ris.domain.errors import InternalError, RisError, unavailable
from ris.selectors import performing
from ris.services import inbox
from ris.services.audit import record_access
from worklist import retrieval
from worklist.exchange import fault
from worklist.handlers import Handlers
from worklist.places import in_tags
from worklist.registry import configured
from worklist.web import access, capabilities, parameters, performed
from worklist.web.access import Client, Gate
from worklist.web.exchange import KEPT, Incoming
from worklist.web.negotiation import Body, Form, body_of, form_for, ranges, require_utf8
from worklist.web.refusal import HttpError, Report, report
from worklist.web.search import UNSUPPORTED_WARNING, search

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def handlers() -> Handlers:
    """The handlers of DIMSE, with the register of devices as the listener sees it."""
    dicom = config.load().dicom
    return Handlers(configured(dicom), matches=dicom.matches)


@lru_cache(maxsize=1)
def gate() -> Gate:
    return Gate()


class Acknowledgment(HttpResponse):
    """The answer to a stored message; notes that it was sent once the server closes it."""

    message = ""

    def close(self) -> None:
        try:
            inbox.mark_replied(self.message, sent=True)
        except OperationalError:
            log.warning("the answer was sent, but this could not be noted")
        super().close()


R = TypeVar("R", bound=HttpResponse)


def bare(response: R) -> R:
    """An answer without a body, and so without a media type."""
    del response["Content-Type"]
    return response


@method_decorator(csrf_exempt, name="dispatch")
class DicomWebView(View):
    """What all addresses share."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Exception as error:
            return self.refusal(self.known_error(error))

    # --- the request

    @property
    def base(self) -> str:
        return self.request.build_absolute_uri(capabilities.BASE_PATH)

    @property
    def request_id(self) -> str:
        return getattr(self.request, "correlation_id", "") or uuid.uuid4().hex

    def client(self, scope: str) -> Client:
        """The client, if it may do this."""
        client = access.authenticate(self.request.META)
        gate().require(client, scope, handlers().registry, secure=self.request.is_secure())
        return client

    def pairs(self) -> parameters.Pairs:
        return parameters.pairs_of(self.request.META.get("QUERY_STRING", ""))

    def form(self, pairs: parameters.Pairs) -> Form:
        """How to answer; the parameters beat the header fields."""
        # A "+" that the client did not escape arrives as a space.
        given = parameters.first(pairs, parameters.ACCEPT).replace(" ", "+").replace(";+", "; ")
        require_utf8(
            self.request.META.get("HTTP_ACCEPT_CHARSET", ""),
            parameters.first(pairs, parameters.CHARSET, "accept-charset"),
        )
        return form_for(given or self.request.META.get("HTTP_ACCEPT", ""))

    def body(self) -> bytes:
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise HttpError(415, "the body must not be compressed")
        try:
            if "chunked" in self.request.headers.get("Transfer-Encoding", "").lower():
                return self.chunked_body()
            return self.request.body
        except UnreadablePostError:
            raise HttpError(400, "the body did not arrive") from None
        except RequestDataTooBig:
            raise HttpError(413, "the body is longer than this server takes") from None

    def chunked_body(self) -> bytes:
        """A body without a length, which Django takes for an empty one (RFC 9112 7.1)."""
        environ = self.request.META
        if not environ.get("wsgi.input_terminated"):
            raise HttpError(411, "this server wants to know the length of the body")
        most = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
        body: bytes = environ["wsgi.input"].read(most + 1)
        if len(body) > most:
            raise RequestDataTooBig
        return body

    # --- the answer

    def answer(self, body: Body, warnings: Iterable[str] = ()) -> HttpResponse:
        response = HttpResponse(body.content, content_type=body.content_type)
        self.warn(response, warnings)
        return response

    def warn(self, response: HttpResponse, warnings: Iterable[str]) -> None:
        """``Warning: 299 <service>: text`` (8.3.4.2), one header field for all."""
        found = [f"299 {self.base}: {text}" for text in warnings]
        if found:
            response["Warning"] = ", ".join(found)

    def refusal(self, found: Report) -> HttpResponse:
        response = HttpResponse(
            found.body(), status=found.status, content_type="application/json; charset=utf-8"
        )
        for name, value in found.headers.items():
            response[name] = value
        text = found.text.encode("ascii", "replace").decode()
        self.warn(response, [text])
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        raise HttpError(405, "this method is not served here", headers={"Allow": allowed})

    def known_error(self, error: Exception) -> Report:
        if isinstance(error, RisError):
            return report(error, request_id=self.request_id)
        if isinstance(error, OperationalError | InterfaceError):
            log.warning("the database was busy", error=str(error)[:200])
            return report(unavailable(error))
        log.error("a DICOMweb request failed", error_id=self.request_id, **fault(error))
        return report(InternalError("internal error", details={"error_id": self.request_id}))


class CapabilitiesView(DicomWebView):
    """The base: open to everybody, so that clients can find out what is served (8.9)."""

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.get(request)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        accepted = {each.name for each in ranges(request.META.get("HTTP_ACCEPT", ""))}
        if {"application/json", "application/dicom+json"} & accepted:
            body = Body(capabilities.as_json(self.base), "application/json; charset=utf-8")
        else:
            body = Body(capabilities.as_wadl(self.base), capabilities.WADL)
        response = self.answer(body)
        response["Allow"] = "GET, HEAD, OPTIONS"
        return response


class ScheduledView(DicomWebView):
    """``/modality-scheduled-procedure-steps``: search (14.4)."""

    http_method_names = ["get", "head", "options"]  # noqa: RUF012 - Django's way

    def get(self, request: HttpRequest) -> HttpResponseBase:
        client = self.client(access.WORKLIST_READ)
        pairs = self.pairs()
        form = self.form(pairs)
        asked = parameters.search_parameters(pairs)
        found = search(asked, client, handlers())
        if found.refusal is not None:
            return self.refusal(found.refusal)
        if not found.datasets:
            response = bare(HttpResponse(status=204))
            self.warn(response, found.warnings)
            return response
        return self.answer(body_of(found.datasets, form), found.warnings)


class PerformedView(DicomWebView):
    """``/modality-performed-procedure-steps/{mppsUID}``: create, update, retrieve (15.4-15.6)."""

    http_method_names = ["get", "head", "post", "options"]  # noqa: RUF012

    def get(self, request: HttpRequest, uid: str, update: str = "") -> HttpResponseBase:
        if update:
            raise HttpError(405, "an update is a POST", headers={"Allow": "POST"})
        client = self.client(access.MPPS_READ)
        performed.require_uid(uid)
        pairs = self.pairs()
        form = self.form(pairs)
        wanted = performed.fields(pairs)
        with in_tags():
            data = performing.performed_dataset(uid)
        record_access(client.actor, action="ReadPerformedStep", subject=uid)
        chosen, unknown = retrieval.select(retrieval.with_identity(data, uid), wanted)
        ordered = {key: chosen[key] for key in sorted(chosen)}
        warnings = [UNSUPPORTED_WARNING] if unknown else []
        return self.answer(body_of([ordered], form, alone=True), warnings)

    def post(self, request: HttpRequest, uid: str, update: str = "") -> HttpResponseBase:
        client = self.client(access.MPPS_WRITE)
        performed.require_uid(uid)
        incoming = Incoming(
            url=request.build_absolute_uri(),
            headers={name: request.headers.get(name, "") for name in KEPT},
            body=self.body(),
        )
        receipt = performed.receive(incoming, client, handlers().registry.snapshot())
        if isinstance(receipt.answer, Report):
            refused = self.refusal(receipt.answer)
            response = Acknowledgment(
                refused.content, status=refused.status_code, headers=dict(refused.headers)
            )
        else:
            response = bare(Acknowledgment(status=receipt.answer))
            response["Content-Location"] = f"{self.base}/{capabilities.PERFORMED}/{uid}"
            if receipt.answer == 201:
                response["Location"] = response["Content-Location"]
        response.message = receipt.message
        return response


class UnknownView(DicomWebView):
    """Every other address below the base."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        words = f"there is nothing at this address; OPTIONS {self.base}/ tells what there is"
        return self.refusal(report(HttpError(404, words)))

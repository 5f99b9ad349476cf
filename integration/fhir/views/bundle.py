"""``POST [base]``: transactions and batches (FHIR R4 3.1.0.11), and what they read on the way."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, UnreadablePostError
from django.urls import get_resolver
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import formats, json, rows, transport, writing
from integration.fhir.auth import Client
from integration.fhir.capability import capability_statement
from integration.fhir.exchange import BASE_PATH, Reply
from integration.fhir.outcome import HttpError
from integration.fhir.views.base import CLIENT, Acknowledgment, FhirView
from integration.fhir.writing.entries import Entry

_CONDITIONS = {"If-None-Match": "HTTP_IF_NONE_MATCH", "If-Modified-Since": "HTTP_IF_MODIFIED_SINCE"}


class BundleView(FhirView):
    """``[base]``: many requests at once."""

    http_method_names = ["post"]  # noqa: RUF012

    def post(self, request: Request) -> Response:
        incoming = self.incoming()
        fetch = Fetcher(self.client, incoming.base, self.request_id)
        received = writing.receive_bundle(incoming, self.client, fetch, request_id=self.request_id)
        if isinstance(received, Reply):
            return Response(received.body, status=received.status)
        return Acknowledgment(received.message, Reply.from_answer(received.answer))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """The CapabilityStatement, as servers of older releases gave it here."""
        return self.answer(capability_statement(self.base), versioned=False)

    def body(self) -> bytes:
        """The body, which may be longer than that of other requests."""
        limit = settings.CONFIG.fhir.bundle_bytes
        length = self.request.META.get("CONTENT_LENGTH", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_long(limit)
        try:
            raw = self.request._request.read(limit + 1)
        except UnreadablePostError:
            raise HttpError(400, "incomplete", "the body did not arrive") from None
        if len(raw) > limit:
            raise _too_long(limit)
        return transport.plain(raw, self.request.headers.get("Content-Encoding", ""), limit)


def _too_long(limit: int) -> HttpError:
    return HttpError(413, "too-long", f"the body is longer than {limit} bytes")


class _AlreadyKnown(BaseAuthentication):
    """An entry is asked by who asked the bundle."""

    def authenticate(self, request: Request) -> tuple[Client, None]:
        client: Client = request.META[CLIENT]
        rows.asked_by(client)
        return client, None


class Fetcher:
    """Answers the reads, searches and operations of a bundle as if each had come by itself.

    The views do it, with their scopes, row filters, versions and audit.
    """

    def __init__(self, client: Client, base: str, request_id: str) -> None:
        self._client = client
        self._base = urlsplit(base)
        self._request_id = request_id

    def __call__(self, entry: Entry) -> Reply:
        request = self._request(entry)
        found = get_resolver("integration.fhir.urls").resolve(f"/{entry.path}")
        view: Any = getattr(found.func, "cls", None)
        if view is None:  # the token endpoint and its description are no FHIR
            raise HttpError(404, "not-found", "this address is not asked in a bundle")
        answer = view.as_view(authentication_classes=[_AlreadyKnown])(
            request, *found.args, **found.kwargs
        )
        body = getattr(answer, "data", None)
        if isinstance(body, bytes):
            body = json.read_stored(body) if body else None
        return Reply(answer.status_code, body, dict(answer.headers))

    def _request(self, entry: Entry) -> HttpRequest:
        base = self._base
        raw = b"" if entry.resource is None else json.write(entry.resource)
        port = base.port or (443 if base.scheme == "https" else 80)
        environ = {
            "REQUEST_METHOD": entry.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": f"{BASE_PATH}/{entry.path}",
            "QUERY_STRING": entry.url.partition("?")[2],
            "SERVER_NAME": base.hostname or "",
            "SERVER_PORT": str(port),
            "HTTP_HOST": base.netloc,
            "HTTP_ACCEPT": formats.FHIR_JSON,
            "CONTENT_TYPE": formats.FHIR_JSON,
            "CONTENT_LENGTH": str(len(raw)),
            "REMOTE_ADDR": self._client.actor.address,
            "wsgi.url_scheme": base.scheme,
            "wsgi.input": BytesIO(raw),
            CLIENT: self._client,
        }
        for header, name in _CONDITIONS.items():
            if header in entry.headers:
                environ[name] = entry.headers[header]
        request = WSGIRequest(environ)
        request.correlation_id = self._request_id  # type: ignore[attr-defined]
        return request

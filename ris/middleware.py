"""What every request passes: correlation id, security headers, session limits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from ris.services import bearer

GetResponse = Callable[[HttpRequest], HttpResponse]

CORRELATION_HEADER = "X-Request-ID"
# What a log line holds unquoted: counters, UUIDs, URNs, trace ids, base64.
_CORRELATION = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")

# Everything comes from this host, nothing is inline, nobody may frame the pages.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

# A page that refreshes itself says so, or nobody would ever be logged out for being away.
POLL_HEADER = "X-Ris-Poll"
MACHINES = ("/fhir", "/api/", "/dicom-web", "/healthz", "/readyz", "/metrics")
_SEEN = "seen_at"
_SINCE = "since"
_SEEN_STEP = 30  # seconds; a session row is not written at each click


def correlation(get_response: GetResponse) -> GetResponse:
    """One id from the request through commands and events to the log; the caller may bring it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(CORRELATION_HEADER, "")
        identifier = given if _CORRELATION.fullmatch(given) else uuid4().hex
        request.correlation_id = identifier  # type: ignore[attr-defined]  # an attribute of ours
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=identifier)
        response = get_response(request)
        response[CORRELATION_HEADER] = identifier
        # Called once the answer was sent, so that nobody waits for it.
        response._resource_closers.append(bearer.write_uses)  # type: ignore[attr-defined]
        return response

    return middleware


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """The strict policy on every answer, error pages included."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Content-Security-Policy", POLICY)
        response.setdefault("Permissions-Policy", PERMISSIONS)
        # Pages show patients: neither a proxy nor the browser's back button keeps them.
        if "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    return middleware


def session_limits(get_response: GetResponse) -> GetResponse:
    """Logs out after idle time without a click, and after the absolute length of a session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            session = request.session
            since = session.setdefault(_SINCE, now)
            seen = session.setdefault(_SEEN, now)
            idle = now - seen > settings.SESSION_IDLE_SECONDS
            if idle or now - since > settings.SESSION_COOKIE_AGE:
                logout(request)
            elif POLL_HEADER not in request.headers and now - seen >= _SEEN_STEP:
                session[_SEEN] = now
        return get_response(request)

    return middleware


def language(get_response: GetResponse) -> GetResponse:
    """Pages speak the language their reader chose, else the one the browser asks for.

    Machines are answered in English whatever they send: their logs are read by many.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(MACHINES):
            return get_response(request)
        chosen = ""
        if request.user.is_authenticated:
            chosen = request.user.preferences.get("language", "")
        with translation.override(chosen or translation.get_language_from_request(request)):
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        return response

    return middleware


def site(request: HttpRequest) -> dict[str, Any]:
    """Context of every template."""
    return {"site_name": settings.SITE_NAME, "demo_site": settings.CONFIG.demo}

"""What HTTP does around a request: compression, origins, and how many requests a client may make.

RFC 9110 8.4 (content codings), the Fetch standard (CORS), RFC 6585 4 (429 Too Many Requests).
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from integration.fhir.outcome import HttpError

# Shorter answers gain nothing from being compressed.
LEAST_COMPRESSED = 1024
_LEVEL = 4
_GZIP = 16 + zlib.MAX_WBITS


def plain(raw: bytes, coding: str, limit: int) -> bytes:
    """A body as it was before it was compressed; raises HttpError 413, 415 or 400."""
    name = coding.strip().lower()
    if name in {"", "identity"}:
        return raw
    if name not in {"gzip", "x-gzip"}:
        raise HttpError(415, "not-supported", f"the body must be gzip or plain, not {name[:40]}")
    reader = zlib.decompressobj(_GZIP)
    try:
        found = reader.decompress(raw, limit + 1)
    except zlib.error:
        raise HttpError(400, "structure", "the body is not gzip") from None
    if len(found) > limit:
        raise HttpError(413, "too-long", f"the body is longer than {limit} bytes once unpacked")
    if not reader.eof:
        raise HttpError(400, "incomplete", "the compressed body ends too early")
    return found


def takes_gzip(accepted: str) -> bool:
    """Whether ``Accept-Encoding`` allows gzip (RFC 9110 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, quality = part.replace(" ", "").partition(";q=")
        if name in {"gzip", "*"}:
            try:
                return float(quality or 1) > 0
            except ValueError:
                return False
    return False


def compress(request: HttpRequest, response: HttpResponseBase) -> None:
    """Compress an answer that was rendered, for who takes it."""
    content = getattr(response, "content", b"")
    patch_vary_headers(response, ["Accept-Encoding"])
    if len(content) < LEAST_COMPRESSED or response.has_header("Content-Encoding"):
        return
    if not takes_gzip(request.headers.get("Accept-Encoding", "")):
        return
    writer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    response.content = writer.compress(content) + writer.flush()  # type: ignore[attr-defined]
    response["Content-Encoding"] = "gzip"
    if response.has_header("Content-Length"):
        response["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]


# --- other origins (CORS)

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, "
    "If-None-Exist, If-None-Match, Prefer, X-Request-Id"
)
_SHOWN_HEADERS = "Content-Location, ETag, Last-Modified, Location, Retry-After, X-Request-Id"
_PREFLIGHT_SECONDS = "600"


def allow_origin(
    request: HttpRequest, response: HttpResponseBase, origins: tuple[str, ...], *, open_to_all: bool
) -> None:
    """Let scripts of other origins read the answer: of all where nothing is secret, else of those
    that the operator names."""
    origin = request.headers.get("Origin", "")
    if open_to_all or "*" in origins:
        response["Access-Control-Allow-Origin"] = "*"
    else:
        patch_vary_headers(response, ["Origin"])
        if not origin or origin not in origins:
            return
        response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Expose-Headers"] = _SHOWN_HEADERS
    if request.method == "OPTIONS":
        response["Access-Control-Allow-Methods"] = _METHODS
        response["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
        response["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS


# --- how many requests


@dataclass(slots=True)
class Throttle:
    """A bucket of requests for each client, filled steadily; counted in this process alone."""

    clock: Callable[[], float] = time.monotonic
    most_clients: int = 10_000
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, client: str, per_minute: int) -> None:
        """Count one request; raises HttpError 429 with the seconds to wait."""
        if not per_minute:
            return
        now = self.clock()
        rate = per_minute / 60
        with self._lock:
            left, at = self._buckets.pop(client, (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * rate)
            allowed = left >= 1
            self._buckets[client] = (left - 1 if allowed else left, now)
            while len(self._buckets) > self.most_clients:
                self._buckets.popitem(last=False)
        if not allowed:
            wait = str(int((1 - left) / rate) + 1)
            raise HttpError(
                429,
                "throttled",
                f"more than {per_minute} requests a minute; try again in {wait} s",
                headers={"Retry-After": wait},
            )


throttle = Throttle()

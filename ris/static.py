"""Static files with a digest of their content in the address, and compressed, without a build."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers


class DigestStorage(StaticFilesStorage):
    """``{% static %}`` gives ``/static/ris.css?v=3f2a…``, so no cache hides a new release."""

    def url(self, name: str | None) -> str:
        address = super().url(name)
        version = "" if settings.DEBUG or not name else _digest(name)
        return f"{address}?v={version}" if version else address


@lru_cache(maxsize=1024)
def _digest(name: str) -> str:
    found = finders.find(name)
    if not isinstance(found, str):
        return ""
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12]


_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")


def compressed(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Static text as gzip, if the browser takes it.

    Only static files: in a page, what somebody else could guess would lie beside what is secret
    (BREACH).
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (
            not request.path.startswith(settings.STATIC_URL)
            or response.status_code != 200
            or not isinstance(response, StreamingHttpResponse)
            or not response.headers.get("Content-Type", "").startswith(_TEXT)
        ):
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return response
        content = _squeezed(b"".join(response))
        small = HttpResponse(content, headers=dict(response.headers.items()))
        # The file is closed with the answer that takes its place.
        small._resource_closers += response._resource_closers  # type: ignore[attr-defined]
        small["Content-Encoding"] = "gzip"
        small["Content-Length"] = str(len(content))
        return small

    return middleware


@lru_cache(maxsize=64)
def _squeezed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)

"""The floor of the web side: an empty Django view on the web server the RIS uses.

``python -m benchmarks.servers.empty PORT``.
"""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/fhir+json")


urlpatterns = [path("empty", view)]


def _application() -> WSGIHandler:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="floor")
        django.setup()
    return WSGIHandler()


def main(port: int) -> None:
    """One process with eight threads, as `ris run web` by default."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    Granian(
        "benchmarks.servers.empty:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=8,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
else:
    application = _application()

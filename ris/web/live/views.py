"""``/live/``: server-sent events for open pages (HTML Living Standard, 9.2)."""

from __future__ import annotations

import threading
from random import SystemRandom
from typing import cast

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from ris.web.access import PageRequest, page
from ris.web.asking import asked
from ris.web.live.hub import Hub
from ris.web.live.topics import heard_by

# After this long a page asks again, and with it for the right to: a login may have ended.
LONGEST_SECONDS = 240.0
SPREAD_SECONDS = 60.0  # so that they do not all come at once

_hub: Hub | None = None
_making = threading.Lock()


def hub() -> Hub:
    """The hub of this process."""
    global _hub
    with _making:
        if _hub is None:
            _hub = Hub(settings.CONFIG.http.streams)
        return _hub


def end() -> None:
    """End all streams: this process is to stop."""
    if _hub is not None:
        _hub.end()


class LiveResponse(StreamingHttpResponse):
    """An answer that goes on; the server's thread only waits meanwhile (ris/serving.py)."""

    is_live = True


@require_GET
@page()
def live(request: PageRequest) -> HttpResponse:
    """Say that something of ``?topics=board,orders`` changed, as often as it does.

    ``page`` is a name that the page gives itself, ``left`` that of the one before in its tab, and
    ``age`` how many milliseconds ago it was asked for: what changed since is told first. 204:
    nothing to hear; 503: too many pages are open.
    """
    topics = heard_by(request.actor, asked(request, "topics").split(","))
    if not topics:
        return HttpResponse(status=204)
    age = asked(request, "age", 7)
    session = request.session.session_key
    hub().leave(f"{session} {asked(request, 'left', 40)}")
    return streamed(
        f"{session} {asked(request, 'page', 40)}",
        topics,
        age=1 + (int(age) / 1000 if age.isascii() and age.isdigit() else 0),
    )


def streamed(key: str, topics: frozenset[str], *, age: float) -> HttpResponse:
    """The stream of the page ``key``; 503 if too many are open."""
    stream = hub().join(
        key,
        topics,
        age=age,
        seconds=LONGEST_SECONDS + SystemRandom().uniform(0, SPREAD_SECONDS),
    )
    if stream is None:
        return HttpResponse(status=503, headers={"Retry-After": "60"})
    answer = LiveResponse(
        stream, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )
    return cast(HttpResponse, answer)  # as far as decorators care

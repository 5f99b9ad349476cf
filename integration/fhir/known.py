"""Answers given before, given again while nobody wrote (docs/adr/0038).

Nothing here has to be invalidated: an answer is given again only to the same request, byte for byte
with all its headers, and only if the database tells that it is as it was before the answer was
made. So the token is still valid and its scopes are the same, no row came or went, and no version
is newer. What the clock decides is asked anew: the end of a token, the number of requests a client
may make, and times that can be booked. Each answer is audited as if it had been made.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.response import Response

from integration.fhir import transport
from integration.fhir.auth import Client
from integration.fhir.outcome import HttpError
from ris.selectors.worklist_memory import DataVersion
from ris.services import bearer
from ris.services.audit import record_access

MOST_BYTES = 32 * 1024 * 1024  # of all answers together
LONGEST = 1024 * 1024

# Free times depend on the hour; the audit grows by each answer.
_BY_THE_CLOCK = frozenset({"Slot", "Schedule", "Appointment", "AppointmentResponse", "AuditEvent"})
_MAY_LEAD_THERE = re.compile(r"slot|schedule|appointment|audit|\*", re.IGNORECASE)
# Says nothing of what is asked, and is another each time.
_APART = frozenset({"HTTP_X_REQUEST_ID"})
_BESIDE = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "QUERY_STRING")


@dataclass(frozen=True, slots=True)
class Told:
    """To whom an answer is given, by which token, and what the audit says of it."""

    client: Client
    token: str
    audit: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the state of the database before it was made."""

    version: str | int
    told: Told
    content: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Memory:
    """The last answer to each request, as many as fit."""

    most_bytes: int = MOST_BYTES
    answers: OrderedDict[bytes, Answered] = field(default_factory=OrderedDict)
    held: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, key: bytes, version: str | int) -> Answered | None:
        with self.lock:
            found = self.answers.get(key)
            if found is None or found.version != version:
                return None
            self.answers.move_to_end(key)
            return found

    def remember(self, key: bytes, answer: Answered) -> None:
        with self.lock:
            before = self.answers.pop(key, None)
            if before is not None:
                self.held -= len(before.content)
            self.answers[key] = answer
            self.held += len(answer.content)
            while self.held > self.most_bytes:
                _, dropped = self.answers.popitem(last=False)
                self.held -= len(dropped.content)

    def forget(self) -> None:
        with self.lock:
            self.answers.clear()
            self.held = 0


memory = Memory()
database = DataVersion()


def answered(
    request: HttpRequest,
    kind: str,
    make: Callable[[], HttpResponseBase],
    told: Callable[[], Told | None],
) -> HttpResponseBase:
    """The answer to a GET: a known one, or the one that ``make`` makes, to be known.

    ``told`` gives what was audited of the answer that was made.
    """
    query = unquote_plus(request.META["QUERY_STRING"])
    if kind in _BY_THE_CLOCK or _MAY_LEAD_THERE.search(query):
        return make()
    version = database.read()
    if version is None:
        return make()
    key = _key(request)
    known = memory.recall(key, version)
    if known is not None and _may_still(known.told.client):
        bearer.note_use(known.told.token)
        record_access(known.told.client.actor, **known.told.audit)
        return HttpResponse(known.content, headers=dict(known.headers))
    response = make()
    if isinstance(response, Response) and response.status_code == 200:
        said = told()
        if said is not None and not _is_limited_by_the_clock(said.client):

            def remember(rendered: Response) -> None:
                content = bytes(rendered.content)
                if len(content) <= LONGEST:
                    found = Answered(version, said, content, dict(rendered.headers))
                    memory.remember(key, found)

            response.add_post_render_callback(remember)
    return response


def _may_still(client: Client) -> bool:
    """Whether time allows another answer; if not, the long way says why."""
    if client.expires_at is not None and client.expires_at <= timezone.now():
        return False
    try:
        transport.throttle.take(client.actor.name, settings.CONFIG.fhir.requests_per_minute)
    except HttpError:
        return False
    return True


def _is_limited_by_the_clock(client: Client) -> bool:
    rows = (str(each) for each in client.scopes.grants if each.rows)
    return any(_MAY_LEAD_THERE.search(each.partition("?")[2]) for each in rows)


def _key(request: HttpRequest) -> bytes:
    """All that came with a request; as a digest, for there is a token in it."""
    meta = request.META
    said = [(name, meta.get(name, "")) for name in _BESIDE]
    said += sorted(
        (name, value)
        for name, value in meta.items()
        if name.startswith("HTTP_") and name not in _APART
    )
    return hashlib.blake2b(repr((request.path, said)).encode(), digest_size=32).digest()

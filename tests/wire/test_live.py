"""The stream that tells open pages of changes: many listeners, real sockets, a running site."""

from __future__ import annotations

import http.client
import json
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import hl7.client
import pytest

from ris.web.wall.views import SCREENS
from tests.pages import Person
from tests.running import Running, start

pytestmark = [pytest.mark.wire, pytest.mark.database, pytest.mark.timeout(300)]
BROWSERS = 50
ORDERS = 8


def log_in(running: Running, role: str) -> str:
    """The cookies of somebody who has logged in as a browser does."""
    person = Person(running.http_port, timeout=30)
    person.log_in(role, running.password)
    return "; ".join(f"{name}={value}" for name, value in person.cookies.items())


@dataclass(slots=True)
class Listener:
    """One open page, as far as the server sees it; ``heard`` are days of the board."""

    socket: socket.socket
    text: bytes = b""
    heard: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # topics

    def take(self, sought: set[str]) -> None:
        """Read what is there; who is told of a change of any day looks at all that is sought."""
        self.text += self.socket.recv(65536)
        *whole, self.text = self.text.split(b"\n")
        for line in whole:
            if line.startswith(b"data: "):
                for topic, days in json.loads(line[6:]).items():
                    self.told.add(topic)
                    self.heard.update(days or sought)


@contextmanager
def listening(
    running: Running, cookie: str, count: int, topics: str, path: str = "/live/"
) -> Iterator[list[Listener]]:
    """So many pages with an open stream each."""
    listeners: list[Listener] = []
    try:
        for number in range(count):
            plain = socket.create_connection(("127.0.0.1", running.http_port), timeout=60)
            listeners.append(Listener(plain))
            plain.sendall(
                f"GET {path}?topics={topics}&page=p{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Cookie: {cookie}\r\nX-Ris-Poll: 1\r\n\r\n".encode()
            )
        for listener in listeners:
            head = b""
            while b"retry: 2000" not in head:
                more = listener.socket.recv(4096)
                assert more, head
                head += more
                assert head.startswith(b"HTTP/1.1 200 "), head
            assert b"x-accel-buffering: no" in head.lower()
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


def read_until_all_know(listeners: list[Listener], days: set[str], seconds: float) -> None:
    """Read until each has heard of every day."""
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        deadline = time.monotonic() + seconds
        while any(days - listener.heard for listener in listeners):
            missed = [days - listener.heard for listener in listeners]
            assert time.monotonic() < deadline, missed
            for key, _ in selector.select(0.1):
                key.data.take(days)


def rest_of(plain: socket.socket) -> bytes:
    """What comes until the server closes."""
    plain.settimeout(10)
    rest = b""
    while more := plain.recv(65536):
        rest += more
    return rest


def order(running: Running, number: str, at: datetime) -> None:
    """An order from the EHR that names its time: it is booked before it is acknowledged."""
    when = f"{at:%Y%m%d%H%M%S}"
    message = "\r".join(
        [
            f"MSH|^~\\&|EHR|HOSPITAL|RIS|RAD|{when}||ORM^O01|L{number}|P|2.3.1",
            f"PID|1||L{number}^^^HOSPITAL^MR||Live^Person {number}||19700503|F",
            "PV1|1|O",
            f"ORC|NW|LV{number}^EHR|||||^^^{when}^^R",
            f"OBR|1|LV{number}^EHR||CTHEAD^CT head^L||||||||||||||||||||CT|||^^^{when}^^R",
            "",
        ]
    )
    with hl7.client.MLLPClient("127.0.0.1", running.mllp_port) as client:
        assert b"MSA|AA" in client.send_message(message)


def test_fifty_pages_hear_of_every_change(running_ris: Running) -> None:
    cookie = log_in(running_ris, "scheduler")
    first = (datetime.now(UTC) + timedelta(days=300)).replace(hour=10, minute=0, second=0)
    booked: set[str] = set()

    with listening(running_ris, cookie, BROWSERS, "board") as listeners:
        for number in range(ORDERS):
            at = first + timedelta(days=number)
            order(running_ris, f"55{number}", at)
            booked.add(at.date().isoformat())
            read_until_all_know(listeners, booked, 30)
        # Pages are served meanwhile as ever: the streams have threads of their own.
        status, _ = running_ris.get("/healthz")

    assert status == 200
    assert len(booked) == ORDERS
    assert all(listener.heard >= booked for listener in listeners)


def test_screens_on_the_wall_hear_of_it_without_a_login(running_ris: Running) -> None:
    admin = Person(running_ris.http_port, timeout=30)
    admin.log_in("admin", running_ris.password)
    setup = admin.get("/arrivals/setup/")
    made = admin.submit(setup, "/arrivals/setup/screens/", **{"screen-name": "Live"})
    address = next(link for link in made.links if "/wall/screen/" in link)
    path = f"{urlsplit(address).path}live/"
    at = (datetime.now(UTC) + timedelta(days=330)).replace(hour=10, minute=0, second=0)

    with listening(running_ris, "", SCREENS, "", path) as listeners:
        order(running_ris, "581", at)
        read_until_all_know(listeners, {at.date().isoformat()}, 30)
        refused, _ = running_ris.get(f"{path}?page=more")

    assert all(set(listener.told) == {"wall"} for listener in listeners)
    assert refused == 503


def test_stream_begins_with_what_happened_since_the_page_was_asked_for(
    running_ris: Running,
) -> None:
    cookie = log_in(running_ris, "frontdesk")
    at = (datetime.now(UTC) + timedelta(days=320)).replace(hour=10, minute=0, second=0)
    order(running_ris, "561", at)

    with listening(running_ris, cookie, 1, "board&age=20000") as listeners:
        read_until_all_know(listeners, {at.date().isoformat()}, 30)


def test_stream_tells_only_what_the_role_may_see(running_ris: Running) -> None:
    cookie = log_in(running_ris, "radiologist")

    assert ask(running_ris, cookie, "interfaces,exceptions,arrivals") == (204, b"")


def test_stream_without_a_login_is_refused(running_ris: Running) -> None:
    status, _ = ask(running_ris, "", "board")

    assert status == 302


def ask(running: Running, cookie: str, topics: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    try:
        headers = {"Cookie": cookie} if cookie else {}
        connection.request("GET", f"/live/?topics={topics}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_next_page_of_a_tab_ends_the_stream_before_it(running_ris: Running) -> None:
    cookie = log_in(running_ris, "frontdesk")

    with (
        listening(running_ris, cookie, 1, "board") as (former,),
        listening(running_ris, cookie, 1, "board&left=p0"),
    ):
        former.socket.settimeout(10)
        rest = b""
        # What other tests booked may be told before the end of the chunked body.
        while not rest.endswith(b"0\r\n\r\n"):
            more = former.socket.recv(65536)
            assert more, rest
            rest += more


def test_two_processes_hear_and_end_at_once(tmp_path: Path) -> None:
    running = start(tmp_path / "site", "--demo", RIS_HTTP__WORKERS="2", RIS_HTTP__STREAMS="20")
    cookie = log_in(running, "scheduler")
    at = (datetime.now(UTC) + timedelta(days=300)).replace(hour=10, minute=0, second=0)

    with listening(running, cookie, 16, "board") as listeners:
        order(running, "571", at)
        read_until_all_know(listeners, {at.date().isoformat()}, 30)
        code = running.stop()
        endings = [rest_of(listener.socket) for listener in listeners]

    assert code == 0
    # Each was ended by its own end of the chunked body: who is killed writes none.
    assert [rest[-5:] for rest in endings] == [b"0\r\n\r\n"] * 16

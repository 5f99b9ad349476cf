"""What an archive answers that is cut off or malformed: never a success, never a crash."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ris.domain.errors import InvalidValueError
from ris.domain.protocol import Result
from tests.wire.archive import Archive
from tests.wire.web_archive import WebArchive
from worklist import dicomweb
from worklist.asking import Dimse, Web
from worklist.dicomweb_settings import WebSettings
from worklist.endpoint_settings import read_settings
from worklist.outbound import target
from worklist.requestor import CallError
from worklist.stow import verdict
from worklist.web_client import Answer, Service, ask

pytestmark = pytest.mark.wire
UID = "1.2.3"


@contextmanager
def peer(said: bytes) -> Iterator[str]:
    """A service that says these bytes to one request and hangs up; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/dicom-web"
        finally:
            thread.join(10)


def test_an_answer_that_ends_early_is_no_answer() -> None:
    failed = json.dumps({"00081198": {"vr": "SQ", "Value": []}}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 900\r\n\r\n"
    with peer(head + failed) as url, pytest.raises(CallError, match="ends early") as caught:
        ask(Service(url=url, connect_seconds=5, answer_seconds=5), "GET", "/studies", {})

    assert caught.value.result is Result.AMBIGUOUS


@pytest.mark.parametrize(
    "body",
    [
        {"00081198": None},
        {"00081198": {"vr": "SQ", "Value": None}},
        {"00081198": {"vr": "SQ", "Value": [{"00081155": None}]}},
        {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": None}}]}},
        {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": "1.2.3"}}]}},
    ],
)
def test_an_answer_that_is_no_dicom_json_says_nothing_of_the_object(body: object) -> None:
    headers = {"content-type": "application/dicom+json"}

    assert verdict(Answer(200, "OK", headers, json.dumps(body).encode()), UID) == (
        Result.DELIVERED,
        "",
    )


def test_matches_that_are_no_dicom_json_are_read_as_far_as_they_are() -> None:
    row = {
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": 5, "Ideographic": "\u5c71"}]},
        "00100020": None,
        "00080061": {"vr": "CS", "Value": None},
    }
    with WebArchive(rows=[row]) as archive:
        (found,) = Web(Service(url=archive.url)).studies("77", "")

    assert found == {
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00100010": {"vr": "PN", "Value": [{"Ideographic": "\u5c71"}]},
    }


def test_a_service_that_tells_few_at_once_is_asked_for_the_rest() -> None:
    rows = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(7)]
    with WebArchive(rows=rows, page=3) as archive:
        found = Web(Service(url=archive.url)).studies("77", "")

    assert found == rows
    assert [path.partition("&offset=")[2] for path in archive.asked] == ["", "3", "6"]


def test_a_part_of_the_matches_is_never_taken_for_all() -> None:
    rows = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(30)]
    with (
        WebArchive(rows=rows, page=1) as archive,
        pytest.raises(CallError, match="too little at once"),
    ):
        Web(Service(url=archive.url)).studies("77", "")


@pytest.mark.parametrize("number", ["12*", "1?", "1\\2", "7" * 65, ""])
def test_a_number_that_archives_read_as_a_pattern_or_cut_is_not_asked_for(number: str) -> None:
    with WebArchive() as web, Archive() as archive:
        whom = target("127.0.0.1", archive.port, archive.ae_title, read_settings({}))

        assert Web(Service(url=web.url)).studies(number, "HOSP") == []
        assert Dimse(whom).studies(number, "HOSP") == []

    assert web.asked == []


@pytest.mark.parametrize("content", ["", "Bearer one\nX-Other: two\n"])
def test_an_authorization_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)

    with pytest.raises(InvalidValueError, match="one line"):
        dicomweb.service(WebSettings(url="https://pacs", authorization_file=str(file)))

"""An archive's DICOMweb service over real HTTP: STOW-RS and as much of QIDO-RS as is asked."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread
from pydicom.dataset import Dataset


@dataclass
class WebArchive:
    """``reasons`` refuse an object with 409 each, ``statuses`` are given instead of any work."""

    tls: ssl.SSLContext | None = None
    reasons: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hides: bool = False
    page: int = 0  # tells so many rows at once
    silent: bool = False  # takes the request and never answers
    stored: dict[str, Dataset] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # answers to every other question
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    warning: str = ""
    _server: Any = None

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/dicom-web"

    def __enter__(self) -> WebArchive:
        archive = self
        free = threading.Event()
        self._free = free

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                archive.headers.append(dict(self.headers))
                archive.asked.append(self.path)
                if archive.silent:
                    free.wait(20)
                    return
                status, body = archive.find(self.path)
                self.answer(status, body, archive.warning)

            def do_POST(self) -> None:
                archive.headers.append(dict(self.headers))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if archive.silent:
                    free.wait(20)
                    return
                self.answer(*archive.store(self.headers["Content-Type"], body))

            def answer(self, status: int, body: Any, warning: str = "") -> None:
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(data)))
                if warning:
                    self.send_header("Warning", warning)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def store(self, content_type: str, body: bytes) -> tuple[int, Any]:
        if self.statuses:
            return self.statuses.pop(0), None
        boundary = content_type.split('boundary="')[1].split('"')[0].encode()
        part = body.split(b"--" + boundary)[1]
        head, _, content = part.partition(b"\r\n\r\n")
        assert b"Content-Type: application/dicom" in head
        dataset = dcmread(BytesIO(content.removesuffix(b"\r\n")))
        uid = str(dataset.SOPInstanceUID)
        item = {
            "00081150": {"vr": "UI", "Value": [str(dataset.SOPClassUID)]},
            "00081155": {"vr": "UI", "Value": [uid]},
        }
        if self.reasons:
            reason = self.reasons.pop(0)
            failed = {**item, "00081197": {"vr": "US", "Value": [reason]}}
            return 409, {"00081198": {"vr": "SQ", "Value": [failed]}}
        self.stored[uid] = dataset
        return 200, {"00081199": {"vr": "SQ", "Value": [item]}}

    def find(self, path: str) -> tuple[int, Any]:
        if self.statuses:
            return self.statuses.pop(0), None
        keys = parse_qs(urlsplit(path).query)
        if "SOPInstanceUID" in keys:
            uid = keys["SOPInstanceUID"][0]
            there = uid in self.stored and not self.hides
            return (200, [{"00080018": {"vr": "UI", "Value": [uid]}}]) if there else (204, None)
        first = int(keys.get("offset", ["0"])[0])
        rows = self.rows[first : first + (self.page or len(self.rows))]
        left = len(self.rows) - first - len(rows)
        more = f"299 PACS: There are {left} additional results that can be requested"
        self.warning = more if left else ""
        return (200, rows) if rows else (204, None)

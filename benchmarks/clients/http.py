"""HTTP/1.1 on a kept connection as a conversation."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.load import Said, TalkError


class HttpTalk:
    """Sends what it is given; an answer with the wanted status is an answer."""

    def __init__(self, requests: Iterator[bytes], wanted: int = 200) -> None:
        self._requests = requests
        self._wanted = wanted
        self._rest = b""

    def hello(self) -> bytes:
        self._rest = b""
        return b""

    def request(self) -> bytes:
        return next(self._requests)

    def goodbye(self) -> bytes:
        return b""

    def hear(self, data: bytes) -> tuple[Said, bytes]:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return Said.MORE, b""
        length = _length(head)
        complete = body.endswith(b"0\r\n\r\n") if length is None else len(body) >= length
        if not complete:
            return Said.MORE, b""
        self._rest = b""
        status = int(head[9:12])
        if status != self._wanted:
            raise TalkError(f"status {status}: {body[:200].decode(errors='replace')}")
        return Said.ANSWERED, b""


def _length(head: bytes) -> int | None:
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return None


def request(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

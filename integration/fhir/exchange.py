"""Requests that change something, as the inbox keeps them, and answers as it replays them.

The stored form is the HTTP message itself without its credentials, so what is shown on the message
page is what came, and a refused request can be applied again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError, refusal
from integration.fhir.subscriptions.secrets import redacted
from ris.domain.errors import RisError
from ris.services.inbox import Answer

# The headers that say something about the request; others are the transport's, or secret.
KEPT = (
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "If-None-Exist",
    "Prefer",
    "Idempotency-Key",
    "X-Request-Id",
    "X-Security-Context",
)
BASE_PATH = "/fhir"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A POST, PUT or PATCH; ``url`` is absolute (RFC 9112 3.2.2), ``base`` the FHIR base in it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)

    @property
    def condition(self) -> str:
        """The query of the address, as it came."""
        return urlsplit(self.url).query

    @property
    def base(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{BASE_PATH}"

    @property
    def address(self) -> list[str]:
        """The parts of the path behind the base: type, and id if there is one."""
        path = urlsplit(self.url).path
        return [part for part in path.split("/") if part][1:]

    def to_bytes(self) -> bytes:
        lines = [f"{self.method} {self.url} HTTP/1.1"]
        lines += [f"{name}: {self.headers[name]}" for name in KEPT if self.headers.get(name)]
        kind = self.address[0] if self.address else ""
        return "\r\n".join([*lines, "", ""]).encode() + redacted(self.body, kind)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Incoming:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        method, url, _ = first.split(" ")
        headers = dict(line.partition(": ")[::2] for line in rest)
        return cls(method, url, headers, body)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body of an answer, in the form the inbox stores."""

    status: int
    body: Resource | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_answer(self) -> Answer:
        stored = {"status": self.status, "headers": dict(self.headers), "body": self.body}
        return Answer(payload=json.write(stored), outcome=str(self.status))

    @classmethod
    def from_answer(cls, answer: Answer) -> Reply:
        stored: dict[str, Any] = json.read_stored(answer.payload)
        return cls(stored["status"], stored["body"], stored["headers"])


def refuse(error: RisError) -> Answer:
    """The answer to a refused request."""
    found = refusal(error)
    return Reply(found.status, found.body, found.headers).to_answer()


def preference(header: str, name: str) -> str:
    """What ``Prefer`` says of a preference (RFC 7240 2); its value may stand in quotes."""
    for part in header.replace(";", ",").split(","):
        said, _, value = part.partition("=")
        if said.strip().lower() == name:
            return value.strip().strip('"').strip()
    return ""


def etag(resource: Resource) -> str:
    return f'W/"{resource["meta"]["versionId"]}"'


def require_match(incoming: Incoming, version: str) -> None:
    """``If-Match`` (FHIR R4 3.1.0.5); raises HttpError 412 if another version is meant.

    ``If-None-Match`` on a write means that nothing, or no such version, may be there (RFC 9110
    13.1.2).
    """
    header = incoming.header("If-Match")
    wanted = [_version(part) for part in header.split(",")]
    if header and header.strip() != "*" and version not in wanted:
        raise HttpError(
            412, "conflict", f'the present version is W/"{version}": read it and try again'
        )
    if matches(incoming.header("If-None-Match"), version):
        raise HttpError(412, "conflict", f'it is there already, as version W/"{version}"')


def matches(header: str, version: str) -> bool:
    """Whether ``If-None-Match`` names this version; clients write it with and without quotes."""
    return header.strip() == "*" or version in [_version(part) for part in header.split(",")]


def _version(text: str) -> str:
    return text.strip().removeprefix("W/").strip('"')

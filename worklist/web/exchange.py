"""MPPS requests as the inbox keeps them, and answers as it replays them.

The stored form is the HTTP message itself without its credentials: what the message page shows is
what came, and a refused request can be applied again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ris.domain.errors import InvalidValueError
from ris.services.inbox import Answer
from worklist.elements import tag_path
from worklist.prescan import prescan
from worklist.raw import StoredRequest
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    SOP_CLASSES,
)
from worklist.web import json_model, xml_model
from worklist.web.encoding import encode
from worklist.web.negotiation import JSON, MULTIPART, UTF8_NAMES, XML, ranges
from worklist.web.refusal import HttpError, Report

SOP_CLASS = next(one for one in SOP_CLASSES if one.uid == MODALITY_PERFORMED_PROCEDURE_STEP)
# The header field that says what the body is; others are the transport's, secret, or new each time.
KEPT = ("Content-Type",)
BODIES = (JSON, "application/json", XML, MULTIPART)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A create or update; ``url`` is absolute (RFC 9112 3.2.2)."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def to_bytes(self) -> bytes:
        lines = [f"POST {self.url} HTTP/1.1"]
        lines += [f"{name}: {self.headers[name]}" for name in KEPT if self.headers.get(name)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    @classmethod
    def from_bytes(cls, raw: bytes) -> Incoming:
        """Raises InvalidValueError if this is no message stored by :meth:`to_bytes`."""
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode("utf-8", "replace").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[0] != "POST":
            raise InvalidValueError("not a stored DICOMweb message")
        return cls(words[1], dict(line.partition(": ")[::2] for line in rest), body)

    @property
    def is_update(self) -> bool:
        """``?update`` (15.5.1), or ``/update`` as the examples B.38 and B.39 write it."""
        parts = urlsplit(self.url)
        names = {part.partition("=")[0] for part in parts.query.split("&")}
        return "update" in names or parts.path.rstrip("/").endswith("/update")

    @property
    def uid(self) -> str:
        parts = [part for part in urlsplit(self.url).path.split("/") if part]
        return parts[-2] if parts[-1] == "update" else parts[-1]

    def payload(self) -> dict[str, Any]:
        """The body as DICOM JSON; raises HttpError (400, 415) or InvalidValueError."""
        return _read(self.headers.get("Content-Type", ""), self.body, may_nest=True)

    def request(self, ae_title: str) -> StoredRequest:
        """The N-CREATE or N-SET that says the same; raises HttpError or InvalidValueError."""
        dataset = encode(_without_identity(self.payload(), self.uid))
        prescan(
            dataset,
            EXPLICIT_VR_LITTLE_ENDIAN,
            depth=SOP_CLASS.dataset_depth,
            elements=SOP_CLASS.dataset_elements,
        )
        return replace(self.request_without_dataset(ae_title), dataset=dataset)

    def request_without_dataset(self, ae_title: str) -> StoredRequest:
        return StoredRequest(
            "N-SET" if self.is_update else "N-CREATE",
            MODALITY_PERFORMED_PROCEDURE_STEP,
            self.uid,
            EXPLICIT_VR_LITTLE_ENDIAN,
            ae_title,
            b"",
        )


def _without_identity(data: dict[str, Any], uid: str) -> dict[str, Any]:
    """The dataset without the SOP Common module, which the address says; it must not differ."""
    for key, expected in (("00080016", MODALITY_PERFORMED_PROCEDURE_STEP), ("00080018", uid)):
        attribute = data.get(key)
        values = attribute.get("Value") if isinstance(attribute, dict) else None
        if values and values != [expected]:
            raise InvalidValueError("is not that of the address", path=tag_path(int(key, 16)))
    return {key: value for key, value in data.items() if key not in {"00080016", "00080018"}}


def _read(content_type: str, body: bytes, *, may_nest: bool) -> dict[str, Any]:
    found = ranges(content_type)
    if len(found) != 1 or found[0].name not in BODIES:
        raise HttpError(415, f"the body must be {JSON}, {XML} or {MULTIPART} with one of them")
    parameters = found[0].parameters
    if parameters.get("charset", "utf-8").lower() not in UTF8_NAMES:
        raise HttpError(415, "the body must be UTF-8")
    if found[0].name == MULTIPART:
        if not may_nest:
            raise HttpError(415, "a part must not be multipart itself")
        content_type, body = _only_part(body, parameters)
        return _read(content_type, body, may_nest=False)
    return xml_model.read(body) if found[0].name == XML else json_model.read(body)


def _only_part(body: bytes, parameters: Mapping[str, str]) -> tuple[str, bytes]:
    """Content type and content of the one part (RFC 2387, RFC 2046 5.1)."""
    boundary = parameters.get("boundary", "")
    if not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise HttpError(400, "multipart without a boundary")
    delimiter = b"\r\n--" + boundary.encode("ascii")
    pieces = (b"\r\n" + body).split(delimiter, 3)[1:]
    if len(pieces) != 2 or not pieces[1].startswith(b"--"):
        raise HttpError(400, "the multipart body must hold one part")
    piece = pieces[0].lstrip(b" \t")
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if piece.startswith(b"\r\n\r\n"):
        head, content = b"", piece[4:]
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.strip(), content
    return parameters.get("type", ""), content


# --- answers


def success(status: int) -> Answer:
    return Answer(payload=json.dumps({"status": status}).encode(), outcome=str(status))


def refused(found: Report) -> Answer:
    return Answer(payload=json.dumps(found.to_json()).encode(), outcome=str(found.status))


def stored(answer: Answer) -> Report | int:
    """The status of a success, or the report of a refusal."""
    payload = json.loads(answer.payload)
    return Report.from_json(payload) if "message" in payload else int(payload["status"])

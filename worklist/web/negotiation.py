"""In which form to answer (PS3.18 8.7.5, 8.7.8, 8.8): media types and character sets.

The query parameters ``accept`` and ``charset`` beat the header fields, for clients that cannot set
those (8.3.3). A list of results in XML is always multipart; one dataset alone is a single part.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from worklist.web import json_model, xml_model
from worklist.web.refusal import HttpError

JSON = "application/dicom+json"
XML = "application/dicom+xml"
MULTIPART = "multipart/related"


class Form(StrEnum):
    """How a dataset or a list of them is written."""

    JSON = JSON
    PLAIN_JSON = "application/json"  # the same under the name every client knows
    XML = XML
    MULTIPART_JSON = f'{MULTIPART}; type="{JSON}"'
    MULTIPART_XML = f'{MULTIPART}; type="{XML}"'


# In our order of preference, which decides between forms that are equally welcome.
FORMS: tuple[Form, ...] = (
    Form.JSON,
    Form.XML,
    Form.MULTIPART_XML,
    Form.MULTIPART_JSON,
    Form.PLAIN_JSON,
)
UTF8_NAMES = frozenset({"utf-8", "utf8", "iso_ir 192", "iso_ir_192"})

_PART = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^,"])+')
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~\w-]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;"]*)')


@dataclass(frozen=True, slots=True)
class Range:
    """One member of an Accept list (RFC 9110 12.5)."""

    name: str
    quality: float
    parameters: Mapping[str, str]

    def covers(self, form: Form) -> bool:
        offered, _, _ = form.value.partition(";")
        kind = offered.partition("/")[0]
        if self.parameters.get("charset", "utf-8").lower() not in UTF8_NAMES:
            return False
        if self.name not in {offered, f"{kind}/*", "*/*"}:
            return False
        wanted = self.parameters.get("type", "").lower()
        if self.name == MULTIPART and wanted not in {"", "*/*", "application/*"}:
            return form.value.endswith(f'"{wanted}"')
        return True

    @property
    def precision(self) -> int:
        """The more exact range decides (RFC 9110 12.5.1)."""
        if self.name == "*/*":
            return 0
        return 1 if self.name.endswith("/*") else 2 + ("type" in self.parameters)


def ranges(text: str) -> list[Range]:
    """The members of an Accept list; what is none is passed over."""
    found = []
    for part in _PART.findall(text):
        name, _, _ = part.partition(";")
        parameters = {
            key.lower(): re.sub(r"\\(.)", r"\1", value.strip().removeprefix('"').removesuffix('"'))
            for key, value in _PARAMETER.findall(part)
        }
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            continue
        name = name.strip().strip('"').lower()
        if name and 0 <= quality <= 1:
            found.append(Range(name, quality, parameters))
    return found


def form_for(accept: str) -> Form:
    """The form that is welcome most; raises HttpError (406)."""
    if not accept.strip():
        return Form.JSON
    asked = ranges(accept)
    best, best_quality = None, 0.0
    for form in FORMS:
        fitting = [each for each in asked if each.covers(form)]
        if not fitting:
            continue
        quality = max(fitting, key=lambda each: each.precision).quality
        if quality > best_quality:
            best, best_quality = form, quality
    if best is None:
        raise HttpError(406, f"cannot answer in that form; offered: {', '.join(FORMS)}")
    return best


def require_utf8(header: str, parameter: str) -> None:
    """Answers are UTF-8; raises HttpError (400, as 8.3.3.2 and 8.8.4 say) if that is not wanted.

    A list passes if UTF-8, or everything, is in it.
    """
    for given in (parameter, header):
        if not given.strip():
            continue
        names = {each.name: each.quality for each in ranges(given)}
        quality = max((names[name] for name in UTF8_NAMES & names.keys()), default=None)
        if quality is None:
            quality = names.get("*", 0.0)
        if not quality:
            raise HttpError(400, "only the character set UTF-8 is supported")
        return


# --- bodies


@dataclass(frozen=True, slots=True)
class Body:
    content: bytes
    content_type: str


def body_of(datasets: Sequence[Mapping[str, Any]], form: Form, *, alone: bool = False) -> Body:
    """The datasets as a body; ``alone`` for the representation of one resource."""
    if form is Form.XML and alone:
        return Body(xml_model.write(datasets[0]), f"{XML}; charset=utf-8")
    if form in {Form.JSON, Form.PLAIN_JSON}:
        suffix = "; charset=utf-8" if form is Form.JSON else ""
        return Body(json_model.write(datasets), f"{form.value}{suffix}")
    if form is Form.MULTIPART_JSON:
        return _multipart(JSON, lambda one: json_model.write([one]), datasets)
    return _multipart(XML, xml_model.write, datasets)


def _multipart(
    media_type: str,
    write: Callable[[Mapping[str, Any]], bytes],
    datasets: Iterable[Mapping[str, Any]],
) -> Body:
    """RFC 2387; the boundary is random, so that no content can hold it."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: {media_type}; charset=utf-8\r\n\r\n".encode()
    parts = [head + write(one) + b"\r\n" for one in datasets]
    content = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return Body(content, f'{MULTIPART}; type="{media_type}"; boundary={boundary}')

"""Content negotiation of the FHIR edge (FHIR R4 3.1.0.1.9): JSON and XML in their usual names.

``_format`` beats ``Accept``; a media range with another FHIR version than 4.0 is no match. JSON is
what is answered where the client leaves the choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from integration.fhir import json, translated, xml
from integration.fhir.outcome import HttpError

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
FHIR_VERSION = "4.0.1"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"

# What the client may call it → the type the answer carries; of equal ones the first is taken.
# Peers of older days still send application/json+fhir (spec/fhir.md 1.1).
ANSWERS: Mapping[str, str] = {
    FHIR_JSON: FHIR_JSON,
    "application/json": "application/json",
    "text/json": "text/json",
    "application/json+fhir": FHIR_JSON,
    FHIR_XML: FHIR_XML,
    "application/xml": "application/xml",
    "text/xml": "text/xml",
    "application/xml+fhir": FHIR_XML,
}
XML_TYPES = frozenset(name for name in ANSWERS if "xml" in name)
FORMAT_WORDS: Mapping[str, str] = {"json": FHIR_JSON, "xml": FHIR_XML, **ANSWERS}
BODIES = frozenset(ANSWERS)
PATCHES = frozenset({JSON_PATCH, MERGE_PATCH, "application/json", FHIR_JSON})

_VERSIONS = frozenset({"4.0", "4.0.0", "4.0.1"})


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header (RFC 9110 12.5.1)."""

    type: str
    quality: float
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> MediaRange | None:
        """The range, or None for what is no media range; broken ones are skipped, not refused."""
        name, *rest = (part.strip() for part in text.split(";"))
        if name.count("/") != 1:
            return None
        parameters = {}
        quality = 1.0
        for part in rest:
            key, _, value = part.partition("=")
            key, value = key.strip().lower(), value.strip().strip('"')
            if key == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    return None
            else:
                parameters[key] = value
        return cls(name.lower(), quality, parameters)

    def covers(self, media_type: str) -> bool:
        if not _right_version(self.parameters):
            return False
        kind = media_type.partition("/")[0]
        return self.type in {media_type, f"{kind}/*", "*/*"}

    @property
    def precision(self) -> int:
        """The more exact range decides about a type (RFC 9110 12.5.1)."""
        if self.type == "*/*":
            return 0
        return 1 if self.type.endswith("/*") else 2


def answer_type(accept: str, format_parameter: str = "") -> str:
    """The media type to answer with; raises HttpError 406."""
    if format_parameter:
        # A "+" that the client did not escape arrives as a space.
        word, *rest = format_parameter.strip().lower().replace(" ", "+").split(";")
        parameters = dict(part.strip().partition("=")[::2] for part in rest)
        if word in FORMAT_WORDS and _right_version(parameters):
            return FORMAT_WORDS[word]
        raise _not_acceptable(format_parameter)
    ranges = [found for part in accept.split(",") if (found := MediaRange.parse(part))]
    if not ranges:
        return FHIR_JSON
    best, best_quality = "", 0.0
    for offered, sent in ANSWERS.items():
        fitting = [each for each in ranges if each.covers(offered)]
        if not fitting:
            continue
        quality = max(fitting, key=lambda each: each.precision).quality
        if quality > best_quality:
            best, best_quality = sent, quality
    if not best:
        raise _not_acceptable(accept)
    return best


def require_body_type(content_type: str, allowed: frozenset[str]) -> str:
    """The media type of a request body without parameters; raises HttpError 415.

    No content type at all is taken as FHIR JSON: curl users forget it more often than they mean
    another format.
    """
    name, *rest = (part.strip() for part in content_type.split(";"))
    media_type = name.lower() or FHIR_JSON
    parameters = {
        key.strip().lower(): value.strip().strip('"')
        for key, _, value in (part.partition("=") for part in rest)
    }
    if media_type not in allowed:
        raise HttpError(
            415, "not-supported", f"the body must be {' or '.join(sorted(allowed))}, not {name}"
        )
    if parameters.get("charset", "utf-8").lower().replace("_", "-") not in {"utf-8", "utf8"}:
        raise HttpError(415, "not-supported", "the body must be UTF-8")
    if not _right_version(parameters):
        raise HttpError(415, "not-supported", f"this server speaks FHIR {FHIR_VERSION} only")
    return media_type


def read_body(content_type: str, raw: bytes, *, nodes: int = json.MAX_NODES) -> Any:
    """The value of a body in JSON or XML; raises HttpError 415 and what its reader raises."""
    if require_body_type(content_type, BODIES) in XML_TYPES:
        return xml.read(raw, nodes=nodes)
    return json.read(raw, nodes=nodes)


def read_object(content_type: str, raw: bytes) -> dict[str, Any]:
    """Like :func:`read_body`, for a body that must be an object."""
    if require_body_type(content_type, BODIES) in XML_TYPES:
        return xml.read(raw)
    return json.read_object(raw)


def _right_version(parameters: Mapping[str, str]) -> bool:
    return parameters.get("fhirversion", "4.0") in _VERSIONS


def _not_acceptable(wanted: str) -> HttpError:
    return HttpError(
        406,
        "not-supported",
        f"cannot answer in {wanted[:200]}; offered: {', '.join(ANSWERS)} (FHIR {FHIR_VERSION})",
    )


class FhirRenderer(BaseRenderer):
    """Writes the plain dictionaries the translators make, in the format that was agreed."""

    media_type = FHIR_JSON
    format = "fhir"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        if isinstance(data, bytes):
            return data  # an answer of the inbox, as it was stored
        pretty = bool(renderer_context and renderer_context.get("pretty"))
        if accepted_media_type in XML_TYPES:
            return xml.write(data, pretty=pretty)
        if pretty or not isinstance(data, dict):
            return json.write(data, pretty=pretty)
        if data.get("type") == "searchset":
            return translated.bundle(data)
        return translated.written(data) if "meta" in data else json.write(data)


class Negotiation(BaseContentNegotiation):
    """DRF's hook: the renderer is always ours, the name of the type is negotiated."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return None  # bodies are read by read_body, with its limits

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        found = answer_type(
            request.META.get("HTTP_ACCEPT", ""), request.query_params.get("_format", "")
        )
        return next(iter(renderers)), found

"""Binary in its two forms: a FHIR resource, or the bytes themselves (FHIR R4 Binary, "REST").

Whoever asks for a FHIR format by its name gets the resource; everybody else the bytes in the type
they were given. The other way round, a body whose type is not one of FHIR's is content.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from integration.fhir.formats import ANSWERS, FHIR_JSON, MediaRange
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError

SECURITY_CONTEXT = "X-Security-Context"

# These names are FHIR's alone; under the others content may be meant as well.
_FHIR = frozenset({FHIR_JSON, "application/fhir+xml", "application/json+fhir",
                   "application/xml+fhir"})  # fmt: skip
_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}")
_CONTEXT = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")


def is_content(content_type: str, body: bytes) -> bool:
    """Whether a body is the bytes to be kept, and not a resource that holds them."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type or media_type in _FHIR:
        return False
    if media_type in ANSWERS:  # JSON or XML of any kind
        start = body[:2000]
        return b"resourceType" not in start and b"http://hl7.org/fhir" not in start
    return True


def from_content(body: bytes, headers: Mapping[str, str], public_id: str = "") -> Resource:
    """The resource for bytes that came as they are."""
    content_type = headers.get("Content-Type", "").strip()
    if not _TYPE.fullmatch(content_type.partition(";")[0].strip()):
        raise HttpError(415, "not-supported", "the content needs a media type")
    if not body:
        raise HttpError(400, "required", "the body is empty")
    found: Resource = {"resourceType": "Binary"}
    if public_id:
        found["id"] = public_id
    found["contentType"] = content_type[:200]
    context = headers.get(SECURITY_CONTEXT, "").strip()
    if context:
        if not _CONTEXT.fullmatch(context):
            raise HttpError(400, "value", f"{SECURITY_CONTEXT} must be Type/id")
        found["securityContext"] = {"reference": context}
    found["data"] = base64.b64encode(body).decode()
    return found


def content(resource: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of a Binary and their type."""
    try:
        data = base64.b64decode(str(resource.get("data", "")))
    except binascii.Error:
        data = b""
    content_type = str(resource.get("contentType", ""))
    known = _TYPE.fullmatch(content_type.partition(";")[0].strip())
    # A line break would end the header and begin another.
    safe = known is not None and content_type.isprintable() and content_type.isascii()
    return data, content_type if safe else "application/octet-stream"


def security_context(resource: Mapping[str, Any]) -> str:
    """What the resource names as its context; empty where no header can say it."""
    text = str(resource.get("securityContext", {}).get("reference", ""))
    return text if text.isprintable() and text.isascii() else ""


def wants_content(accept: str, format_parameter: str, content_type: str) -> bool:
    """Whether the bytes are to be answered: unless a FHIR format is asked for by its name."""
    if format_parameter:
        return False
    own = content_type.partition(";")[0].strip().lower()
    ranges = [found for part in accept.split(",") if (found := MediaRange.parse(part))]
    named = [each.type for each in ranges if each.quality > 0]
    if own in named:
        return not _FHIR & {own}
    return not any(each in ANSWERS or each in _FHIR for each in named)

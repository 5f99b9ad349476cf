"""What a subscriber's headers authorize is shown to nobody and kept in no message.

``channel.header`` often holds a bearer token. A subscription keeps it; every copy of a request or
an answer has a mask in its place.
"""

from __future__ import annotations

import re

MASK = "***"

_STRING = rb'"(?:[^"\\]|\\.)*"'
_HEADERS = re.compile(rb'"header"\s*:\s*\[\s*(?:' + _STRING + rb"\s*,?\s*)*\]")
_LINE = re.compile(rb'"([\w!#$%&\'*+.^`|~-]{1,100}):(?:[^"\\]|\\.)*"')
_XML = re.compile(
    rb"""(<(?:\w+:)?header\s[^>]*?value\s*=\s*)(["'])([^:"'<>]{1,100}):.*?\2""", re.DOTALL
)


def masked(header: str) -> str:
    """``Authorization: ***``."""
    return f"{header.partition(':')[0]}: {MASK}"


def redacted(body: bytes, kind: str = "") -> bytes:
    """A request body as it may be kept; ``kind`` is the type the address names, if it names one.

    By pattern and not by reading it: a body that cannot be read is kept as well.
    """
    if b"Subscription" not in body and kind != "Subscription":
        return body
    if b'"header"' in body:
        body = _HEADERS.sub(lambda found: _LINE.sub(_mask, found[0]), body)
    if kind == "Subscription" and b"/channel/header" in body:
        body = _LINE.sub(_mask_value, body)  # a JSON Patch: values beside paths
    if b"header" in body and body.lstrip()[:1] == b"<":
        body = _XML.sub(rb"\1\2\3: ***\2", body)
    return body


def _mask(found: re.Match[bytes]) -> bytes:
    return b'"' + found[1] + b": " + MASK.encode() + b'"'


def _mask_value(found: re.Match[bytes]) -> bytes:
    """A URL begins like a header, and is none."""
    return found[0] if b"://" in found[0][: len(found[1]) + 5] else _mask(found)

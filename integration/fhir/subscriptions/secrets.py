"""What a subscriber's headers authorize is shown to nobody and kept in no message.

``channel.header`` often holds a bearer token. A subscription keeps it; every copy of a request or
an answer has a mask in its place.
"""

from __future__ import annotations

import base64
import re

MASK = "***"

# What a client sends is looked at by these: none may take more than one way through a text.
_STRING = rb'"(?:[^"\\]|\\.)*"'
_HEADERS = re.compile(rb'"header"\s*:\s*\[[\s,]*(?:' + _STRING + rb"[\s,]*)*\]")
# Also one that nobody closes, so that what is behind its beginning is not looked through again.
_LINE = re.compile(rb'"([\w!#$%&\'*+.^`|~-]{1,100}):(?:[^"\\]|\\.?)*(?:"|\Z)', re.DOTALL)
# An element up to the next one: no attribute holds an opening bracket.
_XML = re.compile(rb"<(?:\w{1,64}:)?header\s[^<]*")
_VALUE = re.compile(rb"""(\bvalue\s*=\s*)(["'])([^:"'<>]{1,100}):.*?(\2|$)""", re.DOTALL)
# What a FHIRPath Patch puts in place, in either format.
_PATCHED = re.compile(rb'("valueString"\s*:\s*)(' + _STRING + rb")")
_XML_PATCHED = re.compile(rb"<(?:\w{1,64}:)?valueString\s[^<]*")
# The patch of an entry in a bundle is a Binary: base64, in either format.
_BASE64 = rb"[A-Za-z0-9+/=\s\\]{8,}"
_BINARY = re.compile(rb'("data"\s*:\s*")(' + _BASE64 + rb')(")')
_XML_BINARY = re.compile(rb"""(<(?:\w{1,64}:)?data\s[^<"']*["'])(""" + _BASE64 + rb""")(["'])""")


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
    if b"Subscription.channel" in body:
        body = _PATCHED.sub(lambda found: found[1] + _LINE.sub(_mask_value, found[2]), body)
        body = _XML_PATCHED.sub(_mask_attribute, body)
    if b"header" in body and body.lstrip()[:1] == b"<":
        body = _XML.sub(_mask_attribute, body)
    if kind != "Subscription" and b"Binary" in body:
        body = _XML_BINARY.sub(_mask_binary, _BINARY.sub(_mask_binary, body))
    return body


def _mask_binary(found: re.Match[bytes]) -> bytes:
    """A patch as it may be kept; anything else as it came."""
    try:
        plain = base64.b64decode(found[2].replace(rb"\/", b"/"))
    except ValueError:
        return found[0]
    hidden = redacted(plain, "Subscription")
    return found[0] if hidden == plain else found[1] + base64.b64encode(hidden) + found[3]


def _mask(found: re.Match[bytes]) -> bytes:
    return b'"' + found[1] + b": " + MASK.encode() + b'"'


def _mask_attribute(found: re.Match[bytes]) -> bytes:
    return _VALUE.sub(rb"\1\2\3: ***\4", found[0])


def _mask_value(found: re.Match[bytes]) -> bytes:
    """A URL begins like a header, and is none."""
    return found[0] if b"://" in found[0][: len(found[1]) + 5] else _mask(found)

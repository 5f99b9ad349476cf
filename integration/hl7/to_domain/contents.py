"""ED and RP: a document inside of a message, or where it can be found (HL7 v2.5.1 2A.24, 2A.65).

Tolerated: line breaks within Base64, missing padding, the type in another case or in no case at
all. What the bytes plainly are goes before what the sender says they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from integration.hl7 import datatypes
from integration.hl7.er7_segment import Segment
from integration.hl7.profiles import Profile
from ris.domain.documents import PDF, PDF_BEGINS, Content
from ris.domain.errors import InvalidValueError, MissingValueError

TYPES = frozenset({"ED", "RP"})

_MEGABYTE = 1024 * 1024
_SPACE = re.compile(r"\s+")
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (PDF_BEGINS, PDF),
    (b"{\\rtf", "application/rtf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
# Tables 0191 and 0291 as media types; both are extended at will.
_SUBTYPES: Mapping[str, str] = {
    "pdf": PDF,
    "rtf": "application/rtf",
    "msword": "application/msword",
    "html": "text/html",
    "xml": "text/xml",
    "x-hl7-cda-level-one": "text/xml",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "tiff": "image/tiff",
    "tif": "image/tiff",
    "plain": "text/plain",
    "text": "text/plain",
}
_WORD = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")


def read(obx: Segment, profile: Profile) -> Content:
    """OBX-5 as a document. Raises InvalidValueError with its place."""
    title = (datatypes.words(obx, 3) or "").strip()[:200]
    if (obx.get("2") or "").upper() == "RP":
        return _pointer(obx, title)
    data = _bytes(obx, profile)
    return Content(
        media_type=_sniffed(data) or _media_type(obx, ("2", "3")),
        data=data,
        title=title,
        path=obx.at("5.5"),
    )


def _bytes(obx: Segment, profile: Profile) -> bytes:
    text = obx.get("5.5") or ""
    encoding = (obx.get("5.4") or "").strip().lower()
    if not text:
        raise MissingValueError("the document is empty", path=obx.at("5.5"))
    limit = profile.settings.document_megabytes * _MEGABYTE
    if len(text) > limit * 3 // 2:  # more than Base64 with its line breaks makes of the limit
        raise _too_large(obx, profile)
    if encoding == "base64":
        data = _from_base64(_SPACE.sub("", text.replace("\\.br\\", "")), obx)
    elif encoding == "hex":
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise InvalidValueError("not hexadecimal", path=obx.at("5.5")) from None
    elif encoding in {"a", ""}:
        data = text.encode()
    else:
        raise InvalidValueError("not in table 0299", path=obx.at("5.4"), details={"table": "0299"})
    if len(data) > limit:
        raise _too_large(obx, profile)
    return data


def _too_large(obx: Segment, profile: Profile) -> InvalidValueError:
    return InvalidValueError(
        f"the document is larger than {profile.settings.document_megabytes} MB", path=obx.at("5")
    )


def _from_base64(text: str, obx: Segment) -> bytes:
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValueError("not Base64", path=obx.at("5.5")) from None


def _sniffed(data: bytes) -> str:
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), "")


def _media_type(obx: Segment, places: tuple[str, str]) -> str:
    kind, subtype = ((obx.get(f"5.{place}") or "").strip().lower() for place in places)
    known = _SUBTYPES.get(subtype) or _SUBTYPES.get(kind)
    if known:
        return known
    kind = {"im": "image", "tx": "text", "ft": "text", "ap": "application"}.get(kind, kind)
    if kind in {"application", "audio", "image", "text", "video"} and _WORD.fullmatch(subtype):
        return f"{kind}/{subtype}"
    return "application/octet-stream"


def _pointer(obx: Segment, title: str) -> Content:
    link = (obx.get("5.1") or "").strip()
    if not link:
        raise MissingValueError("where the document is, is required", path=obx.at("5.1"))
    return Content(
        media_type=_media_type(obx, ("3", "4")),
        link=datatypes.within(link, 2000, obx.at("5.1")),
        title=title,
        path=obx.at("5"),
    )

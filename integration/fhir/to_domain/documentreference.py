"""DocumentReference → documents of an order or a patient (FHIR R4 10.2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from integration.fhir.systems import Systems
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from ris.domain.documents import CancelDocument, Completion, Content, FileDocument, Filing
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.values import Identifier, PersonName

PATH = "DocumentReference"
# The documents of a DocumentReference are numbered by its id; further ones as those of MDM are.
ISSUER = "urn:ris:document-reference"

_COMPLETION = {
    "preliminary": Completion.INCOMPLETE,
    "final": Completion.AUTHENTICATED,
    "amended": Completion.AUTHENTICATED,
}
_FILING = {"replaces": Filing.REPLACEMENT, "appends": Filing.ADDENDUM}

# A reference to one of our Binaries → its bytes and their type.
Fetch = Callable[[str], tuple[bytes, str] | None]


@dataclass(frozen=True, slots=True)
class About:
    """Whose document it is, and of which order; public ids."""

    patient: str
    order: str = ""


def number(public_id: str, position: int = 0) -> Identifier:
    """The number of one document; the first one's is that of all."""
    return Identifier(f"{public_id}#{position + 1}" if position else public_id, ISSUER)


def is_current(resource: Json) -> bool:
    return datatypes.text(resource, "status", PATH) == "current"


def contents(resource: Json, fetch: Fetch) -> list[Content]:
    """What is to be kept: bytes that came along or are here already, else where they are."""
    found = []
    for element, path in datatypes.several(resource, "content", PATH):
        attachment = datatypes.single(element, "attachment", path) or {}
        where = f"{path}.attachment"
        media_type = datatypes.text(attachment, "contentType", where).partition(";")[0].strip()
        title = datatypes.one_line(attachment, "title", where, 200)
        link = datatypes.text(attachment, "url", where)
        data = _bytes(attachment, where)
        if not data and link:
            fetched = fetch(link)
            if fetched is not None:
                data, link = fetched[0], ""
                media_type = media_type or fetched[1].partition(";")[0].strip()
        if not data and not link:
            continue
        found.append(
            Content(
                media_type=media_type[:100] or "application/octet-stream",
                data=data,
                link="" if data else link[:2000],
                title=title,
                path=where,
            )
        )
    return found


def _bytes(attachment: Json, path: str) -> bytes:
    text = "".join(datatypes.text(attachment, "data", path).split())
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValueError("not Base64", path=f"{path}.data") from None


def file_documents(
    resource: Json, public_id: str, about: About, fetch: Fetch, *, changed: bool
) -> list[FileDocument]:
    """One command for each content that there is."""
    filing, parent = _relation(resource)
    words = _kind(resource)
    authors = datatypes.several(resource, "author", PATH)
    display = datatypes.text(authors[0][0], "display", authors[0][1]) if authors else ""
    return [
        FileDocument(
            filing=Filing.EDIT if changed else filing,
            number=number(public_id, position),
            patient=PatientReference(public_id=about.patient),
            content=content,
            order=OrderReference(public_id=about.order) if about.order else None,
            parent=None if changed or position or not parent else number(parent),
            kind=words[:60],
            title=datatypes.one_line(resource, "description", PATH, 200) or words[:200],
            completion=_COMPLETION.get(datatypes.text(resource, "docStatus", PATH)),
            author=(
                datatypes.name_from_display(display, f"{PATH}.author[0]")
                if display
                else PersonName()
            ),
            authored_at=datatypes.when(resource, "date", PATH).at,
        )
        for position, content in enumerate(contents(resource, fetch))
    ]


def _relation(resource: Json) -> tuple[Filing, str]:
    """What it is to an earlier one of ours, and the id of that one."""
    for element, path in datatypes.several(resource, "relatesTo", PATH):
        filing = _FILING.get(datatypes.text(element, "code", path))
        target = datatypes.single(element, "target", path) or {}
        kind, slash, public_id = str(target.get("reference", "")).partition("/")
        if filing is not None and slash and kind == PATH:
            return filing, public_id
    return Filing.ORIGINAL, ""


def _kind(resource: Json) -> str:
    concept = datatypes.single(resource, "type", PATH)
    return datatypes.words_of(concept, f"{PATH}.type") if concept else ""


def cancel_documents(public_id: str, positions: range) -> list[CancelDocument]:
    return [CancelDocument(number=number(public_id, position)) for position in positions]


def order_named(element: Json, path: str, systems: Systems) -> OrderReference | None:
    """The order that a logical reference names by one of its numbers (FHIR R4 2.3.0.2)."""
    inner = datatypes.single(element, "identifier", path)
    if inner is None or datatypes.text(element, "type", path) not in {"", "ServiceRequest"}:
        return None
    try:
        found = datatypes.identifier(inner, f"{path}.identifier", systems)
    except RisError:
        return None  # a number that is none of ours
    match found.type:
        case "ACSN":
            return OrderReference(accession=found)
        case "FILL":
            return OrderReference(filler=found)
        case "PLAC":
            return OrderReference(placer=found)
    return None

"""Domain values → FHIR datatypes (FHIR R4 2.24) as plain dictionaries."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integration.fhir import systems
from integration.fhir.systems import Systems
from integration.fhir.to_domain.datatypes import REPRESENTATION
from ris.domain.values import Code, Identifier, NameGroup, PersonName
from ris.selectors.search.views import Directory

Resource = dict[str, Any]

AE_TITLE = "urn:ris:ae-title"


@dataclass(frozen=True, slots=True)
class Shown:
    """What every translator needs besides its view."""

    systems: Systems = field(default_factory=Systems)
    directory: Directory = field(default_factory=Directory)


def compact(element: Mapping[str, Any]) -> Resource:
    """``element`` without what is empty: FHIR knows no empty texts, lists and objects."""
    return {
        name: value
        for name, value in element.items()
        if value is not None and value != "" and value != [] and value != {}
    }


def resource(
    kind: str, public_id: str, version: str, updated_at: datetime | None, **elements: Any
) -> Resource:
    meta = compact(
        {"versionId": version, "lastUpdated": instant(updated_at) if updated_at else None}
    )
    return compact({"resourceType": kind, "id": public_id, "meta": meta, **elements})


def version_at(updated_at: datetime | None) -> str:
    """A version for what counts none: the time of the last change, to the microsecond."""
    return str(int(updated_at.timestamp() * 1_000_000)) if updated_at else "1"


def latest(*times: datetime | None) -> datetime | None:
    return max((each for each in times if each is not None), default=None)


def instant(at: datetime) -> str:
    """An instant in UTC; a fraction only where there is one, in milliseconds."""
    utc = at.astimezone(UTC)
    text = utc.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{utc.microsecond // 1000:03d}Z" if utc.microsecond else f"{text}Z"


def period(start: datetime | None, end: datetime | None) -> Resource:
    return compact(
        {"start": instant(start) if start else None, "end": instant(end) if end else None}
    )


def reference(kind: str, public_id: str, display: str = "") -> Resource:
    return compact({"reference": f"{kind}/{public_id}", "display": display})


_OWN_SYSTEMS = {"FILL": systems.FILLER_NUMBER, "ACSN": systems.ACCESSION_NUMBER}


def identifier(value: Identifier, known: Systems, kind: str = "") -> Resource | None:
    """An Identifier; ``kind`` is its table 0203 type if the value brings none. None if empty."""
    if not value.value:
        return None
    code = value.type or kind
    return compact(
        {
            "type": typed(code) if code else None,
            "system": known.system(value.issuer) or _OWN_SYSTEMS.get(code),
            "value": value.value,
        }
    )


def typed(code: str) -> Resource:
    return {"coding": [{"system": systems.IDENTIFIER_TYPE, "code": code}]}


def uid(value: str) -> Resource | None:
    """A DICOM UID as an Identifier (FHIR R4 ImagingStudy 10.4.4)."""
    return {"system": systems.DICOM_UID, "value": f"urn:oid:{value}"} if value else None


def some(*items: Any) -> list[Any]:
    """The items that are there."""
    return [item for item in items if item]


def concept(code: Code, text: str = "") -> Resource:
    coding = compact(
        {
            "system": systems.coding_system(code.scheme),
            "version": code.version,
            "code": code.value,
            "display": code.meaning,
        }
    )
    return compact({"coding": [coding] if code.value else [], "text": text or code.meaning})


def coded(system: str, code: str, display: str = "") -> Resource:
    return {"coding": [compact({"system": system, "code": code, "display": display})]}


def modality(code: str) -> Resource:
    """A modality as Coding (DICOM CID 29)."""
    return {"system": systems.DCM, "code": code}


def human_names(name: PersonName) -> list[Resource]:
    """One HumanName per writing; which writing is said only where there are several."""
    groups = [
        ("ABC", name.alphabetic),
        ("IDE", name.ideographic),
        ("SYL", name.phonetic),
    ]
    present = [(code, group) for code, group in groups if group]
    plain = len(present) == 1 and present[0][0] == "ABC"
    return [_human_name(group, "" if plain else code) for code, group in present]


def _human_name(group: NameGroup, representation: str) -> Resource:
    extension = [{"url": REPRESENTATION, "valueCode": representation}] if representation else []
    return compact(
        {
            "extension": extension,
            "use": "official",
            "family": group.family,
            "given": some(group.given, *group.middle.split()),
            "prefix": some(group.prefix),
            "suffix": some(group.suffix),
        }
    )


def display(name: PersonName) -> str:
    """A name as one says it: prefix, given names, family name, suffix."""
    group = name.alphabetic or name.ideographic or name.phonetic
    parts = (group.prefix, group.given, group.middle, group.family, group.suffix)
    return " ".join(part for part in parts if part)


def telecom(phone: str, email: str) -> list[Resource]:
    return [
        {"system": system, "value": value}
        for system, value in (("phone", phone), ("email", email))
        if value
    ]


def person(name: PersonName, who: Identifier, known: Systems, kind: str) -> Resource | None:
    """A Reference to somebody who is known by name and number only. None if neither is there."""
    found = compact({"identifier": identifier(who, known), "display": display(name)})
    return {"type": kind, **found} if found else None


def station(ae_title: str, name: str, shown: Shown) -> Resource | None:
    """A Reference to a modality's Device; by its AE title alone if the directory lacks it."""
    if not ae_title:
        return None
    public_id = shown.directory.stations.get(ae_title, "")
    return compact(
        {
            "reference": f"Device/{public_id}" if public_id else "",
            "type": "Device",
            "identifier": {"system": AE_TITLE, "value": ae_title},
            "display": name or ae_title,
        }
    )


def room(name: str, shown: Shown) -> Resource | None:
    """A Reference to the Location that is a room; by name if it is not in the directory."""
    if not name:
        return None
    public_id = shown.directory.rooms.get(name, "")
    return compact({"reference": f"Location/{public_id}" if public_id else "", "display": name})


def attachment(
    content: bytes, content_type: str, title: str, at: datetime, *, url: str = ""
) -> Resource:
    """Data, or the ``url`` where it is, with its size and hash: SHA-1 by R4's definition, to notice
    change, not to secure."""
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return {
        "contentType": content_type,
        **({"url": url} if url else {"data": base64.b64encode(content).decode()}),
        "size": len(content),
        "hash": base64.b64encode(digest).decode(),
        "title": title,
        "creation": instant(at),
    }


def notes(texts: Sequence[str]) -> list[Resource]:
    return [{"text": text} for text in texts if text]

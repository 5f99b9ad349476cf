"""From what was found to the resources that are shown (FHIR R4 3.1.0.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from integration.fhir import overlay, rows, versions
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Reading
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from ris.selectors import search as selectors
from ris.selectors.fhir import is_deleted
from ris.selectors.search.documents import CONTENT, TYPE
from ris.selectors.search.views import VersionHit


def shown_for(kinds: Iterable[Kind], systems: Systems) -> Shown:
    """What the translators of these types need beside their views."""
    parts = frozenset(part for kind in kinds for part in kind.beside)
    found = Shown(systems, selectors.directory(**dict.fromkeys(parts, True)))
    # What is equal is given as the same: whoever compares it is done at once.
    if _last_shown.get(parts) == found:
        return _last_shown[parts]
    _last_shown[parts] = found
    return found


_last_shown: dict[frozenset[str], Shown] = {}


def resources(kind: Kind, hits: Iterable[Any], shown: Shown) -> list[Resource]:
    """What was found, as it is shown: every resource of an answer is made here.

    What clients sent of it is given back, and the version is kept for its history.
    """
    reading = Reading("", shown.systems)
    if kind.name == CONTENT:
        hits = _of_seen_documents(list(hits), reading)
    found = overlay.given_back(kind, [kind.translate(hit, shown) for hit in hits], shown)
    versions.note(kind, found)
    return rows.without_foreign(kind, found, _id, lambda: reading)


def _of_seen_documents(hits: list[Any], reading: Reading) -> list[Any]:
    """Without the bytes of report documents that the asking client may not see."""
    ids = [hit.public_id for hit in hits if isinstance(hit, VersionHit)]
    seen = rows.seen(KINDS[TYPE], ids, reading) if ids else frozenset()
    return [hit for hit in hits if not isinstance(hit, VersionHit) or hit.public_id in seen]


def _id(resource: Resource) -> str:
    return str(resource["id"])


def load(kind: Kind, public_ids: Sequence[str], shown: Shown) -> list[Resource]:
    """The resources with these ids; unknown ones are left out."""
    return resources(kind, kind.finder.load(public_ids), shown)


def read(kind: Kind, public_id: str, systems: Systems) -> Resource:
    """One resource; raises HttpError 404, or 410 if it was deleted."""
    found = load(kind, [public_id], shown_for([kind], systems))
    if not found and "delete" in kind.interactions and is_deleted(kind.name, public_id):
        raise HttpError(410, "deleted", f"{kind.name}/{public_id} was deleted")
    if not found:
        raise HttpError(404, "not-found", f"there is no {kind.name}/{public_id}")
    return found[0]


# Where resources say whose they are.
_WHOSE = (
    ("subject",),
    ("for",),
    ("participant", "actor"),
    ("patient",),
    ("beneficiary",),
    ("securityContext",),
)


def patients_in(resources: Iterable[Resource]) -> list[str]:
    """The public ids of the patients that are shown, for the audit."""
    found: dict[str, None] = {}
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found[resource["id"]] = None
        for path in _WHOSE:
            for element in _elements(resource, path):
                text = element.get("reference", "") if isinstance(element, dict) else ""
                if text.startswith("Patient/"):
                    found[text.removeprefix("Patient/")] = None
    return list(found)


def _elements(value: Any, path: tuple[str, ...]) -> Iterable[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _elements(value[path[0]], path[1:])

"""Versions of resources: each that was shown is kept, so that history can give it again.

The core counts changes but keeps no earlier states. Whenever a resource is made for an answer, and
after each change (:func:`follow`), the version is kept unless it is already (FHIR R4 3.1.0.11).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import OperationalError, connection

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource
from ris.domain.fhir import Method
from ris.selectors import fhir as selected
from ris.services import fhir as services

if TYPE_CHECKING:
    from integration.fhir.resources import Kind
    from ris.domain.protocol import StoredEvent

log = structlog.get_logger(__name__)

# Versions known to be kept and committed, so that most reads ask nothing.
_known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
_MOST_KNOWN = 20_000


def is_versioned(kind: Kind) -> bool:
    """Whether earlier versions are kept: not of what is computed for each answer."""
    return "history-instance" in kind.interactions


def note(kind: Kind, resources: Sequence[Resource]) -> None:
    """Keep the versions shown here; a read never fails because of it."""
    if not is_versioned(kind):
        return
    new = [each for each in resources if "lastUpdated" in each["meta"] and _key(each) not in _known]
    if not new:
        return
    try:
        _keep(kind.name, new)
    except OperationalError:
        if connection.in_atomic_block:
            raise  # the transaction is lost
        log.warning("versions that were shown could not be kept", count=len(new))


def _keep(kind: str, resources: Sequence[Resource]) -> None:
    names = [(each["id"], each["meta"]["versionId"]) for each in resources]
    if len(names) == 1:
        has_any, has_this = selected.versions_of(kind, *names[0])
        earlier = {names[0][0]} if has_any else set()
        kept = set(names if has_this else ())
    else:
        earlier, kept = selected.versions_among(kind, names)
    if not connection.in_atomic_block:
        _remember(kind, kept)
    missing = [each for each, name in zip(resources, names, strict=True) if name not in kept]
    if not missing:
        return
    services.note_versions(
        [
            services.ShownVersion(
                type=kind,
                public_id=each["id"],
                version=each["meta"]["versionId"],
                method=Method.PUT if each["id"] in earlier else Method.POST,
                at=datetime.fromisoformat(each["meta"]["lastUpdated"]),
                content=json.write(each).decode(),
            )
            for each in missing
        ]
    )


def _key(resource: Resource) -> tuple[str, str, str]:
    return resource["resourceType"], resource["id"], resource["meta"]["versionId"]


def _remember(kind: str, names: Iterable[tuple[str, str]]) -> None:
    for public_id, number in names:
        _known[kind, public_id, number] = None
    while len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)


# --- after a change


def follow(events: Sequence[StoredEvent]) -> None:
    """Keep the versions that these events made: what they touched is made as if it were asked."""
    from integration.fhir import touched

    names = touched.touched_by(events)
    for start in range(0, len(names), _AT_ONCE):
        touched.rendered(names[start : start + _AT_ONCE])


_AT_ONCE = 200

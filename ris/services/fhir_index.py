"""Keeps the index of what FHIR clients sent; called inside the write it belongs to."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from functools import cache

from django.db import connection

from ris.domain.fhir_index import MAX_TEXT, IndexEntry
from ris.models import FhirIndex, FhirOverlay, FhirResource, driver
from ris.models.columns import preparing
from ris.models.driver import Text
from ris.models.prepared import add_all
from ris.services._execute import joining, transactional

# From a type and JSON to what the resource is found by.
Read = Callable[[str, str], Iterable[IndexEntry]]


@joining
def replace(kind: str, public_id: str, entries: Iterable[IndexEntry]) -> None:
    """What ``kind``/``public_id`` is found by from now on; nothing where it was deleted.

    Part of the transaction it is called in, so that a search finds what was just written.
    """
    key = uuid.UUID(public_id)
    prepared = preparing(_PUBLIC_ID, connection.vendor)
    driver.count(connection, _deleting(connection.vendor), [kind, prepared(key, connection)])
    add_all(
        [
            FhirIndex(
                type=kind,
                public_id=key,
                parameter=each.parameter,
                system=each.system[:MAX_TEXT],
                code=each.code[:MAX_TEXT],
                text=each.text[:MAX_TEXT],
                low=each.low,
                high=each.high,
                number=each.number,
                target=uuid.UUID(each.target) if each.target else None,
            )
            for each in dict.fromkeys(entries)
        ]
    )


_PUBLIC_ID = FhirIndex._meta.get_field("public_id")


@cache
def _deleting(vendor: str) -> Text:
    return Text("DELETE FROM ris_fhirindex WHERE type = %s AND public_id = %s", vendor)


@transactional
def renew(kind: str, public_id: str, read: Read) -> None:
    """Write again what a stored resource is found by; ``read`` gets its JSON as it stands now."""
    key = uuid.UUID(public_id)
    kept = FhirResource.objects.select_for_update().filter(type=kind, public_id=key).first()
    if kept is not None:
        replace(kind, public_id, () if kept.deleted_at else read(kind, kept.content))
        return
    sent = FhirOverlay.objects.select_for_update().filter(type=kind, public_id=key).first()
    replace(kind, public_id, read(kind, sent.received) if sent else ())

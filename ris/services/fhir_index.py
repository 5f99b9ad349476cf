"""Keeps the index of what FHIR clients sent; called inside the write it belongs to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ris.domain.fhir_index import MAX_TEXT, IndexEntry
from ris.models import FhirIndex
from ris.services._execute import transactional


@transactional
def replace(kind: str, public_id: str, entries: Iterable[IndexEntry]) -> None:
    """What ``kind``/``public_id`` is found by from now on; nothing where it was deleted.

    Part of the transaction it is called in, so that a search finds what was just written.
    """
    key = uuid.UUID(public_id)
    FhirIndex.objects.filter(type=kind, public_id=key).delete()
    FhirIndex.objects.bulk_create(
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

"""How an order may be named, as database lookups; shared by readers and writers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderReference


def criteria(reference: OrderReference) -> Iterator[dict[str, Any]]:
    """One set of filters per number that is said."""
    if reference.public_id:
        try:
            yield {"public_id": uuid.UUID(reference.public_id)}
        except ValueError:
            raise UnknownKeyError("no such order") from None
    if reference.placer is not None and reference.placer.value:
        yield {
            "placer_order_number": reference.placer.value,
            "placer_issuer": reference.placer.issuer,
        }
    if reference.filler is not None and reference.filler.value:
        # Our own number is unique whatever a peer writes beside it.
        yield {"filler_order_number": reference.filler.value}
    if reference.accession is not None and reference.accession.value:
        yield {"accession_number": reference.accession.value}
    if reference.study_instance_uid:
        yield {"procedures__study_instance_uid": reference.study_instance_uid}

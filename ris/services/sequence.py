"""The sequence number of a link: what the next message of a peer must have (HL7 2.10.1)."""

from __future__ import annotations

from ris.models import SequenceLink

UNKNOWN = -1


def expected(endpoint_id: int) -> int:
    """The number that is next, UNKNOWN at the start; locks it until the transaction ends."""
    SequenceLink.objects.get_or_create(endpoint_id=endpoint_id)
    return SequenceLink.objects.select_for_update(of=("self",)).get(endpoint=endpoint_id).expected


def expect(endpoint_id: int, number: int) -> None:
    """Note what is next, inside the transaction of the message that came.

    The link may be new: what ``expected`` added goes with a message that is refused.
    """
    SequenceLink.objects.update_or_create(endpoint_id=endpoint_id, defaults={"expected": number})

"""What the JSON addresses call the places of the core: the fields of their bodies and answers.

The one table for it. What is not in it and is no place of the core is the caller's own word.
"""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.places import OF_EXAMS, OF_EXCHANGE, OF_ORDERS, OF_PATIENTS, Place

FIELDS: Mapping[str, str] = {
    Place.DEVICE: "device",
    Place.START_AT: "start_at",
    Place.DURATION: "duration_minutes",
    Place.MODALITY: "modality",  # of a step, as it is shown
}
# Orders and patients are only read here, and named by the address.
SILENT = OF_PATIENTS | (OF_ORDERS - FIELDS.keys()) | OF_EXAMS | OF_EXCHANGE


def field(path: str) -> str:
    """What a caller knows the place by; empty for one that no address here takes."""
    return FIELDS.get(path, "" if path in SILENT else path)

"""What DICOM calls the places of the core: the tag of each. The one table for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ris.domain.errors import RisError
from ris.domain.places import OF_EXCHANGE, OF_ORDERS, OF_PATIENTS, Place

TAGS: Mapping[str, str] = {
    Place.PERFORMED: "(0000,1001)",  # Requested SOP Instance UID
    Place.PERFORMED_UID: "(0000,1000)",  # Affected SOP Instance UID
    Place.PERFORMED_STATUS: "(0040,0252)",
    Place.STUDY: "(0020,000D)",
    Place.DOCUMENT_UID: "(0008,0018)",
    Place.TRANSACTION_UID: "(0008,1195)",
    Place.COMMITTED: "(0008,1199)",
}
# A device tells of exams; patients and orders it only asks about.
SILENT = OF_PATIENTS | (OF_ORDERS - TAGS.keys()) | OF_EXCHANGE


@contextmanager
def in_tags() -> Iterator[None]:
    """What the core refuses inside names the attribute."""
    try:
        yield
    except RisError as error:
        error.path = TAGS.get(error.path, error.path)
        raise

"""Organization: kept as it comes; the institution itself is set up, not written over FHIR."""

from __future__ import annotations

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.request import Writer
from ris.selectors.search.views import KeptHit


class Organizations(KeptResources):
    """Writes of Organization resources."""

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        _require_kept(writer)
        super().update(writer, resource, before)

    def delete(self, writer: Writer, before: Resource) -> None:
        _require_kept(writer)
        super().delete(writer, before)


def _require_kept(writer: Writer) -> None:
    hits = writer.kind.finder.load([writer.public_id])
    if hits and not isinstance(hits[0], KeptHit):
        raise HttpError(
            405,
            "not-supported",
            "this is the institution itself: its name is a setting of the site",
        )

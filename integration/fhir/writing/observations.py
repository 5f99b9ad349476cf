"""Observation: kept as it comes; what the core knows itself is not changed over FHIR."""

from __future__ import annotations

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.request import Writer
from ris.selectors.search.views import KeptHit


class Observations(KeptResources):
    """Writes of Observation resources."""

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
            "the dose of an exam and a critical finding are changed where they were entered",
        )

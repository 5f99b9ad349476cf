"""Observation, Organization: kept as they come; those the core has itself are not changed here."""

from __future__ import annotations

from dataclasses import dataclass

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.request import Writer
from ris.selectors.search.views import KeptHit


@dataclass(frozen=True)
class KeptBesideOurs(KeptResources):
    """Writes of such a type; ``ours`` says what is not written here, and where it is changed."""

    ours: str

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        self._require_kept(writer)
        super().update(writer, resource, before)

    def delete(self, writer: Writer, before: Resource) -> None:
        self._require_kept(writer)
        super().delete(writer, before)

    def _require_kept(self, writer: Writer) -> None:
        hits = writer.kind.finder.load([writer.public_id])
        if hits and not isinstance(hits[0], KeptHit):
            raise HttpError(405, "not-supported", self.ours)

"""``_history``: versions of resources (FHIR R4 3.1.0.3, 3.1.0.11)."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import reading
from integration.fhir.systems import Systems
from integration.fhir.views.base import FhirView
from ris.selectors import search as selectors


class VersionView(FhirView):
    """``[base]/Type/id/_history/version``."""

    http_method_names = ["get", "head"]  # noqa: RUF012

    def get(self, request: Request, kind: str, public_id: str, version: str) -> Response:
        found = self.kind(kind, "r")
        systems = Systems(selectors.issuers())
        resource = reading.read_version(found, public_id, version, systems)
        self.audit(f"vread {kind}", [resource], f"{kind}/{public_id}")
        return self.answer(resource)

"""Addresses of the whole server: ``metadata``, and what is no address at all."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir.capability import capability_statement
from integration.fhir.outcome import HttpError
from integration.fhir.views.base import FhirView


class MetadataView(FhirView):
    """``[base]/metadata``: open to everybody, so that clients can find out what is served."""

    authentication_classes = []  # noqa: RUF012
    is_open = True
    http_method_names = ["get", "head"]  # noqa: RUF012

    def get(self, request: Request) -> Response:
        mode = request.GET.get("mode", "full")
        if mode not in {"full", "normative"}:
            raise HttpError(400, "not-supported", f"no capabilities of mode {mode[:20]!r}")
        return self.answer(capability_statement(self.base), versioned=False)


class UnknownView(FhirView):
    """Every other address below the base."""

    authentication_classes = []  # noqa: RUF012

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise HttpError(
            404, "not-found", f"there is nothing at this address; see {self.base}/metadata"
        )

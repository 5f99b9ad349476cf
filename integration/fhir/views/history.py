"""``_history``: versions of resources (FHIR R4 3.1.0.3, 3.1.0.11)."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import history
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.versions import is_versioned
from integration.fhir.views.base import FhirView


class VersionView(FhirView):
    """``[base]/Type/id/_history/version``."""

    http_method_names = ["get", "head"]  # noqa: RUF012

    def get(self, request: Request, kind: str, public_id: str, version: str) -> Response:
        found = self.kind(kind, "r")
        self.require_read(found, public_id)
        resource = history.read_version(found, public_id, version, self.reading())
        self.audit(f"vread {kind}", [resource], f"{kind}/{public_id}")
        return self.answer(resource)


class HistoryView(FhirView):
    """``[base]/Type/id/_history``, ``[base]/Type/_history`` and ``[base]/_history``."""

    http_method_names = ["get", "head"]  # noqa: RUF012

    def get(self, request: Request, kind: str = "", public_id: str = "") -> Response:
        if kind:
            found = self.kind(kind, "rs")
            if not is_versioned(found):
                raise self.not_allowed(f"no earlier versions of {kind} resources are kept")
            if public_id:
                self.require_read(found, public_id)
            kinds = [found]
        else:
            kinds = [
                each
                for each in KINDS.values()
                if is_versioned(each) and self.client.may(each.name, "rs")
            ]
            if not kinds:
                raise HttpError(403, "forbidden", "the token lacks a scope to read anything")
        bundle = history.bundle(
            kinds,
            self.pairs(),
            self.reading(),
            kind=kind,
            public_id=public_id,
            strict=self.strict,
        )
        shown = [e["resource"] for e in bundle.get("entry", []) if "id" in e.get("resource", {})]
        subject = f"{kind}/{public_id}" if public_id else kind
        self.audit(f"history {kind}".rstrip(), shown, subject)
        return self.answer(bundle, versioned=False)

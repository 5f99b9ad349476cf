"""Searches beyond one type: the whole server, and compartments (FHIR R4 3.1.0.9, 2.40)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import formats, json, reading, searching
from integration.fhir.compartments import COMPARTMENTS
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.views.base import FhirView
from integration.fhir.views.bundle import BundleView


class SearchView(FhirView):
    """What all searches share: forms, the audit of what was shown."""

    def form(self) -> list[tuple[str, str]]:
        """The parameters of the address and of a form in the body."""
        pairs = self.pairs()
        body = self.body()
        if body:
            content_type = self.request.META.get("CONTENT_TYPE", "")
            formats.require_body_type(content_type, frozenset({formats.FORM}))
            pairs += parse_qsl(json.decode(body), keep_blank_values=True)
            if any(name.lower() == "access_token" for name, _ in pairs):
                # Parameters are kept in the audit (RFC 6750 5.3).
                raise HttpError(400, "invalid", "a token belongs into the header Authorization")
            self.said = urlencode(pairs)
        return pairs

    def searchset(self, bundle: Resource, what: str, within: str = "") -> Response:
        shown = [entry["resource"] for entry in bundle.get("entry", [])]
        self.audit(f"search {what}", [each for each in shown if "id" in each], within)
        return self.answer(bundle, versioned=False)


class BaseView(BundleView, SearchView):
    """``[base]``: ``POST`` of a Bundle, ``GET`` of a search in several types."""

    http_method_names = ["get", "head", "post", "options"]  # noqa: RUF012

    def get(self, request: Request) -> Response:
        bundle = searching.search_everything(self.pairs(), self.reading(), strict=self.strict)
        return self.searchset(bundle, "all types")


class SystemSearchView(SearchView):
    """``[base]/_search``: the same with the parameters as a form."""

    http_method_names = ["post"]  # noqa: RUF012

    def post(self, request: Request) -> Response:
        bundle = searching.search_everything(self.form(), self.reading(), strict=self.strict)
        return self.searchset(bundle, "all types")


class CompartmentView(SearchView):
    """``[base]/Patient/1/ServiceRequest`` and ``[base]/Patient/1/*``."""

    http_method_names = ["get", "head"]  # noqa: RUF012

    def get(self, request: Request, kind: str, public_id: str, name: str) -> Response:
        return self.within(kind, public_id, name, self.pairs())

    def within(
        self, kind: str, public_id: str, name: str, pairs: list[tuple[str, str]]
    ) -> Response:
        if kind not in COMPARTMENTS:
            raise HttpError(404, "not-supported", f"{kind[:64]} has no compartment")
        if name != "*":
            self.kind(name, "s")
        owner = self.kind(kind, "rs")
        # Beyond the scopes, unknown or deleted: as a read would answer.
        self.require_read(owner, public_id)
        reading.read(owner, public_id, self.reading().systems)
        bundle = searching.search_compartment(
            owner, public_id, name, pairs, self.reading(), strict=self.strict
        )
        return self.searchset(bundle, name if name != "*" else "all types", f"{kind}/{public_id}")


class CompartmentFormView(CompartmentView):
    """``[base]/Patient/1/ServiceRequest/_search``: the same with the parameters as a form."""

    http_method_names = ["post"]  # noqa: RUF012

    def post(self, request: Request, kind: str, public_id: str, name: str) -> Response:
        return self.within(kind, public_id, name, self.form())

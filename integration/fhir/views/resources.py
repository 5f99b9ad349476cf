"""``[base]/Type`` and ``[base]/Type/id``: search, create, read, update, patch (FHIR R4 3.1.0)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import known, reading, searching
from integration.fhir.exchange import matches
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.known import Told
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.systems import Systems
from integration.fhir.views.searches import SearchView
from integration.fhir.writing.conditions import condition
from integration.fhir.writing.request import INTERACTIONS, require_interaction
from ris.selectors import search as selectors


class TypeView(SearchView):
    """``[base]/Type``: search and create."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        make = partial(super().dispatch, request, *args, **kwargs)
        if request.method != "GET":
            return make()
        return known.answered(request, kwargs["kind"], make, self.told)

    def told(self) -> Told | None:
        """To whom the answer was given, and what the audit says of it; None if nothing was."""
        if self.audited is None:
            return None
        return Told(self.client, str(self.request.auth), self.audited)

    def get(self, request: Request, kind: str) -> Response:
        return self.search(kind, self.pairs())

    def search(self, name: str, pairs: list[tuple[str, str]]) -> Response:
        kind = self.kind(name, "s")
        bundle = searching.search(kind, pairs, self.reading(), strict=self.strict)
        return self.searchset(bundle, name)

    def post(self, request: Request, kind: str) -> Response:
        return self.change(kind)

    def put(self, request: Request, kind: str) -> Response:
        return self.change_by_condition(kind)

    def patch(self, request: Request, kind: str) -> Response:
        return self.change_by_condition(kind)

    def delete(self, request: Request, kind: str) -> Response:
        return self.change_by_condition(kind)

    @property
    def allowed_methods(self) -> list[str]:
        """For the Allow header: what is done with resources of this type at this address."""
        kind = KINDS.get(self.kwargs.get("kind", ""))
        done = ["GET", "HEAD"]
        for method, (interaction, _) in INTERACTIONS.items():
            here = method != "POST" or "public_id" not in self.kwargs
            if kind is not None and here and interaction in kind.interactions:
                done.append(method)
        return done

    def change(self, kind: str) -> Response:
        """A write, if the client may do it and it is done with resources of this type."""
        interaction, letter = INTERACTIONS[str(self.request.method)]
        require_interaction(self.kind(kind, letter), interaction)
        return self.write()

    def change_by_condition(self, kind: str) -> Response:
        """The query says which resource is meant (FHIR R4 3.1.0.4.3, 3.1.0.6, 3.1.0.7.1)."""
        if not condition(self.request.META["QUERY_STRING"]):
            raise HttpError(
                405,
                "not-supported",
                f"which {kind[:64]} is meant: {kind[:64]}/[id], or a condition as the query",
            )
        return self.change(kind)


class SearchFormView(TypeView):
    """``[base]/Type/_search``: a search whose parameters are a form."""

    http_method_names = ["post"]  # noqa: RUF012
    allowed_methods = ["POST"]  # noqa: RUF012

    def post(self, request: Request, kind: str) -> Response:
        return self.search(kind, self.form())


class InstanceView(TypeView):
    """``[base]/Type/id``: read, update, patch."""

    def get(self, request: Request, kind: str, public_id: str = "") -> Response:
        found = self.kind(kind, "r")
        self.require_read(found, public_id)
        resource = reading.read(found, public_id, Systems(selectors.issuers()))
        self.audit(f"read {kind}", [resource], f"{kind}/{public_id}")
        response = self.answer(resource)
        if self.is_known(resource):
            response.status_code = 304
            response.data = None
        return response

    def is_known(self, resource: Resource) -> bool:
        """Whether the client has this version (RFC 9110 13.1.2, 13.1.3)."""
        given = self.request.headers.get("If-None-Match", "")
        if given:
            return matches(given, resource["meta"]["versionId"])
        since = self.request.headers.get("If-Modified-Since", "")
        if not since or "lastUpdated" not in resource["meta"]:
            return False
        try:
            at = parsedate_to_datetime(since)
        except (ValueError, OverflowError):
            return False
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)  # what has no zone, or -0000 (RFC 5322 3.3)
        changed = datetime.fromisoformat(resource["meta"]["lastUpdated"])
        return changed.replace(microsecond=0) <= at

    def put(self, request: Request, kind: str, public_id: str = "") -> Response:
        return self.change(kind)

    def patch(self, request: Request, kind: str, public_id: str = "") -> Response:
        return self.change(kind)

    def delete(self, request: Request, kind: str, public_id: str = "") -> Response:
        return self.change(kind)

    def post(self, request: Request, kind: str, public_id: str = "") -> Response:
        raise exceptions.MethodNotAllowed("POST")

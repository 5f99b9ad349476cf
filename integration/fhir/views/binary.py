"""``[base]/Binary/id``: the resource or its bytes, as the client asks (FHIR R4 Binary)."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import binary, formats, reading
from integration.fhir.outcome import HttpError
from integration.fhir.systems import Systems
from integration.fhir.views.resources import InstanceView
from ris.selectors import search as selectors


class AnyType(formats.Negotiation):
    """Any media type may be asked for: the bytes have one of their own."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        offered = list(renderers)
        try:
            return super().select_renderer(request, offered, format_suffix)
        except HttpError:
            if request.query_params.get("_format"):
                raise
            return offered[0], formats.FHIR_JSON


class BinaryView(InstanceView):
    """``[base]/Binary/id``; all but reading is as everywhere."""

    content_negotiation_class = AnyType

    def get(self, request: Request, kind: str = "Binary", public_id: str = "") -> Response:
        found = self.kind(kind, "r")
        self.require_read(found, public_id)
        resource = reading.read(found, public_id, Systems(selectors.issuers()))
        self.audit(f"read {kind}", [resource], f"{kind}/{public_id}")
        data, content_type = binary.content(resource)
        accept = request.META.get("HTTP_ACCEPT", "")
        wanted = request.query_params.get("_format", "")
        response = self.answer(resource)
        if self.is_known(resource):
            response.status_code = 304
            response.data = None
        elif binary.wants_content(accept, wanted, content_type):
            response.data = data
            response[_TYPE] = content_type
            # A page from here must not run as one of ours.
            response["Content-Security-Policy"] = "sandbox; default-src 'none'"
            response["X-Content-Type-Options"] = "nosniff"
            response["Content-Disposition"] = "attachment"
            context = binary.security_context(resource)
            if context:
                response[binary.SECURITY_CONTEXT] = context
        return response

    def finalize_response(
        self, request: Request, response: Response, *args: object, **kwargs: object
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if _TYPE in final:
            final.content_type = final[_TYPE]
            del final[_TYPE]
        return final


_TYPE = "X-Content"  # between the two methods above; never leaves

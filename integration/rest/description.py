"""The OpenAPI description, made from the views themselves."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integration.rest.auth import SessionCaller, TokenCaller
from ris.version import version

WORDS = """\
What people do on the pages, for scripts and for screens of your own. Every change goes through the
same commands as on the pages, with the same rights and the same audit.

A script sends `Authorization: Bearer` with a token from `ris token add NAME --scope
role/scheduler`;
what it may do is what people of that role may. Our own pages use their session, and the CSRF token
for changes. Lists that can grow come in pages; follow `next`. A refusal is a problem document
(RFC 9457) that names what is at fault.
"""


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """``Authorization: Bearer`` in the description."""

    target_class = TokenCaller
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie in the description."""

    target_class = SessionCaller
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


@cache
def description() -> dict[str, Any]:
    """The whole description; made once, because everybody may ask for it."""
    from integration.rest.urls import described

    generator = SchemaGenerator(  # type: ignore[no-untyped-call]
        patterns=described, api_version="v1", title="RIS"
    )
    made: dict[str, Any] = generator.get_schema(  # type: ignore[no-untyped-call]
        request=None, public=True
    )
    made["info"] = {
        "title": "RIS",
        "version": f"v1 (software {version()})",
        "description": WORDS,
    }
    return made


def document() -> str:
    """The description as YAML, for docs/reference."""
    written: bytes = OpenApiYamlRenderer().render(  # type: ignore[no-untyped-call]
        description(), renderer_context={}
    )
    return written.decode()


class Yaml(OpenApiYamlRenderer):
    media_type = "application/yaml"


class DescriptionView(APIView):
    """Open to everybody: it says what there is, and nothing of anybody."""

    authentication_classes: list[type] = []  # noqa: RUF012
    permission_classes: list[type] = []  # noqa: RUF012
    renderer_classes: list[type[BaseRenderer]] = [JSONRenderer, Yaml]  # noqa: RUF012

    def get(self, request: Request) -> Response:
        return Response(description())

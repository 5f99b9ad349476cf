"""What all addresses share: callers, commands, errors as problem details (RFC 9457), the audit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import structlog
from django.core.exceptions import RequestDataTooBig, ValidationError
from django.db import OperationalError
from django.db.models import QuerySet
from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions, serializers
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integration.fhir.outcome import TABLE
from integration.rest.auth import Caller, SessionCaller, TokenCaller, TokenRefused
from integration.rest.places import field
from ris.domain import strict_json
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.commands import Command
from ris.domain.errors import (
    DeniedError,
    ErrorCode,
    InternalError,
    InvalidValueError,
    RisError,
    SeveralErrors,
    unavailable,
)
from ris.services import bearer, execute, refused_calls
from ris.services.audit import record_access

log = structlog.get_logger(__name__)

R = TypeVar("R")
PROBLEM = "application/problem+json"
STATUSES = {code: status for code, (status, _) in TABLE.items()} | {
    ErrorCode.MISSING_VALUE: 400,
    ErrorCode.INVALID_VALUE: 400,
}


class Problem(serializers.Serializer[Any]):
    """Why a request was refused (RFC 9457); ``faults`` has one entry per fault."""

    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.ChoiceField([code.value for code in ErrorCode])
    detail = serializers.CharField()
    id = serializers.CharField(help_text="The number under which the log has this request.")
    faults = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


class Pages(CursorPagination):
    """Keyset pages: the same cost at the end as at the beginning, and never a count."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        text = str(request.query_params.get(self.page_size_query_param, self.page_size))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
            raise InvalidValueError("is a number from 1 on", path=self.page_size_query_param)
        return min(int(text), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        found: Cursor | None = super().decode_cursor(request)
        position = None if found is None or found.position is None else str(found.position)
        if position is not None and not (position.isdecimal() and len(position) < 19):
            raise exceptions.NotFound(self.invalid_cursor_message)
        return found


class StrictJson(JSONParser):
    """Bodies as everywhere: what is doubtful, or nested without end, is refused."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return strict_json.read(stream.read())
        except InvalidValueError as error:
            raise exceptions.ParseError(error.message) from None


class Summarized(AutoSchema):
    """The summary says it; what a view's docstring says is for its readers here."""

    def get_description(self) -> str:  # type: ignore[override]  # what spectacular calls
        return ""


class RestView(APIView):
    """A JSON address; ``roles`` are those that may read here, besides what the door asks."""

    authentication_classes = [TokenCaller, SessionCaller]  # noqa: RUF012 - DRF configures views so
    renderer_classes = [JSONRenderer]  # noqa: RUF012
    parser_classes = [StrictJson]  # noqa: RUF012
    roles: frozenset[Role] = frozenset()
    schema = Summarized()

    @property
    def actor(self) -> Actor:
        caller = self.request.user
        if not isinstance(caller, Caller):
            raise exceptions.NotAuthenticated
        return caller.actor

    @property
    def number(self) -> str:
        return str(getattr(self.request, "correlation_id", ""))[:40]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        actor = self.actor
        # Who is confined to pages of his own (a referring doctor) has none here.
        is_named = not self.roles or actor.has(*self.roles)
        if not actor.roles or actor.is_confined or not is_named:
            error = DeniedError("no role of this caller includes this address")
            self._record_refused(error.message, actor)
            raise error

    def do(self, command: Command[R]) -> R:
        return execute(command, actor=self.actor, correlation=self.number)

    def saw(self, action: str, patients: Iterable[str], *, order: str = "") -> None:
        """Audit whose data the answer shows."""
        found = sorted(set(patients))
        if found:
            record_access(self.actor, action=f"REST {action}", patients=found, order=order)

    def asked(self, name: str, default: str = "") -> str:
        text = str(self.request.query_params.get(name, default)).strip()
        if "\0" in text:
            raise InvalidValueError("holds a NUL character", path=name)
        return text[:200]

    def page(self, rows: QuerySet[Any]) -> tuple[list[Any], Pages]:
        """One page of ``rows``, the newest first."""
        pages = Pages()
        found = pages.paginate_queryset(rows, self.request, self) or []
        return list(found), pages

    # --- refusals

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.APIException) and not isinstance(exc, RisError):
            return self._answer_drf(exc)
        error = self._known(exc)
        faults = error.errors if isinstance(error, SeveralErrors) else [error]
        status = STATUSES[error.code]
        detail = error.message
        if error.code is ErrorCode.INTERNAL:
            detail = "internal error: the operator finds it in the log under the id"
        response = self._problem(
            status,
            error.code,
            detail,
            [
                {"path": place, "message": fault.message}
                for fault in faults
                if (place := field(fault.path))
            ],
        )
        if status == 503:
            response["Retry-After"] = "2"
        return response

    def _record_refused(self, reason: str, actor: Actor | None = None) -> None:
        """In the audit: who was refused. What the door refuses, it records itself."""
        address = bearer.address_of(self.request.META)
        refused_calls.record(
            actor or Actor(ActorKind.CLIENT, "", address=address),
            action=f"REST {self.request.method}",
            outcome="denied" if actor else "refused",
            detail={"path": self.request.path[:200], "reason": reason[:200]},
        )

    def _known(self, exc: Exception) -> RisError:
        if isinstance(exc, RisError):
            return exc
        if isinstance(exc, ValidationError):
            return InvalidValueError("a value has the wrong form")
        if isinstance(exc, RequestDataTooBig):
            return InvalidValueError("the body is longer than this server takes")
        if isinstance(exc, OperationalError):
            log.warning("the database was busy", error=str(exc)[:200])
            return unavailable(exc)
        log.error("a REST request failed", error_id=self.number, exc_info=exc)
        return InternalError("internal error", details={"error_id": self.number})

    def _answer_drf(self, exc: exceptions.APIException) -> Response:
        status = exc.status_code
        code = {
            401: ErrorCode.DENIED,
            403: ErrorCode.DENIED,
            404: ErrorCode.UNKNOWN_KEY,
            405: ErrorCode.UNSUPPORTED,
            406: ErrorCode.UNSUPPORTED,
            415: ErrorCode.UNSUPPORTED,
        }.get(status, ErrorCode.INVALID_VALUE)
        if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            status = 401
        faults = _faults(exc.detail)
        detail = "; ".join(each["message"] for each in faults)[:500]
        if code is ErrorCode.DENIED:
            self._record_refused(detail)
        response = self._problem(status, code, detail, [each for each in faults if each["path"]])
        if status == 401:
            known = exc.challenge if isinstance(exc, TokenRefused) else ""
            response["WWW-Authenticate"] = known or self.get_authenticate_header(self.request)
        if isinstance(exc, exceptions.MethodNotAllowed):
            response["Allow"] = ", ".join(self.allowed_methods)
        return response

    def _problem(
        self, status: int, code: ErrorCode, detail: str, errors: list[dict[str, str]]
    ) -> Response:
        body = {
            "title": code.value.replace("-", " "),
            "status": status,
            "code": code.value,
            "detail": detail,
            "id": self.number,
            "faults": errors,
        }
        response = Response(body, status=status, content_type=PROBLEM)
        response.exception = True
        return response


def _faults(detail: Any, path: str = "") -> list[dict[str, str]]:
    """DRF's nested error texts as a list of place and words."""
    if isinstance(detail, dict):
        return [
            fault
            for name, inner in detail.items()
            for fault in _faults(inner, f"{path}.{name}".lstrip("."))
        ]
    if isinstance(detail, list):
        return [fault for inner in detail for fault in _faults(inner, path)]
    return [{"path": path, "message": str(detail)}]


class NothingView(RestView):
    """Every other address below the base."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise exceptions.NotFound("there is nothing at this address; see /api/v1/schema/")

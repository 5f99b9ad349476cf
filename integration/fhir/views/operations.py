"""``$name`` on the system, a type or an instance (FHIR R4 3.2)."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from integration.fhir import formats
from integration.fhir.exchange import Reply, refuse
from integration.fhir.operations import Call, Operation, find
from integration.fhir.outcome import HttpError
from integration.fhir.places import in_expressions
from integration.fhir.views.base import Acknowledgment, FhirView
from ris.domain.exchange import Protocol
from ris.services import inbox


class OperationView(FhirView):
    """Finds the operation, asks for the scope it needs, calls it."""

    http_method_names = ["get", "head", "post"]  # noqa: RUF012
    operation: Operation

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        kind, public_id = kwargs.get("kind", ""), kwargs.get("public_id", "")
        self.operation = find(kwargs["name"], kind, instance=bool(public_id))

    def get(self, request: Request, name: str, kind: str = "", public_id: str = "") -> Response:
        return self.call(kind, public_id)

    def post(self, request: Request, name: str, kind: str = "", public_id: str = "") -> Response:
        return self.call(kind, public_id)

    def call(self, kind: str, public_id: str) -> Response:
        client, operation, name = self.client, self.operation, self.operation.name
        if self.request.method != "POST" and operation.changes:
            raise self.not_allowed(f"${name} is called by POST")
        if kind and operation.letter:
            found = self.kind(kind, operation.letter)
            if public_id:
                self.require_read(found, public_id)
        elif operation.letter and not client.may("*", operation.letter):
            raise HttpError(403, "forbidden", f"the token lacks the scope for ${name}")
        call = Call(
            kind=kind,
            public_id=public_id,
            client=client,
            query=tuple(self.pairs()),
            body=self.resource(),
            reading=self.reading(),
        )
        if operation.changes:
            return self.keep(operation, call)
        reply = operation.run(call)
        self.audit(f"${name}", list(reply.shown), f"{kind}/{public_id}" if public_id else kind)
        return Response(reply.body, status=reply.status, headers=dict(reply.headers))

    def resource(self) -> Any:
        """The body as an object; None if there is none."""
        raw = self.body()
        if not raw:
            return None
        return formats.read_object(self.request.META.get("CONTENT_TYPE", ""), raw)

    def keep(self, operation: Operation, call: Call) -> Response:
        """What changes something is a message like any other."""
        incoming = self.incoming()
        receipt = inbox.receive(
            protocol=Protocol.FHIR,
            actor=call.client.actor,
            key=incoming.header("Idempotency-Key") or self.request_id,
            raw=incoming.to_bytes(),
            message_type=f"POST {call.kind}/${operation.name}",
            apply=in_expressions()(lambda: operation.run(call).reply().to_answer()),
            refuse=refuse,
            sender=call.client.actor.name,
            dedupe=bool(incoming.header("Idempotency-Key")),
        )
        return Acknowledgment(receipt.message, Reply.from_answer(receipt.answer))

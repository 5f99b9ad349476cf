"""A stored call of an operation that changes something, applied once more (``ReplayMessage``)."""

from __future__ import annotations

from django.utils import timezone

from integration.fhir import formats
from integration.fhir.auth import Client
from integration.fhir.exchange import Incoming
from integration.fhir.operations import find
from integration.fhir.operations.interface import Call
from integration.fhir.parameters import Reading
from integration.fhir.places import in_expressions
from integration.fhir.systems import Systems
from ris.selectors import search as selectors
from ris.services import inbox


def replay(incoming: Incoming, client: Client) -> inbox.Apply:
    """What the address says, done as it would be done now."""

    @in_expressions()
    def apply() -> inbox.Answer:
        *where, name = incoming.address
        kind, public_id = (*where, "", "")[:2]
        operation = find(name.removeprefix("$"), kind, instance=bool(public_id))
        body = (
            formats.read_object(incoming.header("Content-Type"), incoming.body)
            if incoming.body
            else None
        )
        call = Call(
            kind=kind,
            public_id=public_id,
            client=client,
            query=tuple(incoming.query),
            body=body,
            reading=Reading(
                incoming.base, Systems(selectors.issuers()), timezone.get_default_timezone()
            ),
        )
        return operation.run(call).reply().to_answer()

    return apply

"""ServiceRequest: place, revise, hold, release, cancel."""

from __future__ import annotations

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import revision, servicerequest
from integration.fhir.to_domain.references import Reader
from integration.fhir.writing.request import Writer
from ris.domain.errors import DuplicateKeyError
from ris.domain.orders import HoldOrder, OrderReference
from ris.selectors.orders import order_view
from ris.services import execute
from ris.services.audit import record_access


class ServiceRequests:
    """Writes of ServiceRequest resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        reader = Reader(resource, writer.incoming.base, writer.systems)
        known = writer.find(servicerequest.targets(reader))
        order = servicerequest.place_order(reader, known, writer.profile)
        try:
            placed = execute(order.command, actor=writer.actor)
        except DuplicateKeyError as error:
            if "order" in error.details:
                raise
            # The same request, or one for the same new patient, was committed by another
            # connection meanwhile; now it can be seen, and the answer is that of a repetition.
            placed = execute(order.command, actor=writer.actor)
        if order.on_hold and placed.created:
            writer.execute(HoldOrder(order=OrderReference(public_id=placed.public_id)))
        return placed.public_id, placed.created

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        if before["intent"] != "order":
            raise HttpError(
                405, "not-supported", "change the request of the order this is based on"
            )
        reader = Reader(resource, writer.incoming.base, writer.systems)
        known = writer.find(servicerequest.targets(reader))
        order = order_view(writer.public_id)
        commands = revision.revise(reader, order, before, known, writer.profile)
        for command in commands:
            writer.execute(command)
        if not commands:
            # Nothing for the door to audit, but the client is shown the order.
            record_access(
                writer.actor,
                action="FHIR update ServiceRequest",
                patients=[order.patient.public_id],
                order=order.public_id,
            )

"""ServiceRequest: place, replace, revise, hold, release, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integration.fhir import rows
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import revision, servicerequest
from integration.fhir.to_domain.references import Reader
from integration.fhir.writing.booking import Desk
from integration.fhir.writing.request import Writer
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    StateConflictError,
)
from ris.domain.orders import HoldOrder, OrderReference, OrderStatus, ReplaceOrder
from ris.selectors.order_relations import relations
from ris.selectors.orders import order_view
from ris.selectors.views import OrderView
from ris.services import execute
from ris.services.audit import record_access

PATH = "ServiceRequest"
_LIVE = frozenset({OrderStatus.ACTIVE, OrderStatus.ON_HOLD})
_Replaced = tuple[OrderView, str]  # an order, and the element that names it


class ServiceRequests:
    """Writes of ServiceRequest resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        reader = Reader(resource, writer.incoming.base, writer.systems)
        known = writer.find(servicerequest.targets(reader))
        order = servicerequest.place_order(reader, known, writer.profile)
        old = self._replaced(writer, reader)
        command = replace(
            order.command,
            replaces=tuple(OrderReference(public_id=each.public_id) for each, _ in old),
        )
        self._close(writer, old)
        try:
            placed = execute(command, actor=writer.actor)
        except DuplicateKeyError as error:
            if "order" in error.details:
                raise
            # The same request, or one for the same new patient, was committed by another
            # connection meanwhile; now it can be seen, and the answer is that of a repetition.
            placed = execute(command, actor=writer.actor)
        if order.on_hold and placed.created:
            writer.execute(HoldOrder(order=OrderReference(public_id=placed.public_id)))
        if old:
            self._require_same_patient(placed.public_id, old)
        if placed.created:
            self._require_none_beside(writer, placed.public_id, old)
        return placed.public_id, placed.created

    @staticmethod
    def _replaced(writer: Writer, reader: Reader) -> list[_Replaced]:
        """The orders that the new one takes the place of; a reference names one as a whole."""
        desk = Desk(writer.message)
        found: dict[str, _Replaced] = {}
        for named in servicerequest.replaced(reader):
            hits = desk.requests(named)
            if len(hits) > 1:
                raise HttpError(
                    422, "multiple-matches", "several orders have this number", path=named.path
                )
            if hits[0].procedure is not None:
                raise InvalidValueError("an order is replaced as a whole", path=named.path)
            found.setdefault(hits[0].order.public_id, (hits[0].order, named.path))
        return list(found.values())

    @staticmethod
    def _close(writer: Writer, old: Sequence[_Replaced]) -> None:
        """Close what is replaced (ORC-1 RP); R4 has it closed before, which is as good."""
        for order, path in old:
            if order.status is OrderStatus.CANCELED:
                continue
            if not writer.client.may(PATH, "u"):
                raise DeniedError("closing what is replaced needs the scope to update")
            rows.require_write(
                writer.client, writer.kind, order.public_id, "u", writer.message.reading
            )
            try:
                writer.execute(ReplaceOrder(order=OrderReference(public_id=order.public_id)))
            except StateConflictError as error:
                error.path = path
                raise

    @staticmethod
    def _require_same_patient(placed: str, old: Sequence[_Replaced]) -> None:
        patient = order_view(placed).patient.public_id
        for order, path in old:
            if order.patient.public_id != patient:
                raise InvalidValueError("the order is another patient's", path=path)

    @staticmethod
    def _require_none_beside(writer: Writer, placed: str, old: Sequence[_Replaced]) -> None:
        """Nobody gets two exams for one; what one message splits is meant to be several."""
        for order, path in old:
            for other in relations(order).replaced_by:
                if other.public_id == placed or (PATH, other.public_id) in writer.message.promised:
                    continue
                if order_view(other.public_id).status in _LIVE:
                    raise StateConflictError(
                        "another order took its place already: replace that one", path=path
                    )

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

"""Messages in and out, connections, and what an administrator does with what is stuck."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from integration.rest.base import RestView
from integration.rest.shapes import shown
from integration.rest.shown import Reason, does, lists, parameter, reason_in
from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Protocol, ReplayMessage, RequeueDelivery, SkipDelivery
from ris.selectors import interfaces, message_filters, messages
from ris.selectors.interfaces import Tile
from ris.selectors.message_filters import Filter
from ris.selectors.messages import InboundLine, OutboundLine

_PROTOCOLS = ", ".join(Protocol)
_FILTER = (
    parameter("state", 'A state, or "open": needs a person.'),
    parameter("protocol", f"One of {_PROTOCOLS}."),
    parameter("type", "As ORM^O01, or its beginning."),
    parameter("patient", "A number of the patient."),
    parameter("order", "Accession, placer or filler number."),
    parameter("since", "Local date or time."),
    parameter("until", "Local date or time."),
    parameter("text", "Control id, accession number, sender or type."),
)


class InterfaceView(RestView):
    """For those who look after connections."""

    roles = frozenset({Role.ADMIN})

    def wanted(self) -> Filter:
        names = ("state", "protocol", "type", "patient", "order", "since", "until", "text")
        said = {name: self.asked(name) for name in names}
        if said["protocol"] and said["protocol"] not in set(Protocol):
            raise InvalidValueError(f"is none of {_PROTOCOLS}", path="protocol")
        return Filter.of(said)


class MessagesView(InterfaceView):
    @lists("messages", InboundLine, "Messages that came in", *_FILTER)
    def get(self, request: Request) -> Response:
        rows = message_filters.inbound(self.wanted())
        found, pages = self.page(messages.with_inbound_lines(rows))
        lines = messages.inbound_lines(found)
        return pages.get_paginated_response([shown(InboundLine, line) for line in lines])


class DeliveriesView(InterfaceView):
    @lists("deliveries", OutboundLine, "Messages that went out or wait to", *_FILTER)
    def get(self, request: Request) -> Response:
        rows = message_filters.outbound(self.wanted())
        found, pages = self.page(messages.with_outbound_lines(rows))
        lines = messages.outbound_lines(found)
        return pages.get_paginated_response([shown(OutboundLine, line) for line in lines])


class ConnectionsView(InterfaceView):
    @lists("connections", Tile, "Every connection as it stands now", paged=False)
    def get(self, request: Request) -> Response:
        return Response([shown(Tile, tile) for tile in interfaces.tiles()])


class ReplayView(InterfaceView):
    @does("message_replay", "Apply a rejected or failed message again", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        command = ReplayMessage(message=str(key), reason=reason_in(request))
        return Response({"id": self.do(command)})


class RequeueView(InterfaceView):
    @does("delivery_requeue", "Send a refused or dead delivery again", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        self.do(RequeueDelivery(delivery=str(key), reason=reason_in(request)))
        return Response({"id": str(key)})


class SkipView(InterfaceView):
    @does("delivery_skip", "Give a delivery up, so that its lane goes on", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        self.do(SkipDelivery(delivery=str(key), reason=reason_in(request)))
        return Response({"id": str(key)})

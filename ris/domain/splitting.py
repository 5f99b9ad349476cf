"""Moving requested procedures of an order to an order of their own."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event
from ris.domain.orders import OrderReference


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOrder(Command[str]):
    """Move procedures (public ids) to a new order; returns its public id.

    The new order has numbers of its own and what else the old one says, whose placer number is that
    of its requisition (ORC-8). Study Instance UIDs, steps and bookings go with the procedures.
    Refused for what was started, and where nothing would be left behind.
    """

    order: OrderReference
    procedures: tuple[str, ...]
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSplit(Event):
    """``procedures`` went from ``order`` to ``into``."""

    order: str
    into: str
    procedures: tuple[str, ...]
    note: str  # the accession number of the new order, for the reader

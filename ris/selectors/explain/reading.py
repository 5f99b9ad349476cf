"""What the DICOM edge lends to explanations: reading a stored query again, as it would now.

The bytes of a query and what a device is registered for belong to the edge; it registers a reader
when its app is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ris.domain.errors import UnsupportedError
from ris.selectors.views import WorklistEntry, WorklistQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query as it came over the wire."""

    identifier: bytes
    transfer_syntax: str
    ae_title: str
    called_ae_title: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A query as read: ``sent`` by its own keys, ``offered`` with the device's settings.

    Both are None if nothing can match; then ``refused`` says why the query is refused, or it is
    empty and the keys contradict each other. ``notes`` tell what the standard does not allow.
    """

    sent: WorklistQuery | None = None
    offered: WorklistQuery | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    unsupported: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of an identifier, for people; ``depth`` counts the sequences around it."""

    tag: str
    name: str
    vr: str
    value: str
    depth: int = 0

    @property
    def indent(self) -> str:
        return "> " * self.depth


class Reader(Protocol):
    def read(self, asked: Asked) -> Reading:
        """Raises nothing: what is wrong with a query is part of its reading."""
        ...

    def offer(
        self, query: WorklistQuery, ae_title: str, called: str, at: datetime
    ) -> WorklistQuery:
        """A query with the settings of the device that asks it then; ``called`` empty: as usual."""
        ...

    def accepts_strangers(self) -> bool:
        """Whether callers that nobody registered are let in."""
        ...

    def lacking(self, entry: WorklistEntry) -> tuple[str, ...]:
        """The type 1 attributes for which the entry is not served (PS3.4 K.2.2.1.2)."""
        ...

    def elements(self, identifier: bytes, transfer_syntax: str) -> tuple[Element, ...]:
        """An identifier taken apart; empty if it cannot be."""
        ...


_makers: dict[str, Callable[[], Reader]] = {}


def register_reader(make: Callable[[], Reader]) -> None:
    _makers["reader"] = make


def reader() -> Reader:
    """A reader that sees the register of devices as it is when it is first asked.

    One for each explanation. Raises UnsupportedError without the DICOM edge.
    """
    if not _makers:
        raise UnsupportedError("worklist queries cannot be read without the DICOM part")
    return _makers["reader"]()

"""What a resource of a FHIR client is found by, as the edge reads it out of the JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

# Longer values are found by their beginning.
MAX_TEXT = 255

# The system of an element that does not name the one system of its codes, such as a status.
ANY_SYSTEM = "*"

# The ends of a period that has none (both databases and every zone can hold them).
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
END = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One value of one search parameter; which fields are set depends on the parameter's type.

    token: ``system``, ``code``. string: ``text`` folded, ``code`` as written. uri: ``code``.
    date: [``low``, ``high``). number, quantity: ``number``, with ``system`` and ``code`` of the
    unit. reference: ``target`` (a public id here) and its type in ``system``, or ``code``.
    """

    parameter: str
    system: str = ""
    code: str = ""
    text: str = ""
    low: datetime | None = None
    high: datetime | None = None
    number: float | None = None
    target: str = ""

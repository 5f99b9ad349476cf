"""Human words, icon and tone for every state that a page shows.

One table per enumeration, total over it (tests/web/test_labels.py), in the module of its area. A
state is never told by color alone: the ``status`` template tag always writes icon, words and tone
together.
"""

from __future__ import annotations

from ris.web.labels import (
    exchange,
    orders,
    patients,
    performing,
    protocoling,
    reporting,
    safety,
    scheduling,
)
from ris.web.labels._label import Label, Tables, Tone
from ris.web.labels.exchange import DELIVERY, MESSAGE, PROTOCOL, SUBSCRIPTION
from ris.web.labels.orders import LATERALITY, PRIORITY
from ris.web.labels.patients import IDENTIFIER, SEX
from ris.web.labels.reporting import SECTION
from ris.web.labels.scheduling import APPOINTMENT

__all__ = [
    "APPOINTMENT",
    "DELIVERY",
    "IDENTIFIER",
    "LATERALITY",
    "MESSAGE",
    "PRIORITY",
    "PROTOCOL",
    "SECTION",
    "SEX",
    "SUBSCRIPTION",
    "TABLES",
    "Label",
    "Tone",
    "label",
]

TABLES: Tables = {
    **orders.TABLES,
    **patients.TABLES,
    **scheduling.TABLES,
    **safety.TABLES,
    **protocoling.TABLES,
    **performing.TABLES,
    **reporting.TABLES,
    **exchange.TABLES,
}


def label(table: str, value: str) -> Label:
    """The label of a stored value; a value from outside the table is shown as it is."""
    _, labels = TABLES[table]
    return labels.get(str(value)) or Label(str(value), "question")

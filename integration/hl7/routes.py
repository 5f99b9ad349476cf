"""Which messages are served, what reads each, and what answers it where a peer wants more than ACK.

One block an area; a message of none of them is refused (AR, 200 or 201).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from integration.hl7.er7 import Message
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import adt, adt_records, documents
from integration.hl7.to_domain.closures import from_block
from integration.hl7.to_domain.order_answers import from_answer
from integration.hl7.to_domain.orders import from_order
from integration.hl7.to_domain.request import Request
from integration.hl7.to_domain.results import from_oru
from integration.hl7.to_domain.schedule import BLOCKS, TRIGGERS, from_siu

Translate = Callable[[Message, Profile], list[Request]]


@dataclass(frozen=True, slots=True)
class Route:
    """One message that is served; ``reply`` is its own answer where a peer wants that."""

    translate: Translate
    reply: tuple[str, ...] = ()


_ORDERS: Mapping[tuple[str, str], Route] = {
    ("ORM", "O01"): Route(from_order, ("ORR", "O02", "ORR_O02")),
    ("OMG", "O19"): Route(from_order, ("ORG", "O20", "ORG_O20")),
    ("OMI", "O23"): Route(from_order, ("ORI", "O24", "ORI_O24")),
    ("ORR", "O02"): Route(from_answer),
    ("ORG", "O20"): Route(from_answer),
    ("ORI", "O24"): Route(from_answer),
}

_PATIENTS: Mapping[tuple[str, str], Route] = {
    **{("ADT", trigger): Route(adt.from_adt) for trigger in adt.UPDATES},
    **{("ADT", trigger): Route(adt.from_undo) for trigger in adt.UNDOES},
    ("ADT", "A29"): Route(adt.from_removal),
    ("ADT", "A60"): Route(adt.from_reactions),
    **{("ADT", trigger): Route(adt_records.from_merge) for trigger in ("A40", "A18", "A34")},
    ("ADT", "A36"): Route(adt_records.from_merge_with_account),
    **{("ADT", trigger): Route(adt_records.from_account_merge) for trigger in ("A35", "A41")},
    **{("ADT", trigger): Route(adt_records.from_visit_merge) for trigger in ("A42", "A50")},
    ("ADT", "A43"): Route(adt_records.from_identifier_move),
    ("ADT", "A44"): Route(adt_records.from_account_move),
    ("ADT", "A45"): Route(adt_records.from_visit_move),
    ("ADT", "A47"): Route(adt_records.from_identifier_change),
    **{("ADT", trigger): Route(adt_records.from_link) for trigger in ("A24", "A37")},
    **{("BAR", trigger): Route(adt.from_account) for trigger in adt.ACCOUNTS},
}

_SCHEDULES: Mapping[tuple[str, str], Route] = {
    **{("SIU", trigger): Route(from_siu) for trigger in TRIGGERS},
    **{("SIU", trigger): Route(from_block) for trigger in BLOCKS},
}

_RESULTS: Mapping[tuple[str, str], Route] = {
    ("ORU", "R01"): Route(from_oru),
    **{("MDM", trigger): Route(documents.from_mdm) for trigger in documents.TRIGGERS},
    ("MDM", documents.CANCEL): Route(documents.from_mdm),
}

ROUTES: Mapping[tuple[str, str], Route] = {**_ORDERS, **_PATIENTS, **_SCHEDULES, **_RESULTS}

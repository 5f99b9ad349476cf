"""What is said of an order as a whole."""

from __future__ import annotations

from typing import Any

from ris.domain.limits import OF_ORDER
from ris.domain.orders import (
    OrderDetails,
    Priority,
)
from ris.domain.values import Code, Identifier, PersonName, is_same_family, require_text
from ris.models import (
    Order,
)


def apply_details(order: Order, said: OrderDetails) -> list[str]:
    """Set what is said; returns the names of the fields that changed."""
    values: dict[str, Any] = {}
    if said.priority is not None:
        values["priority"] = Priority(said.priority).value
    for name in ("reason", "comments", "clinical_information"):
        text = getattr(said, name)
        if text is not None:
            values[name] = text.strip()
    comments = str(values.get("comments", order.comments))
    added = [line for line in said.remarks if line not in comments.splitlines()]
    if added:
        values["comments"] = "\n".join(filter(None, (comments, *added)))
    for name in ("reason_code", "requesting_service_code"):
        code: Code | None = getattr(said, name)
        if code is not None:
            values[name] = code.as_json() if code else {}
    for name in ("requester", "referring"):
        person: PersonName | None = getattr(said, name)
        if person is not None:
            values[name] = str(person)
    number = said.requester_identifier
    if number is None and said.requester is not None and _is_another(order, said.requester):
        number = Identifier("")  # that of the former one: nothing may be sent to it any more
    if number is not None:
        values["requester_identifier"] = number.value
        values["requester_issuer"] = number.issuer
    for name, limit in OF_ORDER.items():
        text = getattr(said, name)
        if text is not None:
            values[name] = require_text(text, path=name, limit=limit, name=name)
    if said.ordered_at is not None:
        values["ordered_at"] = said.ordered_at
    changed = [name for name, value in values.items() if getattr(order, name) != value]
    for name in changed:
        setattr(order, name, values[name])
    return changed


def _is_another(order: Order, requester: PersonName) -> bool:
    return bool(order.requester) and not is_same_family(
        requester, PersonName.parse(order.requester)
    )

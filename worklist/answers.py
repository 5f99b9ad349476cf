"""The stored form of a DIMSE response, which the inbox keeps and gives again."""

from __future__ import annotations

import base64
import json
from typing import Any

from ris.services.inbox import Answer
from worklist.service import Outcome


def to_answer(outcome: Outcome) -> Answer:
    """The stored form of a response."""
    payload: dict[str, Any] = {"status": outcome.status}
    if outcome.comment:
        payload["comment"] = outcome.comment
    if outcome.error_id is not None:
        payload["error_id"] = outcome.error_id
    if outcome.offending_elements:
        payload["offending"] = list(outcome.offending_elements)
    if outcome.attribute_identifiers:
        payload["attributes"] = list(outcome.attribute_identifiers)
    if outcome.dataset:
        payload["dataset"] = base64.b64encode(outcome.dataset).decode("ascii")
    return Answer(payload=json.dumps(payload).encode(), outcome=f"{outcome.status:04X}")


def from_answer(answer: Answer) -> Outcome:
    payload = json.loads(answer.payload)
    return Outcome(
        payload["status"],
        payload.get("comment", ""),
        error_id=payload.get("error_id"),
        offending_elements=tuple(payload.get("offending", ())),
        attribute_identifiers=tuple(payload.get("attributes", ())),
        dataset=base64.b64decode(payload.get("dataset", "")),
    )

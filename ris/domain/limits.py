"""How many characters of a text are kept of what is told of a patient, a visit or an order.

What is longer is refused, or left out where nothing hangs on it; nothing is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OF_PATIENT: Final[Mapping[str, int]] = {
    "phone": 250,
    "email": 250,
    "address": 500,
    "language": 60,
    "special_needs": 400,
    "ethnic_group": 64,
}
OF_VISIT: Final[Mapping[str, int]] = {"location": 200}
OF_ORDER: Final[Mapping[str, int]] = {
    "requesting_service": 64,
    "transport": 64,
    "entered_by": 324,
    "entering_location": 64,
    "callback_phone": 250,
    "patient_state": 64,
    "confidentiality": 64,
    "patient_confidentiality": 64,
    "interpreter_language": 20,
}

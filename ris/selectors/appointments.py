"""What other systems call an appointment."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from ris.domain.scheduling import NumberKind
from ris.domain.values import Identifier
from ris.models import AppointmentNumber


@dataclass(frozen=True, slots=True)
class AppointmentNumbers:
    """The numbers that a scheduling system gave it; empty where there are none."""

    placer: Identifier = field(default_factory=lambda: Identifier(""))
    filler: Identifier = field(default_factory=lambda: Identifier(""))


def appointment_numbers(public_id: str) -> AppointmentNumbers:
    """By the appointment's public id."""
    rows = AppointmentNumber.objects.filter(appointment__public_id=uuid.UUID(public_id))
    found = {row.kind: Identifier(row.value, row.issuer) for row in rows}
    none = Identifier("")
    return AppointmentNumbers(
        found.get(NumberKind.PLACER.value, none), found.get(NumberKind.FILLER.value, none)
    )

"""Entries of a worklist, placed and found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.orders import (
    OrderDetails,
    Priority,
    ProcedureRequest,
)
from ris.domain.patients import Sex
from ris.domain.values import Code, PartialDate, PersonName
from ris.selectors import worklist
from ris.selectors.views import WorklistQuery
from tests import make

VIENNA = ZoneInfo("Europe/Vienna")


def at(day: int, hour: int = 8, minute: int = 0) -> datetime:
    """A local time in July 2026."""
    return datetime(2026, 7, day, hour, minute, tzinfo=VIENNA).astimezone(UTC)


def place(
    name: str = "Berg^Anna",
    start_at: datetime | None = None,
    *,
    station: str = "CT1",
    modality: str = "CT",
    number: str = "",
    birth: str = "1970-05-03",
    sex: Sex = Sex.FEMALE,
    priority: Priority = Priority.ROUTINE,
    code: Code = make.CT_HEAD,
    physician: str = "",
    requester: str = "Ordonez^Olga",
    referring: str = "",
    **overrides: Any,
) -> Any:
    return make.order(
        patient=make.patient(
            number,
            name=PersonName.parse(name),
            birth_date=PartialDate(birth),
            sex=sex,
        ),
        procedures=(
            ProcedureRequest(
                code=code,
                steps=(
                    make.step_request(
                        start_at=start_at or at(6),
                        station_ae_title=station,
                        modality=modality,
                        performing_physician=PersonName.parse(physician),
                    ),
                ),
            ),
        ),
        details=OrderDetails(
            priority=priority,
            reason="headache",
            requester=PersonName.parse(requester),
            referring=PersonName.parse(referring),
        ),
        **overrides,
    )


def found(**conditions: Any) -> list[str]:
    """Names of the patients that match, in order."""
    answer = worklist.entries(WorklistQuery(**conditions))
    return [str(entry.patient.name) for entry in answer.entries]

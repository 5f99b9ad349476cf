"""The end of an exam, as its modality tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydicom.dataset import Dataset

from tests.worklist.performed import n_set

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def ended(status: str = "COMPLETED", **overrides: Any) -> Dataset:
    fields = {
        "PerformedProcedureStepEndDate": "20260302",
        "PerformedProcedureStepEndTime": "133000",
    }
    return n_set(status, **fields | overrides)

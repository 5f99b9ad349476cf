"""Identifiers as the queries they become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError
from ris.selectors.views import WorklistQuery
from tests.worklist.entries import SYNTAXES, encoded, identifier
from worklist.matching import WorklistRequest, to_request

VIENNA = ZoneInfo("Europe/Vienna")
DAY = "ScheduledProcedureStepStartDate"
TIME = "ScheduledProcedureStepStartTime"


def request(query: Dataset, syntax: str = "explicit", **options: Any) -> WorklistRequest:
    return to_request(encoded(query, syntax), SYNTAXES[syntax], zone=VIENNA, **options)


def query(step: dict[str, Any] | None = None, **keys: Any) -> WorklistQuery | None:
    return request(identifier(step=step, **keys)).query


def refusal(step: dict[str, Any] | None = None, **keys: Any) -> str:
    with pytest.raises(InvalidValueError) as refused:
        query(step, **keys)
    return refused.value.path


def raw(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element in Explicit VR, with values pydicom would not write."""
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + vr
        + len(value).to_bytes(2, "little")
        + value
    )


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]

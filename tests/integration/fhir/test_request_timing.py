"""ServiceRequest.occurrenceTiming: read where it is once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from integration.fhir.to_domain.servicerequest import read_timing
from tests.integration.fhir import resources
from tests.integration.fhir.test_to_domain import refused


@pytest.mark.parametrize(
    ("timing", "start", "minutes", "wish"),
    [
        ({"event": ["2026-03-02T12:00:00Z"]}, "2026-03-02T12:00:00+00:00", None, ""),
        ({"event": ["2026-03-02"]}, None, None, "Wanted on 2026-03-02"),
        (
            {
                "repeat": {
                    "boundsPeriod": {
                        "start": "2026-03-02T12:00:00Z",
                        "end": "2026-03-02T12:30:00Z",
                    }
                }
            },
            "2026-03-02T12:00:00+00:00",
            30,
            "",
        ),
        (
            {"repeat": {"boundsPeriod": {"start": "2026-03-02"}, "count": 1, "frequency": 1}},
            None,
            None,
            "Wanted from 2026-03-02",
        ),
        ({"code": {"text": "Once"}}, None, None, "Timing: Once"),
        ({"code": {"coding": [{"code": "ONCE", "display": "One time"}]}}, None, None,
         "Timing: One time"),
        ({"event": ["2026-03-02"], "code": {"text": "Once"}}, None, None,
         "Wanted on 2026-03-02; Timing: Once"),
    ],
)  # fmt: skip
def test_a_timing_that_is_once_says_when(
    timing: dict[str, Any], start: str | None, minutes: int | None, wish: str
) -> None:
    found = read_timing(resources.service_request(occurrenceTiming=timing))

    assert found.start_at == (datetime.fromisoformat(start) if start else None)
    assert (found.duration_minutes, found.wish) == (minutes, wish)


@pytest.mark.parametrize(
    "timing",
    [
        {"event": ["2026-03-02", "2026-03-09"]},
        {"repeat": {"count": 3}},
        {"repeat": {"count": 1, "countMax": 2}},
        {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}},
        {"repeat": {"dayOfWeek": ["mon"]}},
        {"repeat": {"timeOfDay": ["08:00:00"]}},
        {"code": {"coding": [{"code": "QD"}]}},
    ],
)
def test_a_timing_of_several_exams_is_refused_for_each_is_an_order(timing: dict[str, Any]) -> None:
    assert refused(occurrenceTiming=timing) == (
        422,
        "not-supported",
        "ServiceRequest.occurrence",
    )

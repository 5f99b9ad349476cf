"""The stage of a requested procedure follows from its steps and report."""

from __future__ import annotations

from itertools import product

import pytest

from ris.domain.orders import ReportState, Stage, StepStatus, stage
from ris.domain.performing import PerformedStatus, step_status_from

S = StepStatus


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], Stage.REQUESTED),
        ([S.PENDING], Stage.REQUESTED),
        ([S.NO_SHOW], Stage.REQUESTED),
        ([S.SCHEDULED, S.PENDING], Stage.SCHEDULED),
        ([S.ARRIVED, S.SCHEDULED], Stage.ARRIVED),
        ([S.READY], Stage.ARRIVED),
        ([S.STARTED, S.SCHEDULED], Stage.IN_PROGRESS),
        ([S.COMPLETED, S.SCHEDULED], Stage.IN_PROGRESS),
        ([S.COMPLETED], Stage.PERFORMED),
        ([S.COMPLETED, S.CANCELED], Stage.PERFORMED),
        ([S.COMPLETED, S.DISCONTINUED], Stage.PERFORMED),
        ([S.DISCONTINUED], Stage.CANCELED),
        ([S.CANCELED], Stage.CANCELED),
        ([S.CANCELED, S.PENDING], Stage.REQUESTED),
    ],
)
def test_stage_without_report(steps: list[StepStatus], expected: Stage) -> None:
    assert stage(steps, ReportState.NONE) is expected


def test_a_report_decides_whatever_the_steps_say() -> None:
    assert stage([S.STARTED], ReportState.PRELIMINARY) is Stage.PRELIMINARY
    assert stage([S.COMPLETED], ReportState.FINAL) is Stage.REPORTED


def test_there_is_a_stage_for_every_pair_of_steps() -> None:
    for pair in product(S, repeat=2):
        assert stage(pair, ReportState.NONE) in Stage


@pytest.mark.parametrize(
    ("performed", "expected"),
    [
        ([], None),
        ([PerformedStatus.IN_PROGRESS, PerformedStatus.COMPLETED], S.STARTED),
        ([PerformedStatus.DISCONTINUED, PerformedStatus.COMPLETED], S.COMPLETED),
        ([PerformedStatus.DISCONTINUED], S.DISCONTINUED),
    ],
)
def test_a_step_follows_all_that_was_performed_for_it(
    performed: list[PerformedStatus], expected: StepStatus | None
) -> None:
    assert step_status_from(performed) is expected

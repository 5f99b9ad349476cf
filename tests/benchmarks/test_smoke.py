"""The benchmarks run: every one of them, small, against real processes. Nothing is timed here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.__main__ import SUITES
from tests.running import ROOT


@pytest.fixture(scope="module")
def printed() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


pytestmark = [pytest.mark.timeout(600), pytest.mark.wire]


@pytest.mark.parametrize("name", SUITES)
def test_each_benchmark_prints_its_tables(printed: str, name: str) -> None:
    title, _ = SUITES[name]

    section = printed.partition(f"## {title}\n")[2].partition("\n## ")[0]

    assert "|--" in section


def test_every_request_was_answered_as_it_should(printed: str) -> None:
    assert "Failures" not in printed


def test_the_worklist_is_compared_with_its_floor(printed: str) -> None:
    section = printed.partition("## Worklist queries\n")[2]

    assert "| floor |" in " ".join(section.split())
    assert "÷ C replay" in printed


def test_a_run_ends_with_its_goals_in_one_table(printed: str) -> None:
    goals = printed.partition("\n## Goals\n")[2]

    assert "| goal | what " in goals
    assert "figures meet their goal." in goals
    assert "p50 at 1,000 ÷ 100 steps" in goals

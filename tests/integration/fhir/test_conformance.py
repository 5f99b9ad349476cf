"""The FHIR profile page and the command that prints it."""

from __future__ import annotations

import json

import pytest

from integration.fhir import conformance
from integration.fhir.commands import conformance as command
from integration.fhir.resources import KINDS
from tests.integration.fhir.api import valid


def test_the_page_has_a_part_for_every_type_and_a_row_for_every_parameter() -> None:
    page = conformance.statement()

    for name, kind in KINDS.items():
        part = page.split(f"### {name}\n")[1].split("\n##")[0]
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert len(rows) == len(kind.parameters)


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert command([]) == 0

    assert capsys.readouterr().out == conformance.statement()


def test_the_command_prints_the_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["--json"]) == 0

    statement = json.loads(capsys.readouterr().out)
    valid(statement)
    assert statement["implementation"]["url"] == "http://127.0.0.1:8000/fhir"

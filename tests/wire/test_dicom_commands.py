"""The commands that play a scanner, against the running listener."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from ris.domain.errors import BusyError, DeniedError
from ris.domain.orders import StepStatus
from ris.models import PerformedProcedureStep
from tests import make
from tests.running import ROOT, accepts, free_ports, wait_until
from tests.wire.exams import NOON, server
from worklist import commands
from worklist.server import ServerThread

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["server"]


def at(server: ServerThread, *arguments: str) -> list[str]:
    return ["--port", str(server.port), *arguments]


def test_echo_says_that_the_peer_answers(
    server: ServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.echo(at(server)) == 0
    assert capsys.readouterr().out.startswith(f"RIS at 127.0.0.1:{server.port} answers")


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_echo_fails_in_words(server: ServerThread) -> None:
    (unused,) = free_ports(1)

    with pytest.raises(BusyError, match="no DICOM association with RIS at "):
        commands.echo(["--port", str(unused)])
    with pytest.raises(DeniedError, match=r"refused NOBODY: calling ae title not recogni[sz]ed"):
        commands.echo(at(server, "--calling", "NOBODY"))


def test_find_prints_a_line_for_each_answer(
    server: ServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    order = make.booked(NOON)

    code = commands.find(at(server, "--date", "20260302", "--station", "CT1", "--name", "berg*"))

    line = capsys.readouterr().out.strip()
    assert code == 0
    assert line.startswith("2026-03-02 13:00  CT1  CT")
    assert order.accession_number in line
    assert "Berg^Anna" in line


def test_find_prints_dicom_json(server: ServerThread, capsys: pytest.CaptureFixture[str]) -> None:
    order = make.booked(NOON)

    code = commands.find(at(server, "--json", "-k", f"AccessionNumber={order.accession_number}"))

    (answer,) = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["00080050"]["Value"] == [order.accession_number]


def test_find_fails_when_the_query_does(
    server: ServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.find(at(server, "--date", "someday")) == 1
    assert "A900 (0040,0002) not a date" in capsys.readouterr().err


def test_find_knows_what_is_no_keyword(server: ServerThread) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.find(at(server, "-k", "Nonsense=1"))

    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], StepStatus.COMPLETED),
        (["--discontinue", "110505"], StepStatus.DISCONTINUED),
        (["--discontinue", "110514"], StepStatus.SCHEDULED),
    ],
)
def test_a_simulated_scanner_performs_what_is_offered(
    server: ServerThread, options: list[str], status: StepStatus
) -> None:
    order = make.booked(NOON)

    assert commands.simulate_modality(at(server, "--images", "3", *options)) == 0

    performed = PerformedProcedureStep.objects.get()
    assert make.step_of(order).status == status.value
    assert performed.series.get().instance_count == 3
    assert performed.flags == []


def test_a_simulated_scanner_has_nothing_to_do(
    server: ServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.simulate_modality(at(server)) == 1
    assert "offers nothing" in capsys.readouterr().err


def test_a_simulated_scanner_tells_that_its_query_was_refused(
    server: ServerThread, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.simulate_modality(at(server, "--date", "someday")) == 1
    assert "A900 (0040,0002) not a date" in capsys.readouterr().err


def test_the_statement_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.conformance([]) == 0
    assert capsys.readouterr().out.startswith("# DICOM conformance statement")


def test_the_listener_starts_from_the_settings_and_drains_at_sigterm(
    server: ServerThread,
) -> None:
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", "dicom"],
        env={**os.environ, "RIS_DICOM__PORT": str(port), "RIS_DICOM__UNKNOWN_AE": "accept"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_until(lambda: accepts(port), "the listener is up", seconds=60)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert output == f"DICOM listener ready at port {port}\n"

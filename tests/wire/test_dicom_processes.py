"""``ris run dicom`` in several processes: one port, one stop, a dead one comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from ris import counters
from ris.config_sections import Dicom
from tests import make
from tests.running import ROOT, accepts, free_ports, wait_until
from tests.wire.dicom_peer import VERIFICATION, associated, echo_rq, serves
from worklist.config import TlsProfile
from worklist.listener import listener_config
from worklist.processes import Processes

pytestmark = [
    pytest.mark.wire,
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make.site()
    make.device("CT1", "CT")
    return tmp_path


@contextmanager
def running(home: Path, port: int, processes: int) -> Iterator[subprocess.Popen[str]]:
    """The part of its own, on the database of the test."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", "dicom"],
        env={
            **os.environ,
            **_database(home),
            "RIS_DATA_DIR": str(home),
            "RIS_DICOM__PORT": str(port),
            "RIS_DICOM__PROCESSES": str(processes),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _database(home: Path) -> dict[str, str]:
    if connection.vendor == "sqlite":
        (home / "ris.sqlite3").symlink_to(connection.settings_dict["NAME"])
        return {}
    cluster = os.environ["RIS_TEST_DATABASE_URL"].rpartition("/")[0]
    return {"RIS_DATABASE_URL": f"{cluster}/{connection.settings_dict['NAME']}"}


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(one) for one in text.split()}


def accepted(home: Path) -> dict[str, float]:
    """How many associations each process has accepted, as far as it has said."""
    return {
        sample.labels["process"]: sample.value
        for family in counters.read(home / "run")
        if family.name == "ris_dicom_associations_accepted"
        for sample in family.samples
    }


def test_two_processes_share_a_port_and_a_dead_one_comes_back(home: Path) -> None:
    (port,) = free_ports(1)
    with running(home, port, 2) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"DICOM listener ready at port {port}, 2 processes\n"
        first = children(process.pid)
        wait_until(lambda: set(accepted(home)) == {"dicom-1", "dicom-2"}, "both say their numbers")

        assert all(serves(port) for _ in range(4))
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: len(children(process.pid)) == 2 and victim not in children(process.pid),
            "the dead one is started again",
        )
        assert all(serves(port) for _ in range(4))

        with associated(port, VERIFICATION) as peer:
            process.send_signal(signal.SIGTERM)
            # The drain ends with a release, not with a broken connection.
            assert peer.read()[0] == 5
        assert process.wait(20) == 0
    assert accepted(home) == {}
    assert not accepts(port)


def test_a_port_that_is_taken_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(home, port, 2) as process:
            _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert errors == "ris: Address already in use\n"


def test_the_listener_is_configured_by_the_settings(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("cert", "key", "ca", "crl")}
    one = listener_config(
        Dicom(ae_title="MYRIS", port=4242, threads=3, associations=10, idle_seconds=5)
    )
    secure = listener_config(
        Dicom(
            tls_port=2762,
            tls_cert=files["cert"],
            tls_key=files["key"],
            tls_ca=files["ca"],
            tls_crl=files["crl"],
            tls_profile="modified",
            processes=3,
            associations_per_ae=7,
            associate_seconds=2,
            pdu_seconds=3,
            write_seconds=4,
        )
    )

    assert (one.ae_title, one.port, one.threads, one.reuse_port) == ("MYRIS", 4242, 3, False)
    assert one.limits.associations == 10
    assert (one.deadlines.idle, one.deadlines.idle_holding) == (5, 14400)
    assert one.tls is None
    assert secure.reuse_port
    assert secure.limits.associations_per_ae_title == 7
    deadlines = secure.deadlines
    assert (deadlines.associate, deadlines.pdu, deadlines.write) == (2, 3, 4)
    assert secure.tls is not None
    assert (secure.tls.crl, secure.tls.profile) == (files["crl"], TlsProfile.MODIFIED)
    assert secure.tls.require_client_certificate


def test_an_echo_after_the_other_is_served_by_any(home: Path) -> None:
    (port,) = free_ports(1)
    with running(home, port, 1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"DICOM listener ready at port {port}\n"
        with associated(port, VERIFICATION) as peer:
            peer.send(echo_rq(1) + echo_rq(2))
            answers = peer.responses()
            assert [next(answers).message_id for _ in range(2)] == [1, 2]


def test_processes_that_do_not_start_end_the_part() -> None:
    said: list[str] = []

    code = Processes(2, lambda number, ready: 3, lambda: said.append("ready")).run()

    assert code == 1
    assert said == []

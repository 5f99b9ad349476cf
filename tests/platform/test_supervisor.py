"""`ris up` as a user starts it: ready, restarting, refusing, and never leaving an orphan."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import ROOT
from tests.running import (
    Running,
    accepts,
    clean_environment,
    free_ports,
    prepared,
    ris,
    start,
    wait_until,
)

PARTS = ["web", "dicom", "mllp", "worker", "beat"]

pytestmark = pytest.mark.wire


def processes_of(data_dir: Path) -> dict[int, str]:
    """Every live process that was given this data directory, by pid, with its command line."""
    mark = f"RIS_DATA_DIR={data_dir}\0".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(") ")[2][0]
            if state != "Z" and mark in (folder / "environ").read_bytes() + b"\0":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue  # it ended while we looked, or is not ours
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("site"), "--demo", first=True)
    yield running
    running.stop()


def is_serving(site: Running) -> bool:
    try:
        return (
            site.get("/healthz")[0] == 200 and accepts(site.dicom_port) and accepts(site.mllp_port)
        )
    except OSError:
        return False


def test_the_banner_comes_once_with_everything_one_needs(site: Running) -> None:
    output = site.output

    assert output.count("RIS is ready") == 1
    assert f"pages       http://127.0.0.1:{site.http_port}/" in output
    assert f"FHIR R4     http://127.0.0.1:{site.http_port}/fhir" in output
    assert f"DICOM       RIS at 127.0.0.1:{site.dicom_port}" in output
    assert f"HL7 v2      127.0.0.1:{site.mllp_port}" in output
    for login in ("scheduler", "frontdesk", "technologist", "radiologist", "admin", "manager"):
        assert login in output
    assert "password    demo" in output
    assert "FHIR token  demo-ehr-token" in output


def test_when_the_banner_stands_every_part_serves(site: Running) -> None:
    assert is_serving(site)
    assert site.get("/readyz")[0] == 200
    assert sorted(set(site.pids()) & set(PARTS)) == sorted(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_comes_back(name: str, site: Running) -> None:
    before = site.pids()[name]

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: site.pids()[name] != before, f"a new process for {name}")
    wait_until(lambda: is_serving(site), "all ports open again", 30)
    assert f"ris: {name} was ended by SIGKILL; starting it again in" in site.output


def test_a_web_process_that_is_killed_comes_back(site: Running) -> None:
    main = site.pids()["web"]
    children = (Path(f"/proc/{main}/task/{main}") / "children").read_text().split()
    assert len(children) == 1

    os.kill(int(children[0]), signal.SIGKILL)

    wait_until(lambda: site.pids()["web"] != main, "a new web part")
    wait_until(lambda: is_serving(site), "all ports open again", 30)


def test_doctor_finds_nothing_wrong_with_a_fresh_site(site: Running) -> None:
    wait_until(lambda: is_serving(site), "all ports open", 30)

    done = site.ris("doctor")

    assert "FAIL" not in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_supervisor_on_the_same_data_is_refused(site: Running) -> None:
    done = site.ris("up", "--demo")

    assert done.returncode == 1
    assert done.stderr == (
        f"ris: another `ris up` runs on {site.data_dir}; choose another one with --data-dir\n"
    )


def test_restoring_over_a_running_site_is_refused(site: Running, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert site.ris("backup", "--to", str(copy)).returncode == 0

    done = site.ris("restore", str(copy), "--yes")

    assert done.returncode == 1
    assert done.stderr == "ris: `ris up` is running here; stop it first\n"


def test_the_demo_is_refused_as_a_real_site(site: Running, tmp_path: Path) -> None:
    running = start(tmp_path, ready=False, RIS_DATABASE_URL=site.database_url)
    code = running.process.wait(60)

    assert code == 1
    assert "ris: the database holds the demo site, with public passwords" in running.output


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        http_port, mllp_port = free_ports(2)
        environment = clean_environment(
            tmp_path,
            RIS_HTTP__PORT=str(http_port),
            RIS_DICOM__PORT=str(port),
            RIS_MLLP__PORT=str(mllp_port),
        )

        done = ris("up", "--demo", environment=environment)

    assert done.returncode == 1
    assert done.stderr == (
        f"ris: port {port} is taken; choose another one with RIS_DICOM__PORT\n"
    ), done.stderr


def test_plain_http_on_an_outside_address_does_not_start(tmp_path: Path) -> None:
    running = start(tmp_path, ready=False, RIS_HTTP__HOST="0.0.0.0")
    code = running.process.wait(60)

    assert code == 1
    assert "plain HTTP shows passwords and patients" in running.output
    assert processes_of(tmp_path) == {}


def test_it_ends_in_order_with_exit_code_0_on_sigterm(tmp_path: Path) -> None:
    running = start(tmp_path, "--demo")
    assert len(processes_of(tmp_path)) >= 6

    code = running.stop(signal.SIGTERM)

    assert code == 0
    assert processes_of(tmp_path) == {}
    assert "Traceback" not in running.output


def test_killing_the_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    running = start(tmp_path, "--demo")
    assert len(processes_of(tmp_path)) >= 6

    running.process.kill()
    running.process.wait()

    wait_until(lambda: processes_of(tmp_path) == {}, "every part gone", 15)


def test_a_terminal_ctrl_c_reaches_the_supervisor_only_and_ends_all(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the whole foreground group; the parts are in their own."""
    running = start(tmp_path, "--demo")
    assert len(processes_of(tmp_path)) >= 6

    os.killpg(running.process.pid, signal.SIGINT)

    assert running.process.wait(20) == 0
    assert processes_of(tmp_path) == {}
    assert "was ended by SIGINT" not in running.output
    assert "Traceback" not in running.output


def test_a_part_runs_alone_and_ends_on_sigterm(tmp_path: Path) -> None:
    environment = clean_environment(tmp_path)
    prepared(tmp_path, demo=False)
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", "web"],
        env={**environment, "RIS_HTTP__PORT": str(port)},
    )
    try:
        wait_until(lambda: accepts(port), "the web server listens", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()

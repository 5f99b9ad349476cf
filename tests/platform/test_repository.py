"""What holds for the files of the repository themselves."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ris import config
from ris.domain.states import StateMachine
from ris.reference import machines
from tests.architecture.source import modules
from tests.programs import ROOT, requires

# Written in two parts, so that this file does not find itself.
REGISTRIES = re.compile(
    "|".join(
        re.escape(name)
        for name in (
            "pypi" + ".org",
            "files.python" + "hosted.org",
            "registry.npm" + "js.org",
            "registry.yarn" + "pkg.com",
            "cdn.jsdelivr" + ".net",
            "un" + "pkg.com",
            "cdn" + "js.cloudflare.com",
        )
    )
)


def tracked_files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in done.stdout.split("\0") if name]


@requires("git")
def test_no_tracked_file_names_the_host_of_a_package_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    found = [
        str(file.relative_to(ROOT))
        for file in tracked_files()
        if file.is_file() and REGISTRIES.search(file.read_text(encoding="utf-8", errors="ignore"))
    ]

    assert found == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_is_exact_and_has_a_hash(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")

    for line in text.splitlines():
        assert re.match(r"[a-z0-9.\-\[\],]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line


def test_generated_documents_are_current(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_setting_is_used_somewhere() -> None:
    """A setting nobody reads is a promise nobody keeps."""
    used = {
        node.attr
        for name, tree in modules()
        if name != "ris/config.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }
    # Read through properties of the configuration.
    used |= {"data_dir"}

    unused = [config.env_name(path) for path, _ in config.leaves() if path[-1] not in used]

    assert unused == []


def test_every_state_machine_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "states.md").read_text()

    assert len(machines()) >= 7
    for machine in machines():
        assert isinstance(machine, StateMachine)
        assert f"## {machine.name}\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd not installed")
def test_systemd_accepts_the_units() -> None:
    units = sorted((ROOT / "deploy" / "systemd").iterdir())

    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )

    # The program is at its place only where the product is installed.
    complaints = [line for line in done.stderr.splitlines() if "/opt/ris/.venv/bin/ris" not in line]
    assert complaints == []


@pytest.mark.skipif(shutil.which("make") is None, reason="make not installed")
def test_every_target_of_the_makefile_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):(.*)$", text, flags=re.MULTILINE)

    assert {"setup", "run", "test", "check", "docs", "bench"} <= {name for name, _ in targets}
    for name, rest in targets:
        assert "## " in rest, name

"""Programs the tests drive that are not Python packages: skipped when absent, or demanded.

``RIS_TEST_REQUIRE=all`` (or a comma-separated list of names) turns a missing program into a
failure, so that a run that should be complete cannot quietly be less.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def node_modules() -> Path:
    """Where the HL7 and DICOM clients from the Node world are installed (tests/clients)."""
    given = os.environ.get("RIS_TEST_NODE_MODULES")
    return Path(given) if given else ROOT / ".cache" / "clients" / "node_modules"


@cache
def chromium() -> str | None:
    names = [os.environ.get("RIS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


@cache
def orthanc() -> str | None:
    """Debian keeps it among the system's programs, which are not in everybody's search path."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


@cache
def postgresql_folder() -> Path | None:
    """The folder with ``initdb`` and ``postgres``; Debian keeps it out of the search path."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        candidates.insert(0, Path(on_path).resolve().parent)
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


@cache
def rabbitmq_folder() -> Path | None:
    """The folder with its own scripts; those in Debian's search path change to another user."""
    candidates = [Path("/usr/lib/rabbitmq/bin")]
    on_path = shutil.which("rabbitmq-server")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    scripts = ("rabbitmq-server", "rabbitmqctl")
    return next((at for at in candidates if all((at / name).exists() for name in scripts)), None)


def _on_path(*names: str) -> Callable[[], str]:
    def missing() -> str:
        absent = [name for name in names if shutil.which(name) is None]
        return f"{', '.join(absent)} not installed" if absent else ""

    return missing


def _package(name: str) -> Callable[[], str]:
    def missing() -> str:
        if shutil.which("node") is None:
            return "node not installed"
        return "" if (node_modules() / name).is_dir() else f"{name} not installed (.ci/run does)"

    return missing


PROGRAMS: dict[str, Callable[[], str]] = {
    "dcmtk": _on_path(
        "echoscu", "findscu", "storescu", "dump2dcm", "dsrdump", "dcm2pdf", "wlmscpfs"
    ),
    "orthanc": lambda: "" if orthanc() else "Orthanc not installed",
    "chromium": lambda: "" if chromium() else "no Chromium",
    "postgresql": lambda: "" if postgresql_folder() else "no PostgreSQL binaries",
    "redis": _on_path("redis-server"),
    "rabbitmq": lambda: "" if rabbitmq_folder() else "RabbitMQ not installed",
    "poppler": _on_path("pdftoppm"),
    "gettext": _on_path("xgettext", "msgfmt"),
    "dcmjs-dimse": _package("dcmjs-dimse"),
    "fhir-kit-client": _package("fhir-kit-client"),
    "fhir": _package("fhir"),
    "hl7.fhir.r4.examples": _package("hl7.fhir.r4.examples"),
    "@medplum/core": _package("@medplum/core"),
    "git": _on_path("git"),
}


def requires(*names: str) -> pytest.MarkDecorator:
    """Marks a test or a module (``pytestmark = requires("dcmtk")``)."""
    unknown = set(names) - set(PROGRAMS)
    if unknown:
        raise ValueError(f"unknown programs: {', '.join(sorted(unknown))}")
    return pytest.mark.requires(*names)


def demand(*names: str) -> None:
    """Skip the present test, or fail it, when a program is missing; for use in fixtures."""
    required = os.environ.get("RIS_TEST_REQUIRE", "").split(",")
    for name in names:
        reason = PROGRAMS[name]()
        if not reason:
            continue
        if "all" in required or name in required:
            pytest.fail(f"{reason}, and RIS_TEST_REQUIRE demands it", pytrace=False)
        pytest.skip(reason)

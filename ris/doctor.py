"""``ris doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ris import config, probes
from ris.terminal import say, table

_MARK = {probes.State.OK: "ok", probes.State.WARNING: "WARN", probes.State.FAILED: "FAIL"}


def main(argv: list[str]) -> int:
    """Ask every probe; 1 if any failed."""
    parser = argparse.ArgumentParser(
        prog="ris doctor",
        description="Check settings, database, disk, broker, ports, worker, queue, certificates "
        "and backups. Exit code 1 if anything failed; warnings alone give 0.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for a monitor")
    parser.add_argument(
        "--quick", action="store_true", help="only what serving needs: database, migrations, disk"
    )
    arguments = parser.parse_args(argv)
    findings = probes.ask(probes.READINESS if arguments.quick else probes.ALL, config.load())
    bad = any(finding.state is probes.State.FAILED for finding in findings)
    if arguments.json:
        say(json.dumps({"ok": not bad, "findings": [asdict(one) for one in findings]}))
    else:
        table(
            [
                (_MARK[one.state], one.name, one.text + (f"; {one.advice}" if one.advice else ""))
                for one in findings
            ]
        )
    return 1 if bad else 0

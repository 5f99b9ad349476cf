"""``python -m benchmarks [NAME ...] [--quick] [--postgresql]``: run the benchmarks.

Each prints tables; nothing is asserted about time. The README beside this file says how to read
them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks import machine
from benchmarks.goals import Goal, report
from benchmarks.servers.ris import BenchmarkError
from benchmarks.suites import (
    booking,
    delivery,
    fhir,
    footprint,
    hl7,
    hl7_memory,
    hl7_swarm,
    mpps,
    swarm,
    worklist,
)
from benchmarks.workspace import FULL, QUICK, Workspace, has_postgresql, workspace

# Each yields text to print and goals, which are printed together at the end.
SUITES: dict[str, tuple[str, Callable[[Workspace], Iterator[str | Goal]]]] = {
    "worklist": ("Worklist queries", worklist.run),
    "hl7": ("HL7 orders over MLLP", hl7.run),
    "hl7_memory": ("Memory over a hundred thousand HL7 orders", hl7_memory.run),
    "delivery": ("Messages that leave", delivery.run),
    "fhir": ("FHIR requests", fhir.run),
    "mpps": ("Performed procedure steps", mpps.run),
    "search": ("Searching free times", booking.run_search),
    "booking": ("Many people book the same rooms", booking.run_booking),
    "footprint": ("Memory and start", footprint.run),
    "hl7_swarm": ("An MLLP listener among senders that stall", hl7_swarm.run),
    "swarm": ("A listener among clients that wait and stall", swarm.run),
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the RIS beside peers and floors."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--quick", action="store_true", help="short and small: does it all run?")
    parser.add_argument(
        "--postgresql",
        action=argparse.BooleanOptionalAction,
        help="also on a private PostgreSQL; default: yes where it is installed, unless --quick",
    )
    parser.add_argument(
        "--attempts", type=int, help="how many times to book at once; default 20,000"
    )
    arguments = parser.parse_args(argv)
    names = arguments.names or list(SUITES)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    scale = QUICK if arguments.quick else FULL
    if arguments.attempts:
        scale = replace(scale, attempts=arguments.attempts)
    wanted = arguments.postgresql
    scale = replace(
        scale, postgresql=has_postgresql() and not arguments.quick if wanted is None else wanted
    )
    # As for a user: code that was loaded before is not compiled again at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"Machine: {machine.description()}", flush=True)
    failed = False
    goals: list[Goal] = []
    with workspace(scale) as space:
        for name in names:
            failed |= not _run(name, space, goals)
    if goals:
        print(f"\n## Goals\n\n{report(goals)}", flush=True)
    return int(failed)


def _run(name: str, space: Workspace, goals: list[Goal]) -> bool:
    title, suite = SUITES[name]
    began = time.monotonic()
    print(f"\n## {title}", flush=True)
    try:
        for said in suite(space):
            if isinstance(said, Goal):
                goals.append(said)
            else:
                print(f"\n{said}", flush=True)
    except (BenchmarkError, OSError) as error:
        print(f"\n{name}: {error}", file=sys.stderr, flush=True)
        return False
    print(f"\n({name}: {time.monotonic() - began:.0f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Numbers of one part, shown by another: a small file in the run folder for each process.

The part that serves an edge writes what it counted every few seconds; ``/metrics`` of the web part
reads the files of its machine. The database is not asked, so the numbers are there when it is not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

SECONDS = 5.0  # between two writings
STALE_SECONDS = 60.0  # what was not written for so long is of a process that is no more
_SUFFIX = ".counters"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; the suffix is that of the exposition format, such as ``_total``."""

    suffix: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples; ``kind`` is counter, gauge or histogram."""

    name: str
    kind: str
    text: str
    samples: list[Sample] = field(default_factory=list)


def write(folder: Path, process: str, families: Iterable[Family]) -> None:
    """Put down what ``process`` (``dicom-1``) has counted; a reader sees the old or the new."""
    file = folder / f"{process}{_SUFFIX}"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(one) for one in families]), encoding="utf-8")
    fresh.replace(file)


def forget(folder: Path, process: str) -> None:
    """The process ends in order."""
    (folder / f"{process}{_SUFFIX}").unlink(missing_ok=True)


def read(folder: Path) -> Iterator[Family]:
    """What all processes of this machine counted, each family once, labeled by ``process``."""
    merged: dict[str, Family] = {}
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        for family in _families(file):
            target = merged.setdefault(family.name, Family(family.name, family.kind, family.text))
            target.samples.extend(
                Sample(one.suffix, {"process": file.stem, **one.labels}, one.value)
                for one in family.samples
            )
    yield from merged.values()


def _families(file: Path) -> list[Family]:
    try:
        if time.time() - file.stat().st_mtime > STALE_SECONDS:
            return []
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # ended meanwhile
    return [
        Family(row["name"], row["kind"], row["text"], [Sample(**one) for one in row["samples"]])
        for row in rows
    ]

"""What stands below a table: what went wrong, and who else used the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.load import Sample


def remarks(samples: Iterable[tuple[str, Sample]]) -> Iterator[str]:
    foreign = []
    for name, sample in samples:
        foreign.append(sample.foreign)
        if sample.failures:
            said = ", ".join(f"{count} x {why}" for why, count in sample.failures.items())
            yield f"Failures, {name}: {said}"
    yield f"Other processes used {sum(foreign) / len(foreign):.1f} cores on average meanwhile."

"""What the listener counts: associations, PDUs, requests, deadlines.

Touched on the event loop only, so plain numbers do. :mod:`ris.counters` carries them to the page
where a monitor asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from ris.counters import Family, Sample
from worklist.sop_classes import Operation

_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
# Labels come from our own texts; should one of them ever vary, the page stays small.
_MOST_LABELS: Final = 200
_NOBODY: Final = "none"  # the peer was gone before there was an answer


class Durations:
    """How long requests of one kind took, by upper bounds in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def samples(self, operation: str) -> list[Sample]:
        bounds = [*(f"{bound:g}" for bound in _BOUNDS), "+Inf"]
        counts = list(accumulate(self.counts))
        found = [
            Sample("_bucket", {"operation": operation, "le": bound}, count)
            for bound, count in zip(bounds, counts, strict=True)
        ]
        found.append(Sample("_sum", {"operation": operation}, self.total))
        found.append(Sample("_count", {"operation": operation}, counts[-1]))
        return found


class Metrics:
    """What happened since the start of this process."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected: Counter[str] = Counter()  # A-ASSOCIATE-RJ, by reason
        self.cut_off: Counter[str] = Counter()  # connections closed unheard, by reason
        self.aborted: Counter[str] = Counter()  # by us, by reason
        self.aborted_by_peer = 0
        self.pdus: Counter[int] = Counter()  # received, by type
        self.deadlines: Counter[str] = Counter()  # peers that were too slow, by what was awaited
        self.faults: Counter[str] = Counter()  # our own, by where
        self.requests: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, Durations] = {}
        self.tls_failures: Counter[str] = Counter()

    def request(self, field: int, status: int | None, seconds: float) -> None:
        """A request was answered, or there was nobody left to answer."""
        operation = _operation(field)
        self.requests[operation, _NOBODY if status is None else f"{status:04X}"] += 1
        durations = self.durations.get(operation)
        if durations is None:
            durations = self.durations[operation] = Durations()
        durations.add(seconds)

    def families(
        self, *, associations: int, connections: int, file_ends: Mapping[str, float]
    ) -> list[Family]:
        """Everything, with the present state of the listener."""
        found = [
            _gauge("ris_dicom_associations", "Associations open now", associations),
            _gauge("ris_dicom_connections", "Connections open now", connections),
            _counter("ris_dicom_associations_accepted", "Associations accepted", self.accepted),
            _counter(
                "ris_dicom_aborted_by_peer", "Associations the peer aborted", self.aborted_by_peer
            ),
            _labeled("ris_dicom_associations_rejected", "Associations refused", self.rejected),
            _labeled("ris_dicom_connections_cut_off", "Connections closed unheard", self.cut_off),
            _labeled("ris_dicom_aborted", "Associations we aborted", self.aborted),
            _labeled("ris_dicom_faults", "Faults of ours", self.faults, "where"),
            _labeled("ris_dicom_deadlines", "Peers that were too slow", self.deadlines, "awaited"),
            _labeled("ris_dicom_tls_failures", "TLS handshakes that failed", self.tls_failures),
            Family(
                "ris_dicom_pdus_received",
                "counter",
                "PDUs received, by type (PS3.8 9.3)",
                [
                    Sample("_total", {"type": f"{kind:02X}"}, count)
                    for kind, count in sorted(self.pdus.items())
                ],
            ),
            Family(
                "ris_dicom_requests",
                "counter",
                "DIMSE requests, by status of the final response",
                [
                    Sample("_total", {"operation": operation, "status": status}, count)
                    for (operation, status), count in sorted(self.requests.items())
                ],
            ),
            Family(
                "ris_dicom_request_seconds",
                "histogram",
                "From a request to its final response",
                [
                    sample
                    for operation, durations in sorted(self.durations.items())
                    for sample in durations.samples(operation)
                ],
            ),
        ]
        if file_ends:
            found.append(
                Family(
                    "ris_dicom_tls_file_end_seconds",
                    "gauge",
                    "When a file of the TLS port ends, Unix time",
                    [Sample("", {"file": name}, end) for name, end in file_ends.items()],
                )
            )
        return found


def _operation(field: int) -> str:
    try:
        return Operation(field).name.replace("_", "-")
    except ValueError:
        return "unknown"


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [Sample("", {}, value)])


def _counter(name: str, text: str, value: float) -> Family:
    return Family(name, "counter", text, [Sample("_total", {}, value)])


def _labeled(name: str, text: str, counts: Counter[str], label: str = "reason") -> Family:
    shown = counts.most_common(_MOST_LABELS)
    return Family(
        name, "counter", text, [Sample("_total", {label: key}, count) for key, count in shown]
    )

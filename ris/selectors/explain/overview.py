"""One device: what it would see now, what it asked, what it was refused, how it deviates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ris.domain.errors import UnknownKeyError
from ris.models import DeviceRefusal, WorklistQueryLog
from ris.selectors import worklist
from ris.selectors.device_activity import Trouble, last_queries, troubles
from ris.selectors.explain.callers import registered_as
from ris.selectors.explain.conditions import AskedFor, asked_for
from ris.selectors.explain.queries import StoredQuery
from ris.selectors.explain.reading import reader
from ris.selectors.explain.sight import Finding, findings_of
from ris.selectors.explain.usual import Usual, usual
from ris.selectors.facility import DeviceView, read_once, site
from ris.selectors.views import WorklistEntry

SEEN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``device`` is None for a caller that nobody registered.

    ``seen`` is cut; ``count`` is how many steps there are, ``truncated`` if even the answer is cut.
    ``lacking`` names by public id what a step lacks that is therefore not served.
    """

    ae_title: str
    device: DeviceView | None
    findings: tuple[Finding, ...]
    usual: Usual
    asks: tuple[AskedFor, ...]
    seen: tuple[WorklistEntry, ...]
    count: int
    truncated: bool
    lacking: Mapping[str, tuple[str, ...]]
    queries: tuple[StoredQuery, ...]
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]
    unsupported: tuple[str, ...]


@read_once()
def overview(ae_title: str, now: datetime) -> Overview:
    """Raises UnknownKeyError for an AE title that is not registered and never called."""
    ae_title = ae_title.strip()
    device = registered_as(ae_title)
    if device is None and not _has_called(ae_title):
        raise UnknownKeyError("no such device", path="ae_title")
    zone = ZoneInfo(site().time_zone)
    edge = reader()
    queries = last_queries(ae_title)
    asked = usual(ae_title, device, queries, now, edge)
    answer = worklist.entries(asked.offered)
    last = queries[0] if queries else None
    readings = [edge.read(one.asked) for one in queries if one.identifier]
    lacking = {one.step.public_id: edge.lacking(one) for one in answer.entries}
    return Overview(
        ae_title=ae_title,
        device=device,
        findings=tuple(findings_of(ae_title, device, last, now, edge)),
        usual=asked,
        asks=asked_for(asked.offered, zone, asked.sent),
        seen=answer.entries[:SEEN],
        count=len(answer.entries),
        truncated=answer.truncated,
        lacking={public_id: keywords for public_id, keywords in lacking.items() if keywords},
        queries=tuple(queries),
        troubles=tuple(troubles(ae_title)),
        notes=_once(note for reading in readings for note in reading.notes),
        unsupported=_once(name for reading in readings for name in reading.unsupported),
    )


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _has_called(ae_title: str) -> bool:
    return (
        DeviceRefusal.objects.filter(ae_title=ae_title).exists()
        or WorklistQueryLog.objects.filter(calling_ae_title=ae_title).exists()
    )

"""Weight, height and pregnancy status of patients whose records are merged: which of two counts.

Of two weights or heights the one that was told last: patients grow and waste, and a dose follows
the weight. What nobody told (None) gives way to any value. Of two pregnancy statuses the more
careful, whenever it was told: definitely before possibly before unknown before not pregnant, and
all of them before nothing told; whether it still holds, people ask before the exam.

When something was told, the record's events say. The one that gave way is kept in the event of the
merge, so that undoing computes what counts without the record that left, along all merges behind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ris.models import DomainEvent, Patient
from ris.services._transition import touch

_CAREFUL = ("", "1", "4", "2", "3")  # (0010,21C0), the most careful last
_NAMES = ("weight_kg", "height_m", "pregnancy_status")


class _Told(NamedTuple):
    value: Any
    number: int  # of the event that told it, which counts upward with time


def take(survivor: Patient, subsumed: Patient) -> dict[str, Any]:
    """Give the survivor what counts; what it had of its own where that gave way."""
    had = {}
    for name in _NAMES:
        own, other = _known(survivor, name), _known(subsumed, name)
        if _chosen(name, own, other).value != own.value:
            had[name] = own.value
            setattr(survivor, name, other.value)
    return had


def settle(record: Patient, living: Patient) -> None:
    """What counts for a record that another one has left, and for all it is merged into itself."""
    while True:
        changed = []
        for name in _NAMES:
            value = _known(record, name).value
            if value != getattr(record, name):
                setattr(record, name, value)
                changed.append(name)
        if changed:
            touch(record, *changed)
        following = record.merged_into_id
        if following is None:
            return
        record = living if following == living.pk else Patient.objects.get(pk=following)


def _known(record: Patient, name: str) -> _Told:
    """What is known of a record: its own, and that of those merged into it since it was told."""
    told = _last_told(record, name)
    events = DomainEvent.objects.filter(name="PatientsMerged", patient=record, id__gt=told)
    # Merges from before this was looked at gave nothing away, so they take nothing back.
    merges = [
        payload
        for payload in events.order_by("id").values_list("payload", flat=True)
        if "had" in payload
    ]
    gave_way = [payload["had"][name] for payload in merges if name in payload["had"]]
    found = _Told(gave_way[0] if gave_way else getattr(record, name), told)
    others = Patient.objects.filter(
        merged_into=record, public_id__in={each["subsumed"] for each in merges}
    )
    for other in others.order_by("id"):
        found = _chosen(name, found, _known(other, name))
    return found


def _last_told(record: Patient, name: str) -> int:
    events = DomainEvent.objects.filter(
        name__in=("PatientRegistered", "PatientUpdated"), patient=record
    ).order_by("-id")
    for number, payload in events.values_list("id", "payload").iterator(chunk_size=100):
        if "changed" not in payload or name in payload["changed"]:
            return number
    return 0


def _chosen(name: str, own: _Told, other: _Told) -> _Told:
    if name == "pregnancy_status":
        return max(own, other, key=lambda told: _CAREFUL.index(told.value))
    if None in (own.value, other.value):
        return other if own.value is None else own
    return max(own, other, key=lambda told: told.number)

"""What a device usually asks: its last broad query, moved to today, or else its station's day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ris.selectors.explain.queries import StoredQuery
from ris.selectors.explain.reading import Reader
from ris.selectors.facility import DeviceView, site
from ris.selectors.views import WorklistQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """``basis`` is the stored query it was made from; None if the device never asked."""

    sent: WorklistQuery
    offered: WorklistQuery
    basis: StoredQuery | None
    words: str


def usual(
    ae_title: str,
    device: DeviceView | None,
    queries: Sequence[StoredQuery],
    now: datetime,
    edge: Reader,
) -> Usual:
    """What this device, which asked ``queries`` last, would ask now, with its settings."""
    zone = ZoneInfo(site().time_zone)
    found = _last_broad(queries, edge)
    if found is None:
        sent = _day_of(ae_title, device, now, zone)
        words = "It has not asked so far; taken is its station's list of today."
        if device is not None and device.modality:
            words = "It has not asked so far; taken is its station's and modality's list of today."
        basis = None
    else:
        basis, sent = found
        asked_on, today = basis.at.astimezone(zone).date(), now.astimezone(zone).date()
        words = "What it asked last."
        if asked_on != today and (sent.start_from or sent.start_before):
            sent = _moved(sent, today - asked_on, zone)
            words = f"What it asked last, on {asked_on}, moved to today."
    called = basis.called_ae_title if basis is not None else ""
    offered = edge.offer(sent, ae_title, called, now)
    return Usual(sent=sent, offered=offered, basis=basis, words=words)


def is_broad(query: WorklistQuery) -> bool:
    """Whether it asks for a list, and not for one patient or order (a barcode, a name typed in)."""
    return not (
        query.patient_name
        or query.patient_id
        or query.accession_number
        or query.procedure_id
        or query.step_id
        or query.study_instance_uids
        or query.admission_id
        or query.placer_number
        or query.filler_number
    )


def _last_broad(
    queries: Sequence[StoredQuery], edge: Reader
) -> tuple[StoredQuery, WorklistQuery] | None:
    for query in queries:
        if query.failed or not query.identifier:
            continue
        sent = edge.read(query.asked).sent
        if sent is not None and is_broad(sent):
            return query, sent
    return None


def _day_of(ae_title: str, device: DeviceView | None, now: datetime, zone: tzinfo) -> WorklistQuery:
    today = now.astimezone(zone).date()
    return WorklistQuery(
        station_ae_titles=(ae_title,),
        modalities=(device.modality,) if device is not None and device.modality else (),
        start_from=_midnight(today, zone),
        start_before=_midnight(today + timedelta(days=1), zone),
    )


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _moved(query: WorklistQuery, by: timedelta, zone: tzinfo) -> WorklistQuery:
    """The same times of day on other days, whatever the clocks do in between."""

    def move(at: datetime | None) -> datetime | None:
        if at is None:
            return None
        local = at.astimezone(zone).replace(tzinfo=None) + by
        return local.replace(tzinfo=zone).astimezone(UTC)

    return replace(query, start_from=move(query.start_from), start_before=move(query.start_before))

"""What a device is shown where its query does not say itself (dicom.md MWL-30, MWL-32 to MWL-35).

Narrows and widens conditions only; everything here can be seen in the query that results, which is
what the explainer shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from ris.selectors.name_keys import wildcard_pattern
from ris.selectors.views import WorklistQuery
from worklist.matching import WorklistRequest
from worklist.registry import Profile, Snapshot
from worklist.rules import View

# What no AE title can be: a view of stations that do not exist shows nothing.
_NOBODY = "\\"


def offered(
    asked: WorklistRequest, profile: Profile, snapshot: Snapshot, called: str, now: datetime
) -> WorklistQuery | None:
    """The query with what holds for this device; None if it can match nothing anyway."""
    query = asked.query
    if query is None:
        return None
    if not query.statuses and profile.offers:
        query = replace(query, statuses=profile.offers)
    titles = query.station_ae_titles
    if profile.own_station and not titles:
        titles = (profile.ae_title,)
    if titles and snapshot.shared:
        titles = with_sharers(titles, snapshot.shared)
    if titles != query.station_ae_titles:
        query = replace(query, station_ae_titles=titles)
    if profile.window is not None and asked.is_broad:
        before, after = profile.window
        today = now.astimezone(snapshot.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        query = replace(
            query,
            start_from=(today - before).astimezone(UTC),
            start_before=(today + after).astimezone(UTC),
        )
    views = [profile.view, snapshot.worklists.get(profile.worklist), _called(snapshot, called)]
    for view in filter(None, views):
        query = _within(query, view, snapshot)
    return query


def _called(snapshot: Snapshot, called: str) -> View | None:
    return snapshot.worklists.get(called.strip())


def _within(query: WorklistQuery, view: View, snapshot: Snapshot) -> WorklistQuery:
    stations = list(query.view_stations)
    if view.stations:
        stations.append(with_sharers(view.stations, snapshot.shared))
    if view.sites:
        at_sites = [title for site in view.sites for title in snapshot.sites.get(site, ())]
        stations.append(with_sharers(at_sites or (_NOBODY,), snapshot.shared))
    modalities = (*query.view_modalities, view.modalities) if view.modalities else ()
    return replace(
        query,
        view_stations=tuple(stations),
        view_modalities=modalities or query.view_modalities,
    )


def with_sharers(titles: Iterable[str], shared: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The stations whose steps any of ``titles`` may do: its own, and those it shares."""
    return _with_sharers(tuple(titles), shared)


@lru_cache(maxsize=1024)
def _with_sharers(titles: tuple[str, ...], shared: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    found = list(titles)
    for title in titles:
        pattern = wildcard_pattern(title)
        for group in shared:
            if any(pattern.fullmatch(one) for one in group):
                found += group
    return tuple(dict.fromkeys(found))

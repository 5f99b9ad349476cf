"""What this edge lends to explanations: a stored query read again, by the rules of its device.

Implements ``ris.selectors.explain.reading.Reader``. Needs no listener: pages and commands read in
any process that holds the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache

from ris import config
from ris.domain.errors import RisError
from ris.selectors.explain.reading import Asked, Reading
from ris.selectors.explain.reading import Element as Line
from ris.selectors.views import WorklistEntry, WorklistQuery
from worklist import offering
from worklist.attributes import Offer
from worklist.elements import Element, Elements, Texts, keyword_of, read, tag_path
from worklist.matching import WorklistRequest
from worklist.mwl import missing, plan
from worklist.registry import Snapshot, configured
from worklist.remembered import parsed
from worklist.rules import DEVIATIONS
from worklist.status import comment

# What of one value is shown: names and numbers are short, the rest is for the curious.
_SHOWN = 120


class QueryReader:
    """Reads by the register of devices as it is when something is read first."""

    def __init__(self) -> None:
        dicom = config.load().dicom
        self._ae_title = dicom.ae_title
        self._limit = dicom.matches
        self._accepts_strangers = dicom.unknown_ae == "accept"
        self._snapshot: Callable[[], Snapshot] = cache(configured(dicom).snapshot)

    def read(self, asked: Asked) -> Reading:
        snapshot = self._snapshot()
        profile = snapshot.profile(asked.ae_title)
        try:
            request = parsed(
                asked.identifier,
                asked.transfer_syntax,
                snapshot.zone,
                profile.default_character_set,
                self._limit,
                profile.rules,
            )
        except RisError as error:
            return Reading(refused=comment(error))
        return Reading(
            sent=request.query,
            offered=offering.offered(request, profile, snapshot, asked.called_ae_title, asked.at),
            keys=request.keys,
            unsupported=tuple(keyword_of(tag) or tag_path(tag) for tag in request.unsupported),
            notes=tuple(f"{one.element}: {DEVIATIONS[one.kind]}" for one in request.deviations),
        )

    def offer(
        self, query: WorklistQuery, ae_title: str, called: str, at: datetime
    ) -> WorklistQuery:
        snapshot = self._snapshot()
        query = replace(query, limit=self._limit)
        request = WorklistRequest(query=query, plan=plan(()))
        found = offering.offered(
            request, snapshot.profile(ae_title), snapshot, called or self._ae_title, at
        )
        return found or query

    def accepts_strangers(self) -> bool:
        return self._accepts_strangers

    def lacking(self, entry: WorklistEntry) -> tuple[str, ...]:
        return missing(Offer.of(entry, self._snapshot().zone))

    def elements(self, identifier: bytes, transfer_syntax: str) -> tuple[Line, ...]:
        try:
            texts = Texts.of(read(identifier, transfer_syntax))
            return tuple(_lines(texts, texts.elements, 0))
        except RisError:
            return ()


def _lines(texts: Texts, elements: Elements, depth: int) -> Iterator[Line]:
    for tag, element in elements.items():
        yield Line(
            tag=tag_path(tag),
            name=keyword_of(tag) or ("private" if tag >> 16 & 1 else ""),
            vr=element.vr,
            value=_value(texts, tag, element),
            depth=depth,
        )
        for item in element.items or ():
            yield from _lines(Texts.of(item, texts.characters), item, depth + 1)


def _value(texts: Texts, tag: int, element: Element) -> str:
    if element.items is not None:
        count = len(element.items)
        return f"{count} item{'s' if count != 1 else ''}"
    try:
        text = texts.decode(tag, element)
    except RisError:
        text = element.value.hex(" ")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

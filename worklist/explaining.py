"""What this edge lends to explanations: a stored query read again, by the rules of its device.

Implements ``ris.selectors.explain.reading.Reader``. Needs no listener: pages and commands read in
any process that holds the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from ris import config
from ris.domain.errors import RisError
from ris.selectors.explain.reading import Asked, Reading
from ris.selectors.explain.reading import Element as Line
from ris.selectors.views import WorklistEntry, WorklistQuery
from worklist import matching, offering
from worklist.attributes import Offer
from worklist.elements import Element, Elements, Texts, keyword_of, read, tag_path
from worklist.matching import WorklistRequest
from worklist.mwl import missing, plan
from worklist.registry import Registry, configured
from worklist.rules import DEVIATIONS
from worklist.status import comment

# What of one value is shown: names and numbers are short, the rest is for the curious.
_SHOWN = 120


@dataclass(slots=True)
class QueryReader:
    """Reads with the register of devices as it is now."""

    registry: Registry | None = None
    _made: Registry | None = field(default=None)

    def _registry(self) -> Registry:
        if self.registry is not None:
            return self.registry
        if self._made is None:
            self._made = configured(config.load().dicom)
        return self._made

    def read(self, asked: Asked) -> Reading:
        snapshot = self._registry().snapshot()
        profile = snapshot.profile(asked.ae_title)
        try:
            request = matching.parsed(
                asked.identifier,
                asked.transfer_syntax,
                snapshot.zone,
                profile.default_character_set,
                config.load().dicom.matches,
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

    def offer(self, query: WorklistQuery, ae_title: str, at: datetime) -> WorklistQuery:
        registry = self._registry()
        snapshot = registry.snapshot()
        query = replace(query, limit=config.load().dicom.matches)
        request = WorklistRequest(query=query, plan=plan(()))
        found = offering.offered(
            request, snapshot.profile(ae_title), snapshot, registry.ae_title, at
        )
        return found or query

    def lacking(self, entry: WorklistEntry) -> tuple[str, ...]:
        return missing(Offer.of(entry, self._registry().snapshot().zone))

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

"""Answers ready to send, kept until anything in them changes.

Bytes are encoded once for each version of a step, requested keys, character sets and transfer
syntax, and an answer as a whole is put together and framed once. Nothing needs to be invalidated:
the keys hold the versions of everything an answer is made of, and the selector gives the same
answer object again only as long as it is right.
"""

from __future__ import annotations

import logging
import traceback
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from threading import Lock
from typing import Any

from ris.selectors.views import WorklistEntry
from ris.selectors.worklist_memory import WorklistAnswer
from ris.services.queries import NOTHING_SHOWN, Shown
from worklist.attributes import Offer
from worklist.charset import CharacterSet
from worklist.mwl import Plan, encode, missing
from worklist.pdu import data_frames
from worklist.service import Page

log = logging.getLogger(__name__)

_UNKNOWN = bytes(bytearray(b"unknown"))  # compared by identity, as is the next
_FAULTY = bytes(bytearray(b"faulty"))
_FRAMINGS = 8  # of one answer: peers have few sizes and context numbers


@dataclass(slots=True, eq=False)
class Ready:
    """The identifiers of one answer; framed once for each context and fragment size."""

    identifiers: tuple[bytes, ...] = ()
    shown: Shown = NOTHING_SHOWN
    faulty: int = 0  # entries that could not be encoded
    _pages: dict[tuple[int, int, int], list[list[bytes]]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.identifiers)

    def __len__(self) -> int:
        return len(self.identifiers)

    def pages(self, context_id: int, fragment: int, page_bytes: int) -> list[list[bytes]]:
        """The framed identifiers, as many on each page as go out in one write."""
        key = (context_id, fragment, page_bytes)
        known = self._pages.get(key)
        if known is None:
            known = self._paged(context_id, fragment, page_bytes)
            if len(self._pages) < _FRAMINGS:
                self._pages[key] = known
        return known

    def _paged(self, context_id: int, fragment: int, page_bytes: int) -> list[list[bytes]]:
        pages: list[list[bytes]] = []
        room = 0
        for identifier in self.identifiers:
            frames = data_frames(context_id, identifier, fragment, command=False)
            if room < len(frames):
                pages.append([])
                room = page_bytes
            room -= len(frames)
            pages[-1].append(frames)
        return pages


NOTHING = Ready()


@dataclass(slots=True)
class Answers:
    """Encodes entries, and remembers what it encoded."""

    capacity: int = 10_000  # identifiers
    _known: OrderedDict[Any, bytes | None] = field(default_factory=OrderedDict)
    _ready: OrderedDict[Any, Ready] = field(default_factory=OrderedDict)
    _held: int = 0
    _lock: Lock = field(default_factory=Lock)

    def ready(
        self,
        answer: WorklistAnswer,
        plan: Plan,
        among: tuple[CharacterSet, ...],
        transfer_syntax: str,
        zone: tzinfo,
        page: Page | None = None,
    ) -> Ready:
        """All of an answer, or one page, but the entries that lack a type 1 value."""
        if page is not None:  # of a reader that has seen the others: not worth to be kept
            entries = answer.entries[page.first :][: page.most]
            return self._made(entries, plan, among, transfer_syntax, zone)
        key = (answer, plan, among, transfer_syntax, zone)
        with self._lock:
            known = self._ready.get(key)
            if known is not None:
                self._ready.move_to_end(key)
                return known
        made = self._made(answer.entries, plan, among, transfer_syntax, zone)
        with self._lock:
            if key not in self._ready:
                self._ready[key] = made
                self._held += 1 + len(made)
            while self._held > self.capacity and len(self._ready) > 1:
                _, dropped = self._ready.popitem(last=False)
                self._held -= 1 + len(dropped)
        return made

    def _made(
        self,
        entries: Sequence[WorklistEntry],
        plan: Plan,
        among: tuple[CharacterSet, ...],
        transfer_syntax: str,
        zone: tzinfo,
    ) -> Ready:
        encoded = self.encoded(entries, plan, among, transfer_syntax, zone)
        served = [
            (entry, data)
            for entry, data in zip(entries, encoded, strict=True)
            if data and data is not _FAULTY
        ]
        return Ready(
            tuple(data for _, data in served),
            Shown.of([entry for entry, _ in served]),
            sum(data is _FAULTY for data in encoded),
        )

    def encoded(
        self,
        entries: Iterable[WorklistEntry],
        plan: Plan,
        among: tuple[CharacterSet, ...],
        transfer_syntax: str,
        zone: tzinfo,
    ) -> list[bytes | None]:
        """One identifier for each entry; None for those that lack a type 1 value.

        A fault of ours with one patient must not take everybody else off the list.
        """
        found = []
        for entry in entries:
            key = (entry.key, plan, among, transfer_syntax, zone)
            identifier = self._recall(key)
            if identifier is _UNKNOWN:
                try:
                    identifier = self._encode(entry, plan, among, transfer_syntax, zone)
                except Exception as error:
                    log.error(
                        "step %s cannot be shown: %s\n%s",
                        entry.step.public_id,
                        type(error).__name__,
                        "".join(traceback.format_tb(error.__traceback__)),
                    )
                    identifier = _FAULTY
                if entry.key:
                    self._remember(key, identifier)
            found.append(identifier)
        return found

    def _encode(
        self,
        entry: WorklistEntry,
        plan: Plan,
        among: tuple[CharacterSet, ...],
        transfer_syntax: str,
        zone: tzinfo,
    ) -> bytes | None:
        offer = Offer.of(entry, zone, plan.rules)
        lacking = missing(offer)
        if lacking:
            log.warning(
                "step %s is not offered: it lacks %s", entry.step.public_id, ", ".join(lacking)
            )
            return None
        return encode(plan.keys, offer, among, transfer_syntax)

    def _recall(self, key: Any) -> bytes | None:
        with self._lock:
            identifier = self._known.get(key, _UNKNOWN)
            if identifier is not _UNKNOWN:
                self._known.move_to_end(key)
            return identifier

    def _remember(self, key: Any, identifier: bytes | None) -> None:
        with self._lock:
            self._known[key] = identifier
            while len(self._known) > self.capacity:
                self._known.popitem(last=False)

"""The handler of worklist queries (PS3.4 K)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Final, TypeVar

import structlog
from django.db import InterfaceError, OperationalError
from django.db import connection as database

from ris.domain.actors import Actor, ActorKind
from ris.domain.errors import BusyError, DeniedError, RisError
from ris.selectors import worklist
from ris.selectors.snapshots import Snapshots
from ris.selectors.worklist_memory import DataVersion
from ris.services import queries
from ris.services.queries import AnsweredQuery, Said
from worklist import offering
from worklist.deviations import Noticed
from worklist.matching import WorklistRequest
from worklist.prompt import FindMemory, Remembered
from worklist.ready import NOTHING, Answers, Ready
from worklist.registry import Profile, Registry, Snapshot, actor_of
from worklist.remembered import parsed
from worklist.service import (
    CANCEL_STATUS,
    PENDING_KEYS_IGNORED_STATUS,
    PENDING_STATUS,
    SUCCESS,
    Association,
    FindAnswer,
    Outcome,
    Request,
)
from worklist.sop_classes import MODALITY_WORKLIST_FIND
from worklist.status import OUT_OF_RESOURCES, UNABLE_TO_PROCESS, find_refusal

log = structlog.get_logger(__name__)

R = TypeVar("R")

_noticed = Noticed()
# So much of an identifier is kept, and of each key: any query of a scanner, but not whatever
# somebody sends to fill the disk.
_KEPT_BYTES: Final = 16_384
_KEPT_CHARACTERS: Final = 1_024


def record_at_once(query: AnsweredQuery) -> None:
    queries.record([query])


class FindHandlers:
    """Mixed into the handlers; what they share is named here."""

    __slots__ = ()

    registry: Registry
    matches: int
    answers: Answers
    record: Callable[[AnsweredQuery], None]
    memory: FindMemory
    version: DataVersion
    snapshots: Snapshots

    def _database(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _kept_connection(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def c_find(self, request: Request) -> FindAnswer:
        """The scheduled steps that match; the query is on record before the answer ends."""
        try:
            with self._kept_connection():
                return self._find(request)
        except BusyError as error:
            return FindAnswer(final=find_refusal(error))

    def register(self) -> object | None:
        """Implements ``worklist.prompt.Prompt``."""
        return self.registry.fresh()

    def c_find_at_once(self, request: Request) -> FindAnswer | None:
        """Implements ``worklist.prompt.Prompt``: asked before by this device, and nobody wrote."""
        clock = perf_counter()
        register = self.registry.fresh()
        if register is None or not self.memory.may_know(request, register):
            return None
        return self._again(request, self.version.read_at_once(), register, clock)

    def c_find_when_known(
        self, request: Request, then: Callable[[FindAnswer | None], None]
    ) -> bool:
        """Implements ``worklist.prompt.Prompt``: PostgreSQL is asked whether anybody wrote."""
        clock = perf_counter()
        register = self.registry.fresh()
        if register is None or not self.memory.may_know(request, register):
            return False
        return self.snapshots.ask(
            lambda snapshot: then(self._again(request, snapshot, register, clock))
        )

    def _again(
        self, request: Request, version: str | int | None, register: object, clock: float
    ) -> FindAnswer | None:
        """What was answered before, recorded as asked once more."""
        known = self.memory.recall(request, version, register)
        if known is None:
            return None
        try:
            self.record(_query(request, known.said, clock))
        except OSError:
            return None  # the other way has room for trouble
        return known.answer

    def note_query(
        self, association: Association, identifier: bytes, transfer_syntax: str, outcome: Outcome
    ) -> None:
        """Implements ``worklist.noting.Noting``: a query whose identifier is no dataset."""
        with suppress(BusyError), self._database():
            self._record(
                AnsweredQuery(
                    datetime.now(UTC),
                    actor_of_peer(association),
                    Said(
                        called_ae=association.called_ae_title.strip(),
                        identifier=identifier[:_KEPT_BYTES],
                        transfer_syntax=transfer_syntax,
                        status=outcome.status,
                        comment=outcome.comment,
                        elements=outcome.offending_elements,
                    ),
                )
            )

    def _find(self, request: Request) -> FindAnswer:
        clock = perf_counter()
        snapshot = self.registry.snapshot()
        version: str | int | None = None
        if self.memory.was_asked(request):
            version = with_connection(self.version.read)  # before anything else is read
        known = self.memory.recall(request, version, snapshot) if version is not None else None
        if known is not None:
            self._record(_query(request, known.said, clock))
            return known.answer
        asked: WorklistRequest | None = None
        ready = NOTHING
        matches = 0
        profile = snapshot.profile(request.association.calling_ae_title)
        try:
            _require_still_allowed(profile, request.association)
            asked = parsed(
                request.dataset,
                request.transfer_syntax,
                snapshot.zone,
                profile.default_character_set,
                self.matches,
                profile.rules,
            )
            _noticed.notice(request.association.calling_ae_title.strip(), asked.deviations)
            ready, final, matches = self._matches(request, asked, profile, snapshot)
        except RisError as error:
            final = find_refusal(error)
        said = Said(
            called_ae=request.association.called_ae_title.strip(),
            identifier=request.dataset[:_KEPT_BYTES],
            transfer_syntax=request.transfer_syntax,
            keys=_kept(asked.keys) if asked else {},
            shown=ready.shown,
            status=final.status,
            comment=final.comment,
            elements=final.offending_elements,
            truncated=final.status == OUT_OF_RESOURCES,
        )
        self._record(_query(request, said, clock))
        some_unsupported = asked is not None and bool(asked.unsupported)
        answer = FindAnswer(
            ready,
            PENDING_KEYS_IGNORED_STATUS if some_unsupported else PENDING_STATUS,
            final,
            matches,
        )
        if version is not None and request.page is None and final == SUCCESS:
            self.memory.remember(request, Remembered(version, snapshot, answer, said))
        return answer

    def _record(self, query: AnsweredQuery) -> None:
        try:
            self.record(query)
        except OSError as error:
            log.warning("queries cannot be kept in a file", error=str(error))
            queries.record([query])

    def _matches(
        self, request: Request, asked: WorklistRequest, profile: Profile, snapshot: Snapshot
    ) -> tuple[Ready, Outcome, int]:
        """What is shown, the final status, and how many match in all."""
        called = request.association.called_ae_title
        query = offering.offered(asked, profile, snapshot, called, datetime.now(UTC))
        if query is None:
            return NOTHING, SUCCESS, 0
        found = with_connection(lambda: worklist.entries(query))
        if request.is_cancelled():
            return NOTHING, Outcome(CANCEL_STATUS), 0
        ready = self.answers.ready(
            found,
            asked.plan,
            profile.answer_sets(asked.character_terms),
            request.transfer_syntax,
            snapshot.zone,
            request.page,
        )
        final = SUCCESS
        if found.truncated:
            # 0000 would mean that this is all (PS3.4 K.4.1.1.4).
            final = Outcome(OUT_OF_RESOURCES, f"more than {self.matches} matches; ask for less")
        elif ready.faulty:
            final = Outcome(UNABLE_TO_PROCESS, f"{ready.faulty} of the steps cannot be shown")
        return ready, final, len(found.entries)


def actor_of_peer(association: Association) -> Actor:
    peer = association.peer
    return peer if isinstance(peer, Actor) else actor_of(association.request)


def _require_still_allowed(profile: Profile, association: Association) -> None:
    """Raise DeniedError for a device whose entry was changed since it was let in.

    Its association may stay open for hours, and a scanner that was taken out of use must not go on
    reading who comes. What it performed it may still report: that is lost otherwise.
    """
    if actor_of_peer(association).kind is not ActorKind.DEVICE:
        return  # a client of the web is looked at with each request
    reason = profile.objection(association.address)
    offered = profile.access.sop_classes
    if not reason and offered is not None and MODALITY_WORKLIST_FIND not in offered:
        reason = "device is not offered the worklist"
    if reason:
        raise DeniedError(reason)


def with_connection(read_it: Callable[[], R]) -> R:
    """Read; once more on a new connection if the thread's old one turns out to be broken."""
    try:
        return read_it()
    except (OperationalError, InterfaceError):
        if database.in_atomic_block or database.is_usable():
            raise
        database.close()
        return read_it()


def _query(request: Request, said: Said, clock: float) -> AnsweredQuery:
    """For the record, at the time the query came."""
    seconds = perf_counter() - clock
    return AnsweredQuery(
        datetime.now(UTC) - timedelta(seconds=seconds),
        actor_of_peer(request.association),
        said,
        round(seconds * 1000, 3),
    )


def _kept(keys: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text[:_KEPT_CHARACTERS] for name, text in keys.items()}

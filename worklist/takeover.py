"""The worklist of another system, taken over: for the day a department changes its RIS.

Each answer is a message like any other: kept as it came, applied through the one door, and shown on
the page of its order. What is known already is left alone, so that a takeover can be repeated for
as long as both systems are in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from ris.domain.actors import OPERATOR
from ris.domain.errors import BusyError, RisError, StateConflictError
from ris.domain.exchange import Protocol
from ris.domain.places import Place
from ris.selectors.orders import find_order, taken_elsewhere
from ris.selectors.views import OrderView
from ris.services import execute, inbox, undone
from ris.services.inbox import Answer
from worklist import charset, foreign, scu
from worklist.attributes import SPS
from worklist.building import elements
from worklist.foreign import Circumstances, Entry, Taken
from worklist.raw import StoredRequest
from worklist.requestor import CallError, Target
from worklist.service import SUCCESS
from worklist.service import Outcome as Reply
from worklist.sop_classes import MODALITY_WORKLIST_FIND
from worklist.status import refusal

MESSAGE_TYPE: Final = "MWL C-FIND"
MOST: Final = 10_000  # entries of one answer; more are asked for in parts


class Outcome(StrEnum):
    """What becomes of an entry."""

    NEW = "new"
    ADDED = "one more step"
    KNOWN = "here already"
    BEGUN = "begun there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An entry and what becomes of it; without entry the answer could not be read."""

    entry: Entry | None
    outcome: Outcome
    words: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What the other system answered."""

    entries: tuple[Entry, ...]
    unread: tuple[Result, ...]


def ask(target: Target, keys: Mapping[str, str], circumstances: Circumstances) -> Found:
    """Ask another worklist for all it says of the entries that match.

    ``keys`` are conditions by keyword. Raises BusyError if it does not answer to the end.
    """
    entries: list[Entry] = []
    unread: list[Result] = []
    try:
        identifiers, syntax = _matches(target, keys)
    except CallError as error:
        raise BusyError(str(error)) from None
    for identifier in identifiers:
        try:
            entries.append(foreign.from_identifier(identifier, syntax, circumstances))
        except RisError as error:
            unread.append(Result(entry=None, outcome=Outcome.REFUSED, words=_words(error)))
    return Found(tuple(entries), tuple(unread))


def _matches(target: Target, keys: Mapping[str, str]) -> tuple[list[bytes], str]:
    found = scu.find(target, MODALITY_WORKLIST_FIND, _query(keys), MOST + 1)
    if len(found.matches) > MOST:
        raise BusyError(f"more than {MOST:,} entries: ask for fewer days at once")
    if found.end.status:
        raise BusyError(f"the query ended with {found.end.status:04X} {found.end.comment}".strip())
    return found.matches, found.transfer_syntax


def _query(keys: Mapping[str, str]) -> dict[str, Any]:
    """Every attribute that is read, empty; with the conditions."""
    step: dict[str, Any] = {key: keys.get(key, "") for key in foreign.STEP_KEYS}
    root: dict[str, Any] = {key: keys.get(key, "") for key in foreign.ROOT_KEYS}
    return dict(
        sorted(
            elements(
                {
                    # Many answer in the set of the question.
                    "SpecificCharacterSet": charset.UTF8[0],
                    **root,
                    SPS: [dict(sorted(elements(step).items()))],
                }
            ).items()
        )
    )


# What the core names otherwise; what it names besides says nothing to who reads a worklist.
_TAGS: Mapping[str, str] = {
    Place.PATIENT: "(0010,0020)",
    Place.ACCESSION: "(0008,0050)",
    Place.PLACER: "(0040,2016)",
    Place.FILLER: "(0040,2017)",
    Place.STUDY: "(0020,000D)",
    Place.CODE: "(0032,1064)",
    Place.PROCEDURE_ID: "(0040,1001)",
    Place.STEP_ID: "(0040,0009)",
    Place.STATION: "(0040,0001)",
    Place.MODALITY: "(0008,0060)",
}


def _words(error: RisError) -> str:
    where = error.path if error.path.startswith("(") else _TAGS.get(error.path, "")
    return f"{error.message} {where}".strip()


# --- what becomes of it


def rehearse(entries: Sequence[Entry]) -> Iterator[Result]:
    """What :func:`take_over` would do; nothing is left of it."""
    for together in foreign.orders(entries):
        waiting, begun = _parted(together)
        yield from begun
        if waiting:
            yield from undone(partial(_tried, waiting))


def take_over(entries: Sequence[Entry], sender: str) -> Iterator[Result]:
    """Take the entries over: those of one order together, each with its message.

    ``sender`` is the AE title of the system they come from.
    """
    for together in foreign.orders(entries):
        waiting, begun = _parted(together)
        yield from begun
        if waiting:
            yield from _taken(waiting, sender)


def _parted(together: Sequence[Entry]) -> tuple[list[Entry], list[Result]]:
    """What is still to be done, and what has begun at the other system's."""
    return [entry for entry in together if entry.is_waiting], [
        Result(entry=entry, outcome=Outcome.BEGUN, words=entry.status)
        for entry in together
        if not entry.is_waiting
    ]


def _tried(entries: Sequence[Entry]) -> list[Result]:
    """What becomes of the entries of one order."""
    try:
        known, here = _as_here(entries)
        _carry_out(here, known)
    except RisError as error:
        return [_refused(entry, error) for entry in entries]
    return _expected(here, known)


def _taken(entries: Sequence[Entry], sender: str) -> list[Result]:
    """The same, each as a message that stays: the first carries out what all of them ask for.

    What is here already is no news and no message.
    """
    try:
        known, here = _as_here(entries)
        expected = _expected(here, known)
    except RisError:  # which each of the messages is to tell
        expected = [Result(entry=entry, outcome=Outcome.REFUSED) for entry in entries]
    return [
        each if each.outcome is Outcome.KNOWN else _kept(entries, each, sender) for each in expected
    ]


def _expected(entries: Sequence[Entry], known: OrderView | None) -> list[Result]:
    if known is None:
        return [Result(entry=entry, outcome=Outcome.NEW) for entry in entries]
    return [
        Result(
            entry=entry,
            outcome=Outcome.KNOWN if foreign.is_here(entry, known) else Outcome.ADDED,
        )
        for entry in entries
    ]


def _as_here(entries: Sequence[Entry]) -> tuple[OrderView | None, tuple[Entry, ...]]:
    """The order that is here, and the entries with the numbers that they can have here."""
    known = _known(entries)
    steps, procedures = taken_elsewhere(
        [entry.step.step_id for entry in entries],
        [entry.procedure.procedure_id for entry in entries],
        [entry.procedure.study_instance_uid for entry in entries],
    )
    return known, foreign.renumbered(entries, known, Taken(steps, procedures))


def _carry_out(entries: Sequence[Entry], known: OrderView | None) -> None:
    wanted = foreign.command(entries, known)
    if wanted is not None:
        execute(wanted, actor=OPERATOR)


def _refused(entry: Entry, error: RisError) -> Result:
    return Result(entry=entry, outcome=Outcome.REFUSED, words=_words(error))


def _known(entries: Sequence[Entry]) -> OrderView | None:
    """The order that is here. Raises StateConflictError if it is somebody else's.

    Stricter than the core, for which a number that nobody has contradicts nothing: what is taken
    for known is not taken over, and an exam of somebody with a new number would be missed.
    """
    own = set(entries[0].patient.identifiers)
    if any(set(entry.patient.identifiers).isdisjoint(own) for entry in entries):
        raise StateConflictError("one order of two patients", path=Place.PATIENT)
    known = find_order(foreign.reference(entries))
    if known is not None:
        here = {(one.value, one.issuer) for one in known.patient.identifiers}
        if here.isdisjoint({(one.value, one.issuer) for one in own}):
            raise StateConflictError("the order here is of another patient", path=Place.PATIENT)
    return known


def _kept(entries: Sequence[Entry], expected: Result, sender: str) -> Result:
    entry = expected.entry
    assert entry is not None  # noqa: S101 - what could not be read is not taken over
    became = [expected]

    def apply() -> Answer:
        known, here = _as_here(entries)
        _carry_out(here, known)
        return _answer(SUCCESS)

    def refuse(error: RisError) -> Answer:
        became[0] = _refused(entry, error)
        return _answer(refusal(error))

    inbox.receive(
        protocol=Protocol.DICOM,
        actor=OPERATOR,
        key=f"C-FIND {entry.procedure.study_instance_uid} {entry.step.step_id}",
        raw=StoredRequest(
            "C-FIND",
            MODALITY_WORKLIST_FIND,
            entry.procedure.study_instance_uid,
            entry.transfer_syntax,
            sender,
            entry.identifier,
        ).pack(),
        message_type=MESSAGE_TYPE,
        apply=apply,
        refuse=refuse,
        sender=sender,
        references=(
            ("accession", entry.accession.value),
            ("study", entry.procedure.study_instance_uid),
        ),
        dedupe=False,
    )
    return became[0]


def _answer(outcome: Reply) -> Answer:
    """Nobody is answered; lists show what it would be."""
    return Answer(payload=b"", outcome=f"{outcome.status:04X}")

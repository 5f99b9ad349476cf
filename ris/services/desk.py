"""What the edges lend to the interface desk: messages as text and tree, settings described.

Each edge registers what it can do when its app is loaded. A protocol without a row here is shown as
stored, and its messages are not edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from typing import Protocol as Offers

import structlog

from ris.domain.errors import RisError, UnsupportedError
from ris.domain.exchange import Direction, Protocol

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """One part of a message: its place (PID-3.1), its name in the standard, what it says."""

    path: str
    name: str
    value: str
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What the standard does not allow at a place."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class About:
    """What a message asks for (``NW PL1``), and the numbers of the orders and patients in it."""

    asks: frozenset[str]
    orders: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()


class TextForm(Offers):
    """How an edge shows and takes messages that are text; ``character_set`` is the endpoint's."""

    def text(self, raw: bytes, character_set: str) -> str:
        """One segment a line; raises RisError for what cannot be read."""

    def raw(self, text: str, character_set: str) -> bytes:
        """The text as bytes of its own character set; raises RisError with the place."""

    def tree(self, raw: bytes, character_set: str) -> Sequence[Node]:
        """The segments with fields and components; raises RisError for what cannot be read."""

    def faults(self, raw: bytes, character_set: str) -> Sequence[Fault]:
        """All that the standard's tables do not allow."""

    def remarks(self, raw: bytes, character_set: str) -> Sequence[Fault]:
        """What is wrong with a message and does not keep it from being taken."""

    def about(self, raw: bytes, character_set: str) -> About:
        """What a message asks for, to find another that asks the same."""

    def header(self, raw: bytes) -> tuple[str, str]:
        """Type and key of a message; raises RisError without them."""

    def character_sets(self) -> Sequence[str]:
        """Names an endpoint may have as its character set."""

    def check_character_set(self, name: str) -> None:
        """Raises RisError for a name that stands for none."""

    def check_version(self, text: str) -> None:
        """Raises RisError for what is no version of the protocol."""


class Kind(StrEnum):
    """How a setting is asked for on a page."""

    TEXT = "text"
    NUMBER = "number"
    YES = "yes"
    CHOICE = "choice"
    LIST = "list"  # words, one a line
    DOCUMENT = "document"  # a table or more, as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of an endpoint, as its protocol describes it."""

    name: str
    kind: Kind
    text: str
    group: str
    default: Any = None
    choices: tuple[str, ...] = ()
    secret: bool = False


_TEXTS: dict[Protocol, TextForm] = {}
_SETTINGS: dict[tuple[Protocol, Direction], Sequence[Setting]] = {}


def register_text(protocol: Protocol, form: TextForm) -> None:
    _TEXTS[protocol] = form


def register_settings(
    protocol: Protocol, direction: Direction, described: Sequence[Setting]
) -> None:
    _SETTINGS[protocol, direction] = described


def settings_of(protocol: Protocol, direction: Direction) -> Sequence[Setting]:
    """The settings an endpoint may have; none if its edge describes none."""
    return _SETTINGS.get((protocol, direction), ())


def is_text(protocol: Protocol) -> bool:
    """Whether messages of a protocol can be edited."""
    return protocol in _TEXTS


def form_of(protocol: Protocol) -> TextForm:
    """Raises UnsupportedError where messages are no text."""
    form = _TEXTS.get(protocol)
    if form is None:
        raise UnsupportedError(f"messages of {protocol.value} are not edited here")
    return form


def character_sets(protocol: Protocol) -> Sequence[str]:
    form = _TEXTS.get(protocol)
    return form.character_sets() if form else ()


def check_character_set(protocol: Protocol, name: str) -> None:
    """Raises RisError for what an edge knows to be no character set of its protocol."""
    form = _TEXTS.get(protocol)
    if form is not None and name:
        form.check_character_set(name)


def check_version(protocol: Protocol, text: str) -> None:
    """Raises RisError for what an edge knows to be no version of its protocol."""
    form = _TEXTS.get(protocol)
    if form is not None and text:
        form.check_version(text)


def tree(protocol: Protocol, raw: bytes, character_set: str = "") -> Sequence[Node] | None:
    """A message taken apart; None where that cannot be done, and the bytes are shown."""
    form = _TEXTS.get(protocol)
    if form is None:
        return None
    try:
        return form.tree(raw, character_set)
    except RisError:
        return None
    except Exception as error:
        log.warning("a stored message is not readable", error=type(error).__name__)
        return None


def text(protocol: Protocol, raw: bytes, character_set: str = "") -> str | None:
    """A message one segment a line; None where its characters cannot be read."""
    form = _TEXTS.get(protocol)
    if form is None:
        return None
    try:
        return form.text(raw, character_set)
    except RisError:
        return None


def remarks(protocol: Protocol, raw: bytes, character_set: str = "") -> Sequence[Fault]:
    """What was tolerated in a message; nothing of one that cannot be read."""
    form = _TEXTS.get(protocol)
    if form is None:
        return ()
    try:
        return form.remarks(raw, character_set)
    except RisError:
        return ()


def faults(protocol: Protocol, raw: bytes, character_set: str = "") -> Sequence[Fault]:
    """What the standard says against a message; its place and the fault if it cannot be read."""
    form = _TEXTS.get(protocol)
    if form is None:
        return ()
    try:
        return form.faults(raw, character_set)
    except RisError as error:
        return (Fault(error.path, error.message),)

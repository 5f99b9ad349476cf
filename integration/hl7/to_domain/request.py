"""What a translated message asks for: commands, and where in the message each came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import LeftOut
from integration.hl7.places import FIELDS
from ris.domain.commands import Command
from ris.domain.errors import ErrorCode, RisError, SeveralErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing that is asked for: its commands are carried out in order, or none of them.

    ``places`` says which occurrence of a segment it was read from, so that a fault is told where it
    is; ``words`` says where the core's own words for a place stand in this message, before those
    that all messages share; ``control``, ``placer``, ``filler`` and ``number`` (its place in the
    message) are for an ORR, ORG or ORI. A cancellation of an order that is not known is remembered
    for ``expect_minutes``. ``refusal`` is what a peer says it did not do for us;
    ``left_out`` what the message was taken without.
    """

    commands: tuple[Command[Any], ...]
    places: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    control: str = ""
    placer: str = ""
    filler: str = ""
    number: int = 0
    expect_minutes: int = 0
    refusal: str = ""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupScope:
    """A group's own segments, then those it shares with its message or its predecessor."""

    message: Message
    group: Group
    inherited: Mapping[str, Segment] = field(default_factory=dict)
    replaced: Mapping[str, Segment] = field(default_factory=dict)

    def segment(self, name: str) -> Segment | None:
        if name in self.replaced:
            return self.replaced[name]
        if name in _OF_THE_MESSAGE:
            return self.message.first(name)
        if name == "PRT":
            return _ordering(self.group)
        return self.group.first(name) or self.inherited.get(name)


def _ordering(group: Group) -> Segment | None:
    """The participation of the ordering provider, who from 2.7 on stands there (table 0912)."""
    found = group.segments("PRT")
    return next((each for each in found if (each.get("4") or "").strip().upper() == "OP"), None)


_OF_THE_MESSAGE = frozenset({"MSH", "EVN", "PID", "PV1", "PV2", "MRG"})

# What IPC and TQ1 carry instead where a message has them (from 2.5 on).
_IPC: Mapping[str, str] = {
    "OBR-18": "IPC-1",
    "OBR-19": "IPC-2",
    "ZDS-1": "IPC-3",
    "OBR-20": "IPC-4",
    "OBR-24": "IPC-5",
    "OBR-21": "IPC-9",
}
_TQ1: Mapping[str, str] = {"ORC-7.4": "TQ1-7", "ORC-7.3": "TQ1-6"}
_SEGMENT = re.compile(r"([A-Z][A-Z0-9]{2})(-.*)?")


def located(error: RisError, request: Request) -> RisError:
    """The fault with its place in the message that asked."""
    if isinstance(error, SeveralErrors):
        error.errors = [located(each, request) for each in error.errors]
        error.path = error.errors[0].path
        return error
    path = request.words.get(error.path) or FIELDS.get(error.path, error.path)
    if not path and request.control and error.code is ErrorCode.STATE_CONFLICT:
        path = "ORC-1"  # what was asked for cannot be done now
    if "IPC" in request.places:
        path = _IPC.get(path, path)
    if "TQ1" in request.places:
        path = _TQ1.get(path, path)
    match = _SEGMENT.fullmatch(path)
    if match is not None:
        occurrence = request.places.get(match[1], 1)
        path = f"{match[1]}{f'[{occurrence}]' if occurrence > 1 else ''}{match[2] or ''}"
    error.path = path
    error.details["request"] = request.number
    if request.expect_minutes and error.code is ErrorCode.UNKNOWN_KEY:
        minutes = request.expect_minutes
        error.message += f"; canceled if it comes within {minutes} minutes"
        error.details["expected"] = True
    return error

"""Protocoling: a radiologist says how an exam is to be done before it is booked or begun.

What is set goes to the scanner as Scheduled Protocol Code Sequence (0040,0008) and to the room as
instructions (IHE RAD TF-2 4.5; peers.md feature 12).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine
from ris.domain.values import Code


class ProtocolState(StrEnum):
    """How far the protocol of a requested procedure is."""

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"  # a radiologist is at it
    ASKED = "ASKED"  # the requester was asked for information
    SET = "SET"
    REJECTED = "REJECTED"  # not indicated, or something else is better
    NOT_NEEDED = "NOT_NEEDED"


class ProtocolTrigger(StrEnum):
    CLAIM = "claim"
    RELEASE = "release"
    ASK = "ask"
    SET = "set"
    REJECT = "reject"
    WAIVE = "waive"
    REOPEN = "reopen"


def _table() -> dict[tuple[ProtocolState, ProtocolTrigger], ProtocolState]:
    s, t = ProtocolState, ProtocolTrigger
    undecided = (s.WAITING, s.CLAIMED, s.ASKED)
    table = {(s.WAITING, t.CLAIM): s.CLAIMED, (s.CLAIMED, t.RELEASE): s.WAITING}
    table[s.ASKED, t.CLAIM] = s.CLAIMED
    for state in undecided:
        table[state, t.SET] = s.SET
        table[state, t.REJECT] = s.REJECTED
        table[state, t.WAIVE] = s.NOT_NEEDED
    table[s.WAITING, t.ASK] = table[s.CLAIMED, t.ASK] = s.ASKED
    table[s.SET, t.SET] = s.SET
    for state in (s.SET, s.REJECTED, s.NOT_NEEDED):
        table[state, t.REOPEN] = s.WAITING
    return table


PROTOCOLING = StateMachine[ProtocolState, ProtocolTrigger](
    "Protocoling", ProtocolState.WAITING, _table()
)
UNDECIDED = (ProtocolState.WAITING, ProtocolState.CLAIMED, ProtocolState.ASKED)


class ProtocolNeed(StrEnum):
    """What waits for a protocol: nothing, the booking, or the start."""

    NONE = ""
    BOOKING = "BOOKING"
    START = "START"


class RejectReason(StrEnum):
    """Why an exam is not justified as it was asked for."""

    NOT_INDICATED = "NOT_INDICATED"
    ALTERNATIVE = "ALTERNATIVE"
    DONE_ALREADY = "DONE_ALREADY"
    CONTRAINDICATED = "CONTRAINDICATED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineProtocol(Command[str]):
    """Create or change a protocol of the catalog; returns its public id."""

    code: Code
    modality: str
    contrast: str = ""
    pre_medication: str = ""
    instructions: str = ""  # to the technologist
    duration_minutes: int | None = None
    procedures: tuple[str, ...] = ()  # codes it is offered for; empty: all of the modality


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireProtocol(Command[None]):
    """Stop offering a protocol; exams keep what was set."""

    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProtocolNeed(Command[None]):
    """Say whether exams of a catalog procedure wait for a protocol, and with what."""

    definition: str
    need: ProtocolNeed


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimProtocoling(Command[None]):
    """Take a procedure to protocol it, so that nobody else does."""

    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseProtocoling(Command[None]):
    """Give a claimed procedure back to the queue."""

    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProtocol(Command[None]):
    """Say how a procedure is to be done: protocols of the catalog, and words for the room.

    Every step of it that was not begun gets the codes of its modality. A duration counts for steps
    that are not booked yet.
    """

    procedure: str
    protocols: tuple[str, ...]
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeProtocol(Command[None]):
    """Say how it might be done; an attending radiologist sets that, or something else.

    Nothing of it is on the worklist, and what waits for a protocol waits on. Another proposal takes
    the place of one that nobody decided on.
    """

    procedure: str
    protocols: tuple[str, ...]
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRequester(Command[None]):
    """Ask who ordered for what is missing: the order waits under "Needs information" as well."""

    procedure: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectProcedure(Command[None]):
    """Say that the exam is not justified as asked for; ``alternative`` is what would be better.

    The order stays for its scheduler and requester to cancel or to replace; nothing of it can be
    booked or begun.
    """

    procedure: str
    reason: RejectReason
    note: str
    alternative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveProtocol(Command[None]):
    """Say that this one needs no protocol of its own: what the catalog says is enough."""

    procedure: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenProtocoling(Command[None]):
    """Put a decided procedure back into the queue."""

    procedure: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolDefined(Event):
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRetired(Event):
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolNeedChanged(Event):
    definition: str
    need: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolingClaimed(Event):
    order: str
    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolingReleased(Event):
    order: str
    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSet(Event):
    order: str
    procedure: str
    steps: tuple[str, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolProposed(Event):
    order: str
    procedure: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequesterAsked(Event):
    order: str
    procedure: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureRejected(Event):
    order: str
    procedure: str
    reason: str
    note: str
    alternative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolWaived(Event):
    order: str
    procedure: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolingReopened(Event):
    order: str
    procedure: str
    reason: str


# (code, meaning, modality, contrast, instructions, minutes): common protocols to begin with.
STARTER: tuple[tuple[str, str, str, str, str, int | None], ...] = (
    ("CTHEADPLAIN", "Head without contrast", "CT", "", "Gantry along the skull base.", 10),
    ("CTANGIOHEAD", "Head and neck angiography", "CT", "70 mL iodinated contrast",
     "Bolus tracking in the aortic arch, 4 mL/s, then 40 mL saline.", 20),
    ("CTCHESTPE", "Pulmonary angiography", "CT", "60 mL iodinated contrast",
     "Bolus tracking in the pulmonary trunk, shallow breath hold.", 20),
    ("CTCHESTHR", "Chest, high resolution", "CT", "", "Inspiration, then expiration.", 15),
    ("CTABDPV", "Abdomen, portal venous", "CT", "100 mL iodinated contrast",
     "Delay 70 s, 3 mL/s; oral contrast 60 minutes before.", 20),
    ("CTABDSTONE", "Abdomen, low dose for stones", "CT", "", "Prone if the stone is distal.", 15),
    ("MRHEADSTD", "Head, standard", "MR", "", "DWI, FLAIR, T2, SWI, 3D T1.", 25),
    ("MRHEADTUMOR", "Head, tumor", "MR", "0.1 mmol/kg gadolinium-based contrast",
     "3D T1 before and after, perfusion.", 40),
    ("MRSPINE", "Spine segment", "MR", "", "T1, T2, STIR sagittal; T2 axial at the level.", 25),
    ("MRKNEE", "Knee, internal derangement", "MR", "", "PD fat-saturated in three planes.", 25),
    ("MRLIVER", "Liver, dynamic", "MR", "Hepatobiliary gadolinium-based contrast",
     "Arterial, venous and 20 minute phase; breath hold training first.", 45),
    ("NMBONE", "Bone scan, three phases", "NM", "Tc-99m diphosphonate",
     "Flow over the region asked for; late images after 3 hours.", 30),
)  # fmt: skip
LOCAL_SCHEME = "99RIS"


def starter_protocols() -> tuple[DefineProtocol, ...]:
    """The common protocols as commands."""
    return tuple(
        DefineProtocol(
            code=Code(code, LOCAL_SCHEME, meaning),
            modality=modality,
            contrast=contrast,
            instructions=instructions,
            duration_minutes=minutes,
        )
        for code, meaning, modality, contrast, instructions, minutes in STARTER
    )

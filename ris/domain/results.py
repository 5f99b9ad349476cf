"""Reports that were written elsewhere: by dictation, by an algorithm, in another RIS.

What such a report becomes here is bounded by how far its sender is trusted. Whoever is not trusted
to sign brings a draft, and a radiologist signs it; nothing that was signed here is changed from
outside (HL7 v2.5.1 7.3.1, IHE RAD-28; spec/hl7v2.md 1.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from ris.domain.commands import Command
from ris.domain.documents import Content
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.values import Code, Identifier, PersonName


class ResultLevel(IntEnum):
    """How far a report is, by its sender; also how far a sender is trusted."""

    DRAFT = 1
    PRELIMINARY = 2
    FINAL = 3


class AddendumDialect(StrEnum):
    """How a sender tells an addendum."""

    WHOLE = "whole"  # the whole report again, as a correction
    GROUP = "group"  # the same report again, with one section more
    ONLY = "only"  # nothing but the addendum


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One coded result: a measure, a classification, a flag of an algorithm."""

    code: Code
    value: str
    unit: str = ""
    flags: tuple[str, ...] = ()
    category: str = ""  # of an actionable finding
    source: str = ""  # who brought it, where several wrote on one draft

    @property
    def text(self) -> str:
        """As a line of the report."""
        name = self.code.meaning or self.code.value
        words = f"{name}: {self.value}{f' {self.unit}' if self.unit else ''}"
        notes = [*self.flags, *([self.category] if self.category else [])]
        return f"{words} ({', '.join(notes)})" if notes else words

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code.as_json(),
            "value": self.value,
            "unit": self.unit,
            "flags": list(self.flags),
            "category": self.category,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Observation:
        return cls(
            code=Code.from_json(stored["code"]),
            value=stored["value"],
            unit=stored["unit"],
            flags=tuple(stored["flags"]),
            category=stored["category"],
            source=stored.get("source", ""),
        )


def with_observations(
    sections: Mapping[str, str], observations: Iterable[Observation]
) -> dict[str, str]:
    """Coded results as lines of the findings, so that whoever reads and signs sees them."""
    said = {key: text for key, text in sections.items() if text.strip()}
    lines = [each.text for each in observations]
    if lines:
        before = said.get("findings")
        said["findings"] = "\n".join([*([before, ""] if before else []), *lines])
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What came with a report besides its text, and from whom."""

    source: str
    interpreter: PersonName = field(default_factory=PersonName)
    interpreter_identifier: Identifier | None = None
    assistant: PersonName = field(default_factory=PersonName)
    transcriptionist: PersonName = field(default_factory=PersonName)
    said_at: datetime | None = None
    comments: str = ""
    observations: tuple[Observation, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)  # the text as it came
    edited: bool = False  # somebody here wrote on the draft since

    def to_json(self) -> dict[str, Any]:
        number = self.interpreter_identifier
        return {
            "source": self.source,
            "interpreter": str(self.interpreter),
            "interpreter_identifier": [number.value, number.issuer] if number else [],
            "assistant": str(self.assistant),
            "transcriptionist": str(self.transcriptionist),
            "said_at": self.said_at.isoformat() if self.said_at else "",
            "comments": self.comments,
            "observations": [each.to_json() for each in self.observations],
            "sections": dict(self.sections),
            "edited": self.edited,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Particulars | None:
        if not stored:
            return None
        said_at = stored.get("said_at", "")
        number = stored.get("interpreter_identifier")
        return cls(
            source=stored["source"],
            interpreter=PersonName.parse(stored.get("interpreter", "")),
            interpreter_identifier=Identifier(*number) if number else None,
            assistant=PersonName.parse(stored.get("assistant", "")),
            transcriptionist=PersonName.parse(stored.get("transcriptionist", "")),
            said_at=datetime.fromisoformat(said_at) if said_at else None,
            comments=stored.get("comments", ""),
            observations=tuple(map(Observation.from_json, stored.get("observations", ()))),
            sections=stored.get("sections", {}),
            edited=stored.get("edited", False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReference:
    """One exam that a report is about: the order's numbers, and which of its procedures."""

    order: OrderReference
    study_instance_uids: tuple[str, ...] = ()
    code: Code = field(default_factory=lambda: Code(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult(Command[str]):
    """Make a report of what was written elsewhere; returns its public id.

    ``level`` is what its sender calls it, ``trusted`` the most it may be here; ``correction`` says
    that it replaces what was final.
    """

    references: tuple[ResultReference, ...]
    level: ResultLevel
    trusted: ResultLevel
    sections: dict[str, str]
    correction: bool = False
    addendum: AddendumDialect = AddendumDialect.WHOLE
    patient: PatientReference | None = None
    interpreter: PersonName = field(default_factory=PersonName)
    interpreter_identifier: Identifier | None = None
    assistant: PersonName = field(default_factory=PersonName)
    transcriptionist: PersonName = field(default_factory=PersonName)
    said_at: datetime | None = None
    comments: str = ""
    observations: tuple[Observation, ...] = ()
    attachments: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawResult(Command[str]):
    """A report from elsewhere was wrong, for example on the wrong patient; returns its public id.

    ``permitted``: this sender may take back what counts as signed.
    """

    references: tuple[ResultReference, ...]
    reason: str
    permitted: bool = False
    patient: PatientReference | None = None

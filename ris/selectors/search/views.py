"""Frozen read models of what a search finds: a row with the whole it is shown in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from ris.domain.reporting import ReportStatus
from ris.domain.scheduling import Answer, Participant
from ris.domain.values import Identifier, PersonName
from ris.selectors.dose import DocumentLine
from ris.selectors.facility import SiteView
from ris.selectors.report_documents import DocumentFile
from ris.selectors.views import (
    AppointmentView,
    OrderView,
    PatientView,
    PerformedView,
    ProcedureView,
    ReportView,
    StepView,
    VisitView,
)


@dataclass(frozen=True, slots=True)
class RequestHit:
    """An order, or one of its several procedures; ``replaces`` are the orders it stands for."""

    order: OrderView
    procedure: ProcedureView | None = None
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepHit:
    order: OrderView
    procedure: ProcedureView
    step: StepView


@dataclass(frozen=True, slots=True)
class AppointmentHit:
    """``procedure`` and ``step`` are None once the time was given back, ``order`` and ``patient``
    while a time is held that is nobody's yet. ``answers`` are the newest by participant's id.
    """

    appointment: AppointmentView
    patient: str
    order: OrderView | None = None
    procedure: ProcedureView | None = None
    step: StepView | None = None
    device: str = ""  # public id
    slot: str = ""
    reason: str = ""
    comment: str = ""
    wished: bool = False  # of one asked for: its start is a wish
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    numbers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHit:
    """What a participant said to an appointment; ``key`` is the participant's public id."""

    public_id: str
    appointment: str
    participant: Participant
    key: str
    answer: Answer
    comment: str
    start_at: datetime
    end_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PerformedHit:
    """A performed step of a known patient; ``order`` is None if it was done without one.

    ``covers`` is what was requested and done by it; several orders may be among it.
    """

    performed: PerformedView
    patient: str
    order: OrderView | None = None
    covers: tuple[tuple[OrderView, ProcedureView], ...] = ()

    @property
    def procedures(self) -> tuple[ProcedureView, ...]:
        return tuple(procedure for _, procedure in self.covers)


@dataclass(frozen=True, slots=True)
class PlannedHit:
    """A scheduled step for which nothing was performed: an exam that is prepared, or was not."""

    order: OrderView
    procedure: ProcedureView
    step: StepView


@dataclass(frozen=True, slots=True)
class StudyHit:
    """A requested procedure of which something was performed."""

    order: OrderView
    procedure: ProcedureView


@dataclass(frozen=True, slots=True)
class ReportHit:
    """A report with all it covers; ``findings`` are public ids of its critical results.

    ``printed`` is the document of its newest version, if one was made already.
    """

    report: ReportView
    covers: tuple[tuple[OrderView, ProcedureView], ...]
    findings: tuple[str, ...] = ()
    printed: DocumentFile | None = None


@dataclass(frozen=True, slots=True)
class VersionHit:
    """The document of a signed version; ``printed`` if it was made already."""

    of: ReportHit
    number: int
    printed: DocumentFile | None = None

    @property
    def public_id(self) -> str:
        return self.of.report.version(self.number).public_id


@dataclass(frozen=True, slots=True)
class AwaitedHit:
    """A requested procedure that nobody wrote a report on yet."""

    order: OrderView
    procedure: ProcedureView


@dataclass(frozen=True, slots=True)
class DoseHit:
    """A dose document of an exam; ``procedure`` is the public id of the one it is of, if known."""

    order: OrderView
    document: DocumentLine
    procedure: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingHit:
    """A critical finding and whom it was told; ``studies`` are public ids of procedures."""

    public_id: str
    report: str
    report_status: ReportStatus
    patient: str
    visit: str
    requests: tuple[str, ...]
    studies: tuple[str, ...]
    finding: str
    told: str
    by: str
    read_back: bool
    told_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EndpointHit:
    """Where images can be had, as the settings say since the process began."""

    public_id: str
    connection_type: str
    name: str
    address: str
    since: datetime


@dataclass(frozen=True, slots=True)
class VisitHit:
    visit: VisitView
    patient: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerView:
    public_id: str
    name: PersonName
    identifier: Identifier
    phone: str = ""
    email: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomView:
    public_id: str
    name: str
    site: str = ""  # public id
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationView:
    """A modality as a directory shows it: without its network settings."""

    public_id: str
    ae_title: str
    station_name: str
    modality: str
    room: str = ""  # public id
    room_name: str = ""
    active: bool = True
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionView:
    public_id: str
    name: str
    institution: str = ""
    address: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptHit:
    """A resource as a client sent it, as JSON; ``patient`` is the public id of whom it is about."""

    type: str
    public_id: str
    version: int
    updated_at: datetime
    content: str
    patient: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Public ids of what steps name only by word: stations by AE title, rooms by name."""

    stations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rooms: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    site: str = ""
    site_name: str = ""
    letterhead: SiteView | None = None


__all__ = [
    "AnswerHit",
    "AppointmentHit",
    "AwaitedHit",
    "Directory",
    "DoseHit",
    "EndpointHit",
    "FindingHit",
    "InstitutionView",
    "KeptHit",
    "PatientView",
    "PerformedHit",
    "PlannedHit",
    "PractitionerView",
    "ReportHit",
    "RequestHit",
    "RoomView",
    "StationView",
    "StepHit",
    "StudyHit",
    "VersionHit",
    "VisitHit",
]

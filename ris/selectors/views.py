"""Frozen read models: what pages and protocols are shown of the core.

Edges translate these and nothing else, so a translator is a pure function and a test can build its
input without a database. Times are aware and in UTC; the site's zone is applied at the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex, VisitStatus
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.results import Particulars
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.selectors.issuer_patterns import IssuerPattern


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """That the placer asked to cancel when the exam had begun."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ToldAllergy:
    """One that somebody told and nobody confirmed yet: for people, not for scanners or peers."""

    words: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientView:
    """``identifiers`` has the primary one first; merged-in identifiers of others follow."""

    public_id: str
    name: PersonName
    identifiers: tuple[Identifier, ...]
    birth_date: PartialDate
    sex: Sex
    deceased: bool = False
    phone: str = ""
    email: str = ""
    address: str = ""
    language: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    allergies: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    pregnancy_status: str = ""
    special_needs: str = ""
    mother_birth_name: PersonName = field(default_factory=PersonName)
    ethnic_group: str = ""
    comments: str = ""
    merged_into: str = ""
    told_allergies: tuple[ToldAllergy, ...] | None = None  # nobody confirmed; None: not read
    removed_at: datetime | None = None  # deleted by the hospital (ADT^A29)
    version: int = 1
    updated_at: datetime | None = None

    @property
    def identifier(self) -> Identifier:
        """The primary identifier."""
        return self.identifiers[0] if self.identifiers else Identifier("")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitView:
    public_id: str
    number: Identifier
    patient_class: PatientClass
    location: str
    attending: PersonName
    referring: PersonName
    status: VisitStatus = VisitStatus.UNKNOWN
    account: Identifier | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentView:
    public_id: str
    status: AppointmentStatus
    start_at: datetime
    end_at: datetime
    room: str
    ae_title: str
    overbooked: bool = False
    version: int = 1
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A scheduled procedure step."""

    public_id: str
    step_id: str
    modality: str
    status: StepStatus
    station_ae_title: str
    station_name: str
    location: str
    start_at: datetime | None
    duration_minutes: int
    description: str
    protocol_codes: tuple[Code, ...]
    performing_physician: PersonName
    appointment: AppointmentView | None = None
    pre_medication: str = ""
    contrast_agent: str = ""
    comments: str = ""
    version: int = 1
    updated_at: datetime | None = None
    zone: tzinfo | None = None  # of its site, for pages


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    series_instance_uid: str
    protocol_name: str
    description: str
    modality: str
    retrieve_ae_title: str
    performing_physician: str
    operators: tuple[str, ...]
    instance_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedView:
    """A performed procedure step; ``steps`` are public ids of what it was performed for."""

    public_id: str
    sop_instance_uid: str
    status: PerformedStatus
    match: Match
    origin: Origin
    started_at: datetime
    ended_at: datetime | None
    station_ae_title: str
    station_name: str
    modality: str
    performed_step_id: str
    study_instance_uid: str
    description: str
    protocol_codes: tuple[Code, ...]
    discontinuation_reason: Code
    series: tuple[SeriesView, ...]
    steps: tuple[str, ...]
    flags: tuple[str, ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVersionView:
    number: int
    kind: VersionKind
    sections: Mapping[str, str]
    author: str
    author_name: PersonName
    signer: str
    signer_name: PersonName
    signed_at: datetime
    content_hash: str
    reason: str = ""
    particulars: Particulars | None = None  # of a version that came from elsewhere
    signer_practitioner: str = ""  # public id
    signer_identifier: Identifier | None = None
    # Whose text it began from, if a resident's and another signed it; or who assisted elsewhere.
    resident: str = ""
    resident_name: PersonName = field(default_factory=PersonName)
    resident_practitioner: str = ""  # public id
    signed_as: str = ""  # SignedAs; empty if it was signed elsewhere
    signed_with: str = ""  # Proof
    # Codes of what was answered in fields (ris.models.ReportVersion.coded).
    coded: tuple[Mapping[str, str], ...] = ()
    public_id: str = ""  # of its document

    @property
    def text(self) -> str:
        from ris.domain.reporting import report_text

        return report_text(self.sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """``procedures`` are public ids; ``versions`` is in order, oldest first, signed ones only."""

    public_id: str
    status: ReportStatus
    procedures: tuple[str, ...]
    versions: tuple[ReportVersionView, ...]
    written: bool = False  # somebody saved a draft
    updated_at: datetime | None = None

    @property
    def current(self) -> ReportVersionView | None:
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> ReportVersionView:
        return self.versions[number - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureView:
    """A requested procedure with everything below it."""

    public_id: str
    procedure_id: str
    study_instance_uid: str
    code: Code
    description: str
    laterality: str
    stage: Stage
    preparation: str = ""
    steps: tuple[StepView, ...] = ()
    performed: tuple[PerformedView, ...] = ()
    report: ReportView | None = None
    started_at: datetime | None = None  # of a worklist entry: when its first step began
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An imaging service request with everything below it.

    ``accession``, ``filler`` and ``placer`` have an empty value where there is none.
    """

    public_id: str
    patient: PatientView
    visit: VisitView | None
    placer: Identifier
    filler: Identifier
    accession: Identifier
    group_number: str
    status: OrderStatus
    priority: Priority
    reason: str
    reason_code: Code
    comments: str
    requester: PersonName
    requester_identifier: Identifier
    requesting_service: str
    referring: PersonName
    transport: str
    entered_by: str
    callback_phone: str
    ordered_at: datetime
    procedures: tuple[ProcedureView, ...]
    source: str = ""  # name of the endpoint it came from
    institution: str = ""
    parent: Identifier = field(default_factory=lambda: Identifier(""))  # the requisition
    version: int = 1
    updated_at: datetime | None = None
    cancel_asked: CancelAsked | None = None  # refused, for the exam had begun

    @property
    def stage(self) -> Stage:
        """How far the order is as a whole: the least advanced live procedure."""
        live = [p.stage for p in self.procedures if p.stage is not Stage.CANCELED]
        if not live:
            return Stage.CANCELED if self.procedures else Stage.REQUESTED
        order = list(Stage)
        return min(live, key=order.index)

    def step(self, public_id: str) -> tuple[ProcedureView, StepView]:
        """The step and its procedure; raises KeyError."""
        for procedure in self.procedures:
            for step in procedure.steps:
                if step.public_id == public_id:
                    return procedure, step
        raise KeyError(public_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistEntry:
    """One scheduled procedure step as the worklist offers it: one C-FIND answer."""

    step: StepView
    procedure: ProcedureView  # without steps, performed and report
    patient: PatientView
    visit: VisitView | None
    order_public_id: str
    placer: Identifier
    filler: Identifier
    accession: Identifier
    priority: Priority
    reason: str
    reason_code: Code
    comments: str
    requester: PersonName
    referring: PersonName
    requesting_service: str
    transport: str
    institution: str
    entered_by: str = ""
    entering_location: str = ""
    callback_phone: str = ""
    requesting_service_code: Code = field(default_factory=lambda: Code(""))
    clinical_information: str = ""
    patient_state: str = ""
    confidentiality: str = ""
    patient_confidentiality: str = ""
    ordered_at: datetime | None = None
    key: tuple[int, ...] = ()  # versions of step, order, patient: changes when the answer may


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMatch:
    """A DICOM text key: ``pattern`` with ``*`` and ``?`` if ``wildcard``, else compared whole."""

    pattern: str
    wildcard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistQuery:
    """What a worklist query asks for; every field that is set must match (PS3.4 K.2.2).

    Instants are half-open ranges in UTC: [start_from, start_before). A pure time-of-day range
    (a time key without a date range) is given in local minutes and applied to each day.
    """

    station_ae_titles: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    start_from: datetime | None = None
    start_before: datetime | None = None
    time_from: str = ""  # local HHMMSS.FFFFFF, inclusive
    time_to: str = ""  # local HHMMSS.FFFFFF, inclusive
    time_zone: str = ""  # of these two, as UTC+01:00; empty: the site's
    patient_name: str = ""  # DICOM PN key as sent, wildcards included
    patient_id: TextMatch | None = None
    patient_id_issuer: str = ""
    accession_number: TextMatch | None = None
    procedure_id: TextMatch | None = None
    step_id: TextMatch | None = None
    study_instance_uids: tuple[str, ...] = ()
    performing_physician: str = ""
    patient_birth_date: tuple[str, str] | None = None  # YYYYMMDD range, inclusive; "" is open
    patient_sex: str = ""
    admission_id: TextMatch | None = None
    referring_physician: str = ""
    requesting_physician: str = ""
    station_name: TextMatch | None = None
    location: TextMatch | None = None
    priorities: tuple[Priority, ...] = ()
    placer_number: TextMatch | None = None
    filler_number: TextMatch | None = None
    procedure_codes: tuple[Code, ...] = ()  # alternatives
    protocol_codes: tuple[Code, ...] = ()  # alternatives; any code of the step may be one
    procedure_description: TextMatch | None = None
    step_description: TextMatch | None = None
    current_location: TextMatch | None = None  # of the patient, from the visit
    requesting_service: TextMatch | None = None
    institution: TextMatch | None = None
    accession_issuers: tuple[str | IssuerPattern, ...] = ()  # spellings of one
    admission_issuers: tuple[str | IssuerPattern, ...] = ()
    statuses: frozenset[StepStatus] = field(default_factory=frozenset)  # empty: what is offered
    # What the asking device is shown at all, whatever it asks for: one of each tuple must match
    # (dicom.md MWL-35).
    view_stations: tuple[tuple[str, ...], ...] = ()
    view_modalities: tuple[tuple[str, ...], ...] = ()
    limit: int = 500

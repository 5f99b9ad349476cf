"""The segments of our messages, a table each: which field, what it tells, how it is written.

The same rows write every message and the conformance statement. Values that a row does not have
stay empty, which leaves the receiver's as they are (HL7 v2.5.1 2.10.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from integration.hl7 import acks, bindings, datatypes, times, versions
from integration.hl7.bindings import Progress
from integration.hl7.er7_writer import SegmentRow, Value
from integration.hl7.profiles import Profile
from ris.domain.orders import Priority
from ris.domain.values import Identifier
from ris.selectors.views import (
    OrderView,
    PatientView,
    ProcedureView,
    ReportVersionView,
    StepView,
    VisitView,
)

T = TypeVar("T", bound="Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a segment about a patient is written from."""

    profile: Profile
    at: datetime
    patient: PatientView
    visit: VisitView | None = None
    event: str = ""  # EVN-1
    merged: tuple[Identifier, ...] = ()

    def time(self, at: datetime | None) -> str | None:
        if at is None:
            return None
        return times.write(at, self.profile.zone, offset=self.profile.settings.time_offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOrder(Told):
    """What the segments about one procedure of an order, or one step of it, are written from."""

    order: OrderView
    procedure: ProcedureView
    step: StepView | None = None
    control: str
    progress: Progress
    reason: str = ""
    modifier: str = ""  # ORC-25
    replaces: OrderView | None = None  # ORC-8 of RO
    timing_in_orc: bool = True  # else in TQ1
    set_id: int = 1
    observed_at: datetime | None = None
    observed_until: datetime | None = None
    interpreter: Value = None  # OBR-32
    assistant: Value = None  # OBR-33
    transcriptionist: Value = None  # OBR-35

    def entity(self, identifier: Identifier, default: str = "") -> Value:
        return datatypes.write_ei(identifier, default)

    @property
    def filler(self) -> Value:
        return self.entity(self.order.filler, self.profile.settings.application)

    def timing(self) -> Value:
        """ORC-7 and OBR-27 where TQ1 does not tell it."""
        if not self.timing_in_orc:
            return None
        priority = bindings.PRIORITY_OUT[self.order.priority]
        if self.step is None or self.step.start_at is None:
            return (None, None, None, None, None, priority)
        offset = self.profile.settings.time_offset
        return datatypes.write_tq(
            self.step.start_at,
            self.step.duration_minutes,
            priority,
            self.profile.zone,
            offset=offset,
        )


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One field of a segment of ours."""

    number: int
    title: str
    write: Callable[[T], Value]
    since: str = ""  # the version that has it


def row(name: str, table: Sequence[Column[T]], told: T) -> SegmentRow:
    """A segment by its table, as far as the peer's version has its fields."""
    version = versions.numbers(told.profile.version)
    fields: list[Value] = [None] * max(column.number for column in table)
    for column in table:
        if not column.since or version >= versions.numbers(column.since):
            fields[column.number - 1] = column.write(told)
    return (name, *fields)


# --- patient ------------------------------------------------------------------------------------


def signed_by(version: ReportVersionView) -> Value:
    """Who signed a report, with the number that a receiver bills and files by (XCN)."""
    return datatypes.write_xcn(version.signer_name, version.signer_identifier)


def _deceased(told: Told) -> Value:
    return "Y" if told.patient.deceased else None


def _birth_date(told: Told) -> Value:
    return times.write_date(told.patient.birth_date)


EVN: tuple[Column[Told], ...] = (
    Column(1, "event", lambda told: told.event),
    Column(2, "time of the change", lambda told: told.time(told.at)),
)

PID: tuple[Column[Told], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(
        3,
        "all identifiers, the primary one first",
        lambda told: [datatypes.write_cx(each) for each in told.patient.identifiers],
    ),
    Column(5, "name, in all its writings", lambda told: datatypes.write_xpn(told.patient.name)),
    Column(7, "date of birth", _birth_date),
    Column(8, "administrative sex", lambda told: bindings.SEX_OUT[told.patient.sex]),
    Column(11, "address", lambda told: datatypes.write_xad(told.patient.address)),
    Column(
        13,
        "phone number and mail address",
        lambda told: datatypes.write_xtn(told.patient.phone, told.patient.email),
    ),
    Column(15, "primary language", lambda told: told.patient.language),
    Column(30, "death indicator", _deceased),
)

MRG: tuple[Column[Told], ...] = (
    Column(
        1,
        "the identifiers that go over to the patient of PID",
        lambda told: [datatypes.write_cx(each) for each in told.merged],
    ),
)


def _class(told: Told) -> Value:
    return bindings.PATIENT_CLASS_OUT[told.visit.patient_class] if told.visit else "U"


def _referring(told: Told) -> Value:
    name = told.order.referring if isinstance(told, ToldOrder) else None
    if not name and told.visit:
        name = told.visit.referring
    return datatypes.write_xcn(name) if name else None


PV1: tuple[Column[Told], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(2, "patient class; U where no visit is known", _class),
    Column(
        3,
        "where the patient is",
        lambda told: datatypes.write_pl(told.visit.location) if told.visit else None,
    ),
    Column(
        7,
        "attending doctor",
        lambda told: datatypes.write_xcn(told.visit.attending) if told.visit else None,
    ),
    Column(8, "referring doctor", _referring),
    Column(
        19,
        "visit number",
        lambda told: datatypes.write_cx(told.visit.number) if told.visit else None,
    ),
)

# --- order ----------------------------------------------------------------------------------------


def _service(told: ToldOrder) -> Value:
    """OBR-4: the procedure, and as alternate what the step is to do (spec 1.8)."""
    code = told.procedure.code
    own = (code.value, code.meaning or told.procedure.description, code.scheme)
    if told.step is None:
        return own
    if told.step.protocol_codes:
        protocol = told.step.protocol_codes[0]
        return (*own, protocol.value, protocol.meaning or told.step.description, protocol.scheme)
    return (*own, None, told.step.description)


def procedure_code(told: ToldOrder) -> Value:
    code = told.procedure.code
    return (code.value, code.meaning or told.procedure.description, code.scheme)


def _reason(told: ToldOrder) -> Value:
    code = told.order.reason_code
    if code:
        return (code.value, code.meaning or told.order.reason, code.scheme)
    return (None, told.order.reason) if told.order.reason else None


def _requester(told: ToldOrder) -> Value:
    return datatypes.write_xcn(told.order.requester, told.order.requester_identifier)


def _phone(told: ToldOrder) -> Value:
    return datatypes.write_xtn(told.order.callback_phone, "")


SIDES = {"L": ("LT", "Left"), "R": ("RT", "Right"), "B": ("50", "Bilateral")}


def _side(told: ToldOrder) -> Value:
    side = SIDES.get(told.procedure.laterality)
    return (*side, "HL70340") if side else None


def _parent(told: ToldOrder) -> Value:
    """An EIP, whose entity identifiers have subcomponents (2A.28)."""
    if told.replaces is not None:
        return (told.entity(told.replaces.placer), _filler_of(told, told.replaces))
    return (told.entity(told.order.parent),) if told.order.parent.value else None


def _filler_of(told: ToldOrder, order: OrderView) -> Value:
    return told.entity(order.filler, told.profile.settings.application)


def _of_step(write: Callable[[StepView], Value]) -> Callable[[ToldOrder], Value]:
    return lambda told: write(told.step) if told.step is not None else None


def _priority(told: ToldOrder) -> Value:
    """OBR-5 where no TQ1 tells it."""
    return bindings.PRIORITY_OUT[told.order.priority] if told.timing_in_orc else None


ORC: tuple[Column[ToldOrder], ...] = (
    Column(1, "order control", lambda told: told.control),
    Column(2, "placer order number", lambda told: told.entity(told.order.placer)),
    Column(3, "filler order number", lambda told: told.filler),
    Column(4, "placer group number", lambda told: told.order.group_number),
    Column(5, "order status", lambda told: told.progress.orc_5),
    Column(7, "start, duration and priority, before TQ1", lambda told: told.timing()),
    Column(8, "the requisition it came under; of RO the order it stands for", _parent),
    Column(9, "time of the change", lambda told: told.time(told.at)),
    Column(12, "ordering provider", _requester),
    Column(14, "call back phone number", _phone),
    Column(16, "reason of a cancellation", lambda t: (None, t.reason) if t.reason else None),
    Column(
        17,
        "requesting service",
        lambda t: (None, t.order.requesting_service) if t.order.requesting_service else None,
    ),
    Column(
        25,
        "order status modifier: arrived",
        lambda t: (t.modifier, t.modifier.capitalize(), acks.OWN_CODES) if t.modifier else None,
        since="2.5",
    ),
)

OBR: tuple[Column[ToldOrder], ...] = (
    Column(1, "set id", lambda told: told.set_id),
    Column(2, "placer order number", lambda told: told.entity(told.order.placer)),
    Column(3, "filler order number", lambda told: told.filler),
    Column(4, "procedure; as alternate the step's protocol", _service),
    Column(5, "priority, before TQ1", _priority),
    Column(7, "start of the exam", lambda told: told.time(told.observed_at)),
    Column(8, "end of the exam", lambda told: told.time(told.observed_until)),
    Column(16, "ordering provider", _requester),
    Column(17, "call back phone number", _phone),
    Column(18, "accession number", lambda told: told.order.accession.value),
    Column(19, "requested procedure id", lambda told: told.procedure.procedure_id),
    Column(20, "scheduled procedure step id", _of_step(lambda step: step.step_id)),
    Column(21, "station AE title", _of_step(lambda step: step.station_ae_title)),
    Column(22, "time of the status", lambda told: told.time(told.at)),
    Column(24, "modality", _of_step(lambda step: step.modality)),
    Column(25, "result status", lambda told: told.progress.obr_25),
    Column(27, "start, duration and priority, before TQ1", lambda told: told.timing()),
    Column(
        30,
        "transportation mode",
        lambda told: bindings.TRANSPORT_OUT.get(told.order.transport),
    ),
    Column(31, "reason for the exam", _reason),
    Column(32, "who signed the report", lambda told: told.interpreter),
    Column(33, "the resident whose text it began from", lambda told: told.assistant),
    Column(
        34,
        "performing physician",
        _of_step(lambda step: datatypes.write_ndl(step.performing_physician)),
    ),
    Column(35, "who typed the report", lambda told: told.transcriptionist),
    Column(36, "scheduled start", lambda t: t.time(t.step.start_at) if t.step else None),
    Column(44, "procedure", procedure_code),
    Column(45, "side", _side),
)

TQ1: tuple[Column[ToldOrder], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(
        6,
        "duration",
        _of_step(lambda step: (step.duration_minutes, ("min", "minute", "UCUM"))),
    ),
    Column(7, "start", lambda t: t.time(t.step.start_at) if t.step else None),
    Column(9, "priority", lambda t: _tq1_priority(t.order.priority)),
)


def _tq1_priority(priority: Priority) -> Value:
    return (bindings.PRIORITY_OUT[priority], priority.value.capitalize(), "HL70485")


ZDS: tuple[Column[ToldOrder], ...] = (
    Column(
        1,
        "Study Instance UID",
        lambda told: (
            told.procedure.study_instance_uid,
            told.profile.settings.application,
            "Application",
            "DICOM",
        ),
    ),
)


def _protocols(told: ToldOrder) -> Value:
    if told.step is None:
        return None
    codes = told.step.protocol_codes
    if not codes:
        return (None, told.step.description)
    return [datatypes.write_ce(code) for code in codes]


IPC: tuple[Column[ToldOrder], ...] = (
    Column(1, "accession number", lambda told: told.entity(told.order.accession)),
    Column(
        2,
        "requested procedure id",
        lambda t: (t.procedure.procedure_id, t.profile.settings.application),
    ),
    Column(
        3,
        "Study Instance UID",
        lambda told: (told.procedure.study_instance_uid, told.profile.settings.application),
    ),
    Column(
        4,
        "scheduled procedure step id",
        lambda t: (t.step.step_id, t.profile.settings.application) if t.step else None,
    ),
    Column(5, "modality", _of_step(lambda step: (step.modality, None, "DCM"))),
    Column(6, "protocol codes", _protocols),
    Column(7, "station name", _of_step(lambda step: (step.station_name,))),
    Column(8, "station's place", _of_step(lambda step: (None, step.location))),
    Column(9, "station AE title", _of_step(lambda step: step.station_ae_title)),
)

# Every table with its segment, for the conformance statement.
TABLES: dict[str, tuple[Column[Any], ...]] = {
    "EVN": EVN,
    "PID": PID,
    "MRG": MRG,
    "PV1": PV1,
    "ORC": ORC,
    "TQ1": TQ1,
    "OBR": OBR,
    "ZDS": ZDS,
    "IPC": IPC,
}

"""ORM^O01, OMG^O19, OMI^O23 → order commands (HL7 v2.5.1 4.4, IHE RAD TF-2 4.2 and 4.3, spec 1.2).

A message may hold many orders. Groups with the same order control and the same placer number are
one order; within it, groups with the same Study Instance UID or requested procedure id are steps
of one procedure. Everything that is wrong with a message is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integration.hl7 import bindings, datatypes
from integration.hl7.er7 import Group, Message, Segment
from integration.hl7.fields import (
    CLINICAL,
    COMMENTS,
    DETAILS,
    HAZARD,
    NUMBERS,
    PROCEDURE,
    REASON,
    STEP,
    Faults,
    value_of,
    values,
)
from integration.hl7.profiles import Profile
from integration.hl7.times import Timestamp
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import (
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    PlaceOrder,
    ProcedureRequest,
    ReleaseOrder,
    ReviseOrder,
    StepRequest,
)
from ris.domain.patients import Demographics, PatientReference, UpdatePatient
from ris.domain.values import Code, Identifier

MAX_ORDERS = 200  # of one message, which is one transaction
_SHARED_BY_ORDER = ("ORC", "TQ1")  # an OBR without ORC of its own belongs to the one before


@dataclass(slots=True)
class _Line:
    """One OBR (or one IPC of it) with its ORC: at most one step of one procedure."""

    scope: GroupScope
    numbers: Mapping[str, Any]
    procedure: Mapping[str, Any] = field(default_factory=dict)
    step: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Order:
    """The groups of one order, under one order control."""

    control: str
    lines: list[_Line]

    @property
    def scope(self) -> GroupScope:
        return self.lines[0].scope

    @property
    def numbers(self) -> Mapping[str, Any]:
        return self.lines[0].numbers


def from_order(message: Message, profile: Profile) -> list[Request]:
    """The commands of an order message. Raises every fault that reading finds, together."""
    faults = Faults()
    if len(message.segments("PID")) > 1:
        raise InvalidValueError("an order message is about one patient", path="PID[2]")
    orders = _orders(message, profile, faults)
    requests = [
        request
        for order in orders
        if (request := _request(message, order, profile, faults)) is not None
    ]
    faults.raise_if_any()
    return requests


# --- what belongs together ----------------------------------------------------------------------


def _orders(message: Message, profile: Profile, faults: Faults) -> list[_Order]:
    found: dict[tuple[str, str, str, str], _Order] = {}
    for scope in _scopes(message):
        if len(found) >= MAX_ORDERS:
            raise InvalidValueError(f"more than {MAX_ORDERS} orders", path="ORC")
        control = faults.take(lambda scope=scope: _control(scope))  # type: ignore[misc]
        numbers = values(NUMBERS, scope, profile, faults)
        if control is None:
            continue
        named: Identifier = numbers.get("placer") or numbers.get("filler") or Identifier("")
        if not named.value:
            orc = scope.segment("ORC")
            place = orc.at("2") if orc else "ORC-2"
            faults.add(MissingValueError("an order number is required", path=place))
            continue
        kind = "placer" if "placer" in numbers else "filler"
        key = (control, kind, named.issuer, named.value)
        order = found.setdefault(key, _Order(control, []))
        order.lines += _lines(scope, numbers, profile, faults)
    if not found and not faults.errors:
        raise MissingValueError("an order message needs an ORC", path="ORC")
    return list(found.values())


def _scopes(message: Message) -> Iterator[GroupScope]:
    inherited: dict[str, Segment] = {}
    for group in message.groups("ORC", "OBR"):
        if "ORC" in group:
            inherited = {}
        for name in _SHARED_BY_ORDER:
            segment = group.first(name)
            if segment is not None:
                inherited[name] = segment
        yield GroupScope(message, group, dict(inherited))


def _control(scope: GroupScope) -> str:
    orc = scope.segment("ORC")
    if orc is None:
        raise MissingValueError("an order needs an ORC in front of its OBR", path="ORC")
    control = (orc.get("1") or "").strip().upper()
    if not control:
        raise MissingValueError("the order control is required", path=orc.at("1"))
    if control not in bindings.CONTROLS:
        raise InvalidValueError(
            f"order control {control[:10]} is not served",
            path=orc.at("1"),
            details={"table": "0119"},
        )
    return control


def _lines(
    scope: GroupScope, numbers: Mapping[str, Any], profile: Profile, faults: Faults
) -> Iterator[_Line]:
    """One line for each IPC, which names a step of its own; else one for the OBR."""
    ipcs = scope.group.segments("IPC")
    scopes = [
        GroupScope(scope.message, scope.group, scope.inherited, {"IPC": ipc}) for ipc in ipcs
    ] or [scope]
    for each in scopes:
        yield _Line(
            each,
            values(NUMBERS, each, profile, faults) if ipcs else numbers,
            values(PROCEDURE, each, profile, faults),
            values(STEP, each, profile, faults),
        )


# --- commands -----------------------------------------------------------------------------------


def _request(message: Message, order: _Order, profile: Profile, faults: Faults) -> Request | None:
    commands = faults.take(lambda: _COMMANDS[order.control](message, order, profile, faults))
    if commands is None:
        return None
    group = order.scope.group
    places = {
        name: segment.occurrence
        for name in {each.name for each in group.segments()} | set(order.scope.inherited)
        if (segment := order.scope.segment(name)) is not None
    }
    orc, obr = order.scope.segment("ORC"), order.scope.segment("OBR")
    return Request(
        commands=tuple(commands),
        places=places,
        control=order.control,
        placer=_as_sent(orc, 2) or _as_sent(obr, 2),
        filler=_as_sent(orc, 3) or _as_sent(obr, 3),
    )


def _as_sent(segment: Segment | None, number: int) -> str:
    fields = segment.fields if segment else []
    return fields[number] if number < len(fields) else ""


def _place(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    if order.scope.segment("OBR") is None:
        orc = order.scope.segment("ORC")
        occurrence = orc.occurrence if orc else 1
        place = "OBR" if occurrence == 1 else f"OBR[{occurrence}]"
        raise MissingValueError("a new order needs an OBR", path=place)
    reference, said = _patient(message, order, profile, faults)
    command = PlaceOrder(
        patient=reference,
        procedures=_procedures(order),
        placer=order.numbers.get("placer"),
        filler=order.numbers.get("filler"),
        accession=_accession(order),
        group_number=order.numbers.get("group_number", ""),
        visit=patient.visit(message, order.scope, profile, faults),
        details=_details(order, profile, faults),
        wait_for_scheduler=profile.settings.wait_for_scheduler,
        strict_catalog=profile.settings.strict_catalog,
    )
    if not said:
        return [command]
    # An order never changes who a known patient is, but what it says of weight, pregnancy or
    # allergies is newer than what is stored, and a scanner needs it.
    update = UpdatePatient(
        patient=PatientReference(identifiers=reference.identifiers),
        demographics=Demographics(**said),
    )
    return [command, update]


def _patient(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> tuple[PatientReference, dict[str, Any]]:
    pid = message.first("PID")
    if pid is None:
        raise MissingValueError("a new order needs its patient", path="PID")
    demographics = patient.demographics(message, order.scope, profile, faults)
    said = patient.clinical(message, Faults())  # its faults are told already
    for name in ("pregnancy_status", "special_needs"):
        value = getattr(demographics, name)
        if value is not None:
            said[name] = value
    return patient.reference(pid, profile, demographics), said


def _revise(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [
        ReviseOrder(
            order=_reference(order),
            details=_details(order, profile, faults),
            procedures=_procedures(order),
            visit=patient.visit(message, order.scope, profile, faults),
        )
    ]


def _cancel(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [CancelOrder(order=_reference(order), reason=_reason(order, profile))]


def _discontinue(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [DiscontinueOrder(order=_reference(order), reason=_reason(order, profile))]


def _hold(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [HoldOrder(order=_reference(order), reason=_reason(order, profile))]


def _release(
    message: Message, order: _Order, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [ReleaseOrder(order=_reference(order))]


_Translate = Callable[[Message, _Order, Profile, Faults], Sequence[Command[Any]]]

_COMMANDS: Mapping[str, _Translate] = {
    "NW": _place,
    "XO": _revise,
    "CA": _cancel,
    "DC": _discontinue,
    "HD": _hold,
    "RL": _release,
}


# --- parts of commands --------------------------------------------------------------------------


def _reference(order: _Order) -> OrderReference:
    """By the placer's number; ours is told besides, or alone (spec 1.2: ORC-2, else ORC-3)."""
    return OrderReference(placer=order.numbers.get("placer"), filler=order.numbers.get("filler"))


def _reason(order: _Order, profile: Profile) -> str:
    return value_of(REASON, order.scope, profile) or ""


def _accession(order: _Order) -> Identifier | None:
    """The one accession number of all lines; an order has not two."""
    accession: Identifier | None = None
    for line in order.lines:
        told: Identifier | None = line.numbers.get("accession")
        if told is None:
            continue
        if accession is not None and told != accession:
            segment = line.scope.segment("IPC") or line.scope.segment("OBR")
            number = "1" if segment and segment.name == "IPC" else "18"
            raise InvalidValueError(
                "one order has one accession number",
                path=segment.at(number) if segment else "OBR-18",
            )
        accession = told
    return accession


def _details(order: _Order, profile: Profile, faults: Faults) -> OrderDetails:
    said = values(DETAILS, order.scope, profile, faults)
    comments = _comments(order, profile, reason=said.get("reason"))
    if comments is not None:
        said["comments"] = comments
    return OrderDetails(**said)


def _comments(order: _Order, profile: Profile, *, reason: str | None) -> str | None:
    """NTE of the order, and what else has no field of its own but must be read by people."""
    told: list[str] = []
    deleted = False
    for line in order.lines:
        for note in _notes(line.scope.group):
            text = value_of(COMMENTS, _Only(note), profile)
            deleted = deleted or text == ""
            told += [text.strip()] if text else []
        clinical = value_of(CLINICAL, line.scope, profile)
        if clinical and clinical != reason:
            told.append(f"Clinical information: {clinical.strip()}")
        hazard = value_of(HAZARD, line.scope, profile)
        if hazard:
            told.append(f"Hazard: {hazard.strip()}")
        start: Timestamp | None = line.step.get("start")
        if start is not None and datatypes.is_day_only(start):
            told.append(f"Wanted on {start.text[:8]}, no time given")
    unique = list(dict.fromkeys(told))
    return "\n".join(unique) if unique else ("" if deleted else None)


@dataclass(frozen=True, slots=True)
class _Only:
    """A scope of one segment."""

    only: Segment

    def segment(self, name: str) -> Segment | None:
        return self.only if name == self.only.name else None


def _notes(group: Group) -> Iterator[Segment]:
    """The notes to the order; one behind an OBX is about the observation."""
    about = ""
    for segment in group.segments():
        if segment.name != "NTE":
            about = segment.name
        elif about not in ("OBX", "DG1"):
            yield segment


def _procedures(order: _Order) -> tuple[ProcedureRequest, ...]:
    """Lines with the same UID or procedure id are steps of one procedure."""
    grouped: list[list[_Line]] = []
    for line in order.lines:
        if line.scope.segment("OBR") is None:
            continue
        same = next((lines for lines in grouped if _is_same(lines[0], line)), None)
        if same is not None:
            same.append(line)
        else:
            grouped.append([line])
    return tuple(_procedure(lines) for lines in grouped)


def _is_same(one: _Line, other: _Line) -> bool:
    return any(
        one.procedure.get(name) and one.procedure.get(name) == other.procedure.get(name)
        for name in ("study_instance_uid", "procedure_id")
    )


def _procedure(lines: Sequence[_Line]) -> ProcedureRequest:
    said = dict(lines[0].procedure)
    code: Code = said.pop("code", None) or Code("")
    steps = tuple(step for line in lines if (step := _step(line)) is not None)
    return ProcedureRequest(code=code, steps=steps, **said)


def _step(line: _Line) -> StepRequest | None:
    """What is said of a step; None for nothing, so that a revision leaves it alone."""
    said = dict(line.step)
    start: Timestamp | None = said.pop("start", None)
    station = said.pop("station", None)
    if station is not None:
        said["station_ae_title"] = station
    if start is not None and not datatypes.is_day_only(start):
        said["start_at"] = start.utc
    return StepRequest(**said) if said else None

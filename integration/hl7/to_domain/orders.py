"""ORM^O01, OMG^O19, OMI^O23 → order commands (HL7 v2.5.1 4.4, IHE RAD TF-2 4.2 and 4.3, spec 1.2).

A message may hold many orders, each under one order control (table 0119); which segments belong to
which is read in ``order_groups``. Everything that is wrong with a message is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from integration.hl7 import bindings
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import clearance, order_parts, patient
from integration.hl7.to_domain.order_groups import MAX_ORDERS as MAX_ORDERS
from integration.hl7.to_domain.order_groups import (
    REPLACED,
    ToldOrder,
    differing_number,
    read_orders,
)
from integration.hl7.to_domain.request import Request
from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.orders import (
    AskOrder,
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    OrderReference,
    PlaceOrder,
    ReleaseOrder,
    ReplaceOrder,
    ReviseOrder,
)
from ris.domain.patients import Demographics, PatientReference, UpdatePatient

_TO_BE_EXPECTED = ("CA", "DC")  # an order that comes after one of these is canceled when it comes


def from_order(message: Message, profile: Profile) -> list[Request]:
    """The commands of an order message. Raises every fault that reading finds, together."""
    faults = Faults()
    if len(message.segments("PID")) > 1:
        raise InvalidValueError("an order message is about one patient", path="PID[2]")
    orders = read_orders(message, profile, faults)
    requests = [
        request
        for number, order in enumerate(orders)
        if (request := _request(message, order, profile, faults, number)) is not None
    ]
    faults.raise_if_any()
    # What is replaced is closed before its replacement is opened, wherever the message has it.
    return sorted(requests, key=lambda request: request.control not in REPLACED)


def _request(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults, number: int
) -> Request | None:
    own = faults.of_a_part()
    own.left_out += dict.fromkeys(each for line in order.lines for each in line.left_out)
    commands = faults.take(lambda: _COMMANDS[order.control](message, order, profile, own))
    if commands is None:
        return None
    group = order.scope.group
    places = {
        name: segment.occurrence
        for name in {each.name for each in group.segments()} | set(order.scope.inherited)
        if (segment := order.scope.segment(name)) is not None
    }
    orc, obr = order.scope.segment("ORC"), order.scope.segment("OBR")
    by_itself = "ORC" not in group and differing_number(order.scope, profile) is not None
    numbered = (obr,) if by_itself else (orc, obr)
    expects = order.control in _TO_BE_EXPECTED and "placer" in order.numbers
    return Request(
        commands=tuple(commands),
        places=places,
        control=order.control,
        placer=_as_sent(2, *numbered),
        filler=_as_sent(3, *numbered),
        number=number,
        expect_minutes=profile.settings.early_cancel_minutes if expects else 0,
        left_out=tuple(own.left_out),
    )


def _as_sent(number: int, *segments: Segment | None) -> str:
    """A field of the first segment that has it."""
    fields = (segment.fields for segment in segments if segment is not None)
    return next((each[number] for each in fields if number < len(each) and each[number]), "")


# --- new orders ---------------------------------------------------------------------------------


def _place(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    if order.scope.segment("OBR") is None:
        orc = order.scope.segment("ORC")
        occurrence = orc.occurrence if orc else 1
        place = "OBR" if occurrence == 1 else f"OBR[{occurrence}]"
        raise MissingValueError("a new order needs an OBR", path=place)
    reference, said = _patient(message, order, profile, faults)
    command = PlaceOrder(
        patient=reference,
        procedures=order_parts.procedures(order),
        placer=order.numbers.get("placer"),
        filler=order.numbers.get("filler"),
        accession=order_parts.accession(order),
        group_number=order.numbers.get("group_number", ""),
        parent=order.parent,
        replaces=tuple(order.replaces),
        visit=patient.visit(message, order.scope, profile, faults),
        details=order_parts.details(order, profile, faults),
        wait_for_scheduler=profile.settings.wait_for_scheduler,
        strict_catalog=profile.settings.strict_catalog,
        revise_known=profile.settings.changed_order == "revise",
    )
    beside = clearance.commands(message, order.scope.group, reference, profile)
    if not said:
        return [command, *beside]
    # An order never changes who a known patient is, but what it says of weight or pregnancy is
    # newer than what is stored, and its allergies are known besides: a scanner needs them.
    update = UpdatePatient(
        patient=PatientReference(identifiers=reference.identifiers),
        demographics=Demographics(**said),
        authoritative=profile.is_authority,
    )
    return [command, update, *beside]


def _patient(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> tuple[PatientReference, dict[str, Any]]:
    pid = message.first("PID")
    if pid is None:
        raise MissingValueError("a new order needs its patient", path="PID")
    demographics = patient.demographics(message, order.scope, profile, faults)
    said = patient.clinical(message, profile, Faults())  # its faults are told already
    for name in ("pregnancy_status", "special_needs"):
        value = getattr(demographics, name)
        if value is not None:
            said[name] = value
    return patient.reference(pid, profile, demographics), said


# --- changes of orders --------------------------------------------------------------------------


def _reference(message: Message, order: ToldOrder, profile: Profile) -> OrderReference:
    """By the placer's number; ours is told besides, or alone (spec 1.2: ORC-2, else ORC-3)."""
    pid = message.first("PID")
    filler = order.numbers.get("filler")
    if order.control in bindings.FILLER_CONTROLS and "placer" in order.numbers:
        filler = None  # the number of another filler, which may be one of ours by chance
    said: Demographics | None = None
    if pid is not None:
        with suppress(RisError):  # what cannot be read of a person is no reason to refuse the rest
            who = patient.said(message, profile)
            said = who.demographics if who is not None else None
    return OrderReference(
        placer=order.numbers.get("placer"),
        filler=filler,
        patient=patient.identifiers(pid, profile) if pid is not None else (),
        demographics=said,
    )


def _revise(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    visit = patient.visit(message, order.scope, profile, faults)
    said = order_parts.details(order, profile, faults)
    return [
        ReviseOrder(
            order=_reference(message, order, profile),
            details=replace(said, ordered_at=None),  # ORC-9 is the time of the change
            procedures=order_parts.procedures(order),
            visit=visit,
            wait_for_scheduler=profile.settings.wait_for_scheduler,
        )
    ]


def _cancel(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [
        CancelOrder(
            order=_reference(message, order, profile),
            reason=order_parts.reason(order, profile),
            procedures=order_parts.named(order),
        )
    ]


def _discontinue(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [
        DiscontinueOrder(
            order=_reference(message, order, profile),
            reason=order_parts.reason(order, profile),
            procedures=order_parts.named(order),
        )
    ]


def _hold(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    reference = _reference(message, order, profile)
    return [HoldOrder(order=reference, reason=order_parts.reason(order, profile))]


def _release(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [ReleaseOrder(order=_reference(message, order, profile))]


def _close(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    reference = _reference(message, order, profile)
    return [ReplaceOrder(order=reference, reason=order_parts.reason(order, profile))]


# --- neither new nor changed --------------------------------------------------------------------


def _nothing(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    """A parent is no order of its own: its children are found by its number."""
    return []


def _ask(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    return [AskOrder(order=_reference(message, order, profile))]


def _status(
    message: Message, order: ToldOrder, profile: Profile, faults: Faults
) -> Sequence[Command[Any]]:
    """SC of another filler: what ORC-5 means for ours. Progress elsewhere changes nothing here."""
    orc = order.scope.segment("ORC")
    told = ((orc.get("5") if orc else None) or "").strip().upper()
    path = order.place("5")
    obr = order.scope.segment("OBR")
    if not told and obr is not None:  # some say it of the result alone
        told = _BY_RESULT.get((obr.get("25") or "").strip().upper(), "")
    if not told:
        raise MissingValueError("the order status is required", path=path)
    translate = bindings.read(_STATUS, told, table="0038", path=path)
    return translate(message, order, profile, faults)


Translate = Callable[[Message, ToldOrder, Profile, Faults], Sequence[Command[Any]]]

_STATUS: Mapping[str, Translate] = {
    "CA": _cancel,
    "RP": _cancel,
    "DC": _discontinue,
    "HD": _hold,
    "SC": _revise,
    "A": _ask,
    "CM": _ask,
    "ER": _ask,
    "IP": _ask,
}

# OBR-25 (table 0123) as ORC-5 (table 0038).
_BY_RESULT: Mapping[str, str] = {
    "O": "SC",
    "S": "SC",
    "I": "IP",
    "A": "A",
    "P": "CM",
    "R": "CM",
    "C": "CM",
    "F": "CM",
    "X": "CA",
}

_COMMANDS: Mapping[str, Translate] = {
    "NW": _place,
    "CH": _place,
    "RO": _place,
    "PA": _nothing,
    "XO": _revise,
    "XX": _revise,
    "CA": _cancel,
    "DC": _discontinue,
    "HD": _hold,
    "RL": _release,
    "RP": _close,
    "RU": _close,
    "SS": _ask,
    "SC": _status,
}

"""ORR^O02, ORG^O20, ORI^O24: what became of each order of a message (HL7 v2.5.1 4.4.2, spec 1.2).

Each order is answered under the code of its order control, with our number where it has one, also
when it is refused; a message is done as a whole, so one fault refuses them all, and ORC-16 tells
which was the reason. From ORI on (2.5) an OBR and an IPC are required, and tell our UIDs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from integration.hl7 import bindings, datatypes
from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.er7_writer import Raw, SegmentRow, Value, copy
from integration.hl7.profiles import Profile
from integration.hl7.to_domain.request import Request
from ris.domain.actors import Actor
from ris.domain.commands import Command
from ris.domain.errors import ErrorCode, RisError, SeveralErrors
from ris.domain.orders import (
    CanceledOrder,
    CancelOrder,
    DiscontinueOrder,
    ExpectCancellation,
    OrderReference,
    OrderStatus,
    PlacedOrder,
    PlaceOrder,
    Stage,
)
from ris.domain.values import Identifier
from ris.selectors.order_numbers import OrderNumbers, order_numbers
from ris.selectors.orders import order_view, order_views
from ris.selectors.views import OrderView, ProcedureView
from ris.services import execute

Done = PlacedOrder | CanceledOrder  # what a request left to be told of

STATUS_REQUEST = "SS"
_CANCELED = bindings.PROGRESS[OrderStatus.ACTIVE, Stage.CANCELED]
_LONGEST_REASON = 199  # ORC-16 is a CE of ST
_ANOTHER = "not done: another order of the message was refused"


def is_wanted(reply: str, requests: Sequence[Request]) -> bool:
    """By the peer's setting; a status can be told in no other way."""
    return reply == "typed" or any(each.control == STATUS_REQUEST for each in requests)


def expect_canceled(requests: Sequence[Request], error: RisError, actor: Actor) -> None:
    """Remember the cancellations of a refused message whose orders may still come (ADR 0025)."""
    early = {fault.details["request"] for fault in _faults(error) if fault.details.get("expected")}
    for request in requests:
        if request.number not in early:
            continue
        for command in request.commands:
            if isinstance(command, CancelOrder | DiscontinueOrder) and command.order.placer:
                execute(
                    ExpectCancellation(
                        placer=command.order.placer,
                        minutes=request.expect_minutes,
                        reason=command.reason,
                        procedures=command.procedures,
                    ),
                    actor=actor,
                )


def segments(
    message: Message | None,
    requests: Sequence[Request],
    done: Mapping[int, Done],
    error: RisError | None,
    profile: Profile,
    *,
    with_ipc: bool,
) -> list[SegmentRow | Raw]:
    """The segments behind MSA and ERR; ``done`` is by position in ``requests``."""
    if error is not None:
        return list(_refused(message, requests, error, profile, with_ipc=with_ipc))
    rows: list[SegmentRow | Raw] = []
    for position, request in enumerate(requests):
        what = done.get(position)
        if isinstance(what, CanceledOrder) and what.procedures:
            rows += _canceled_in_part(request, what, profile, with_ipc=with_ipc)
        else:
            placed = what if isinstance(what, PlacedOrder) else None
            rows += _accepted(request, placed, profile, with_ipc=with_ipc)
    return rows


# --- done ---------------------------------------------------------------------------------------


def _accepted(
    request: Request, placed: PlacedOrder | None, profile: Profile, *, with_ipc: bool
) -> Iterator[SegmentRow | Raw]:
    code = _control(request.control).accepted
    placer = Raw(request.placer)
    known = None if placed is not None else _known(request)
    number = placed.filler_order_number if placed is not None else known and known.filler.value
    if not number:
        yield ("ORC", code, placer, Raw(request.filler))
        return
    key = placed.public_id if placed is not None else known.public_id if known else ""
    if request.control == STATUS_REQUEST:
        yield from _statuses(request, order_view(key), profile, with_ipc=with_ipc)
        return
    status = placed.status if placed is not None else known.status if known else OrderStatus.ACTIVE
    told: str | None = bindings.PROGRESS[status, Stage.REQUESTED].orc_5
    if status is OrderStatus.ACTIVE:
        # A stop leaves the exam that runs to its technologist, and says so.
        told = _status(known) if known and request.control == "DC" else None
    filler = (number, profile.settings.application)
    yield ("ORC", code, placer, filler, None, told)
    if with_ipc:
        order = order_view(key)
        for position, procedure in enumerate(order.procedures, start=1):
            yield _obr(position, placer, filler, procedure, None)
            yield from _ipcs(order, procedure, profile)


def _canceled_in_part(
    request: Request, canceled: CanceledOrder, profile: Profile, *, with_ipc: bool
) -> Iterator[SegmentRow | Raw]:
    """ORC-5 of what goes on, and the OBR of each exam that does not."""
    placer = Raw(request.placer)
    for order in order_views(canceled.orders):
        gone = [
            (number, procedure)
            for number, procedure in enumerate(order.procedures, start=1)
            if procedure.public_id in canceled.procedures
        ]
        if not gone:
            continue
        filler = datatypes.write_ei(order.filler, profile.settings.application)
        stages = [procedure.stage for procedure in order.procedures]
        code = _control(request.control).accepted
        yield ("ORC", code, placer, filler, None, _slowest(order.status, stages))
        for number, procedure in gone:
            yield _obr(number, placer, filler, procedure, _CANCELED.obr_25)
            if with_ipc:
                yield from _ipcs(order, procedure, profile)


def _statuses(
    request: Request, order: OrderView, profile: Profile, *, with_ipc: bool
) -> Iterator[SegmentRow | Raw]:
    """SR: ORC-5 of the order as it is now, and OBR-25 of each procedure."""
    placer = datatypes.write_ei(order.placer) or Raw(request.placer)
    filler = datatypes.write_ei(order.filler, profile.settings.application)
    told = bindings.PROGRESS[order.status, order.stage]
    yield ("ORC", "SR", placer, filler, None, told.orc_5)
    for number, procedure in enumerate(order.procedures, start=1):
        progress = bindings.PROGRESS[order.status, procedure.stage]
        yield _obr(number, placer, filler, procedure, progress.obr_25)
        if with_ipc:
            yield from _ipcs(order, procedure, profile)


def _obr(
    number: int, placer: Value, filler: Value, procedure: ProcedureView, status: str | None
) -> SegmentRow:
    code = procedure.code
    service = (code.value, code.meaning or procedure.description, code.scheme)
    row: list[Value] = ["OBR", number, placer, filler, service]
    return [*row, *[None] * 20, status] if status else row


def _ipcs(order: OrderView, procedure: ProcedureView, profile: Profile) -> Iterator[SegmentRow]:
    """An IPC for each step, with the numbers and the UID that are ours."""
    own = profile.settings.application
    for step in procedure.steps:
        yield (
            "IPC",
            datatypes.write_ei(order.accession),
            (procedure.procedure_id, own),
            (procedure.study_instance_uid, own),
            (step.step_id, own),
            (step.modality, None, "DCM"),
        )


# --- refused ------------------------------------------------------------------------------------


def _refused(
    message: Message | None,
    requests: Sequence[Request],
    error: RisError,
    profile: Profile,
    *,
    with_ipc: bool,
) -> Iterator[SegmentRow | Raw]:
    if not requests:
        yield from _unread(message, error, with_ipc=with_ipc)
        return
    reasons = _reasons(error)
    orders = list(message.groups("ORC")) if message is not None else []
    for request in requests:
        known = _known(request)
        reason = reasons.get(request.number, reasons.get(None, _ANOTHER))
        yield (
            "ORC",
            _control(request.control).refused,
            Raw(request.placer),
            _filler(request, known, profile),
            None,
            _status(known) if known else None,
            *[None] * 10,
            (None, reason[:_LONGEST_REASON]),
        )
        if with_ipc:
            at = request.places.get("ORC", 1) - 1
            yield from _echo(orders[at] if at < len(orders) else None)


def _unread(
    message: Message | None, error: RisError, *, with_ipc: bool
) -> Iterator[SegmentRow | Raw]:
    """What could not be read as orders, ORC by ORC, as far as it was sent."""
    if message is None:
        return
    for group in message.groups("ORC"):
        orc = group.first("ORC")
        assert orc is not None  # noqa: S101 - groups begin with it
        known = _CODES.get((orc.get("1") or "").strip().upper())
        reason = _reason(error)[:_LONGEST_REASON]
        yield (
            "ORC",
            known.refused if known else bindings.NOT_READ,
            _raw(orc, 2),
            _raw(orc, 3),
            *[None] * 12,
            (None, reason),
        )
        if with_ipc:
            yield from _echo(group)


def _echo(group: Group | None) -> Iterator[SegmentRow | Raw]:
    for name in ("OBR", "IPC"):
        for segment in group.segments(name) if group is not None else ():
            yield copy(segment)


def _raw(segment: Segment, number: int) -> Raw:
    return Raw(segment.fields[number] if number < len(segment.fields) else "")


# --- parts --------------------------------------------------------------------------------------

_CODES: Mapping[str, bindings.Control] = {**bindings.CONTROLS, **bindings.FILLER_CONTROLS}


def _control(control: str) -> bindings.Control:
    return _CODES[control]


def _known(request: Request) -> OrderNumbers | None:
    """The order a request was about, as it is now."""
    for command in request.commands:
        reference = _named(command)
        if reference is not None:
            return order_numbers(reference)
    return None


def _named(command: Command[object]) -> OrderReference | None:
    if isinstance(command, PlaceOrder):
        return OrderReference(placer=command.placer, filler=command.filler)
    reference = getattr(command, "order", None)
    return reference if isinstance(reference, OrderReference) else None


def _filler(request: Request, known: OrderNumbers | None, profile: Profile) -> Value:
    if known is None:
        return Raw(request.filler)
    return datatypes.write_ei(
        Identifier(known.filler.value, known.filler.issuer), profile.settings.application
    )


def _status(known: OrderNumbers) -> str:
    return _slowest(known.status, known.stages)


def _slowest(status: OrderStatus, stages: Sequence[Stage]) -> str:
    """ORC-5 of an order: as far as the last of its live exams is."""
    live = [stage for stage in stages if stage is not Stage.CANCELED]
    stage = min(live, key=list(Stage).index) if live else Stage.CANCELED
    return bindings.PROGRESS[status, stage].orc_5


def _faults(error: RisError) -> list[RisError]:
    return error.errors if isinstance(error, SeveralErrors) else [error]


def _reasons(error: RisError) -> dict[int | None, str]:
    """Why each request was refused; under None what is wrong with the message as a whole."""
    found: dict[int | None, str] = {}
    for fault in _faults(error):
        number = fault.details.get("request")
        told = found.get(number)
        found[number] = f"{told}; {_reason(fault)}" if told else _reason(fault)
    return found


def _reason(error: RisError) -> str:
    return "internal error" if error.code is ErrorCode.INTERNAL else error.message

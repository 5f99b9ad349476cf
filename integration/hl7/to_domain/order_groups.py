"""Which segments of an order message belong together: orders, their lines, what they came under.

Groups with the same order control and the same number are one order; an OBR without ORC belongs to
the ORC before it (HL7 v2.5.1 4.4.1), and is an order of its own under it if OBR-2 numbers it so. An
ORC and its OBR never name two orders (4.5.1.2; ADR 0056). A replaced order (RP, RU) goes with the
replacements (RO) behind it, a child (CH) with the parent (PA) before it or the one that ORC-8 names
(4.5.1.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integration.hl7 import bindings, datatypes
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults, LeftOut
from integration.hl7.fields import NUMBERS, PROCEDURE, STEP, values
from integration.hl7.profiles import Profile
from integration.hl7.to_domain.request import GroupScope
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import OrderReference
from ris.domain.values import Identifier

MAX_ORDERS = 200  # of one message, which is one transaction
REPLACED = frozenset({"RP", "RU"})
_SHARED_BY_ORDER = ("ORC", "TQ1")  # an OBR without ORC of its own belongs to the one before


@dataclass(slots=True)
class Line:
    """One OBR (or one IPC of it) with its ORC: at most one step of one procedure."""

    scope: GroupScope
    numbers: Mapping[str, Any]
    procedure: Mapping[str, Any] = field(default_factory=dict)
    step: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()


@dataclass(slots=True)
class ToldOrder:
    """The groups of one order, under one order control."""

    control: str
    lines: list[Line]
    parent: Identifier | None = None
    replaces: list[OrderReference] = field(default_factory=list)
    has_followers: bool = False  # a PA with its CH, an RP with its RO

    @property
    def scope(self) -> GroupScope:
        return self.lines[0].scope

    @property
    def numbers(self) -> Mapping[str, Any]:
        return self.lines[0].numbers

    def place(self, field_number: str) -> str:
        """Where a field of its ORC stands."""
        orc = self.scope.segment("ORC")
        return orc.at(field_number) if orc else f"ORC-{field_number}"


def read_orders(message: Message, profile: Profile, faults: Faults) -> list[ToldOrder]:
    """The orders of a message in its order; what cannot be read goes to ``faults``."""
    found: dict[tuple[str, str, str, str], ToldOrder] = {}
    before: Mapping[str, Any] = {}
    for scope in _scopes(message):
        if len(found) >= MAX_ORDERS:
            raise InvalidValueError(f"more than {MAX_ORDERS} orders", path="ORC")
        control = faults.take(lambda scope=scope: _control(scope, profile))  # type: ignore[misc]
        numbers = values(NUMBERS, scope, profile, faults)
        _settle_number(numbers, before, scope, profile, faults)
        before = numbers if "ORC" in scope.group else before
        if control is None:
            continue
        parent = _parent(control, numbers, found)
        if control == "CH" and parent is not None and "placer" not in numbers:
            numbers["placer"] = parent  # a procedure of the requisition, without its own number
        named: Identifier = numbers.get("placer") or numbers.get("filler") or Identifier("")
        if not named.value:
            orc = scope.segment("ORC")
            place = orc.at("2") if orc else "ORC-2"
            faults.add(MissingValueError("an order number is required", path=place))
            continue
        kind = "placer" if "placer" in numbers else "filler"
        key = (control, kind, named.issuer, named.value)
        order = found.setdefault(key, ToldOrder(control, []))
        order.parent = parent if parent != numbers.get("placer") else None
        order.lines += _lines(scope, numbers, profile, faults)
    if not found and not faults.errors:
        raise MissingValueError("an order message needs an ORC", path="ORC")
    orders = list(found.values())
    _pair(orders, faults)
    return orders


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


def _settle_number(
    numbers: dict[str, Any],
    before: Mapping[str, Any],
    scope: GroupScope,
    profile: Profile,
    faults: Faults,
) -> None:
    """Which order an OBR is about, where its OBR-2 has another number than ORC-2."""
    own = differing_number(scope, profile)
    if own is None:
        return
    if "ORC" in scope.group:
        orc, obr = scope.group.segments("ORC")[0], scope.group.segments("OBR")[0]
        text = f"{orc.at('2')} and {obr.at('2')} name two orders"
        faults.add(InvalidValueError(text, path=obr.at("2")))
        return
    shared = numbers.get("accession")
    if shared is not None and shared == before.get("accession"):
        return  # one request, one accession number: its number is told in the comments
    numbers["placer"] = own
    obr = scope.group.segments("OBR")[0]
    filler = None if "filler" in profile.settings.paths else datatypes.entity(obr, 3)
    numbers.pop("filler", None)  # ORC-3 is that of the order before
    if filler is not None:
        numbers["filler"] = filler


def differing_number(scope: GroupScope, profile: Profile) -> Identifier | None:
    """OBR-2, if it is another number than ORC-2 and the peer has not said which of them counts."""
    orc, obr = scope.segment("ORC"), scope.segment("OBR")
    if orc is None or obr is None or "placer" in profile.settings.paths:
        return None
    told, own = (datatypes.entity(each, 2, profile.order_authority) for each in (orc, obr))
    # One of them may lack its authority, or write it otherwise: that is no other number.
    return own if told is not None and own is not None and told.value != own.value else None


def _control(scope: GroupScope, profile: Profile) -> str:
    orc = scope.segment("ORC")
    if orc is None:
        raise MissingValueError("an order needs an ORC in front of its OBR", path="ORC")
    control = (orc.get("1") or "").strip().upper()
    if not control:
        raise MissingValueError("the order control is required", path=orc.at("1"))
    known = control in bindings.CONTROLS or (
        profile.settings.other_filler and control in bindings.FILLER_CONTROLS
    )
    if not known:
        raise InvalidValueError(
            f"order control {control[:10]} is not served",
            path=orc.at("1"),
            details={"table": "0119"},
        )
    return control


def _lines(
    scope: GroupScope, numbers: Mapping[str, Any], profile: Profile, faults: Faults
) -> Iterator[Line]:
    """One line for each IPC, which names a step of its own; else one for the OBR."""
    ipcs = scope.group.segments("IPC")
    scopes = [
        GroupScope(scope.message, scope.group, scope.inherited, {"IPC": ipc}) for ipc in ipcs
    ] or [scope]
    for each in scopes:
        told = values(NUMBERS, each, profile, faults) if ipcs else numbers
        own = faults.of_a_part()
        yield Line(
            each,
            {**told, "placer": numbers["placer"]} if "placer" in numbers else told,
            values(PROCEDURE, each, profile, own),
            values(STEP, each, profile, own),
            own.left_out,
        )


# --- requisitions and replacements --------------------------------------------------------------


def _parent(
    control: str, numbers: Mapping[str, Any], found: Mapping[Any, ToldOrder]
) -> Identifier | None:
    """The requisition an order came under: by ORC-8, a child also by the PA before it."""
    told: Identifier | None = numbers.get("parent")
    if told is not None or control != "CH":
        return told if control in ("NW", "CH") else None
    parents = [order for order in found.values() if order.control == "PA"]
    return parents[-1].numbers.get("placer") if parents else None


def _pair(orders: Sequence[ToldOrder], faults: Faults) -> None:
    """Tie replacements to what they stand for, and see that nobody is left alone."""
    replaced: list[ToldOrder] = []
    parent: ToldOrder | None = None
    was_replaced = False
    for order in orders:
        if order.control in REPLACED:
            replaced = [*replaced, order] if was_replaced else [order]
        elif order.control == "RO":
            _replace(order, replaced, faults)
        elif order.control == "PA":
            parent = order
        elif order.control == "CH":
            if parent is not None:
                parent.has_followers = True
            elif order.parent is None and "parent" not in order.numbers:
                place = order.place("8")
                faults.add(MissingValueError("a child order needs its parent", path=place))
        was_replaced = order.control in REPLACED
    for order in orders:
        if order.control == "PA" and not order.has_followers:
            faults.add(_lonely(order, "a parent order needs its child orders (CH)"))
        if order.control in REPLACED and not order.has_followers:
            faults.add(_lonely(order, "a replaced order needs its replacement (RO)"))


def _replace(order: ToldOrder, replaced: Sequence[ToldOrder], faults: Faults) -> None:
    """By the RP before it; without one ORC-8 names the order that it stands for."""
    told: Identifier | None = order.numbers.get("parent")
    if replaced:
        order.replaces = [
            OrderReference(placer=each.numbers.get("placer"), filler=each.numbers.get("filler"))
            for each in replaced
        ]
        for each in replaced:
            each.has_followers = True
        if told not in [each.numbers.get("placer") for each in replaced]:
            order.parent = told  # it came under the requisition of what it replaces
    elif told is not None:
        order.replaces = [OrderReference(placer=told)]
    else:
        place = order.place("8")
        faults.add(MissingValueError("a replacement needs the order it replaces", path=place))


def _lonely(order: ToldOrder, text: str) -> MissingValueError:
    orc = order.scope.segment("ORC")
    occurrence = orc.occurrence if orc else 1
    return MissingValueError(text, path="ORC" if occurrence == 1 else f"ORC[{occurrence}]")

"""ORR^O02, ORG^O20, ORI^O24 → what an answer to our order asks for (HL7 v2.5.1 4.4.2, IHE RAD-3).

NA brings the number that the placer gave to an order of ours; everything else only says what became
of what we told. The answer comes on the connection we sent over, or as a message of its own.
"""

from __future__ import annotations

from integration.hl7 import bindings
from integration.hl7.er7 import Message, Segment
from integration.hl7.fields import NUMBERS, Faults, values
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import AskOrder, AttachPlacerNumber, OrderReference
from ris.domain.values import Identifier


def from_answer(message: Message, profile: Profile) -> list[Request]:
    """What each ORC of an answer asks for; none of them if our message was refused as a whole."""
    faults = Faults()
    requests = []
    for number, group in enumerate(message.groups("ORC")):
        scope = GroupScope(message, group)
        request = faults.take(
            lambda scope=scope, number=number: _request(  # type: ignore[misc]
                message, scope, profile, faults, number
            )
        )
        if request is not None:
            requests.append(request)
    faults.raise_if_any()
    return requests


def _request(
    message: Message, scope: GroupScope, profile: Profile, faults: Faults, number: int
) -> Request | None:
    orc = scope.segment("ORC")
    assert orc is not None  # noqa: S101 - groups begin with it
    control = (orc.get("1") or "").strip().upper()
    if not control:
        raise MissingValueError("the order control is required", path=orc.at("1"))
    if control not in bindings.ANSWERS:
        raise InvalidValueError(
            f"order control {control[:10]} is no answer",
            path=orc.at("1"),
            details={"table": "0119"},
        )
    numbers = values(NUMBERS, scope, profile, faults)
    reference = _reference(message, numbers, profile)
    if control == "NA":
        return Request(
            commands=(_attach(orc, numbers, reference),),
            places={"ORC": orc.occurrence},
            control=control,
            number=number,
        )
    if reference.placer is None and reference.filler is None:
        return None  # it says of nothing in particular that it was done
    return Request(
        commands=(AskOrder(order=reference),),  # known here, and found on its timeline
        places={"ORC": orc.occurrence},
        control=control,
        number=number,
    )


def _reference(
    message: Message, numbers: dict[str, Identifier], profile: Profile
) -> OrderReference:
    """Our own number finds our order; the placer's only where ours is missing."""
    pid = message.first("PID")
    filler = numbers.get("filler")
    return OrderReference(
        placer=None if filler else numbers.get("placer"),
        filler=filler,
        patient=patient.identifiers(pid, profile) if pid is not None else (),
    )


def _attach(
    orc: Segment, numbers: dict[str, Identifier], reference: OrderReference
) -> AttachPlacerNumber:
    placer = numbers.get("placer")
    if placer is None:
        raise MissingValueError("the placer order number is required", path=orc.at("2"))
    if reference.filler is None:
        raise MissingValueError("our order number is required", path=orc.at("3"))
    return AttachPlacerNumber(order=reference, placer=placer)

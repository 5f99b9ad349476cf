"""ORR^O02, ORG^O20, ORI^O24 → what an answer to our order asks for (HL7 v2.5.1 4.4.2, IHE RAD-3).

NA brings the number that the placer gave to an order of ours; everything else only says what became
of what we told. That it was not done (UA and the like) is for people: nobody else would hear of it,
because our message itself was taken. The answer comes on the connection we sent over, or as a
message of its own.
"""

from __future__ import annotations

from typing import Any

from integration.hl7 import bindings
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.fields import NUMBERS, values
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import AskOrder, AttachPlacerNumber, OrderReference
from ris.domain.values import Identifier

_LONGEST_WHY = 200


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
    code = (message.get("MSA-1") or "").strip().upper()
    if code[1:] in ("E", "R") and not any(each.refusal for each in requests):
        about = (message.get("MSA-2") or "").strip()[:40]
        requests.append(
            _refused(f"{code[:2]} to our message {about}".rstrip(), _why(message, None))
        )
    return requests


def _refused(told: str, why: str, **fields: Any) -> Request:
    return Request(commands=(), refusal=f"{told}: {why}" if why else told, **fields)


def _why(message: Message, orc: Segment | None) -> str:
    """In the words of the peer: of the order, else of the message."""
    own = (orc.get("16.2") or orc.get("16.1") or orc.get("16.5") or "") if orc else ""
    return (own or message.get("ERR-8") or message.get("MSA-3") or "").strip()[:_LONGEST_WHY]


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
    if control in bindings.REFUSING_ANSWERS:
        named = numbers.get("filler") or numbers.get("placer") or Identifier("")
        told = f"{control}, {bindings.ANSWERS[control]}, to our order {named.value}".rstrip()
        places = {"ORC": orc.occurrence}
        return _refused(told, _why(message, orc), places=places, control=control, number=number)
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

"""Messages tried out and compared, for the test bench (ris.services.rehearsal)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from integration.hl7 import acks, inbound, times, validation
from integration.hl7 import charset as charsets
from integration.hl7.er7 import Header, Message
from integration.hl7.mapping.applying import together
from integration.hl7.mapping.checking import check, compiled
from integration.hl7.mapping.engine import Applied
from integration.hl7.profiles import Profile, profile
from integration.hl7.routes import ROUTES
from integration.hl7.senders import Sender, sender_of
from integration.hl7.settings import read_settings
from integration.hl7.to_domain.request import Request
from ris.domain.actors import endpoint_actor
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors, UnsupportedError
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.facility import site
from ris.services.rehearsal import (
    Change,
    Explanation,
    Fault,
    Prepared,
    Reading,
    Understanding,
    register_rehearsal,
)

_MOST_VALUES = 2_000


class Bench:
    """HL7 v2 for rehearsals (ris.services.rehearsal.Rehearsal)."""

    def prepare(
        self, raw: bytes, endpoint: EndpointInfo | None, content: Mapping[str, Any] | None
    ) -> Prepared:
        header = _header(raw)
        sender = _sender(header, endpoint, content) if endpoint is not None else None
        work = inbound.work_on(raw, header, sender)
        agreed = work.sender.profile
        return Prepared(
            actor=work.sender.actor,
            sender=work.sender.name,
            key=header.control_id[:160],
            message_type=f"{header.code}^{header.trigger}".strip("^")[:60],
            apply=work.apply,
            refuse=work.refuse,
            explanation=_explained(raw, agreed),
            understanding=_understood(raw, agreed),
            note=_another(header, endpoint) if endpoint is not None else "",
        )

    def reading(self, endpoint: EndpointInfo, content: Mapping[str, Any]) -> Reading:
        settings = read_settings(endpoint.settings)
        checked = check(content, Direction.IN)
        made = compiled(checked, Direction.IN, settings.paths)
        here = site()

        def read(raw: bytes) -> Understanding:
            header = Header.read(raw)
            if header is None:
                return Understanding(faults=(Fault("MSH", "", "there is no header"),))
            agreed = profile(endpoint, here, sender=_named(header))
            return _understood(raw, replace(agreed, mapping=made))

        return read

    def writing(self, endpoint: EndpointInfo, content: Mapping[str, Any]) -> Reading:
        made = compiled(check(content, Direction.OUT), Direction.OUT)
        default = endpoint.character_set or charsets.UTF_8

        def write(raw: bytes) -> Understanding:
            if not raw:
                return Understanding(faults=(Fault("", "", "it would not be written now"),))
            try:
                message = Message.from_bytes(raw, default_charset=default)
                lines = [segment.raw for segment in message.segments()]
                if made is not None:
                    header = message.header
                    applied = made.apply(lines, message, header.code, header.trigger)
                    if applied.faults:
                        return Understanding(faults=_faults(applied.faults[0]))
                    lines = applied.lines
            except RisError as error:
                return Understanding(faults=_faults(error))
            return Understanding(values=dict(_numbered(lines)))

        return write

    def explain(self, raw: bytes, endpoint: EndpointInfo) -> Explanation:
        header = _header(raw)
        return _explained(raw, _sender(header, endpoint, None).profile)


def _numbered(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each segment by its name and, from the second of a name on, its number."""
    seen: Counter[str] = Counter()
    for line in lines:
        name = line[:3]
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}[{seen[name]}]", line


def _header(raw: bytes) -> Header:
    header = Header.read(raw)
    if header is None:
        raise InvalidValueError("the message does not start with MSH", path="MSH")
    return header


def _another(header: Header, endpoint: EndpointInfo) -> str:
    """Whom the message would be from, if that is not the peer it is tried for."""
    if sender_of(header, "").actor.endpoint_id == endpoint.id:
        return ""
    named = "^".join(_named(header)).rstrip("^") or "nobody"
    return (
        f"MSH-3 and MSH-4 name {named}: if it really came, it would not be taken as from "
        f"{endpoint.name}"
    )


def _named(header: Header) -> tuple[str, str]:
    return header.sending_application[:90], header.sending_facility[:90]


def _sender(header: Header, endpoint: EndpointInfo, content: Mapping[str, Any] | None) -> Sender:
    """The endpoint as if the message had come from it, wherever it may send from."""
    named = _named(header)
    agreed = profile(endpoint, site(), sender=named)
    if content is not None:
        made = compiled(check(content, Direction.IN), Direction.IN, agreed.settings.paths)
        agreed = replace(agreed, mapping=made)
    actor = endpoint_actor(endpoint.name, endpoint.id)
    return Sender(name="^".join(named).rstrip("^"), actor=actor, profile=agreed)


def _read(raw: bytes, agreed: Profile) -> tuple[Message, Applied | None]:
    message = Message.from_bytes(raw, default_charset=agreed.charset.label)
    if agreed.mapping is None:
        return message, None
    return agreed.mapping.read(message)


def _explained(raw: bytes, agreed: Profile) -> Explanation:
    try:
        message, applied = _read(raw, agreed)
    except RisError as error:
        return Explanation(faults=_faults(error))
    if applied is None:
        return Explanation(raw=raw)
    changes = tuple(
        Change(each.source, each.text, each.place, each.before, each.after)
        for each in applied.fired
    )
    faults = tuple(fault for error in applied.faults for fault in _faults(error))
    if not applied.changed:
        return Explanation(changes=changes, faults=faults, raw=raw)
    try:
        rewritten = message.charset.encode("".join(f"{line}\r" for line in applied.lines))
    except InvalidValueError:
        rewritten = "".join(f"{line}\r" for line in applied.lines).encode()
    return Explanation(changes=changes, faults=faults, raw=rewritten)


def _understood(raw: bytes, agreed: Profile) -> Understanding:
    try:
        message, applied = _read(raw, agreed)
        header = message.header
        route = ROUTES.get((header.code, header.trigger))
        if route is None:
            raise UnsupportedError("this event is not served", path="MSH-9")
        zone = times.message_zone(header.get("7"), agreed.zone)
        told = replace(agreed, zone=zone, message=header.code)
        refused = applied.faults if applied else []
        found = [*refused, *validation.faults(message, told.settings.level)]
        together(found, lambda: route.translate(message, told))
        requests = route.translate(message, told)
    except RisError as error:
        return Understanding(faults=_faults(error))
    return Understanding(values=_values(requests))


def _faults(error: RisError) -> tuple[Fault, ...]:
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return tuple(Fault(each.path, acks.table_code(each), each.message) for each in errors)


def _values(requests: list[Request]) -> dict[str, str]:
    """Everything that is asked for, by request, command and name."""
    found: dict[str, str] = {}
    for number, request in enumerate(requests, start=1):
        prefix = f"{number}. " if len(requests) > 1 else ""
        for command in request.commands:
            for name, value in _flat(command):
                if len(found) >= _MOST_VALUES:
                    return found
                found[f"{prefix}{type(command).__name__} {name}"] = value
    return found


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """What a value says, in names and texts; what says nothing is left out."""
    if value is None or value is False or value in ("", (), {}) or value == frozenset():
        return
    if is_dataclass(value) and not isinstance(value, type):
        words = str(value) if type(value).__str__ is not object.__str__ else ""
        if words and "(" not in words:
            yield name, words
            return
        for each in fields(value):
            inner = f"{name}.{each.name}" if name else each.name
            yield from _flat(getattr(value, each.name), inner)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value, start=1):
            yield from _flat(item, f"{name}[{number}]" if len(value) > 1 else name)
    else:
        yield name, str(value.value if isinstance(value, Enum) else value)


register_rehearsal(Protocol.HL7, Bench())

"""SIU → what another scheduler did with an appointment (HL7 v2.5.1 10.4, IHE RAD-48; spec 1.1).

The order is named by SCH-26 and SCH-27, else by an ORC; the appointment by SCH-1 and SCH-2, our own
number among them. Before 2.4 SCH has no order numbers: there SCH-1 and SCH-2 may be the order's. A
service is an AIS with the resources of its RGS; where a message has none, SCH alone says when.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from integration.hl7 import datatypes, versions
from integration.hl7.bindings import read as read_table
from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.request import Request
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.orders import OrderReference
from ris.domain.scheduling import (
    ENDING,
    FollowSchedule,
    ScheduleChange,
    ScheduledService,
)
from ris.domain.values import Code, Identifier, PersonName

MAX_SERVICES = 50

# The trigger events that are served; S14 says in SCH-25 what else became of the appointment. S18 to
# S22 are of a part of it, and carry the whole. S27 tells again what is booked (2.6 10.4.16): what
# is known already is no news, and SCH-25 says how it stands. S25 is of a query (SQM), not of SIU.
TRIGGERS: Mapping[str, ScheduleChange] = {
    "S12": ScheduleChange.BOOK,
    "S13": ScheduleChange.MOVE,
    "S14": ScheduleChange.MODIFY,
    "S15": ScheduleChange.CANCEL,
    "S16": ScheduleChange.DISCONTINUE,
    "S17": ScheduleChange.DELETE,
    "S18": ScheduleChange.MODIFY,
    "S19": ScheduleChange.MODIFY,
    "S20": ScheduleChange.MODIFY,
    "S21": ScheduleChange.MODIFY,
    "S22": ScheduleChange.MODIFY,
    "S26": ScheduleChange.MISS,
    "S27": ScheduleChange.BOOK,
}


BLOCKS = {"S23": True, "S24": False}  # time is blocked, or opened again (:mod:`.closures`)
_EVENTS = frozenset({*TRIGGERS, *BLOCKS})
_BY_STATUS = frozenset({"S14", "S27"})
_OF_PARTS = frozenset({"S18", "S19", "S20", "S21", "S22"})
# What becomes of the parts that these take out.
_REMOVALS: Mapping[str, ScheduleChange] = {
    "S20": ScheduleChange.CANCEL,
    "S21": ScheduleChange.DISCONTINUE,
    "S22": ScheduleChange.DELETE,
}


@dataclass(frozen=True, slots=True)
class Status:
    """What a filler status (table 0278) says besides the trigger."""

    meaning: str
    change: ScheduleChange | None = None  # that it stands for in an S14
    confirmed: bool = True
    overbook: bool = False
    nothing: bool = False  # an S14 with it, or an S12 not confirmed, changes nothing here


# Table 0278, which sites extend; folded, without blanks. Below it what is seen in the field.
STATUSES: Mapping[str, Status] = {
    "BOOKED": Status("booked"),
    "OVERBOOK": Status("booked over what is there", overbook=True),
    "PENDING": Status(
        "not confirmed yet: in an S12 nothing is booked", confirmed=False, nothing=True
    ),
    "WAITLIST": Status("waits for a time: as PENDING", confirmed=False, nothing=True),
    "BLOCKED": Status("not for an appointment", confirmed=False),
    "STARTED": Status("begun: the scanner tells us", nothing=True),
    "COMPLETE": Status("over: the scanner tells us", nothing=True),
    "CANCELLED": Status("canceled", ScheduleChange.CANCEL),
    "DC": Status("discontinued", ScheduleChange.DISCONTINUE),
    "DELETED": Status("deleted", ScheduleChange.DELETE),
    "NOSHOW": Status("did not come", ScheduleChange.MISS),
    "SCHEDULED": Status("booked"),
    "CONFIRMED": Status("booked"),
    "CANCELED": Status("canceled", ScheduleChange.CANCEL),
    "ARRIVED": Status("the patient is here", ScheduleChange.ARRIVE),
    "CHECKEDIN": Status("the patient is here", ScheduleChange.ARRIVE),
    "COMPLETED": Status("over: the scanner tells us", nothing=True),
}

# AIP-4 of who does the exam; other staff is not the performing physician (table 0286, 0443).
_PERFORMERS = frozenset({"", "AT", "MD", "P", "PHYSICIAN", "PP", "PRF", "PROVIDER", "RAD", "RP"})
_REMOVED = "D"  # table 0206
_UNCHANGED = "X"  # the same, from 2.8 on; table 0323 has it before
_RESOURCES = ("AIG", "AIL", "AIP")
_STATUS_AT = {"AIS": "10", "AIG": "14", "AIL": "12", "AIP": "12"}  # of a part (table 0278)
_ENDED = frozenset({ScheduleChange.CANCEL, ScheduleChange.DISCONTINUE, ScheduleChange.DELETE})

# Where each value stands, for the conformance statement.
FIELDS: Sequence[tuple[str, str]] = (
    ("placer order number", "`SCH-26`, else `ORC-2`"),
    ("filler order number", "`SCH-27`, else `ORC-3`"),
    ("appointment number of the placer", "`SCH-1`"),
    ("appointment number of the filler; ours under our own name", "`SCH-2`"),
    ("patient, to compare with the order's", "`PID-3`, `PID-5`, `PID-7`"),
    ("reason", "`SCH-6`, else `SCH-7`"),
    ("status", "`SCH-25`"),
    ("procedure", "`AIS-3`"),
    ("start", "`AIS-4`, else `SCH-11.4`, `TQ1-7`; with the offset `AIS-5`"),
    ("duration", "`AIS-7`, else `SCH-9`, `SCH-11.3`, `TQ1-6`, or the end `SCH-11.5`, `TQ1-8`"),
    ("device, by AE title or station name", "`AIG-3`"),
    ("room, by name", "`AIL-3`"),
    ("performing physician", "`AIP-3`"),
    ("service that is taken out", "`AIS-2` or `RGS-2` D; `AIS-10` Cancelled, Dc, Deleted"),
    ("resource that is taken out", "`AIG-2`, `AIL-2`, `AIP-2` D"),
    ("service that is only told along", "`AIS-2` X; in S20 to S22 empty, too"),
)


def from_siu(message: Message, profile: Profile) -> list[Request]:
    """The commands of a schedule message. Raises every fault that reading finds, together."""
    trigger = message.header.trigger
    change = TRIGGERS[trigger]
    sch = message.first("SCH")
    if sch is None:
        raise MissingValueError("the appointment is required", path="SCH")
    if len(message.segments("PID")) > 1:
        raise InvalidValueError("an appointment is one patient's here", path="PID[2]")
    faults = Faults()
    status = faults.take(lambda: _status(sch, change, trigger))
    names = faults.take(lambda: _appointment(sch, profile)) or {}
    orders = faults.take(lambda: _orders(message, sch, profile)) or []
    who = faults.take(lambda: patient.said(message, profile))
    services, words = _services(message, sch, profile, faults, trigger)
    faults.raise_if_any()
    assert status is not None  # noqa: S101 - otherwise there is a fault
    if change is ScheduleChange.BOOK and not status.confirmed:
        return []
    if trigger in _REMOVALS:
        _require_removal(message, services)
    if trigger in _BY_STATUS:
        if status.nothing:
            return []
        change = status.change or change
    if len(orders) > 1 and len(orders) != len(services):
        raise InvalidValueError("several orders need a service (AIS) each", path=sch.at("26[2]"))
    each: list[OrderReference | None] = [*orders] or [None]
    return [
        Request(
            commands=(
                FollowSchedule(
                    change=change,
                    order=order,
                    patient=who,
                    services=tuple(services if len(each) == 1 else services[at : at + 1]),
                    removal=_REMOVALS.get(trigger, ScheduleChange.CANCEL),
                    reason=reason_of(sch),
                    overbook=status.overbook,
                    **names,
                ),
            ),
            words=_words(sch, words if len(each) == 1 else words[at : at + 1], message),
        )
        for at, order in enumerate(each)
    ]


# --- the appointment ----------------------------------------------------------------------------


def _status(sch: Segment, change: ScheduleChange, trigger: str) -> Status:
    """SCH-25, as far as it may stand beside the trigger."""
    text = "".join((sch.get("25") or sch.get("25.2") or "").split())
    if not text or change in ENDING:
        return STATUSES["BOOKED"]
    status = read_table(STATUSES, text.replace("-", ""), table="0278", path=sch.at("25"))
    if not status.confirmed and (change is not ScheduleChange.BOOK or not status.nothing):
        raise InvalidValueError(
            f"an appointment that is {text.lower()} is not on our calendar", path=sch.at("25")
        )
    if trigger not in _BY_STATUS and status.change in ENDING:
        raise InvalidValueError("this status contradicts the event", path=sch.at("25"))
    return status


def _appointment(sch: Segment, profile: Profile) -> dict[str, Any]:
    """SCH-1 and SCH-2; a number of ours is told apart by our name beside it."""
    placer = datatypes.entity(sch, 1, profile.order_authority)
    filler = datatypes.entity(sch, 2, profile.order_authority)
    said: dict[str, Any] = {}
    if placer is not None:
        said["placer"] = placer
    if filler is not None and filler.issuer == profile.settings.application and _is_ours(filler):
        said["appointment"] = filler.value
    elif filler is not None:
        said["filler"] = filler
    return said


def _is_ours(number: Identifier) -> bool:
    try:
        uuid.UUID(number.value)
    except ValueError:
        return False
    return True


def _orders(message: Message, sch: Segment, profile: Profile) -> list[OrderReference]:
    """By SCH-26 and SCH-27, each of which repeats; else by the ORC of the message."""
    placers = _entities(sch, "26", profile.order_authority)
    fillers = _entities(sch, "27", "")
    if not placers and not fillers:
        for orc in message.segments("ORC"):
            placer = datatypes.entity(orc, 2, profile.order_authority)
            filler = datatypes.entity(orc, 3)
            placers += [placer] if placer else []
            fillers += [filler] if filler else []
    if placers and fillers and len(placers) != len(fillers):
        raise InvalidValueError("not as many filler as placer numbers", path=sch.at("27"))
    count = max(len(placers), len(fillers))
    found = [
        OrderReference(
            placer=placers[at] if placers else None, filler=fillers[at] if fillers else None
        )
        for at in range(count)
    ]
    if not found and versions.numbers(message.header.version) < (2, 4):
        return _of_old_versions(sch, profile)
    return found


def _entities(segment: Segment, number: str, authority: str) -> list[Identifier]:
    return [
        Identifier(
            datatypes.within(value, 64, each.at("1")),
            datatypes.within(each.get(2) or each.get(3) or authority, 200, each.at("2")),
        )
        for each in segment.repeats(number)
        if (value := (each.get(1) or "").strip())
    ]


def _of_old_versions(sch: Segment, profile: Profile) -> list[OrderReference]:
    """Before 2.4 SCH-1 has to be the placer's order, unless the appointment is named as ours."""
    number = datatypes.entity(sch, 1, profile.order_authority)
    if number is None or "appointment" in _appointment(sch, profile):
        return []
    return [OrderReference(placer=number)]


def reason_of(sch: Segment) -> str:
    """Why: SCH-6, but not where it only repeats the event; else SCH-7."""
    code = (sch.get("6") or "").strip().upper()
    told = datatypes.words(sch, 6) if code not in _EVENTS else None
    return (told or datatypes.words(sch, 7) or "").strip()[:200]


# --- the services -------------------------------------------------------------------------------


def _services(
    message: Message, sch: Segment, profile: Profile, faults: Faults, trigger: str
) -> tuple[list[ScheduledService], list[dict[str, str]]]:
    """Each service, and where in the message its parts stand."""
    is_ending = TRIGGERS[trigger] in ENDING
    timing = Timing() if is_ending else faults.take(lambda: timing_of(message, sch, profile))
    timing = timing or Timing()
    services: list[ScheduledService] = []
    words: list[dict[str, str]] = []
    for ais, group, rgs in _blocks(message):
        if len(services) >= MAX_SERVICES:
            raise InvalidValueError(f"more than {MAX_SERVICES} services", path=ais.at("1"))
        service = faults.take(
            lambda ais=ais, group=group, rgs=rgs: _service(  # type: ignore[misc]
                ais, group, rgs, timing, profile, trigger
            )
        )
        if service is not None:
            services.append(service)
        words.append(_places(ais, group))
    if not services and not faults.errors and (timing.start_at is not None or "RGS" in message):
        place = "TQ1-7" if "TQ1" in message else sch.at("11.4")
        services.append(
            replace(
                _resources(message, trigger),
                start_at=timing.start_at,
                duration_minutes=timing.minutes,
            )
        )
        words.append({**_places(None, message), "start_at": place})
    return services, words


def _require_removal(message: Message, services: Sequence[ScheduledService]) -> None:
    """S20 to S22 say what they take out, or it would be guessed."""
    if any(each.removed or _takes_out(each) for each in services):
        return
    ais = message.first("AIS")
    path = ais.at("2") if ais is not None else "AIS-2"
    raise MissingValueError("which service or resource is taken out is required", path=path)


def _takes_out(service: ScheduledService) -> bool:
    return bool(service.no_stations or service.no_rooms or service.no_performer)


@dataclass(frozen=True, slots=True)
class Timing:
    """When, as SCH or TQ1 says it for all services."""

    start_at: datetime | None = None
    minutes: int | None = None


def timing_of(message: Message, sch: Segment, profile: Profile) -> Timing:
    tq1 = message.first("TQ1")
    minutes = datatypes.quantity(sch.get("9"), sch.get("10"))
    if tq1 is not None and tq1.get("7"):
        start = instant(tq1, "7", profile)
        end = instant(tq1, "8", profile)
        minutes = minutes or datatypes.quantity(tq1.get("6.1"), tq1.get("6.2"))
    else:
        start = instant(sch, "11.4", profile)
        end = instant(sch, "11.5", profile)
        minutes = minutes or datatypes.duration(sch.get("11.3"))
    if minutes is None and start is not None and end is not None and end > start:
        minutes = round((end - start).total_seconds() / 60)
    return Timing(start, minutes)


def instant(segment: Segment, place: str, profile: Profile) -> datetime | None:
    stamp = datatypes.time(segment, place, profile.zone)
    if stamp is None:
        return None
    if datatypes.is_day_only(stamp):
        raise InvalidValueError("a time of day is required", path=segment.at(place))
    return stamp.utc


def _blocks(message: Message) -> Iterator[tuple[Segment, Group, Segment | None]]:
    """Each AIS with what shares its RGS, and that; a message without RGS is one block."""
    for group in message.groups("RGS") if "RGS" in message else (message,):
        services = group.segments("AIS")
        rgs = group.first("RGS")
        if len(services) < 2:
            for ais in services:
                yield ais, group, rgs
            continue
        own = list(group.groups("AIS"))
        # Resources behind each AIS are its own; those behind the last one are everybody's.
        apart = all(any(name in each for name in _RESOURCES) for each in own)
        for ais, part in zip(services, own, strict=True):
            yield ais, part if apart else group, rgs


def _service(
    ais: Segment,
    group: Group,
    rgs: Segment | None,
    timing: Timing,
    profile: Profile,
    trigger: str,
) -> ScheduledService:
    code = datatypes.code(ais, 3) or Code("")
    if TRIGGERS[trigger] in ENDING:
        return ScheduledService(code=code)
    if _is_out(ais, trigger) or (rgs is not None and _is_out(rgs, trigger)):
        return ScheduledService(code=code, removed=True)
    start_at = instant(ais, "4", profile)
    if start_at is None and timing.start_at is not None:
        offset = datatypes.quantity(ais.get("5"), ais.get("6")) or 0
        start_at = timing.start_at + timedelta(minutes=offset)
    return replace(
        _resources(group, trigger),
        code=code,
        start_at=start_at,
        duration_minutes=datatypes.quantity(ais.get("7"), ais.get("8")) or timing.minutes,
        unchanged=all(_is_unchanged(each, trigger) for each in (ais, *group.segments(*_RESOURCES))),
    )


def _action(segment: Segment) -> str:
    return (segment.get("2") or "").strip().upper()


def _is_out(segment: Segment, trigger: str) -> bool:
    """Whether a part is taken out of its appointment: by its action, or by its own status."""
    if _action(segment) == _REMOVED:
        return True
    place = _STATUS_AT.get(segment.name)
    if place is None or TRIGGERS[trigger] is ScheduleChange.BOOK:
        return False
    said = "".join((segment.get(place) or segment.get(f"{place}.2") or "").split())
    status = STATUSES.get(said.replace("-", "").upper())
    return status is not None and status.change in _ENDED


def _is_unchanged(segment: Segment, trigger: str) -> bool:
    """What takes out parts leaves alone all that it does not mark."""
    action = _action(segment)
    return action == _UNCHANGED or (not action and trigger in _REMOVALS)


def _resources(group: Group, trigger: str) -> ScheduledService:
    """AIG, AIL and AIP as names; which of them are ours the core knows."""
    stations: dict[bool, list[str | None]] = {True: [], False: []}
    for aig in group.segments("AIG"):
        stations[_is_out(aig, trigger)] += station_names(aig)
    rooms: dict[bool, list[str | None]] = {True: [], False: []}
    for ail in group.segments("AIL"):
        rooms[_is_out(ail, trigger)] += room_names(ail)
    people = {True: PersonName(), False: PersonName()}
    for aip in group.segments("AIP"):
        is_out = _is_out(aip, trigger)
        if (aip.get("4") or "").strip().upper() in _PERFORMERS and not people[is_out]:
            people[is_out] = datatypes.clinician(aip.repeats("3")) or PersonName()
    return ScheduledService(
        stations=unique(stations[False]),
        rooms=unique(rooms[False]),
        performer=people[False],
        no_stations=unique(stations[True], but=stations[False]),
        no_rooms=unique(rooms[True], but=rooms[False]),
        no_performer=people[True],
    )


def station_names(aig: Segment) -> list[str | None]:
    return [aig.get("3.1"), aig.get("3.2")]


def room_names(ail: Segment) -> list[str | None]:
    return [datatypes.location(ail, 3), *(ail.get(f"3.{part}") for part in (1, 2, 3, 9))]


def unique(texts: Sequence[str | None], but: Sequence[str | None] = ()) -> tuple[str, ...]:
    found = dict.fromkeys(text.strip() for text in texts if text and text.strip())
    kept = {text.strip() for text in but if text}
    return tuple(text for text in found if text not in kept)


# --- where a refusal of the core stands ---------------------------------------------------------


def _places(ais: Segment | None, group: Group) -> dict[str, str]:
    def at(name: str, place: str) -> str:
        segment = group.first(name)
        return segment.at(place) if segment is not None else f"{name}-{place}"

    return {
        "code": ais.at("3") if ais else "AIS-3",
        "start_at": ais.at("4") if ais else "AIS-4",
        "duration_minutes": ais.at("7") if ais else "SCH-9",
        "station": at("AIG", "3"),
        "room": at("AIL", "3"),
    }


def _words(sch: Segment, services: Sequence[Mapping[str, str]], message: Message) -> dict[str, str]:
    """The core's words for places, in those of this message."""
    in_sch = bool(sch.get("26") or sch.get("27"))
    in_orc = not in_sch and "ORC" in message
    words = {
        "placer": "ORC-2" if in_orc else "SCH-26",
        "filler": "ORC-3" if in_orc else "SCH-27",
        "number": "SCH-1" if sch.get("1") else "SCH-2",
    }
    if versions.numbers(message.header.version) < (2, 4) and not in_orc:
        words["placer"] = "SCH-1"
    words[""] = words["placer"] if sch.get("26") or in_orc else words["number"]
    first = services[0] if services else {"code": "AIS-3", "start_at": "SCH-11.4"}
    for number, places in enumerate(services or [first], start=1):
        words |= {f"services.{number}.{name}": place for name, place in places.items()}
    return {**words, **first}

"""Appointment → what is wanted of the calendar (FHIR R4 12.10, invariants app-1 to app-4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.references import Named, Reader
from ris.domain.errors import InvalidValueError, MissingValueError, UnsupportedError
from ris.domain.scheduling import Answer
from ris.domain.values import Code

PATH = "Appointment"
ACTORS = frozenset(
    {
        "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Device",
        "HealthcareService", "Location",
    }
)  # fmt: skip
PLACES = frozenset({"Device", "Location"})
WITHOUT_TIME = frozenset({"proposed", "cancelled", "waitlist"})  # app-3
WITH_REASON = frozenset({"cancelled", "noshow"})  # app-4
COMMENT_LIMIT = 500
REASON_LIMIT = 200
ANSWERS: Mapping[str, Answer] = {
    "accepted": Answer.ACCEPTED,
    "tentative": Answer.TENTATIVE,
    "declined": Answer.DECLINED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an Appointment asks for; what it does not say is None or empty."""

    status: str
    slot: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    minutes: int | None = None
    wished_at: datetime | None = None
    requests: tuple[Named, ...] = ()
    patient: Named | None = None
    places: tuple[Named, ...] = ()
    service: Code | None = None
    reason: str = ""
    reason_code: Code = field(default_factory=lambda: Code(""))
    comment: str = ""
    cancelation: str = ""

    @property
    def has_time(self) -> bool:
        return bool(self.slot) or self.start_at is not None

    @property
    def length(self) -> int | None:
        """Minutes, as far as it says them."""
        if self.start_at and self.end_at:
            return max(round((self.end_at - self.start_at).total_seconds() / 60), 1)
        return self.minutes


def wanted(reader: Reader) -> Wanted:
    resource = reader.resource
    datatypes.refuse_modifiers(resource, PATH)
    status = datatypes.text(resource, "status", PATH)
    if not status:
        raise MissingValueError("status is required", path=f"{PATH}.status")
    start = datatypes.when(resource, "start", PATH)
    end = datatypes.when(resource, "end", PATH)
    if bool(start) != bool(end):
        raise InvalidValueError("start and end come together (app-2)", path=f"{PATH}.start")
    slot = _slot(reader)
    if start.at is None and not slot and status not in WITHOUT_TIME:
        raise InvalidValueError(f"{status} needs start and end (app-3)", path=f"{PATH}.start")
    if start.at and end.at and end.at <= start.at:
        raise InvalidValueError("it ends before it starts", path=f"{PATH}.end")
    cancelation = datatypes.single(resource, "cancelationReason", PATH)
    if cancelation and status not in WITH_REASON:
        raise InvalidValueError(
            "only what is cancelled or noshow has it (app-4)", path=f"{PATH}.cancelationReason"
        )
    patients, places = _participants(reader)
    reason, reason_code = read_reason(resource)
    return Wanted(
        status=status,
        slot=slot,
        start_at=start.at,
        end_at=end.at,
        minutes=_minutes(resource),
        wished_at=_wish(resource),
        requests=tuple(
            reader.named(element, path, frozenset({"ServiceRequest"}), default="ServiceRequest")
            for element, path in datatypes.several(resource, "basedOn", PATH)
        ),
        patient=patients[0] if patients else None,
        places=places,
        service=_service(resource),
        reason=reason,
        reason_code=reason_code,
        comment=datatypes.one_line(resource, "comment", PATH, COMMENT_LIMIT),
        cancelation=(
            datatypes.words_of(cancelation, f"{PATH}.cancelationReason")[:REASON_LIMIT]
            if cancelation
            else ""
        ),
    )


def _slot(reader: Reader) -> str:
    slots = datatypes.several(reader.resource, "slot", PATH)
    if len(slots) > 1:
        raise UnsupportedError(
            "one slot, as long as the exam: search slots by service-type", path=f"{PATH}.slot"
        )
    for element, path in slots:
        named = reader.named(element, path, frozenset({"Slot"}), default="Slot")
        if named.target is None or not named.target.id:
            raise InvalidValueError("a slot is named by its id", path=path)
        return named.target.id
    return ""


def _minutes(resource: Json) -> int | None:
    value = resource.get("minutesDuration")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 24 * 60:
        raise InvalidValueError("1 minute to 24 hours", path=f"{PATH}.minutesDuration")
    return value


def _wish(resource: Json) -> datetime | None:
    for element, path in datatypes.several(resource, "requestedPeriod", PATH):
        start = datatypes.when(element, "start", path)
        if start.at:
            return start.at
    return None


def _participants(reader: Reader) -> tuple[list[Named], tuple[Named, ...]]:
    """(patients, places); every participant says who or what it is (app-1)."""
    patients: list[Named] = []
    places: list[Named] = []
    for element, path in datatypes.several(reader.resource, "participant", PATH):
        actor = datatypes.single(element, "actor", path)
        if actor is None:
            if not element.get("type"):
                raise MissingValueError("a participant has a type or an actor (app-1)", path=path)
            continue
        named = reader.named(actor, f"{path}.actor", ACTORS, default="")
        if named.type == "Patient":
            patients.append(named)
        elif named.type in PLACES:
            places.append(named)
    if len(patients) > 1:
        raise UnsupportedError("one patient: groups are not booked here", path=patients[1].path)
    return patients, tuple(places)


def _service(resource: Json) -> Code | None:
    for concept, path in datatypes.several(resource, "serviceType", PATH):
        found = datatypes.code(concept, path)
        if found.value or found.meaning:
            return found
    return None


def read_reason(resource: Json) -> tuple[str, Code]:
    """The reasons in words, and the first one's code."""
    words, first = [], Code("")
    for concept, path in datatypes.several(resource, "reasonCode", PATH):
        code = datatypes.code(concept, path)
        if code.value and not first.value:
            first = code
        words.append(datatypes.words_of(concept, path))
    return "; ".join(each for each in words if each), first


def answers(resource: Json, before: Json) -> list[tuple[str, str, Answer]]:
    """(type, id, answer) of participants whose status is another than before."""
    said = dict(_statuses(before))
    found = []
    for reference, status in _statuses(resource):
        kind, slash, public_id = reference.partition("/")
        changed = reference in said and said[reference] != status
        if slash and changed and status in ANSWERS:
            found.append((kind, public_id, ANSWERS[status]))
    return found


def _statuses(resource: Json) -> list[tuple[str, str]]:
    return [
        (
            str((element.get("actor") or {}).get("reference", "")),
            datatypes.text(element, "status", path),
        )
        for element, path in datatypes.several(resource, "participant", PATH)
    ]


def same_time(one: Wanted, other: Wanted) -> bool:
    """Whether both mean the same time, as far as the first says one."""
    if one.slot and other.slot and one.slot != other.slot:
        return False
    if one.start_at is None:
        return True
    if other.start_at is None or abs(one.start_at - other.start_at) >= timedelta(seconds=1):
        return False
    return one.length == other.length


def refused_status(status: str) -> HttpError:
    """A status that no client can give an appointment, and why."""
    why = {
        "fulfilled": "an exam is fulfilled when the modality says so",
        "entered-in-error": "cancel the appointment, or mark its ServiceRequest entered-in-error",
        "waitlist": "send it as proposed: it waits for a scheduler",
    }.get(status, "not a status to create an appointment with")
    return HttpError(422, "business-rule", f"{status}: {why}", path=f"{PATH}.status")

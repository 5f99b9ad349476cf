"""``Appointment/$find``: times that could be booked (IHE ITI Scheduling 1.0.1, ITI-115).

The offers are computed and nothing is taken: an id means device, time and exam, and is understood
by ``$hold`` and ``$book`` as long as the time is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.utils import timezone

from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.slot import SPECIALTY
from integration.fhir.operations.inputs import PATH, Inputs
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.operations.scheduling import desk_of, known_patient, referred
from integration.fhir.outcome import HttpError, Issue, outcome
from integration.fhir.parameters import CodeParameter, token
from integration.fhir.reading import shown_for
from integration.fhir.resources import KINDS
from integration.fhir.search_scheduling import RADIOLOGY
from integration.fhir.to_domain import datatypes as read
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.references import Reader
from integration.fhir.writing.booking import WAITING, Desk, Work
from ris.domain.orders import StepStatus
from ris.selectors import slots
from ris.selectors.search.slots import MOST_DAYS, services
from ris.selectors.search.views import InstitutionView, RoomView
from ris.selectors.slots import Cell, OfferView, Service
from ris.selectors.views import PatientView

# Taken, and said not to narrow anything: calendars here are those of rooms and devices.
UNUSED = ("practitioner", "insurance-reference", "reason")
_UNUSED = "Taken, and said not to narrow the times."
INPUTS = (
    Input("start", "dateTime", required=True),
    Input("end", "dateTime", required=True),
    Input("specialty", "string", many=True, search="token"),
    Input(
        "visit-type",
        "string",
        "A procedure of the catalog, or a modality.",
        many=True,
        search="token",
    ),
    Input("practitioner", "Reference", _UNUSED, many=True),
    Input("organization", "Reference", many=True),
    Input("location-string", "string", many=True),
    Input("location-reference", "Reference", many=True),
    Input("patient-reference", "Reference"),
    Input("patient-resource", "Patient"),
    Input("reason", "string", _UNUSED, many=True, search="token"),
    Input("referral-identifier", "Identifier", "The number of an order."),
    Input("timing", "Timing", "Preferred days and hours."),
    Input("insurance-reference", "Reference", _UNUSED, many=True),
)
NAMES = frozenset(each.name for each in INPUTS)
DEFAULT_COUNT = 50
MOST = 500
_VISIT_TYPE = CodeParameter(name="visit-type", expression="", field="")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Timing.repeat.when of value set event-timing, as far as it is a part of the day.
_PARTS = {"MORN": (time(0), time(12)), "AFT": (time(12), time(18)), "EVE": (time(18), time(23, 59))}


@dataclass(frozen=True, slots=True)
class _Places:
    """Where it may be: None is anywhere."""

    rooms: list[str] | None
    words: list[str]


def run(call: Call) -> Result:
    inputs = Inputs.of(call)
    inputs.refuse_others(NAMES)
    low, high = inputs.moment("start"), inputs.moment("end", end=True)
    if high <= low:
        raise HttpError(422, "invalid", "end is after start", path=PATH)
    if high - low > timedelta(days=MOST_DAYS):
        raise HttpError(422, "too-costly", f"{MOST_DAYS} days at most", path=PATH)
    desk = desk_of(call)
    patient = known_patient(inputs, desk)
    work = _work(inputs, desk, patient)
    wishes = _Wishes.read(inputs.element("timing"))
    found = _times(inputs, desk, low, high, patient, work)
    fitting = [cell for cell in found if wishes.fits(cell)]
    shown = shown_for([KINDS["Appointment"]], call.reading.systems)
    count = inputs.count(DEFAULT_COUNT, MOST)
    views = slots.offers(fitting[:count], work.step.public_id if work else "")
    entries = [_proposed(view, patient, work, (low, high), shown) for view in views]
    remarks = _remarks(inputs, wishes, work)
    if count and len(fitting) > len(entries):
        words = f"the first {len(entries)} of {len(fitting)}: ask with _count or a later start"
        remarks.append(Issue("information", "incomplete", words))
    return Result(
        _bundle(call, entries, len(fitting), remarks),
        entries if patient else (),
    )


def _work(inputs: Inputs, desk: Desk, patient: PatientView | None) -> Work | None:
    """The exam it is for, if the call says or leaves no doubt which one."""
    works = referred(inputs, desk)
    if works is not None:
        if patient and any(w.order.patient.public_id != patient.public_id for w in works):
            raise HttpError(422, "invalid", "the order is another patient's", path=PATH)
        waiting = [work for work in works if work.step.status in WAITING]
        return waiting[0] if waiting else _booked(works, inputs.texts("visit-type"))
    if patient is None or inputs.texts("visit-type"):
        return None
    waiting = desk.waiting(patient.public_id)
    return waiting[0] if len({work.name for work in waiting}) == 1 else None


def _booked(works: Sequence[Work], kinds: Sequence[str]) -> Work:
    """The exam that is booked already and whose time is to be another one."""
    booked = [work for work in works if work.step.status is StepStatus.SCHEDULED]
    if not booked:
        raise HttpError(409, "conflict", "nothing of this order waits to be scheduled")
    codes = {token(text)[1] for text in kinds}
    if len(booked) > 1 and codes:
        named = [w for w in booked if codes & {w.procedure.code.value, w.step.modality}]
        booked = named or booked
    if len(booked) > 1:
        words = "several exams of this order are booked: say which one in visit-type"
        raise HttpError(422, "multiple-matches", words, path=PATH)
    return booked[0]


def _times(
    inputs: Inputs,
    desk: Desk,
    low: datetime,
    high: datetime,
    patient: PatientView | None,
    work: Work | None,
) -> Sequence[Cell]:
    specialties = inputs.texts("specialty")
    if specialties and not any(_is_radiology(text) for text in specialties):
        return []
    wanted = _services(inputs, work)
    if wanted == []:
        return []
    places = _places(inputs, desk)
    if places is None:
        return []
    person = patient or (work.order.patient if work else None)
    return slots.free_times(
        max(low, timezone.now()),
        high,
        wanted or (),
        rooms=places.rooms,
        words=places.words,
        patient=person.public_id if person else "",
        besides_step=work.step.public_id if work else "",
    )


def _is_radiology(text: str) -> bool:
    system, code = token(text)
    return any(code == own and system in {None, "", uri} for uri, own in RADIOLOGY)


def _services(inputs: Inputs, work: Work | None) -> list[Service] | None:
    """What the time is for: the exam, else the kinds of visit; None says nothing."""
    if work is not None:
        step = work.step
        return [Service(step.modality, step.duration_minutes, work.procedure.code)]
    texts = inputs.texts("visit-type")
    if not texts:
        return None
    return services((tuple(_VISIT_TYPE.read(each, "", inputs.call.reading) for each in texts),))


def _places(inputs: Inputs, desk: Desk) -> _Places | None:
    """None where what is named is nowhere here."""
    rooms = _named(inputs, desk, "location-reference", "Location", RoomView)
    sites = _named(inputs, desk, "organization", "Organization", InstitutionView)
    if rooms == [] or sites == []:
        return None
    return _Places(rooms, inputs.texts("location-string"))


def _named(
    inputs: Inputs, desk: Desk, name: str, kind: str, view: type[RoomView] | type[InstitutionView]
) -> list[str] | None:
    elements = inputs.references(name)
    if not elements:
        return None
    reader = Reader({}, desk.message.base, desk.message.systems)
    found = []
    for element in elements:
        target = reader.named(element, PATH, frozenset({kind}), default=kind).target
        if target is not None:
            hit = desk.message.find(frozenset({target})).find(target, view)
            found += [hit.public_id] if hit is not None else []
    return found


# --- preferred times


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a Timing says that a calendar can follow (FHIR R4 2.24.0.14)."""

    days: frozenset[int] = frozenset()
    spans: tuple[tuple[time, time], ...] = ()
    low: datetime | None = None
    high: datetime | None = None
    unused: bool = False

    @classmethod
    def read(cls, timing: Json | None) -> _Wishes:
        if timing is None:
            return cls()
        repeat = read.single(timing, "repeat", f"{PATH}.valueTiming") or {}
        bounds = read.single(repeat, "boundsPeriod", f"{PATH}.valueTiming.repeat") or {}
        path = f"{PATH}.valueTiming.repeat"
        # Python knows no leap second; one without a value is null.
        starts = [
            time.fromisoformat(text.replace(":60", ":59"))
            for text in repeat.get("timeOfDay", ())
            if text
        ]
        spans = [(at, _hour_later(at)) for at in starts]
        spans += [_PARTS[code] for code in repeat.get("when", ()) if code in _PARTS]
        understood = {"dayOfWeek", "timeOfDay", "when", "boundsPeriod"}
        odd = set(repeat.get("when", ())) - _PARTS.keys()
        return cls(
            frozenset(_DAYS.index(day) for day in repeat.get("dayOfWeek", ()) if day in _DAYS),
            tuple(spans),
            read.when(bounds, "start", f"{path}.boundsPeriod").at,
            read.when(bounds, "end", f"{path}.boundsPeriod").at,
            bool(repeat.keys() - understood or odd or timing.keys() - {"repeat"}),
        )

    def fits(self, cell: Cell) -> bool:
        local = timezone.localtime(cell.start_at)
        at = local.time()
        return (
            (not self.days or local.weekday() in self.days)
            and (not self.spans or any(low <= at < high for low, high in self.spans))
            and (self.low is None or cell.start_at >= self.low)
            and (self.high is None or cell.start_at < self.high)
        )


def _hour_later(at: time) -> time:
    return time(at.hour + 1, at.minute) if at.hour < 23 else time(23, 59, 59)


# --- the answer


def _proposed(
    view: OfferView,
    patient: PatientView | None,
    work: Work | None,
    asked: tuple[datetime, datetime],
    shown: Shown,
) -> Resource:
    actors = datatypes.some(
        datatypes.reference("Patient", patient.public_id) if patient else None,
        datatypes.station(view.ae_title, view.station_name, shown),
        datatypes.room(view.room, shown),
    )
    modality = {"coding": [datatypes.modality(view.modality)]}
    return datatypes.compact(
        {
            "resourceType": "Appointment",
            "id": view.public_id,
            "status": "proposed",
            "serviceType": [datatypes.concept(view.code) if view.code else modality],
            "specialty": [SPECIALTY],
            "start": datatypes.instant(view.start_at),
            "end": datatypes.instant(view.end_at),
            "minutesDuration": int((view.end_at - view.start_at).total_seconds() // 60),
            "slot": [datatypes.reference("Slot", view.slot)],
            "basedOn": [{"reference": work.name}] if work else [],
            "participant": [{"actor": actor, "status": "needs-action"} for actor in actors],
            "requestedPeriod": [datatypes.period(*asked)],
        }
    )


def _remarks(inputs: Inputs, wishes: _Wishes, work: Work | None) -> list[Issue]:
    unused = [name for name in UNUSED if inputs.given.get(name)]
    if wishes.unused:
        unused.append("a part of timing")
    words = [f"did not narrow the times: {', '.join(unused)}"] if unused else []
    if work is not None and work.step.status is StepStatus.SCHEDULED:
        words.append("the exam is booked already: write the slot of an offer to its Appointment")
    return [Issue("information", "informational", each) for each in words]


def _bundle(call: Call, entries: Sequence[Resource], total: int, remarks: list[Issue]) -> Resource:
    base = call.reading.base
    body: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "timestamp": datatypes.instant(datetime.now(UTC)),
        "total": total,
        "link": [{"relation": "self", "url": f"{base}/Appointment/$find"}],
    }
    found: list[Resource] = [
        {
            "fullUrl": f"{base}/Appointment/{each['id']}",
            "resource": each,
            "search": {"mode": "match"},
        }
        for each in entries
    ]
    if remarks:
        found.append({"resource": outcome(remarks), "search": {"mode": "outcome"}})
    if found:
        body["entry"] = found
    return body


OPERATION = Operation(
    name="find",
    run=run,
    types=("Appointment",),
    on_type=True,
    letter="s",
    definition="https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/appointment-find",
    inputs=INPUTS,
    documentation=(
        "Times that could be booked, by POST or GET. Of a patient or order as long as the exam "
        "takes, beside the patient's other appointments; of an order that is booked already, the "
        "times it can be moved to. visit-type is a procedure of the catalog or a modality. What is "
        "held is left out. At most 62 days."
    ),
)

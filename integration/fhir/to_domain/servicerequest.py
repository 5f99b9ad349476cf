"""ServiceRequest → PlaceOrder (FHIR R4 12.18; CONTRACT: what happens to an inbound order)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integration.fhir import bindings, systems
from integration.fhir.from_domain.datatypes import AE_TITLE
from integration.fhir.from_domain.servicerequest import LATERALITY_CODES
from integration.fhir.to_domain import datatypes, participants
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.patient import demographics, identifiers
from integration.fhir.to_domain.references import Known, Named, Reader, Target
from ris.domain.errors import InvalidValueError, MissingValueError, UnsupportedError
from ris.domain.identifiers import require_accession_number, require_uid
from ris.domain.orders import OrderDetails, PlaceOrder, ProcedureRequest, StepRequest
from ris.domain.patients import PatientReference
from ris.domain.values import Code, Identifier, PersonName
from ris.selectors.search.views import RoomView, StationView
from ris.selectors.views import PatientView

PATH = "ServiceRequest"
SUBJECT = frozenset({"Patient"})
PLACES = frozenset({"Location"})
REQUESTS = frozenset({PATH})
LOCATION_LIMIT = 16  # (0040,0011) is SH
REASON_LIMIT = 4000  # a clinical question; devices are told what fits
MAX_OTHER_CODES = 8  # each is looked up in the catalog

# An occurrencePeriod up to this long is the time of the exam; a longer one is a window to
# schedule in, which a scheduler decides.
LONGEST_EXAM = timedelta(hours=8)

# DICOM PS3.16 CID 29 and 33, as far as departments schedule them.
MODALITIES = frozenset(
    {
        "AR", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "ES", "IO", "IVUS", "LS", "MG", "MR",
        "NM", "OAM", "OCT", "OP", "OPT", "OT", "PT", "PX", "RF", "RG", "RTIMAGE", "SC", "TG",
        "US", "XA", "XC",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What this server does with the requests of one client (settings of its endpoint)."""

    issuer: str = ""  # of a placer order number that came without a system
    wait_for_scheduler: bool = False
    strict_catalog: bool = False
    require_if_match: bool = False  # of changes to any type
    results: str = "draft"  # what a report from it becomes at most, or "no"
    withdraw_results: bool = False


@dataclass(frozen=True, slots=True)
class NewOrder:
    command: PlaceOrder
    on_hold: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """The identifiers of a request, told apart."""

    placer: Identifier | None = None
    filler: Identifier | None = None
    accession: Identifier | None = None
    study_instance_uid: str = ""


def targets(reader: Reader) -> frozenset[Target]:
    """Everything of ours that the request refers to."""
    return frozenset(each.target for each in _references(reader) if each.target)


def _references(reader: Reader) -> Iterator[Named]:
    yield _subject(reader)
    yield from participants.references(reader)
    yield from _places(reader)


def place_order(reader: Reader, known: Known, profile: Profile) -> NewOrder:
    """The order the request places; ``known`` answers :func:`targets`."""
    resource = reader.resource
    status = refuse_what_is_no_order(resource)
    if status not in {"active", "on-hold"}:
        raise InvalidValueError(
            f"a request that is {status} cannot be placed", path=f"{PATH}.status"
        )
    numbers = read_numbers(reader, profile)
    concept = datatypes.single(resource, "code", PATH)
    if concept is None or not datatypes.code(concept, f"{PATH}.code"):
        raise MissingValueError("what is to be done is required", path=f"{PATH}.code")
    timing = read_timing(resource)
    procedure = ProcedureRequest(
        code=datatypes.code(concept, f"{PATH}.code"),
        also=other_codes(concept),
        description=datatypes.one_line(concept, "text", f"{PATH}.code"),
        study_instance_uid=numbers.study_instance_uid,
        laterality=laterality(resource),
        steps=read_steps(reader, known, timing),
    )
    return NewOrder(
        PlaceOrder(
            patient=read_patient(reader, known),
            procedures=(procedure,),
            placer=numbers.placer,
            filler=numbers.filler,
            accession=numbers.accession,
            group_number=group_number(resource),
            visit=participants.visit(reader, known),
            details=read_details(reader, known, timing),
            wait_for_scheduler=profile.wait_for_scheduler,
            strict_catalog=profile.strict_catalog,
        ),
        on_hold=status == "on-hold",
    )


def refuse_what_is_no_order(resource: Json) -> str:
    """The status, once nothing says that this is something else than an order to carry out."""
    datatypes.refuse_modifiers(resource, PATH)
    status = datatypes.text(resource, "status", PATH)
    intent = datatypes.text(resource, "intent", PATH)
    for value, name in ((status, "status"), (intent, "intent")):
        if not value:
            raise MissingValueError(f"{name} is required", path=f"{PATH}.{name}")
    bindings.require(status, bindings.REQUEST_STATUS, f"{PATH}.status", "request-status")
    bindings.require(intent, bindings.REQUEST_INTENT, f"{PATH}.intent", "request-intent")
    if intent not in bindings.ORDERING:
        raise UnsupportedError(f"a {intent} is not carried out here", path=f"{PATH}.intent")
    if datatypes.boolean(resource, "doNotPerform", PATH):
        raise UnsupportedError("prohibitions are not kept here", path=f"{PATH}.doNotPerform")
    if resource.get("orderDetail") and not resource.get("code"):
        raise InvalidValueError(
            "orderDetail needs a code (invariant prr-1)", path=f"{PATH}.orderDetail"
        )
    return status


def replaced(reader: Reader) -> list[Named]:
    """The requests that this one takes the place of."""
    return [
        reader.named(element, path, REQUESTS, default=PATH)
        for element, path in datatypes.several(reader.resource, "replaces", PATH)
    ]


# --- patient


def _subject(reader: Reader) -> Named:
    element = datatypes.single(reader.resource, "subject", PATH)
    if element is None:
        raise MissingValueError("a patient is required", path=f"{PATH}.subject")
    return reader.named(element, f"{PATH}.subject", SUBJECT, default="Patient")


def read_patient(reader: Reader, known: Known) -> PatientReference:
    """The subject: one we know, or one who comes along as contained resource."""
    subject = _subject(reader)
    if subject.contained is not None:
        inner = subject.contained
        return PatientReference(
            identifiers=identifiers(inner, "Patient", reader.systems),
            demographics=demographics(inner, "Patient"),
        )
    found = known.find(subject.target, PatientView)
    if found is None:
        raise InvalidValueError(
            "this patient is not known here; create the Patient first or send it contained",
            path=subject.path,
            details={"issue": "not-found"},
        )
    return PatientReference(public_id=found.public_id)


# --- numbers


def read_numbers(reader: Reader, profile: Profile) -> Numbers:
    """Identifiers by their type in table 0203; one without type is the placer's own number."""
    typed: dict[str, Identifier] = {}
    study = ""
    for element, path in datatypes.several(reader.resource, "identifier", PATH):
        if datatypes.text(element, "system", path) == systems.DICOM_UID:
            value = datatypes.text(element, "value", path).removeprefix("urn:oid:")
            study = study or require_uid(value, f"{path}.value")
            continue
        if "value" not in element or datatypes.text(element, "use", path) == "old":
            continue
        found = datatypes.identifier(element, path, reader.systems)
        kind = found.type or "PLAC"
        if kind in typed and found.type:
            raise InvalidValueError(f"there are two identifiers of type {kind}", path=path)
        if kind == "ACSN":
            require_accession_number(found.value, f"{path}.value")
        if kind not in typed or (found.type and not typed[kind].type):
            typed[kind] = found
    placer = typed.get("PLAC")
    return Numbers(
        placer=_without_type(placer, profile.issuer) if placer else None,
        filler=_without_type(typed["FILL"]) if "FILL" in typed else None,
        accession=_without_type(typed["ACSN"]) if "ACSN" in typed else None,
        study_instance_uid=study,
    )


def _without_type(number: Identifier, issuer: str = "") -> Identifier:
    return Identifier(number.value, number.issuer or issuer)


def group_number(resource: Json) -> str:
    requisition = datatypes.single(resource, "requisition", PATH)
    if not requisition:
        return ""
    path = f"{PATH}.requisition"
    return datatypes.one_line(requisition, "value", path, datatypes.VALUE_LIMIT)


# --- what, when and where


def other_codes(concept: Json) -> tuple[Code, ...]:
    """What an exam is called besides: catalogs of peers are rarely the site's (R4 2.24.0.5)."""
    return tuple(datatypes.codes(concept, f"{PATH}.code")[1 : 1 + MAX_OTHER_CODES])


@dataclass(frozen=True, slots=True)
class Timing:
    """When the exam is to be; ``wish`` is for a scheduler to read where no time is named."""

    start_at: datetime | None = None
    duration_minutes: int | None = None
    wish: str = ""


def read_timing(resource: Json) -> Timing:
    single = datatypes.when(resource, "occurrenceDateTime", PATH)
    if single.at:
        return Timing(single.at)
    if single:
        return Timing(wish=f"Wanted on {single.day}")
    repeated = datatypes.single(resource, "occurrenceTiming", PATH)
    if repeated is not None:
        return _once(repeated, f"{PATH}.occurrenceTiming")
    element = datatypes.single(resource, "occurrencePeriod", PATH)
    return Timing() if element is None else _within(element, f"{PATH}.occurrencePeriod")


# Elements of Timing.repeat that say how often; one in a time without period is once.
_HOW_OFTEN = ("period", "periodMax", "dayOfWeek", "timeOfDay", "when", "offset")
_ONE = ("count", "countMax", "frequency", "frequencyMax")
# And the codes that R4 has for it (timing-abbreviation).
_OFTEN = frozenset(
    {"BID", "TID", "QID", "AM", "PM", "QD", "QOD", "Q1H", "Q2H", "Q3H", "Q4H", "Q6H", "Q8H", "BED",
     "WK", "MO"}
)  # fmt: skip


def _once(timing: Json, path: str) -> Timing:
    """A Timing of one exam; several are several orders, each with its own results."""
    repeat = datatypes.single(timing, "repeat", path) or {}
    events = timing.get("event") or []
    code = datatypes.single(timing, "code", path) or {}
    once = all(repeat.get(name, 1) == 1 for name in _ONE) and not any(
        repeat.get(name) for name in _HOW_OFTEN
    )
    codings = datatypes.codes(code, f"{path}.code") if code.get("coding") else []
    if len(events) > 1 or not once or any(each.value in _OFTEN for each in codings):
        raise UnsupportedError("an exam that is to be repeated is ordered each time", path=path)
    found = Timing()
    if events:
        found = read_timing({"occurrenceDateTime": events[0]})
    elif bounds := datatypes.single(repeat, "boundsPeriod", f"{path}.repeat"):
        found = _within(bounds, f"{path}.repeat.boundsPeriod")
    words = datatypes.one_line(code, "text", f"{path}.code") or "".join(
        each.meaning or each.value for each in codings[:1]
    )
    wishes = (found.wish, f"Timing: {words}" if words else "")
    return replace(found, wish="; ".join(filter(None, wishes)))


def _within(element: Json, path: str) -> Timing:
    start = datatypes.when(element, "start", path)
    end = datatypes.when(element, "end", path)
    if start.at and not end:
        return Timing(start.at)
    if start.at and end.at:
        if end.at < start.at:
            raise InvalidValueError("the period ends before it starts", path=path)
        length = end.at - start.at
        if length <= LONGEST_EXAM:
            return Timing(start.at, int(length.total_seconds() // 60) or None)
    if start and end:
        return Timing(wish=f"Wanted between {start.words} and {end.words}")
    if end:
        return Timing(wish=f"Wanted by {end.words}")
    return Timing(wish=f"Wanted from {start.words}" if start else "")


def laterality(resource: Json) -> str:
    """The side, if the body site is one of SNOMED CT's sides."""
    for concept, path in datatypes.several(resource, "bodySite", PATH):
        for coding, where in datatypes.several(concept, "coding", path):
            code = datatypes.text(coding, "code", where)
            is_snomed = datatypes.text(coding, "system", where) == systems.SNOMED
            if is_snomed and code in LATERALITY_CODES:
                return LATERALITY_CODES[code]
    return ""


def modality(concept: Json, path: str) -> str:
    """The modality an orderDetail names: DICOM's code, or that code as plain text."""
    for coding, where in datatypes.several(concept, "coding", path):
        code = datatypes.text(coding, "code", where)
        if datatypes.text(coding, "system", where) == systems.DCM and code in MODALITIES:
            return code
    words = datatypes.text(concept, "text", path).strip().upper()
    return words if words in MODALITIES else ""


def read_steps(reader: Reader, known: Known, timing: Timing) -> tuple[StepRequest, ...]:
    """One step with what the request says of it; none if it says nothing."""
    details = datatypes.several(reader.resource, "orderDetail", PATH)
    found = StepRequest(
        modality=next((m for concept, path in details if (m := modality(concept, path))), ""),
        station_ae_title=_station(reader, known),
        location=_location(reader, known)[0],
        start_at=timing.start_at,
        duration_minutes=timing.duration_minutes,
        performing_physician=participants.performing_physician(reader, known),
    )
    return (found,) if found != StepRequest() else ()


def _station(reader: Reader, known: Known) -> str:
    for named in participants.performers(reader):
        view = known.find(named.target, StationView)
        if view:
            return view.ae_title
        if named.logical and named.logical.issuer == AE_TITLE:
            return named.logical.value
    return ""


def _places(reader: Reader) -> list[Named]:
    return [
        reader.named(element, path, PLACES, default="Location")
        for element, path in datatypes.several(reader.resource, "locationReference", PATH)
    ]


def _location(reader: Reader, known: Known) -> tuple[str, str]:
    """(what fits the step's location, what is left for people to read)."""
    for named in _places(reader):
        view = known.find(named.target, RoomView)
        inner = named.contained
        name = (
            view.name
            if view
            else datatypes.one_line(inner, "name", "Location")
            if inner
            else " ".join(named.display.split())
        )
        if name:
            fits = len(name) <= LOCATION_LIMIT and "\\" not in name
            return (name, "") if fits else ("", f"Location: {name}")
    return "", ""


# --- the order as a whole


def read_details(reader: Reader, known: Known, timing: Timing) -> OrderDetails:
    resource = reader.resource
    code = datatypes.text(resource, "priority", PATH)
    reason, reason_code = read_reason(resource)
    who = participants.requester(reader, known)
    authored = datatypes.when(resource, "authoredOn", PATH)
    return OrderDetails(
        priority=bindings.priority(code, f"{PATH}.priority") if code else None,
        reason=reason or None,
        reason_code=reason_code or None,
        comments=comments(reader, known, timing) or None,
        requester=who.name if who.name != PersonName() else None,
        requester_identifier=who.identifier,
        requesting_service=who.service or None,
        ordered_at=authored.at,
        callback_phone=who.phone or None,
    )


def read_reason(resource: Json) -> tuple[str, Code]:
    """The reasons in words, and the first one's code."""
    words, first = [], Code("")
    for concept, path in datatypes.several(resource, "reasonCode", PATH):
        said = datatypes.one_line(concept, "text", path, REASON_LIMIT)
        short = {**concept, "text": said[: datatypes.MEANING_LIMIT]} if said else concept
        code = datatypes.code(short, path)
        if code.value and not first.value:
            first = code
        words.append(said or datatypes.words_of(concept, path))
    return "; ".join(each for each in words if each), first


def comments(reader: Reader, known: Known, timing: Timing) -> str:
    """The notes, and what the request says that has no field of its own here."""
    resource = reader.resource
    lines = [
        datatypes.text(note, "text", path).strip()
        for note, path in datatypes.several(resource, "note", PATH)
    ]
    lines.append(timing.wish)
    lines.append(_location(reader, known)[1])
    lines.extend(
        f"Order detail: {datatypes.words_of(concept, path)}"
        for concept, path in datatypes.several(resource, "orderDetail", PATH)
        if not modality(concept, path)
    )
    if not laterality(resource):
        lines.extend(
            f"Body site: {datatypes.words_of(concept, path)}"
            for concept, path in datatypes.several(resource, "bodySite", PATH)
        )
    instruction = datatypes.text(resource, "patientInstruction", PATH)
    if instruction:
        lines.append(f"Patient instruction: {instruction}")
    if datatypes.boolean(resource, "asNeededBoolean", PATH):
        lines.append("As needed")
    return "\n".join(dict.fromkeys(line for line in lines if line))

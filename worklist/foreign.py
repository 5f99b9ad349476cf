"""Entries of another system's worklist as orders of ours (PS3.4 K.6.1.2.2, the other way round).

Pure: answers and circumstances in, commands out. Every number and UID stays as the other system
gave it out: scanners that have the entry already, and archives, go on knowing the exam by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.identifiers import require_uid
from ris.domain.orders import (
    OrderDetails,
    OrderReference,
    PlaceOrder,
    Priority,
    ProcedureRequest,
    ReviseOrder,
    StepRequest,
)
from ris.domain.patients import Demographics, PatientReference, Sex, VisitDetails
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.selectors.views import OrderView
from worklist import macros, moments
from worklist.attributes import SPS
from worklist.charset import ASCII, CharacterSet
from worklist.elements import Texts, read, tag_of, tag_path
from worklist.language_codes import LANGUAGES

# What is asked for: all that is read below, and nothing else.
STEP_KEYS = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime", "ScheduledProcedureStepEndDate",
    "ScheduledProcedureStepEndTime", "Modality", "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription", "ScheduledProcedureStepID", "ScheduledStationName",
    "ScheduledProcedureStepLocation", "ScheduledProcedureStepStatus",
    "ScheduledProtocolCodeSequence", "CommentsOnTheScheduledProcedureStep",
)  # fmt: skip
ROOT_KEYS = (
    "AccessionNumber", "IssuerOfAccessionNumberSequence",
    "PlacerOrderNumberImagingServiceRequest", "OrderPlacerIdentifierSequence",
    "FillerOrderNumberImagingServiceRequest", "RequestingPhysician", "RequestingService",
    "RequestingServiceCodeSequence", "ReferringPhysicianName", "OrderEnteredBy",
    "OrderCallbackPhoneNumber",
    "IssueDateOfImagingServiceRequest", "IssueTimeOfImagingServiceRequest",
    "ImagingServiceRequestComments", "RequestedProcedureID", "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence", "RequestedProcedurePriority", "RequestedProcedureComments",
    "PatientTransportArrangements", "ReasonForTheRequestedProcedure", "StudyInstanceUID",
    "AdmissionID", "IssuerOfAdmissionIDSequence", "CurrentPatientLocation", "PatientName",
    "PatientID", "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex",
    "PatientPrimaryLanguageCodeSequence",
    "PatientSize", "PatientWeight", "PatientAddress", "PatientTelephoneNumbers", "EthnicGroup",
    "PatientComments", "ConfidentialityConstraintOnPatientDataDescription", "PatientState",
    "PregnancyStatus", "MedicalAlerts", "Allergies", "SpecialNeeds", "AdditionalPatientHistory",
    "TimezoneOffsetFromUTC",
)  # fmt: skip

# (0040,1003); what else some systems write there says nothing.
_PRIORITIES: Mapping[str, Priority] = {
    "STAT": Priority.STAT,
    "HIGH": Priority.URGENT,
    "ROUTINE": Priority.ROUTINE,
    "MEDIUM": Priority.ROUTINE,
    "LOW": Priority.ROUTINE,
}
# (0040,0020) of what may be taken over: nobody has begun it.
_WAITING = frozenset({"", "SCHEDULED", "ARRIVED", "READY"})
_PREGNANCY = frozenset({1, 2, 3, 4})  # (0010,21C0)
_LONGEST_STEP = timedelta(days=1)
_START = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")
_END = ("ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime")
_ORDERED = ("IssueDateOfImagingServiceRequest", "IssueTimeOfImagingServiceRequest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known besides the answers.

    ``issuer`` gave out the patients' and visits' numbers that come without one, ``placer`` the
    placer order numbers likewise.
    """

    zone: tzinfo
    issuer: str = ""
    placer: str = ""
    default: CharacterSet = ASCII


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One answer: one scheduled procedure step with its patient, order and procedure."""

    identifier: bytes
    transfer_syntax: str
    patient: PatientReference
    accession: Identifier
    placer: Identifier
    filler: Identifier
    visit: VisitDetails | None
    details: OrderDetails
    procedure: ProcedureRequest
    status: str
    left_out: tuple[str, ...] = ()

    @property
    def step(self) -> StepRequest:
        return self.procedure.steps[0]

    @property
    def is_waiting(self) -> bool:
        """Whether the exam is still to be done, as far as its system says so."""
        return self.status in _WAITING

    @property
    def order(self) -> tuple[str, ...]:
        """What tells the entries of one order from others."""
        for kind, number in (("accession", self.accession), ("placer", self.placer)):
            if number.value:
                return kind, number.issuer, number.value
        return "study", self.procedure.study_instance_uid


def from_identifier(identifier: bytes, transfer_syntax: str, circumstances: Circumstances) -> Entry:
    """Read one answer (Little Endian).

    Raises MissingValueError or InvalidValueError with the attribute: for a patient without number
    or issuer, a step without modality or time, a UID that is none, text that its character set does
    not hold. What an exam does not hang on is left out, and told in the order's comments.
    """
    texts = Texts.of(read(identifier, transfer_syntax), circumstances.default)
    steps = texts.items(SPS)
    if not steps:
        raise MissingValueError("a scheduled procedure step is required", path=_path(SPS))
    left_out: list[str] = []
    zone = moments.zone_of(texts, circumstances.zone)
    step = steps[0]
    return Entry(
        identifier=identifier,
        transfer_syntax=transfer_syntax,
        patient=_patient(texts, circumstances, left_out),
        accession=Identifier(
            texts.text("AccessionNumber"), macros.issuer(texts, "IssuerOfAccessionNumberSequence")
        ),
        placer=_placer(texts, circumstances),
        filler=Identifier(texts.text("FillerOrderNumberImagingServiceRequest")),
        visit=_visit(texts, circumstances),
        details=_details(texts, step, zone, left_out),
        procedure=_procedure(texts, step, zone),
        status=step.text("ScheduledProcedureStepStatus"),
        left_out=tuple(left_out),
    )


def _path(keyword: str) -> str:
    return tag_path(tag_of(keyword))


# --- the patient


def _patient(texts: Texts, circumstances: Circumstances, left_out: list[str]) -> PatientReference:
    number = texts.text("PatientID")
    if not number:
        raise MissingValueError("a patient without number", path=_path("PatientID"))
    issuer = texts.text("IssuerOfPatientID") or circumstances.issuer
    if not issuer:
        raise MissingValueError(
            "a number without its issuer names nobody", path=_path("IssuerOfPatientID")
        )
    others = [
        Identifier(value, given_by)
        for item in texts.items("OtherPatientIDsSequence")
        if (value := item.text("PatientID")) and (given_by := item.text("IssuerOfPatientID"))
    ]
    return PatientReference(
        identifiers=tuple(dict.fromkeys([Identifier(number, issuer, "MR"), *others])),
        demographics=_demographics(texts, left_out),
    )


def _demographics(texts: Texts, left_out: list[str]) -> Demographics:
    """What is said of the person; an empty value says nothing (PS3.5 7.4.3)."""
    name, sex = texts.text("PatientName"), texts.text("PatientSex")
    return Demographics(
        name=PersonName.as_sent(name) if name else None,
        birth_date=_born(texts),
        sex=Sex(sex) if sex and sex in set(Sex) else None,
        weight_kg=_number(texts, "PatientWeight", left_out),
        height_m=_number(texts, "PatientSize", left_out),
        allergies=texts.values("Allergies") or None,
        alerts=texts.values("MedicalAlerts") or None,
        pregnancy_status=_pregnancy(texts),
        special_needs=texts.text("SpecialNeeds") or None,
        address=texts.text("PatientAddress") or None,
        phone=next(iter(texts.values("PatientTelephoneNumbers")), None),
        language=_language(texts),
        ethnic_group=texts.text("EthnicGroup") or None,
        comments=texts.text("PatientComments") or None,
    )


def _born(texts: Texts) -> PartialDate | None:
    born = moments.day(texts.text("PatientBirthDate"), tag_of("PatientBirthDate"))
    return PartialDate(born.isoformat()) if born is not None else None


def _number(texts: Texts, keyword: str, left_out: list[str]) -> float | None:
    text = texts.text(keyword)
    try:
        return (float(text) or None) if text else None
    except ValueError:
        left_out.append(f"{keyword}: {text}")
        return None


def _language(texts: Texts) -> str | None:
    """The tag of the first language; other schemes name none that we could tell apart."""
    found = macros.codes(texts, "PatientPrimaryLanguageCodeSequence")
    return next((code.value for code in found if code.scheme == LANGUAGES), None)


def _pregnancy(texts: Texts) -> str | None:
    element = texts.elements.get(tag_of("PregnancyStatus"))
    value = int.from_bytes(element.value[:2], "little") if element is not None else 0
    return str(value) if value in _PREGNANCY else None


# --- the order


def _placer(texts: Texts, circumstances: Circumstances) -> Identifier:
    number = texts.text("PlacerOrderNumberImagingServiceRequest")
    if not number:
        return Identifier("")
    return Identifier(
        number, macros.issuer(texts, "OrderPlacerIdentifierSequence") or circumstances.placer
    )


def _visit(texts: Texts, circumstances: Circumstances) -> VisitDetails | None:
    number = texts.text("AdmissionID")
    issuer = macros.issuer(texts, "IssuerOfAdmissionIDSequence") or circumstances.issuer
    if not number or not issuer:
        return None
    return VisitDetails(
        number=Identifier(number, issuer),
        location=texts.text("CurrentPatientLocation") or None,
    )


def _details(texts: Texts, step: Texts, zone: tzinfo, left_out: list[str]) -> OrderDetails:
    requester, referring = texts.text("RequestingPhysician"), texts.text("ReferringPhysicianName")
    said = (
        "ImagingServiceRequestComments", "RequestedProcedureComments", "AdditionalPatientHistory",
    )  # fmt: skip
    reason = texts.text("ReasonForTheRequestedProcedure")
    told = [*map(texts.text, said), step.text("CommentsOnTheScheduledProcedureStep")]
    comments = dict.fromkeys(text for text in told if text and text != reason)
    try:
        ordered_at = _moment(texts, _ORDERED, zone)
    except InvalidValueError:
        left_out.append(" ".join([f"{_ORDERED[0]}:", *map(texts.text, _ORDERED)]))
        ordered_at = None
    return OrderDetails(
        priority=_PRIORITIES.get(texts.text("RequestedProcedurePriority")),
        reason=reason or None,
        comments="\n".join(comments) or None,
        requester=PersonName.as_sent(requester) if requester else None,
        requesting_service=texts.text("RequestingService") or None,
        requesting_service_code=next(
            iter(macros.codes(texts, "RequestingServiceCodeSequence")), None
        ),
        referring=PersonName.as_sent(referring) if referring else None,
        transport=texts.text("PatientTransportArrangements") or None,
        entered_by=texts.text("OrderEnteredBy") or None,
        callback_phone=next(iter(texts.values("OrderCallbackPhoneNumber")), None),
        ordered_at=ordered_at,
        patient_state=texts.text("PatientState") or None,
        patient_confidentiality=(
            texts.text("ConfidentialityConstraintOnPatientDataDescription") or None
        ),
    )


def _procedure(texts: Texts, step: Texts, zone: tzinfo) -> ProcedureRequest:
    uid = texts.text("StudyInstanceUID")
    if not uid:
        raise MissingValueError("a study without UID", path=_path("StudyInstanceUID"))
    description = texts.text("RequestedProcedureDescription")
    codes = macros.codes(texts, "RequestedProcedureCodeSequence")
    stated = description or step.text("ScheduledProcedureStepDescription")
    return ProcedureRequest(
        code=codes[0] if codes else Code("", meaning=stated),
        also=codes[1:],
        description=description,
        procedure_id=texts.text("RequestedProcedureID"),
        study_instance_uid=require_uid(uid, _path("StudyInstanceUID")),
        steps=(_step(step, zone),),
        whole=True,
    )


def _step(step: Texts, zone: tzinfo) -> StepRequest:
    start, end = _moment(step, _START, zone), _moment(step, _END, zone)
    lasts = end - start if start is not None and end is not None else timedelta(0)
    stations = step.values("ScheduledStationAETitle")
    physician = step.text("ScheduledPerformingPhysicianName")
    for keyword in ("Modality", *_START):
        if not step.text(keyword):
            raise MissingValueError(f"{keyword} has no value", path=_path(keyword))
    return StepRequest(
        step_id=step.text("ScheduledProcedureStepID"),
        modality=step.text("Modality"),
        # Several are a choice (PS3.4 Table K.6-1), which the first suitable device here is as well.
        station_ae_title=stations[0] if len(stations) == 1 else "",
        location=step.text("ScheduledProcedureStepLocation"),
        start_at=start,
        duration_minutes=(
            round(lasts.total_seconds() / 60) if timedelta(0) < lasts <= _LONGEST_STEP else None
        ),
        description=step.text("ScheduledProcedureStepDescription"),
        protocol_codes=macros.codes(step, "ScheduledProtocolCodeSequence"),
        performing_physician=PersonName.as_sent(physician) if physician else PersonName(),
    )


def _moment(texts: Texts, keywords: tuple[str, str], zone: tzinfo) -> datetime | None:
    """A date and time as an instant; None without either."""
    on, clock = (texts.text(keyword) for keyword in keywords)
    day = moments.day(on, tag_of(keywords[0]))
    if day is None or not clock:
        return None
    return moments.at(day, moments.instant(clock, tag_of(keywords[1])), zone)[0]


# --- what they are together


def orders(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries of each order, in the order in which they came."""
    found: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.order, []).append(entry)
    yield from found.values()


def reference(entries: Sequence[Entry]) -> OrderReference:
    """By what an order is known, if it is."""
    first = entries[0]
    return OrderReference(
        placer=first.placer if first.placer.value else None,
        accession=first.accession if first.accession.value else None,
        study_instance_uid=first.procedure.study_instance_uid,
        patient=first.patient.identifiers,
        demographics=first.patient.demographics,
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """Numbers that are other procedures' here; many systems number the steps of each order anew."""

    steps: frozenset[str] = frozenset()
    procedures: frozenset[str] = frozenset()


def renumbered(
    entries: Sequence[Entry], known: OrderView | None, taken: Taken
) -> tuple[Entry, ...]:
    """The entries of an order with step and procedure ids that they have, or can have, here.

    One that another exam has here is left out, so that a new one is given; of an order that is here
    it is the one that was given then, told by its time, else by its place in the order.
    """
    free = {
        procedure.study_instance_uid: [
            step
            for step in procedure.steps
            if step.step_id not in {entry.step.step_id for entry in entries}
        ]
        for procedure in (known.procedures if known is not None else ())
    }
    found = []
    for entry in entries:
        request, step = entry.procedure, entry.step
        if step.step_id in taken.steps:
            steps = free.get(request.study_instance_uid, [])
            same = [each for each in steps if each.start_at == step.start_at] or steps[:1]
            for each in same[:1]:
                steps.remove(each)
            step = replace(step, step_id=same[0].step_id if same else "")
        number = "" if request.procedure_id in taken.procedures else request.procedure_id
        found.append(replace(entry, procedure=replace(request, procedure_id=number, steps=(step,))))
    return tuple(found)


def is_here(entry: Entry, known: OrderView) -> bool:
    """Whether an order that is known has the step of an entry."""
    return any(
        step.step_id == entry.step.step_id
        for procedure in known.procedures
        if procedure.study_instance_uid == entry.procedure.study_instance_uid
        for step in procedure.steps
    )


def command(entries: Sequence[Entry], known: OrderView | None) -> PlaceOrder | ReviseOrder | None:
    """What takes over an order; None if it is known with all its steps."""
    if known is None:
        first = entries[0]
        return PlaceOrder(
            patient=first.patient,
            procedures=_procedures(entries),
            placer=first.placer if first.placer.value else None,
            filler=first.filler if first.filler.value else None,
            accession=first.accession if first.accession.value else None,
            visit=first.visit,
            details=_with_remarks(first),
        )
    if all(is_here(entry, known) for entry in entries):
        return None
    return ReviseOrder(
        order=replace(reference(entries), public_id=known.public_id),
        procedures=_procedures(entries),
    )


def _procedures(entries: Sequence[Entry]) -> tuple[ProcedureRequest, ...]:
    """Each requested procedure with its steps."""
    found: dict[str, ProcedureRequest] = {}
    for entry in entries:
        uid = entry.procedure.study_instance_uid
        whole = found.get(uid)
        steps = (*whole.steps, entry.step) if whole is not None else (entry.step,)
        found[uid] = replace(whole or entry.procedure, steps=steps)
    return tuple(found.values())


def _with_remarks(entry: Entry) -> OrderDetails:
    return replace(entry.details, remarks=entry.left_out) if entry.left_out else entry.details

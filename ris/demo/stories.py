"""The exams of the demo site, each told as a story: ordered, booked, performed, read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

from ris.demo import mammography
from ris.demo.cast import Case, Cast, Person
from ris.demo.desk import check_in
from ris.demo.devices import Devices, Technologist
from ris.demo.ehr import Ehr
from ris.demo.player import Diary, Story
from ris.demo.signing import shown
from ris.domain.actors import Actor
from ris.domain.errors import SlotTakenError
from ris.domain.orders import (
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    PlaceOrder,
    Priority,
    ProcedureRequest,
    StepRequest,
)
from ris.domain.patients import PatientReference
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    FinalizeReport,
    OpenReport,
    ReturnReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.scheduling import (
    BookAppointment,
    PrepareStep,
    ProposeAppointment,
    RecordNoShow,
)
from ris.domain.values import Identifier
from ris.models import ScheduledProcedureStep
from ris.services import execute

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class End(IntEnum):
    """How far an exam gets; every story passes what stands before its end."""

    WAITING = 0  # ordered, and waits to be scheduled
    SCHEDULED = 1
    ARRIVED = 2
    READY = 3
    STARTED = 4
    PERFORMED = 5
    DRAFT = 6
    PRELIMINARY = 7
    FINAL = 8
    ADDENDUM = 9


@dataclass(slots=True, kw_only=True)
class Exam:
    """What is to happen to whom, and when each of its steps begins."""

    case: Case
    person: Person
    ordered_at: datetime
    starts: tuple[datetime, ...] = ()
    end: End = End.FINAL
    timed: bool = True  # the placer names the time; else a scheduler does
    walk_in: bool = False  # ordered at the desk instead of by the EHR
    manual: bool = False  # the technologist clicks; the device sends no MPPS
    seen: bool = True  # the desk records the arrival; else the exam just begins
    placer: str = ""
    latest: datetime | None = None  # arrival, preparation and start are not after this
    # What is known once it is placed, booked and begun.
    order: str = ""
    steps: list[ScheduledProcedureStep] = field(default_factory=list)
    appointments: dict[int, str] = field(default_factory=dict)
    uids: list[str] = field(default_factory=list)

    def not_after(self, at: datetime, minutes_before: int) -> datetime:
        return at if self.latest is None else min(at, self.latest - minutes_before * MINUTE)


@dataclass(slots=True, kw_only=True)
class World:
    """Who acts in the stories, and with what."""

    cast: Cast
    diary: Diary
    ehr: Ehr
    devices: Devices
    technologist: Technologist
    actors: dict[str, Actor] = field(default_factory=dict)  # by role
    refuses: set[str] = field(default_factory=set)  # patients whose results the EHR does not take

    # --- acts

    def place(self, exam: Exam, at: datetime) -> None:
        start_at = exam.starts[0] if exam.timed and exam.starts else None
        rows = ScheduledProcedureStep.objects.select_related("procedure__order", "appointment")
        if exam.walk_in:
            exam.order = self._place_at_desk(exam, start_at)
            rows = rows.filter(procedure__order__public_id=exam.order)
        else:
            exam.placer = exam.placer or self.ehr.next_order()
            self.ehr.order(exam.placer, exam.person, exam.case, at, start_at=start_at)
            rows = rows.filter(procedure__order__placer_order_number=exam.placer)
        exam.steps = list(rows.order_by("id"))
        exam.order = str(exam.steps[0].procedure.order.public_id)
        for number, step in enumerate(exam.steps):
            if step.appointment is not None:
                exam.appointments[number] = str(step.appointment.public_id)

    def _place_at_desk(self, exam: Exam, start_at: datetime | None) -> str:
        case = exam.case
        placed = execute(
            PlaceOrder(
                patient=PatientReference(
                    identifiers=(exam.person.identifier,), demographics=exam.person.demographics
                ),
                procedures=(
                    ProcedureRequest(
                        code=case.code,
                        laterality=case.laterality,
                        steps=(StepRequest(start_at=start_at),),
                    ),
                ),
                details=OrderDetails(
                    priority=Priority(case.priority),
                    reason=case.reason,
                    requester=case.physician.name,
                    requester_identifier=Identifier(case.physician.number, "HOSPITAL"),
                    requesting_service=case.physician.service,
                    callback_phone=case.physician.phone,
                ),
            ),
            actor=self.actors["frontdesk"],
        )
        return placed.public_id

    def book(self, exam: Exam, number: int) -> None:
        step = exam.steps[number]
        wanted = BookAppointment(
            step=str(step.public_id),
            device=f"{step.modality}1",
            start_at=exam.starts[number],
        )
        try:
            exam.appointments[number] = execute(wanted, actor=self.actors["scheduler"])
        except SlotTakenError:
            # The stories are told around any hour of the day, also before the rooms open.
            agreed = replace(wanted, overbook=True, reason="Agreed with the room by telephone")
            exam.appointments[number] = execute(agreed, actor=self.actors["scheduler"])

    def arrive(self, exam: Exam, number: int) -> None:
        check_in(exam.appointments[number], self.actors["frontdesk"])

    def prepare(self, exam: Exam, number: int) -> None:
        execute(
            PrepareStep(step=str(exam.steps[number].public_id)), actor=self.actors["technologist"]
        )

    def open_report(self, exam: Exam, *, draft: bool = False, by: str = "radiologist") -> str:
        procedures = {str(step.procedure.public_id) for step in exam.steps}
        report = execute(OpenReport(procedures=tuple(sorted(procedures))), actor=self.actors[by])
        if draft:
            sections = {k: v for k, v in exam.case.sections.items() if k != "impression"}
            execute(SaveDraft(report=report, sections=sections), actor=self.actors[by])
        return report


# --- stories


def exam_story(world: World, exam: Exam) -> Story:
    """An exam from its order to its end."""
    yield exam.ordered_at
    world.place(exam, exam.ordered_at)
    if exam.end < End.SCHEDULED:
        return
    booked_at = exam.ordered_at + (2 if exam.walk_in else 25) * MINUTE
    for number in range(len(exam.starts)):
        if number == 0 and exam.timed:
            continue
        yield booked_at
        world.book(exam, number)
    for number, start in enumerate(exam.starts):
        last = number == len(exam.starts) - 1
        yield from _perform(world, exam, number, start, exam.end if last else End.PERFORMED)
    if exam.end > End.PERFORMED:
        yield from _report(world, exam)


def _perform(world: World, exam: Exam, number: int, start: datetime, end: End) -> Story:
    """One step, from the patient's arrival to the end of the exam."""
    if end < End.ARRIVED:
        return
    if exam.seen:
        yield exam.not_after(start - 14 * MINUTE, 3)
        world.arrive(exam, number)
    if end < End.READY:
        return
    if exam.seen and end < End.PERFORMED:
        yield exam.not_after(start - 3 * MINUTE, 2)
        world.prepare(exam, number)
    if end < End.STARTED:
        return
    started_at = exam.not_after(start + MINUTE, 1)
    yield started_at
    step = exam.steps[number]
    if exam.manual:
        uid = world.technologist.start(step, started_at)
    else:
        uid = world.devices.start(step, exam.person, started_at)
    exam.uids.append(uid)
    if end < End.PERFORMED:
        return
    ended_at = start + exam.case.steps[number].minutes * MINUTE * 3 // 4
    yield ended_at
    if exam.manual:
        world.technologist.complete(uid, ended_at)
    else:
        world.devices.complete(uid, step, ended_at)


def _report(world: World, exam: Exam) -> Story:
    """The report, from the first word to the addendum."""
    radiologist = world.actors["radiologist"]
    proof = shown()
    wait = {"STAT": 12, "URGENT": 35}.get(exam.case.priority, 50 + world.cast.dice.randrange(120))
    read_at = exam.starts[-1] + exam.case.steps[-1].minutes * MINUTE + wait * MINUTE
    yield read_at
    # A resident reads MR and what is on call, an attending radiologist verifies it.
    taught = exam.end == End.PRELIMINARY or exam.case.modality == "MR"
    reader = "resident" if taught and exam.end >= End.PRELIMINARY else "radiologist"
    report = world.open_report(exam, draft=exam.end <= End.PRELIMINARY, by=reader)
    if exam.end < End.PRELIMINARY:
        return
    sections = mammography.assess(report, exam.case, exam.person.number, world.actors[reader])
    if reader == "resident" or exam.case.priority == "STAT":
        yield read_at + 6 * MINUTE
        writer = world.actors[reader]
        # Of what waits some is for one attending radiologist, the rest for whoever reads next.
        chosen = radiologist.name if reader == "resident" and exam.end < End.FINAL else None
        execute(
            SignPreliminary(report=report, sections=sections, proof=proof, attending=chosen),
            actor=writer,
        )
        if exam.case.critical:
            execute(
                CommunicateCriticalResult(
                    report=report,
                    finding=exam.case.critical,
                    told=exam.case.physician.name.display,
                    read_back=True,
                ),
                actor=writer,
            )
        if exam.end < End.FINAL and exam.case.modality == "DX":
            yield read_at + 11 * MINUTE
            note = "Please describe the scaphoid as well, and compare with the other side."
            execute(ReturnReport(report=report, note=note), actor=radiologist)
        if exam.end < End.FINAL:
            return
    yield read_at + 15 * MINUTE
    if reader == "resident":
        sections = {**sections, "recommendation": "To be seen together with the clinical signs."}
    execute(FinalizeReport(report=report, sections=sections, proof=proof), actor=radiologist)
    if exam.end < End.ADDENDUM:
        return
    yield read_at + 20 * HOUR
    execute(
        AmendReport(
            report=report,
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Images of the earlier exam have arrived: no change since then."},
            proof=proof,
        ),
        actor=radiologist,
    )


def canceled_story(world: World, exam: Exam, at: datetime, reason: str) -> Story:
    """Ordered and booked, then taken back by who ordered it."""
    yield from exam_story(world, replace_end(exam, End.SCHEDULED))
    yield at
    world.ehr.cancel(exam.placer, exam.person, exam.case, at, reason)


def canceled_by_scheduler_story(world: World, exam: Exam, at: datetime, reason: str) -> Story:
    yield from exam_story(world, replace_end(exam, End.SCHEDULED))
    yield at
    execute(
        CancelOrder(order=OrderReference(public_id=exam.order), reason=reason),
        actor=world.actors["scheduler"],
    )


def no_show_story(world: World, exam: Exam) -> Story:
    yield from exam_story(world, replace_end(exam, End.SCHEDULED))
    yield exam.starts[0] + 30 * MINUTE
    execute(RecordNoShow(appointment=exam.appointments[0]), actor=world.actors["frontdesk"])


def held_story(world: World, exam: Exam, at: datetime, reason: str) -> Story:
    yield from exam_story(world, exam)
    yield at
    execute(
        HoldOrder(order=OrderReference(public_id=exam.order), reason=reason),
        actor=world.actors["scheduler"],
    )


def asked_story(world: World, exam: Exam, at: datetime, words: str) -> Story:
    """Ordered, and a time asked for by telephone that a scheduler has to find."""
    yield from exam_story(world, exam)
    yield at
    execute(
        ProposeAppointment(step=str(exam.steps[0].public_id), comment=words),
        actor=world.actors["frontdesk"],
    )


def discontinued_story(world: World, exam: Exam) -> Story:
    """Begun and stopped by the device; then the rest of the order is given up."""
    yield from exam_story(world, replace_end(exam, End.STARTED))
    yield exam.starts[0] + 9 * MINUTE
    world.devices.discontinue(exam.uids[0], exam.steps[0], exam.starts[0] + 9 * MINUTE)
    yield exam.starts[0] + 40 * MINUTE
    execute(
        DiscontinueOrder(
            order=OrderReference(public_id=exam.order), reason="Patient could not lie still"
        ),
        actor=world.actors["scheduler"],
    )


def replace_end(exam: Exam, end: End) -> Exam:
    """The same exam object with another end; stories share what they learn about the order."""
    exam.end = end
    return exam

"""What does not go by itself: one of each kind that the list of exceptions knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ris.demo.cast import ISSUER
from ris.demo.devices import WRONG_ENTRY
from ris.demo.player import Story, down_to_grid
from ris.demo.stories import DAY, HOUR, MINUTE, End, Exam, World, exam_story
from ris.domain.patients import RegisterPatient
from ris.domain.performing import ScheduledReference
from ris.domain.values import PartialDate, PersonName
from ris.services import execute


def stories(world: World, now: datetime) -> Iterator[Story]:
    yield _booked_over(world, now)
    yield _typed_wrongly(world, now)
    yield _without_order(world, now)
    yield _wrong_patient(world, now)
    yield _wrong_entry(world, now)
    yield _never_finished(world, now)
    yield _measured(world, now)
    yield _messages(world, now)
    yield _unknown_procedures(world, now)
    yield _patients(world, now)
    yield _records(world, now)


def _exam(
    world: World, code: str, at: datetime, end: End, *, in_hours: bool = False, **said: object
) -> Exam:
    case = world.cast.case(code)
    take = world.diary.take_in_hours if in_hours else world.diary.take
    step = case.steps[0]
    return Exam(
        case=case,
        person=world.cast.somebody(case),
        ordered_at=at - DAY,
        starts=(take(f"{step.modality}1", at, step.minutes),),
        end=end,
        **said,  # type: ignore[arg-type]
    )


def _booked_over(world: World, now: datetime) -> Story:
    """The placer names a time that is taken: it is booked over and flagged."""
    first = _exam(world, "MRKNEE", now + 70 * MINUTE, End.SCHEDULED)
    yield from exam_story(world, first)
    case = world.cast.case("MRBRAIN")
    second = Exam(
        case=case,
        person=world.cast.somebody(case),
        ordered_at=now - 2 * HOUR,
        starts=(first.starts[0] + 10 * MINUTE,),
        end=End.SCHEDULED,
    )
    yield from exam_story(world, second)


def _typed_wrongly(world: World, now: datetime) -> Story:
    """The operator typed the accession number, and got two digits the wrong way round."""
    at = down_to_grid(now) - 130 * MINUTE
    exam = _exam(world, "CTSINUS", at, End.SCHEDULED)
    yield from exam_story(world, exam)
    yield at
    step = exam.steps[0]
    number = step.procedure.order.accession_number
    typed = ScheduledReference(
        study_instance_uid=world.devices.uid(),
        accession_number=f"{number[:-3]}{number[-2]}{number[-3]}{number[-1]}",
    )
    uid = world.devices.start(step, exam.person, at, reference=typed)
    yield at + 8 * MINUTE
    world.devices.complete(uid, step, at + 8 * MINUTE)


def _without_order(world: World, now: datetime) -> Story:
    """Done in an emergency before anybody ordered it."""
    at = down_to_grid(now) - 95 * MINUTE
    case = world.cast.case("USABD")
    template = Exam(
        case=case, person=world.cast.somebody(case), ordered_at=now - 4 * HOUR, end=End.WAITING
    )
    yield from exam_story(world, template)
    yield at
    name = PersonName.of("Notfall", "Nord 3")
    nobody = replace(template.person, number="TMP-0412", name=name, born=PartialDate(""))
    step = template.steps[0]
    unasked = ScheduledReference(study_instance_uid=world.devices.uid())
    uid = world.devices.start(step, nobody, at, reference=unasked)
    yield at + 14 * MINUTE
    world.devices.complete(uid, step, at + 14 * MINUTE)


def _wrong_patient(world: World, now: datetime) -> Story:
    """Begun from one patient's entry, with the number of another on the wristband scanned."""
    at = down_to_grid(now) - 100 * MINUTE
    exam = _exam(world, "MRCSPINE", now + 3 * HOUR, End.SCHEDULED)
    yield from exam_story(world, exam)
    yield at
    other = world.cast.somebody(exam.case)
    step = exam.steps[0]
    uid = world.devices.start(step, other, at)
    yield at + 22 * MINUTE
    world.devices.complete(uid, step, at + 22 * MINUTE)


def _wrong_entry(world: World, now: datetime) -> Story:
    """The technologist noticed at once, and told the device so (CID 9300, 110514)."""
    at = down_to_grid(now) - 35 * MINUTE
    exam = _exam(world, "DXANKLE", now + 40 * MINUTE, End.SCHEDULED)
    yield from exam_story(world, exam)
    yield at
    step = exam.steps[0]
    uid = world.devices.start(step, exam.person, at)
    yield at + 2 * MINUTE
    world.devices.discontinue(uid, step, at + 2 * MINUTE, WRONG_ENTRY)


def _never_finished(world: World, now: datetime) -> Story:
    """Begun this morning; the device was switched off before it told of the end."""
    exam = _exam(world, "NMTHYROID", down_to_grid(now) - 6 * HOUR, End.STARTED)
    yield from exam_story(world, exam)


def _measured(world: World, now: datetime) -> Story:
    """Measured on the images afterwards: no trouble, and it moves no step (IHE RAD-20, RAD-21)."""
    exam = _exam(world, "CTSINUS", down_to_grid(now) - 5 * HOUR, End.PERFORMED)
    yield from exam_story(world, exam)
    at = down_to_grid(now) - 3 * HOUR
    yield at
    step = exam.steps[0]
    uid = world.devices.start(step, exam.person, at, modality="SR")
    yield at + 2 * MINUTE
    world.devices.complete(uid, step, at + 2 * MINUTE)


# --- messages


def _messages(world: World, now: datetime) -> Story:
    """Refused, sent twice, and sent with a number that was used before."""
    case = world.cast.case("DXCHEST2")
    person = world.cast.somebody(case)
    at = now - 5 * HOUR
    yield at
    world.ehr.order(world.ehr.next_order(), person, case, at)
    yield at + 2 * MINUTE
    world.ehr.again()
    at = now - 170 * MINUTE
    yield at
    impossible = replace(person, number="H100190", born=PartialDate("1986-02-30"))
    world.ehr.order(world.ehr.next_order(), impossible, world.cast.case("CTHEAD"), at)
    at = now - 75 * MINUTE
    yield at
    world.ehr.cancel("E000999", person, case, at, "Ordered for the wrong patient")
    at = now - 58 * MINUTE
    yield at
    case = world.cast.case("USRENAL")
    world.ehr.order(
        world.ehr.next_order(), world.cast.somebody(case), case, at, control_id="EHR0000001"
    )


def _unknown_procedures(world: World, now: datetime) -> Story:
    """Codes that the catalog lacks: with a modality it can be booked, without it cannot."""
    for hours, code, modality in (
        (30, "RX4410^Fluoroscopy of the esophagus^EHRLOCAL", False),
        (9, "^MRI of the left thumb, please^EHRLOCAL", False),
        (6, "CT9921^CT of the temporal bone^EHRLOCAL", True),
        (2.5, "US77^Ultrasound, see letter^EHRLOCAL", False),
    ):
        at = now - hours * HOUR
        yield at
        case = replace(world.cast.case("CTSINUS"), laterality="")
        world.ehr.order(
            world.ehr.next_order(),
            world.cast.somebody(case),
            case,
            at,
            code=code,
            modality=modality,
            reason="",
        )


def _patients(world: World, now: datetime) -> Story:
    """Whom the desk knows from before; one registered twice and merged (A40); a new phone (A08)."""
    yield now - 12 * DAY + HOUR
    for person in world.cast.people:
        said = person.demographics
        if said.allergies or said.alerts or said.special_needs or said.pregnancy_status:
            execute(
                RegisterPatient(identifiers=(person.identifier,), demographics=said),
                actor=world.actors["frontdesk"],
            )
    one, two = world.cast.person("H100161"), world.cast.person("H100162")
    at = now - 6 * DAY
    yield at
    world.ehr.patient("A04", one, at)
    at = now - 5 * DAY
    yield at
    world.ehr.patient("A04", two, at)
    at = now - 28 * HOUR
    yield at
    world.ehr.patient("A40", one, at, f"MRG|{two.number}^^^{ISSUER}^MR")
    moved = world.cast.person("H100107")
    at = now - 3 * HOUR
    yield at
    said = replace(moved.demographics, phone="+49 555 010 177")
    world.ehr.patient("A08", replace(moved, demographics=said), at)


def _records(world: World, now: datetime) -> Story:
    """An order with another phone number than the one known; an inpatient who left without it."""
    person = world.cast.person("H100161")
    stay = "PV1|1|I|N2^114^A" + "|" * 16 + f"V900001^^^{ISSUER}"
    at = now - 26 * HOUR
    yield at
    world.ehr.patient("A01", person, at, stay)
    at = now - 25 * HOUR
    yield at
    said = replace(person.demographics, phone="+49 555 010 199")
    case = replace(world.cast.case("USABD"), priority="ROUTINE")
    world.ehr.order(
        world.ehr.next_order(), replace(person, demographics=said), case, at, visit=stay
    )
    at = now - 4 * HOUR
    yield at
    world.ehr.patient("A03", person, at, stay)

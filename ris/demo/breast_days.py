"""Breast exams of the days before the others: what they asked for is due by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ris.demo.mammography import assess
from ris.demo.player import Story
from ris.demo.signing import shown
from ris.demo.stories import Exam, World
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.services import execute

_KINDS = ("MGDIAG", "MGSCREEN", "MGSCREEN", "USBREAST", "MGDIAG")
_MINUTE = timedelta(minutes=1)


def stories(world: World, now: datetime) -> Iterator[Story]:
    """One exam a day; those who have them come again like everybody else."""
    cases = {case.code.value: case for case in world.cast.cases}
    suited = cases["MGSCREEN"].suits
    women = [one for one in world.cast.people if suited(one) and not one.reserved]
    for number, (code, person) in enumerate(zip(_KINDS, women, strict=False)):
        at = now - timedelta(days=11 - number)
        exam = Exam(case=cases[code], person=person, ordered_at=at, starts=(at,), timed=False)
        yield _story(world, exam, number)


def _story(world: World, exam: Exam, number: int) -> Story:
    at = exam.ordered_at
    yield at
    world.place(exam, at)
    step = exam.steps[0]
    yield at + 20 * _MINUTE
    uid = world.devices.start(step, exam.person, at + 20 * _MINUTE)
    yield at + 30 * _MINUTE
    world.devices.complete(uid, step, at + 30 * _MINUTE)
    yield at + 120 * _MINUTE
    reader = world.actors["radiologist"]
    report = execute(OpenReport(procedures=(str(step.procedure.public_id),)), actor=reader)
    sections = assess(report, exam.case, str(number), reader)
    execute(FinalizeReport(report=report, sections=sections, proof=shown()), actor=reader)

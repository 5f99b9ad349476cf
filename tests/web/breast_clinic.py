"""Breast exams for the pages: one that calls its patient back, one that waits to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import time_machine
from django.test import Client
from django.utils import timezone

from ris.domain.identifiers import new_uid
from ris.domain.mammography import AssessBreast, Assessed, SetBreastExam
from ris.domain.orders import ProcedureRequest
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.values import Code
from ris.models import BreastAssessment, Order
from ris.services import execute
from tests import make, people
from tests.web import department

SCREEN = Code("MGSCREEN", "TEST", "Screening mammography")


@dataclass(slots=True)
class Clinic:
    """A recall that is open, a report that waits for its assessment."""

    recalled: BreastAssessment
    waiting: str


def build() -> Clinic:
    make.site("UTC")
    make.device("MG1", "MG", room="Mammography")
    key = make.definition(SCREEN, modality="MG")
    execute(SetBreastExam(procedure=key, exam="SCREENING"), actor=people.manager)
    reader = department.radiologist()
    first, second = _exam("MRN1", "Berg", 3), _exam("MRN2", "Ito", 5)
    report = execute(OpenReport(procedures=(str(first.procedures.get().public_id),)), actor=reader)
    said = Assessed(right="1", left="4A", density="C")
    key = execute(AssessBreast(report=report, assessed=said), actor=reader)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=reader)
    waiting = execute(
        OpenReport(procedures=(str(second.procedures.get().public_id),)), actor=reader
    )
    row = BreastAssessment.objects.get(public_id=key)
    return Clinic(recalled=row, waiting=waiting)


def _exam(number: str, family: str, hours: int) -> Order:
    order = make.order(
        patient=department.person(family, "Anna", number),
        procedures=(ProcedureRequest(code=SCREEN, steps=(make.step_request(modality="MG"),)),),
    )
    start = make.start(
        order,
        sop_instance_uid=new_uid(),
        station_ae_title="MG1",
        modality="MG",
        started_at=timezone.now() - timedelta(hours=hours),
    )
    execute(start, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=start.sop_instance_uid,
            details=PerformedDetails(ended_at=timezone.now(), series=(make.series(),)),
        ),
        actor=people.ct1,
    )
    return order


def text(client: Client, path: str) -> str:
    """The words of a page, one space between them."""
    content = client.get(path, follow=True).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content))


def day_later(noon: time_machine.Traveller) -> None:
    noon.move_to(timezone.now() + timedelta(hours=25))

"""Protocols and safety questions from outside: pages by HTTP, scanners by DICOM."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from ris.domain.actors import OPERATOR
from ris.domain.identifiers import new_uid
from ris.domain.orders import ProcedureRequest
from ris.domain.protocoling import ChangeProtocolNeed, DefineProtocol, ProtocolNeed
from ris.domain.safety import ImportSafetyQuestions
from ris.domain.safety_starter import STARTER
from ris.domain.values import Code
from ris.models import FollowUp, Order, ScheduledProcedureStep
from ris.services import afterwards, execute, outbox
from tests import make, people
from tests.pages import Person
from tests.running import wait_until
from tests.web.department import users
from tests.wire.worklist_server import findscu, modality, running
from worklist.modality import begun, query
from worklist.server import ServerThread

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

MR_HEAD = Code("MRHEAD", "TEST", "MR head")


@dataclass(slots=True)
class Hospital:
    scanners: ServerThread
    port: int
    order: Order

    def person(self, name: str) -> Person:
        found = Person(self.port)
        found.log_in(name)
        return found

    @property
    def step(self) -> ScheduledProcedureStep:
        return make.step_of(self.order)


@pytest.fixture
def hospital(live_server: Any) -> Iterator[Hospital]:
    """One MR of today, of a procedure that needs a protocol, with the starter questions."""
    make.site()
    users()
    make.device("MR1", "MR")
    definition = make.definition(code=MR_HEAD, modality="MR")
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=MR_HEAD,
                steps=(
                    make.step_request(
                        start_at=timezone.now(), station_ae_title="MR1", modality="MR"
                    ),
                ),
            ),
        )
    )
    execute(
        ChangeProtocolNeed(definition=definition, need=ProtocolNeed.START), actor=people.manager
    )
    execute(
        DefineProtocol(code=Code("MRHEADSTD", "99RIS", "Head, standard"), modality="MR"),
        actor=people.manager,
    )
    questions = tuple(each for each in STARTER if each.code == "MR_CLIPS")
    execute(ImportSafetyQuestions(questions=questions), actor=OPERATOR)
    with running() as scanners:
        yield Hospital(scanners, live_server.thread.port, order)
    wait_until(
        lambda: not [each for each in threading.enumerate() if "process_request" in each.name],
        "every request ends",
    )


def protocols_seen(hospital: Hospital) -> str:
    text, code = findscu(
        hospital.scanners,
        "-k", "PatientName", "-k", "MedicalAlerts",
        "-k", "(0040,0100)[0].ScheduledStationAETitle=MR1",
        "-k", "(0040,0100)[0].ScheduledProtocolCodeSequence[0].CodeValue",
        "-k", "(0040,0100)[0].ScheduledProtocolCodeSequence[0].CodeMeaning",
        calling="MR1",
    )  # fmt: skip
    assert code == 0
    return text.partition("Find Response:")[2]


def set_protocol(hospital: Hospital) -> None:
    reader = hospital.person("radiologist")
    page = reader.get(f"/protocoling/{hospital.step.procedure.public_id}/")
    offered = page.text.split('name="protocol" value="')[1].split('"')[0]
    reader.submit(page, "/set/", protocol=offered)


def test_a_protocol_set_on_the_page_is_on_the_scanner_at_its_next_query(hospital: Hospital) -> None:
    assert "MRHEADSTD" not in protocols_seen(hospital)

    set_protocol(hospital)

    seen = protocols_seen(hospital)
    assert "MRHEADSTD" in seen
    assert "Head, standard" in seen


def test_an_unsafe_answer_stops_the_room_until_a_radiologist_overrides_it(
    hospital: Hospital,
) -> None:
    set_protocol(hospital)
    step = hospital.step
    technologist = hospital.person("technologist")
    address = f"/safety/{step.public_id}/"
    technologist.submit(technologist.get(address), address, **{"a-MR_CLIPS": "yes"})
    room = technologist.get("/room/MR1/")

    refused = technologist.submit(room, "/begin/")
    assert (refused.status, hospital.step.status) == (409, "SCHEDULED")
    assert address in refused.text
    assert "Aneurysm clip" in protocols_seen(hospital)
    reader = hospital.person("radiologist")
    reader.submit(
        reader.get(address), "/override/", question="MR_CLIPS", reason="titanium, card seen"
    )
    technologist.submit(technologist.get("/room/MR1/"), "/begin/")

    assert hospital.step.status == "STARTED"


def test_a_scanner_that_begins_all_the_same_is_on_the_exceptions_at_once(
    hospital: Hospital,
) -> None:
    scanner = modality(hospital.scanners, "MR1")
    entry = scanner.find(query()).identifiers[0]

    scanner.create(begun(entry, station="MR1", at=datetime.now(UTC)), new_uid())
    while outbox.fan_out():  # as the worker does when the doorbell rings
        pass
    afterwards.follow()

    assert hospital.step.status == "STARTED"
    detail = "Aneurysm clips or vascular coils in the head?; the radiologist's protocol is not set"
    assert FollowUp.objects.get().detail == detail
    page = hospital.person("technologist").get("/exceptions/")
    assert "Begun though not cleared" in page.text
    timeline = hospital.person("radiologist").get(f"/orders/{hospital.order.public_id}/timeline/")
    assert "Begun though not cleared" in timeline.text

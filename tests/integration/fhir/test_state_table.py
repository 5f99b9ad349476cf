"""The one state table (spec/fhir.md 1.5), row by row: real commands, then what a client sees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ris.domain.errors import StateConflictError
from ris.domain.identifiers import new_uid
from ris.domain.orders import (
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    ReleaseOrder,
    RepeatStep,
    ReplaceOrder,
    ReviseOrder,
    VoidOrder,
)
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
)
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.scheduling import (
    BookAppointment,
    HoldSlot,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.domain.values import Code
from ris.models import Order, Report
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Api

Seen = dict[str, list[str]]
EQUIPMENT = Code("110501", "DCM", "Equipment failure")
TEXT = {"findings": "No bleeding.", "impression": "Normal."}


class Exam:
    """One order on its way, and how it is seen over FHIR."""

    def __init__(self, api: Api, order: Order) -> None:
        self.api = api
        self.order = order
        self.uid = ""

    @property
    def reference(self) -> OrderReference:
        return OrderReference(public_id=str(self.order.public_id))

    @property
    def step(self) -> str:
        return str(make.step_of(self.order).public_id)

    @property
    def appointment(self) -> str:
        held = make.step_of(self.order).appointment
        assert held is not None
        return str(held.public_id)

    @property
    def report(self) -> str:
        return str(Report.objects.latest("pk").public_id)

    def do(self, command: Any, actor: Any = people.scheduler) -> Any:
        return execute(command, actor=actor)

    # --- steps on the way

    def book(self) -> None:
        self.do(BookAppointment(step=self.step, device="CT1", start_at=make.NOON))

    def arrive(self) -> None:
        self.do(
            RecordArrival(appointment=self.appointment, unchecked_reason="known here"),
            people.frontdesk,
        )

    def start(self) -> None:
        command = make.start(self.order, sop_instance_uid=new_uid())
        self.uid = command.sop_instance_uid
        self.do(command, people.ct1)

    def complete(self) -> None:
        details = PerformedDetails(
            ended_at=make.NOON + timedelta(minutes=9), series=(make.series(),)
        )
        self.do(CompletePerformedStep(sop_instance_uid=self.uid, details=details), people.ct1)

    def discontinue(self, *, images: bool) -> None:
        details = PerformedDetails(
            ended_at=make.NOON + timedelta(minutes=2),
            series=(make.series(),) if images else (),
            discontinuation_reason=EQUIPMENT,
        )
        self.do(DiscontinuePerformedStep(sop_instance_uid=self.uid, details=details), people.ct1)

    def open_report(self) -> None:
        keys = tuple(str(each.public_id) for each in self.order.procedures.all())
        self.do(OpenReport(procedures=keys), people.radiologist)

    # --- what a client sees

    def found(self, kind: str, query: str) -> list[dict[str, Any]]:
        answer = self.api.get(f"/{kind}?{query}&_sort=_lastUpdated")
        assert answer.status == 200, answer.body
        return answer.resources

    def seen(self) -> Seen:
        order, patient = self.order.public_id, self.order.patient.public_id
        asked = {
            "ServiceRequest": f"_id={order}",
            "Task": f"based-on={order}",
            "Appointment": f"patient={patient}",
            "Procedure": f"based-on={order}",
            "DiagnosticReport": f"based-on={order}",
        }
        return {
            kind: [each["status"] for each in self.found(kind, f"{query}&_elements=status")]
            for kind, query in asked.items()
        }


def states(row: str) -> Seen:
    """``active | accepted | booked | - | -``; several of a kind are parted by a comma."""
    kinds = ("ServiceRequest", "Task", "Appointment", "Procedure", "DiagnosticReport")
    cells = [cell.strip() for cell in row.split("|")]
    assert len(cells) == len(kinds)
    return {
        kind: [] if cell == "-" else [word.strip() for word in cell.split(",")]
        for kind, cell in zip(kinds, cells, strict=True)
    }


@pytest.fixture
def exam(api: Api) -> Exam:
    make.device()
    return Exam(api, make.order())


def test_rows_1_to_10_and_21_to_26_an_exam_from_order_to_report(exam: Exam) -> None:
    assert exam.seen() == states("active | accepted | - | - | -"), "row 1"

    held = exam.do(HoldSlot(step=exam.step, device="CT1", start_at=make.NOON))
    assert exam.seen() == states("active | accepted | pending | - | -"), "row 3"

    exam.do(BookAppointment(appointment=held))
    assert exam.seen() == states("active | accepted | booked | - | -"), "row 2"

    later = make.NOON + timedelta(hours=1)
    exam.do(RescheduleAppointment(appointment=exam.appointment, start_at=later))
    assert exam.seen() == states("active | accepted | booked | - | -"), "row 4"
    (task,) = exam.found("Task", f"based-on={exam.order.public_id}")
    assert task["restriction"]["period"]["start"] == "2026-03-02T13:00:00Z"

    exam.do(HoldOrder(order=exam.reference), people.ehr)
    assert exam.seen() == states("on-hold | on-hold | pending | - | -"), "row 5"

    exam.do(ReleaseOrder(order=exam.reference), people.ehr)
    assert exam.seen() == states("active | accepted | booked | - | -"), "row 6"

    exam.do(ReviseOrder(order=exam.reference, details=OrderDetails(reason="more")), people.ehr)
    assert exam.seen() == states("active | accepted | booked | - | -"), "row 18"

    exam.arrive()
    assert exam.seen() == states("active | ready | arrived | preparation | registered"), "row 7"
    (prepared,) = exam.found("Procedure", f"based-on={exam.order.public_id}")
    (awaited,) = exam.found("DiagnosticReport", f"based-on={exam.order.public_id}")

    exam.do(PrepareStep(step=exam.step), people.technologist)
    assert exam.seen() == states("active | ready | checked-in | preparation | registered"), "row 8"

    exam.start()
    row = "active | in-progress | checked-in | in-progress | registered"
    assert exam.seen() == states(row), "row 9"
    with pytest.raises(StateConflictError):
        exam.do(CancelOrder(order=exam.reference), people.ehr)
    assert exam.seen() == states(row), "row 14"

    exam.complete()
    row = "active | completed | fulfilled | completed | registered"
    assert exam.seen() == states(row), "row 10"

    exam.open_report()
    assert exam.seen() == states(row), "nobody wrote anything yet"
    exam.do(SaveDraft(report=exam.report, sections=TEXT), people.radiologist)
    row = "active | completed | fulfilled | completed | "
    assert exam.seen() == states(row + "partial"), "row 21"

    exam.do(SignPreliminary(report=exam.report, sections=TEXT), people.radiologist)
    assert exam.seen() == states(row + "preliminary"), "row 22"

    exam.do(FinalizeReport(report=exam.report, sections=TEXT), people.radiologist)
    row = "completed | completed | fulfilled | completed | "
    assert exam.seen() == states(row + "final"), "row 23"

    amend = AmendReport(
        report=exam.report, kind=VersionKind.ADDENDUM, sections={"addendum": "Seen."}
    )
    exam.do(amend, people.radiologist)
    assert exam.seen() == states(row + "appended"), "row 24"

    exam.do(
        AmendReport(report=exam.report, kind=VersionKind.CORRECTION, sections=TEXT, reason="side"),
        people.radiologist,
    )
    assert exam.seen() == states(row + "corrected"), "row 25"

    exam.do(RetractReport(report=exam.report, reason="wrong patient"), people.radiologist)
    row = "active | completed | fulfilled | completed | entered-in-error"
    assert exam.seen() == states(row), "row 26"

    # What was shown in preparation, and as awaited, kept its id all the way.
    done = exam.api.get(f"/Procedure/{prepared['id']}").body
    report = exam.api.get(f"/DiagnosticReport/{awaited['id']}").body
    assert (done["status"], report["status"]) == ("completed", "entered-in-error")


def test_row_11_a_stopped_exam_is_done_again(exam: Exam) -> None:
    exam.book()
    exam.arrive()
    exam.start()
    exam.discontinue(images=True)

    exam.do(RepeatStep(step=exam.step), people.technologist)

    assert exam.seen() == states("active | failed, accepted | fulfilled | stopped | registered")
    failed = exam.found("Task", f"based-on={exam.order.public_id}")[0]
    assert failed["statusReason"]["coding"] == [
        {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110501",
         "display": "Equipment failure"}
    ]  # fmt: skip
    assert failed["businessStatus"]["coding"][0]["code"] == "DISCONTINUED"


def test_row_11_an_exam_that_stopped_without_an_image_was_not_done(exam: Exam) -> None:
    exam.book()
    exam.arrive()
    exam.start()

    exam.discontinue(images=False)

    assert exam.seen()["Procedure"] == ["not-done"]


def test_row_12_a_stopped_exam_is_given_up(exam: Exam) -> None:
    exam.book()
    exam.arrive()
    exam.start()
    exam.discontinue(images=True)

    exam.do(DiscontinueOrder(order=exam.reference, reason="given up"), people.scheduler)

    assert exam.seen() == states("revoked | failed | fulfilled | stopped | cancelled")


def test_row_15_the_placer_stops_an_exam_once_the_device_has(exam: Exam) -> None:
    exam.book()
    exam.arrive()
    exam.start()

    with pytest.raises(StateConflictError, match="in progress"):
        exam.do(DiscontinueOrder(order=exam.reference, reason="no need"), people.ehr)
    row = "active | in-progress | checked-in | in-progress | registered"
    assert exam.seen() == states(row), "refused (UD): nobody but the device can stop it"
    exam.discontinue(images=True)
    exam.do(DiscontinueOrder(order=exam.reference, reason="no need"), people.ehr)

    assert exam.seen() == states("revoked | failed | fulfilled | stopped | cancelled")


def _as_placer(exam: Exam) -> None:
    exam.do(CancelOrder(order=exam.reference, reason="no need"), people.ehr)


def _as_department(exam: Exam) -> None:
    exam.do(CancelOrder(order=exam.reference, reason="pregnant"), people.scheduler)


@pytest.mark.parametrize("cancel", [_as_placer, _as_department], ids=["row 13", "row 16"])
def test_rows_13_and_16_what_is_canceled_before_the_start_was_not_done(
    exam: Exam, cancel: Callable[[Exam], None]
) -> None:
    exam.book()
    cancel(exam)
    assert exam.seen() == states("revoked | cancelled | cancelled | not-done | cancelled")

    never_booked = Exam(exam.api, make.order())
    cancel(never_booked)

    assert never_booked.seen() == states("revoked | cancelled | - | - | -")


def test_row_13_what_was_shown_in_preparation_does_not_vanish(exam: Exam) -> None:
    exam.book()
    exam.arrive()
    (prepared,) = exam.found("Procedure", f"based-on={exam.order.public_id}")

    _as_placer(exam)

    assert exam.api.get(f"/Procedure/{prepared['id']}").body["status"] == "not-done"


def test_row_17_a_patient_who_does_not_come(exam: Exam) -> None:
    exam.book()

    exam.do(RecordNoShow(appointment=exam.appointment), people.frontdesk)

    assert exam.seen() == states("active | accepted | noshow | not-done | -")


def test_row_19_one_order_stands_for_another(exam: Exam) -> None:
    exam.book()
    exam.do(ReplaceOrder(order=exam.reference), people.ehr)
    following = Exam(exam.api, make.order(replaces=(exam.reference,), patient=make.patient("P-19")))

    request = following.api.get(f"/ServiceRequest/{following.order.public_id}").body

    assert exam.seen() == states("revoked | cancelled | cancelled | not-done | cancelled")
    assert following.seen() == states("active | accepted | - | - | -")
    assert request["replaces"] == [{"reference": f"ServiceRequest/{exam.order.public_id}"}]


def test_row_20_a_test_order_was_entered_in_error(exam: Exam) -> None:
    exam.book()

    exam.do(VoidOrder(order=exam.reference, reason="test order"), people.manager)

    row = "entered-in-error | entered-in-error | entered-in-error | entered-in-error | "
    assert exam.seen() == states(row + "entered-in-error")


@pytest.mark.parametrize(
    ("kind", "status", "hits"),
    [
        ("Procedure", "preparation", 1),
        ("Procedure", "not-done", 0),
        ("Procedure", "preparation,in-progress", 1),
        ("DiagnosticReport", "registered", 1),
        ("DiagnosticReport", "final", 0),
    ],
)
def test_what_is_prepared_or_awaited_is_found_by_its_state(
    exam: Exam, kind: str, status: str, hits: int
) -> None:
    exam.book()
    exam.arrive()

    assert len(exam.found(kind, f"status={status}")) == hits

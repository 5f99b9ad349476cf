"""FHIR codes and domain states: total tables, and the rows of the one state table."""

from __future__ import annotations

from itertools import product

import pytest

from integration.fhir import bindings
from integration.fhir.outcome import InvalidCodeError
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex
from ris.domain.performing import Match, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.search.planned import PLANNED_STEPS

# The value sets of FHIR R4 4.0.1.
REQUEST = bindings.REQUEST_STATUS
TASK = {
    "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress",
    "on-hold", "failed", "completed", "entered-in-error",
}  # fmt: skip
APPOINTMENT = {
    "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow",
    "entered-in-error", "checked-in", "waitlist",
}  # fmt: skip
EVENT = {
    "preparation", "in-progress", "not-done", "on-hold", "stopped", "completed",
    "entered-in-error", "unknown",
}  # fmt: skip
STUDY = {"registered", "available", "cancelled", "entered-in-error", "unknown"}
REPORT = {
    "registered", "partial", "preliminary", "final", "amended", "corrected", "appended",
    "cancelled", "entered-in-error", "unknown",
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "keys", "codes"),
    [
        (bindings.GENDER, set(Sex), {"male", "female", "other", "unknown"}),
        (bindings.PRIORITY, set(Priority), {"routine", "urgent", "asap", "stat"}),
        (bindings.ORDER_STATUS, set(OrderStatus), REQUEST),
        (bindings.PROCEDURE_REQUEST_STATUS, set(product(OrderStatus, Stage)), REQUEST),
        (bindings.TASK_STATUS, set(product(StepStatus, OrderStatus)), TASK),
        (
            bindings.APPOINTMENT_STATUS,
            set(product(AppointmentStatus, [*StepStatus, None], [*OrderStatus, None])),
            APPOINTMENT,
        ),
        (bindings.PROCEDURE_STATUS, set(product(PerformedStatus, Match, [True, False])), EVENT),
        (bindings.STUDY_STATUS, set(product(PerformedStatus, [True, False])), STUDY),
        (
            bindings.REPORT_STATUS,
            set(product(ReportStatus, [*VersionKind, None], [True, False])),
            REPORT,
        ),
        (bindings.PLANNED_STATUS, set(product(PLANNED_STEPS, OrderStatus)), EVENT),
        (bindings.AWAITED_STATUS, set(product(Stage, OrderStatus)), REPORT),
    ],
    ids=[
        "gender", "priority", "order", "procedure request", "task", "appointment", "procedure",
        "study", "report", "planned exam", "awaited report",
    ],
)  # fmt: skip
def test_a_table_covers_its_product_with_codes_of_r4(table, keys, codes) -> None:
    assert set(table) == keys
    assert set(table.values()) <= set(codes)


def test_an_exam_that_begins_while_it_is_read_has_a_status() -> None:
    found = {
        (step, order): bindings.planned_status(step, order)
        for step, order in product(StepStatus, OrderStatus)
    }

    assert set(found.values()) <= EVENT
    assert found[StepStatus.STARTED, OrderStatus.CANCELED] == "in-progress"
    assert found[StepStatus.COMPLETED, OrderStatus.ACTIVE] == "completed"
    assert found[StepStatus.SCHEDULED, OrderStatus.ACTIVE] == "preparation"
    assert bindings.PLANNED_STATUS.items() <= found.items()


def test_every_patient_class_has_an_act_code() -> None:
    assert set(bindings.PATIENT_CLASS) == set(PatientClass)


@pytest.mark.parametrize(
    ("row", "step", "order", "appointment", "task", "booking", "code"),
    [
        ("1 received", "PENDING", "ACTIVE", None, "accepted", None, "active"),
        ("2 scheduled", "SCHEDULED", "ACTIVE", "BOOKED", "accepted", "booked", "active"),
        ("3 slot held", "PENDING", "ACTIVE", "HELD", "accepted", "pending", "active"),
        ("5 held by placer", "SCHEDULED", "ON_HOLD", "BOOKED", "on-hold", "pending", "on-hold"),
        ("7 arrived", "ARRIVED", "ACTIVE", "ARRIVED", "ready", "arrived", "active"),
        ("8 prepared", "READY", "ACTIVE", "ARRIVED", "ready", "checked-in", "active"),
        ("9 started", "STARTED", "ACTIVE", "ARRIVED", "in-progress", "checked-in", "active"),
        ("10 done", "COMPLETED", "ACTIVE", "FULFILLED", "completed", "fulfilled", "active"),
        ("12 abandoned", "DISCONTINUED", "DISCONTINUED", "FULFILLED", "failed", "fulfilled",
         "revoked"),
        ("13 canceled", "CANCELED", "CANCELED", "CANCELED", "cancelled", "cancelled", "revoked"),
        ("17 no show", "NO_SHOW", "ACTIVE", "NO_SHOW", "accepted", "noshow", "active"),
        ("20 in error", "CANCELED", "ENTERED_IN_ERROR", "CANCELED", "entered-in-error",
         "entered-in-error", "entered-in-error"),
        ("23 final", "COMPLETED", "COMPLETED", "FULFILLED", "completed", "fulfilled", "completed"),
    ],
)  # fmt: skip
def test_the_state_table_row(row, step, order, appointment, task, booking, code) -> None:
    step, order = StepStatus(step), OrderStatus(order)

    assert bindings.TASK_STATUS[step, order] == task
    assert bindings.ORDER_STATUS[order] == code
    if appointment:
        key = (AppointmentStatus(appointment), step, order)
        assert bindings.APPOINTMENT_STATUS[key] == booking


@pytest.mark.parametrize(
    ("status", "kind", "written", "code"),
    [
        ("DRAFT", None, False, "registered"),
        ("DRAFT", None, True, "partial"),
        ("PRELIMINARY", "PRELIMINARY", False, "preliminary"),
        ("FINAL", "FINAL", True, "final"),
        ("AMENDED", "ADDENDUM", True, "appended"),
        ("AMENDED", "CORRECTION", False, "corrected"),
        ("RETRACTED", "RETRACTION", True, "entered-in-error"),
        ("DISCARDED", None, True, "cancelled"),
    ],
)
def test_a_report_shows_its_state_and_newest_version(status, kind, written, code) -> None:
    key = (ReportStatus(status), VersionKind(kind) if kind else None, written)

    assert bindings.REPORT_STATUS[key] == code


@pytest.mark.parametrize(
    ("status", "match", "images", "code"),
    [
        ("IN PROGRESS", "MATCHED", False, "in-progress"),
        ("COMPLETED", "MATCHED", True, "completed"),
        ("DISCONTINUED", "MATCHED", True, "stopped"),
        ("DISCONTINUED", "MATCHED", False, "not-done"),
        ("DISCONTINUED", "QUARANTINED", False, "entered-in-error"),
    ],
)
def test_a_performed_step_shows_whether_images_were_made(status, match, images, code) -> None:
    assert bindings.PROCEDURE_STATUS[PerformedStatus(status), Match(match), images] == code


@pytest.mark.parametrize(
    ("order", "stage", "code"),
    [
        ("ACTIVE", "SCHEDULED", "active"),
        ("ON_HOLD", "SCHEDULED", "on-hold"),
        ("ACTIVE", "REPORTED", "completed"),
        ("ACTIVE", "CANCELED", "revoked"),
        ("CANCELED", "CANCELED", "revoked"),
        ("COMPLETED", "CANCELED", "revoked"),
        ("ENTERED_IN_ERROR", "REPORTED", "entered-in-error"),
    ],
)
def test_one_of_several_procedures_has_a_status_of_its_own(order, stage, code) -> None:
    assert bindings.PROCEDURE_REQUEST_STATUS[OrderStatus(order), Stage(stage)] == code


def test_a_code_outside_a_required_binding_is_refused() -> None:
    with pytest.raises(InvalidCodeError) as caught:
        bindings.gender("M", "Patient.gender")

    assert caught.value.message == "'M' is not in AdministrativeGender"
    assert (caught.value.status, caught.value.issue) == (422, "code-invalid")


def test_a_search_by_code_finds_the_rows_that_show_it() -> None:
    rows = bindings.keys(bindings.REPORT_STATUS, frozenset({"appended"}))

    assert rows == {
        (ReportStatus.AMENDED, VersionKind.ADDENDUM, written) for written in (True, False)
    }

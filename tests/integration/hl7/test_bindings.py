"""The code tables: total where they must be, and never a guess."""

from __future__ import annotations

import itertools

import pytest

from integration.hl7 import acks, bindings, schema
from ris.domain.errors import InvalidValueError
from ris.domain.orders import OrderStatus, Priority, Stage
from ris.domain.patients import PatientClass, Sex
from ris.domain.reporting import SECTIONS, VersionKind


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (bindings.SEX_OUT, Sex),
        (bindings.PATIENT_CLASS_OUT, PatientClass),
        (bindings.PRIORITY_OUT, Priority),
        (bindings.RESULT_STATUS, VersionKind),
    ],
)
def test_every_domain_value_can_be_told(table: dict, values: type) -> None:
    assert set(table) == set(values)


@pytest.mark.parametrize(
    ("out", "into"),
    [
        (bindings.SEX_OUT, bindings.SEX),
        (bindings.PATIENT_CLASS_OUT, bindings.PATIENT_CLASS),
        (bindings.TRANSPORT_OUT, bindings.TRANSPORT),
    ],
)
def test_what_is_told_reads_back_the_same(out: dict, into: dict) -> None:
    assert {value: into[code] for value, code in out.items()} == {value: value for value in out}


def test_a_priority_that_is_told_is_never_lower_when_read_back() -> None:
    order = list(Priority)
    for priority, code in bindings.PRIORITY_OUT.items():
        assert order.index(bindings.PRIORITY[code]) <= order.index(priority)


def test_every_order_status_and_stage_has_its_codes() -> None:
    assert set(bindings.PROGRESS) == set(itertools.product(OrderStatus, Stage))
    order_status = schema.table("2.5.1", "0038")
    result_status = schema.table("2.5.1", "0123")
    for told in bindings.PROGRESS.values():
        assert told.orc_5 in order_status
        assert told.obr_25 in result_status | {""}


@pytest.mark.parametrize(
    ("status", "stage", "expected"),
    [
        (OrderStatus.ACTIVE, Stage.REQUESTED, ("IP", "O")),
        (OrderStatus.ACTIVE, Stage.SCHEDULED, ("SC", "S")),
        (OrderStatus.ACTIVE, Stage.ARRIVED, ("SC", "S")),
        (OrderStatus.ACTIVE, Stage.IN_PROGRESS, ("IP", "I")),
        (OrderStatus.ACTIVE, Stage.PERFORMED, ("IP", "I")),
        (OrderStatus.ACTIVE, Stage.PRELIMINARY, ("A", "P")),
        (OrderStatus.ACTIVE, Stage.REPORTED, ("CM", "F")),
        (OrderStatus.ACTIVE, Stage.CANCELED, ("CA", "X")),
        (OrderStatus.ON_HOLD, Stage.SCHEDULED, ("HD", "")),
        (OrderStatus.CANCELED, Stage.CANCELED, ("CA", "X")),
        (OrderStatus.DISCONTINUED, Stage.PERFORMED, ("DC", "X")),
        (OrderStatus.DISCONTINUED, Stage.REPORTED, ("CM", "F")),
        (OrderStatus.COMPLETED, Stage.REPORTED, ("CM", "F")),
        (OrderStatus.ENTERED_IN_ERROR, Stage.REPORTED, ("CA", "X")),
    ],
)
def test_the_state_table_of_the_exam(
    status: OrderStatus, stage: Stage, expected: tuple[str, str]
) -> None:
    told = bindings.PROGRESS[status, stage]

    assert (told.orc_5, told.obr_25) == expected


def test_every_section_of_a_report_has_its_codes() -> None:
    assert list(bindings.SECTION) == [key for key, _ in SECTIONS]


def test_the_codes_are_those_of_the_standards_tables() -> None:
    sexes, classes = schema.table("2.5.1", "0001"), schema.table("2.5.1", "0004")
    controls = schema.table("2.5.1", "0119")

    assert set(bindings.SEX) == {*sexes, "X", "D"}  # as seen in the field
    assert classes <= set(bindings.PATIENT_CLASS)
    for code, control in bindings.CONTROLS.items():
        assert {code, control.accepted, control.refused} <= controls
    for result in bindings.RESULT_STATUS.values():
        assert result.obr_25 in schema.table("2.5.1", "0123")
        assert result.obx_11 in schema.table("2.5.1", "0085")
    assert set(bindings.TRANSPORT) == schema.table("2.5.1", "0124")


def test_case_and_blanks_do_not_matter() -> None:
    assert bindings.read(bindings.SEX, " f ", table="0001", path="PID-8") is Sex.FEMALE


def test_a_value_outside_of_its_table_is_refused_with_the_table() -> None:
    with pytest.raises(InvalidValueError) as caught:
        bindings.read(bindings.SEX, "W", table="0001", path="PID-8")

    assert caught.value.path == "PID-8"
    assert acks.table_code(caught.value) == "103"


@pytest.mark.parametrize("code", ["T", "TM5", "TS30", "TH2"])
def test_timing_critical_may_name_its_limit(code: str) -> None:
    assert bindings.priority(code, "TQ1-9") is Priority.URGENT


def test_no_priority_is_invented() -> None:
    with pytest.raises(InvalidValueError):
        bindings.priority("SOON", "TQ1-9")

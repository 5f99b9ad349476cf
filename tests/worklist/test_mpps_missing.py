"""What an N-CREATE or N-SET lacks: noted and made up for, or refused of a strict device."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from tests.worklist.performed import n_create, n_set, scheduled, series
from tests.worklist.translated import NOW, changed, created, stored
from worklist.elements import tag_of
from worklist.mpps_attributes import PERFORMED
from worklist.status import refusal

TYPE_1 = [row.keyword for row in PERFORMED if row.create == "1" and not row.within]


@pytest.mark.parametrize("keyword", TYPE_1)
def test_a_missing_type_1_attribute_is_refused_when_strict(keyword: str) -> None:
    with pytest.raises(MissingValueError) as refused:
        created(n_create(**{keyword: None}), strict=True)

    assert tag_of(keyword) == int(refused.value.path.strip("()").replace(",", ""), 16)
    assert "empty" not in refused.value.details


@pytest.mark.parametrize("keyword", TYPE_1)
def test_an_empty_type_1_attribute_is_refused_when_strict(keyword: str) -> None:
    empty = [] if keyword.endswith("Sequence") else ""

    with pytest.raises(MissingValueError) as refused:
        created(n_create(**{keyword: empty}), strict=True)

    assert refused.value.details == {"empty": True}


@pytest.mark.parametrize("keyword", TYPE_1)
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_without_a_type_1_attribute_the_exam_goes_on_and_it_is_noted(
    keyword: str, how: str
) -> None:
    empty: Any = [] if keyword.endswith("Sequence") else ""

    command = created(n_create(**{keyword: None if how == "absent" else empty}))

    assert len(command.flags) == 1
    assert keyword in command.flags[0]


def test_what_is_missing_is_taken_from_the_circumstances() -> None:
    command = created(
        n_create(
            PerformedStationAETitle=None,
            Modality=None,
            PerformedProcedureStepStartTime=None,
            ScheduledStepAttributesSequence=None,
            PerformedProcedureStepStatus=None,
        )
    )

    assert command.station_ae_title == "CT9"
    assert command.modality == "CT"
    assert command.started_at == NOW
    assert command.references == ()
    assert len(command.flags) == 5


def test_an_unreadable_start_is_replaced_by_the_time_of_arrival() -> None:
    dataset = n_create()
    dataset["PerformedProcedureStepStartTime"]._value = "half past"

    command = created(dataset)

    assert command.started_at == NOW
    assert command.flags == ("(0040,0245): not a time (HHMMSS)",)


def test_an_absent_type_2_attribute_matters_only_when_strict() -> None:
    dataset = n_create(PatientSex=None, StudyID=None)

    assert created(dataset).flags == ()
    with pytest.raises(MissingValueError):
        created(dataset, strict=True)


NESTED_2 = [(row.within, row.keyword) for row in PERFORMED if row.within and row.create == "2"]


@pytest.mark.parametrize(("within", "keyword"), NESTED_2)
def test_an_absent_type_2_attribute_of_an_item_matters_only_when_strict(
    within: str, keyword: str
) -> None:
    item = scheduled(**{keyword: None}) if "Scheduled" in within else series(**{keyword: None})
    dataset = n_create(**{within: [item]})

    assert created(dataset).flags == ()
    with pytest.raises(MissingValueError) as refused:
        created(dataset, strict=True)
    assert refused.value.path == f"({tag_of(keyword) >> 16:04X},{tag_of(keyword) & 0xFFFF:04X})"


@pytest.mark.parametrize(
    ("within", "keyword"),
    [(row.within, row.keyword) for row in PERFORMED if row.within and row.create == "1"],
)
@pytest.mark.parametrize("empty", [True, False])
def test_a_type_1_attribute_of_an_item_is_refused_when_strict_and_noted_else(
    within: str, keyword: str, empty: bool
) -> None:
    value: Any = "" if empty else None
    item = scheduled(**{keyword: value}) if "Scheduled" in within else series(**{keyword: value})
    dataset = n_create(**{within: [item]})

    with pytest.raises(MissingValueError) as refused:
        created(dataset, strict=True)
    assert refused.value.details == ({"empty": True} if empty else {})
    assert [keyword in flag for flag in created(dataset).flags] == [True]


# --- the final state


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        ({"PerformedProcedureStepEndDate": None}, "(0040,0250)"),
        ({"PerformedProcedureStepEndTime": None}, "(0040,0251)"),
        ({"PerformedProcedureStepEndTime": ""}, "(0040,0251)"),
        ({"PerformedSeriesSequence": None}, "(0040,0340)"),
        ({"PerformedSeriesSequence": []}, "(0040,0340)"),
        ({"PerformedSeriesSequence": [series(SeriesInstanceUID=None)]}, "(0020,000E)"),
        ({"PerformedSeriesSequence": [series(ProtocolName="")]}, "(0018,1030)"),
    ],
)
@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_an_incomplete_end_is_refused_when_strict_and_noted_else(
    status: str, overrides: dict[str, Any], path: str
) -> None:
    dataset = n_set(status, **overrides)

    with pytest.raises(MissingValueError) as refused:
        changed(dataset, strict=True)
    command = changed(dataset)

    assert refused.value.path == path
    assert command.flags[0].startswith(path)
    assert command.details.ended_at is not None


def test_what_came_in_an_earlier_n_set_counts_for_the_end() -> None:
    earlier = stored(n_set("IN PROGRESS"))
    only_status = Dataset()
    only_status.PerformedProcedureStepStatus = "COMPLETED"

    command = changed(only_status, stored=earlier, strict=True)

    assert command.flags == ()
    assert command.details == PerformedDetails(ended_at=datetime(2026, 7, 6, 7, 55, tzinfo=UTC))


def test_a_final_state_without_images_is_complete() -> None:
    command = changed(n_set(PerformedSeriesSequence=[series(images=0)]), strict=True)

    assert command.details.series is not None
    assert command.details.series[0].instance_count == 0


def test_an_end_without_time_is_the_time_of_arrival() -> None:
    command = changed(n_set(PerformedProcedureStepEndTime=""))

    assert command.details.ended_at == NOW


def test_after_the_end_nothing_is_checked_so_that_the_core_can_say_why() -> None:
    ended = stored(n_set())

    command = changed(n_set(PerformedSeriesSequence=[]), stored=ended, strict=True)

    assert isinstance(command, CompletePerformedStep)


def test_a_series_without_uid_is_kept_in_the_dataset_only() -> None:
    command = changed(n_set(PerformedSeriesSequence=[series(), series(SeriesInstanceUID="")]))

    assert command.details.series is not None
    assert [one.series_instance_uid for one in command.details.series] == ["2.25.2001"]
    assert len(command.dataset["00400340"]["Value"]) == 2


def test_a_time_that_has_not_come_is_replaced_by_the_time_of_arrival() -> None:
    started = created(n_create(PerformedProcedureStepStartDate="20770706"), strict=True)
    ended = changed(n_set(PerformedProcedureStepEndDate="20770706"), strict=True)

    assert (started.started_at, ended.details.ended_at) == (NOW, NOW)
    assert started.flags == ("(0040,0244): a time that had not come; the message's is used",)
    assert ended.flags == ("(0040,0250): a time that had not come; the message's is used",)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_with_leading_zeros_is_noted_and_kept_as_sent() -> None:
    name, study, one = "1.2.03", "1.2.840.020260706", "1.2.840.093512"

    started = created(
        n_create(ScheduledStepAttributesSequence=[scheduled(StudyInstanceUID=study)]), uid=name
    )
    ended = changed(n_set(PerformedSeriesSequence=[series(one)]))

    assert started.sop_instance_uid == name
    assert started.references[0].study_instance_uid == study
    assert started.flags == ("(0000,1000): not a DICOM UID", "(0020,000D): not a DICOM UID")
    assert [each.series_instance_uid for each in ended.details.series or ()] == [one]
    assert ended.flags == ("(0020,000E): not a DICOM UID",)


def test_a_strict_device_is_refused_a_uid_with_leading_zeros() -> None:
    with pytest.raises(InvalidValueError) as refused:
        created(n_create(), strict=True, uid="1.2.03")

    assert refusal(refused.value).status == 0x0117


def test_a_clock_somewhat_ahead_is_believed() -> None:
    """09:36 here is 07:36 in UTC."""
    started = created(n_create(PerformedProcedureStepStartTime="100500"))

    assert (started.started_at, started.flags) == (NOW + timedelta(minutes=29), ())


@pytest.mark.parametrize(("arrived", "begun"), [("00:40", "00:35"), ("01:40", "01:35")])
def test_in_the_hour_that_is_there_twice_a_time_is_the_one_of_its_message(
    arrived: str, begun: str
) -> None:
    """On 25 October 2026 clocks in Vienna show 02:35 at 00:35 and at 01:35 UTC."""
    dataset = n_create(
        PerformedProcedureStepStartDate="20261025", PerformedProcedureStepStartTime="023500"
    )

    started = created(dataset, received_at=datetime.fromisoformat(f"2026-10-25T{arrived}+00:00"))

    assert started.started_at == datetime.fromisoformat(f"2026-10-25T{begun}+00:00")

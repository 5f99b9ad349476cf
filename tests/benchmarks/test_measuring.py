"""The measuring itself: the shape of the data, and the arithmetic of what is printed."""

from __future__ import annotations

from math import isnan

import pytest

from benchmarks import dataset
from benchmarks.clients import dicom
from benchmarks.load import Sample
from benchmarks.tables import number, table


@pytest.mark.parametrize("size", [100, 1_000])
def test_a_worklist_has_the_same_shape_at_each_size(size: int) -> None:
    worklist = list(dataset.items(size))

    assert [item.number for item in sorted(worklist, key=lambda item: item.number)] == list(
        range(1, size + 1)
    )
    day = [item for item in worklist if item.station == dataset.STATION]
    assert len(day) == 20
    assert {item.at.date() for item in day} == {dataset.DAY}
    assert len([item for item in worklist if item.modality == "MR"]) == min(500, size // 2)


def test_a_worklist_is_the_same_in_each_run() -> None:
    assert list(dataset.items(100)) == list(dataset.items(100))


def test_new_orders_never_share_a_station_and_a_time() -> None:
    orders = [dataset.new_item(position) for position in range(500)]

    assert len({(order.station, order.at) for order in orders}) == 500
    assert len({order.accession for order in orders}) == 500


def test_a_sample_adds_up_slices() -> None:
    sample = Sample(latencies=[0.004, 0.002], seconds=1.0, server_cpu=0.003)

    sample.add(Sample(latencies=[0.003], seconds=0.5, server_cpu=0.003))

    assert (sample.least, sample.median) == (2.0, 3.0)
    assert sample.rate == 2.0
    assert sample.server_ms == pytest.approx(2.0)


def test_nothing_answered_is_not_a_number() -> None:
    sample = Sample()

    assert isnan(sample.median)
    assert number(sample.median) == "–"
    assert sample.rate == 0.0


def test_a_table_is_markdown() -> None:
    assert table(["a", "figure"], [["long name", "1.0"]]).splitlines() == [
        "| a         | figure |",
        "|-----------|-------:|",
        "| long name |    1.0 |",
    ]


def test_the_reader_waits_for_whole_pdus() -> None:
    reader = dicom.Reader()

    first = reader.feed(dicom.RELEASE_RQ[:4])
    second = reader.feed(dicom.RELEASE_RQ[4:] + dicom.RELEASE_RP)

    assert first == []
    assert [kind for kind, _ in second] == [5, 6]

"""The grid of the day board: every row of every column is covered exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.values import PersonName
from ris.selectors.calendar import Span
from ris.selectors.patient_lists import PatientLine
from ris.selectors.schedule import AppointmentLine, Column, DayPlan
from ris.web.scheduling.board import Grid, grid

DAY = datetime(2026, 3, 2, tzinfo=UTC)
PATIENT = PatientLine(
    public_id="p", name=PersonName.of("Berg"), number="1", issuer="H", birth_date="", sex=""
)


def at(hour: int, minute: int = 0) -> datetime:
    return DAY.replace(hour=hour, minute=minute)


def line(key: str, start: datetime, minutes: int) -> AppointmentLine:
    return AppointmentLine(
        public_id=key,
        version=1,
        status="BOOKED",
        start_at=start,
        end_at=start + timedelta(minutes=minutes),
        arrived_at=None,
        overbooked=False,
        device="d",
        ae_title="CT1",
        room="CT",
        patient=PATIENT,
        order="o",
        accession_number="A",
        priority="ROUTINE",
        transport="",
        steps=(),
        zone=UTC,
    )


def column(*lines: AppointmentLine, hours: tuple[int, int] = (8, 16)) -> Column:
    return Column(
        device="d",
        ae_title="CT1",
        room="CT",
        modality="CT",
        open=(Span(at(hours[0]), at(hours[1])),),
        appointments=lines,
    )


def table(*columns: Column) -> Grid:
    return grid(DayPlan(day=DAY.date(), columns=columns, unplaced=()), DAY, at(12))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (line("a", at(8), 20), line("b", at(8, 20), 20), line("c", at(8, 40), 20)),
        (line("a", at(9), 60), line("b", at(9, 30), 60), line("c", at(10, 15), 10)),
        (line("a", at(7, 3), 4), line("b", at(17, 58), 30)),
        (line("a", at(9), 1),),
    ],
)
def test_cells_of_a_column_cover_every_row_once(lines: tuple[AppointmentLine, ...]) -> None:
    found = table(column(*lines))

    covered = [
        row
        for start, grid_row in enumerate(found.rows)
        for cell in grid_row.cells
        for row in range(start, start + cell.rows)
    ]

    assert sorted(covered) == list(range(len(found.rows)))
    shown = [a.public_id for row in found.rows for cell in row.cells for a in cell.appointments]
    assert shown == [item.public_id for item in lines]


def test_appointments_one_after_the_other_have_cells_of_their_own() -> None:
    found = table(column(line("a", at(8), 20), line("b", at(8, 20), 20)))

    cells = [
        (start, cell.rows)
        for start, row in enumerate(found.rows)
        for cell in row.cells
        if cell.appointments
    ]

    assert cells == [(0, 4), (4, 4)]


def test_appointments_booked_over_each_other_share_a_cell() -> None:
    found = table(column(line("a", at(9), 30), line("b", at(9, 15), 30)))

    cells = [cell for row in found.rows for cell in row.cells if cell.appointments]

    assert [a.public_id for a in cells[0].appointments] == ["a", "b"]
    assert (len(cells), cells[0].rows) == (1, 9)


def test_day_begins_with_the_first_opening_or_booking_in_whole_half_hours() -> None:
    found = table(column(line("a", at(6, 50), 20)), column(hours=(9, 19)))

    labels = [row.label for row in found.rows if row.label]

    assert (labels[0], labels[-1]) == (at(6, 30), at(18, 30))


def test_closed_time_is_marked() -> None:
    found = table(column(hours=(10, 16)))

    first = found.rows[0].cells[0]
    later = next(row for row in found.rows if row.label == at(10)).cells[0]

    assert (first.is_open, later.is_open) == (False, True)


def test_present_half_hour_is_marked() -> None:
    found = table(column())

    assert [row.label for row in found.rows if row.is_now] == [at(12)]

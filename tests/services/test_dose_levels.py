"""Reference levels, the one alert of an exam, and who looked at it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from ris.domain.dose import (
    AcknowledgeDose,
    DoseKind,
    LinkDose,
    RemoveReferenceLevel,
    SetReferenceLevel,
)
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.measures import Measure, Part, quantity
from ris.domain.values import Code
from ris.models import (
    DomainEvent,
    DoseReferenceLevel,
    ExamDose,
    Order,
)
from ris.selectors.dose import OrderDose, of_order, of_patient
from ris.selectors.dose import alerts as alert_lines
from ris.selectors.dose_history import (
    DOCUMENT_COLUMNS,
    EXAM_COLUMNS,
    Wanted,
    document_rows,
    exam_rows,
    pseudonym,
    sums,
    trend,
)
from ris.services import execute
from tests import make, people
from tests.make import NOON
from tests.services.dosing import (
    another,
    dlp,
    document,
    event,
    record,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def level(value: str, **overrides: Any) -> str:
    fields: dict[str, Any] = {"code": make.CT_HEAD, "measure": Measure.DLP}
    return execute(
        SetReferenceLevel(value=Decimal(value), **{**fields, **overrides}), actor=people.manager
    )


def test_a_dose_above_its_level_is_told_once_for_an_exam() -> None:
    make.definition()
    level("400", origin="our own survey")
    order = make.performed()

    for number in range(3):
        record(document(order, content_at=NOON + timedelta(minutes=number)))

    alert = DomainEvent.objects.get(name="DoseLevelExceeded")
    assert alert.order == order
    assert alert.payload["exceeded"] == ["dlp"]
    dose = ExamDose.objects.get(order=order)
    assert dose.exceeded[0]["level"] == "400"
    assert dose.alerted_at is not None


@pytest.mark.parametrize(("value", "count"), [("410.2", 0), ("410.1", 1)])
def test_only_what_is_above_the_level_is_told(value: str, count: int) -> None:
    make.definition()
    level(value)

    record(document(make.performed()))

    assert DomainEvent.objects.filter(name="DoseLevelExceeded").count() == count


def test_a_childs_level_is_for_children() -> None:
    make.definition()
    level("100", from_age=0, to_age=5)

    record(document(make.performed()))

    assert not DomainEvent.objects.filter(name="DoseLevelExceeded").exists()


def test_the_age_at_an_exam_is_that_of_the_sites_day() -> None:
    make.definition()
    level("400", from_age=56, to_age=60)
    order = make.performed()
    birthday = datetime(2026, 5, 2, 20, 0, tzinfo=UTC)  # it is the third in Tokyo already

    with timezone.override("Asia/Tokyo"):
        record(document(order, started_at=birthday, content_at=birthday))

    assert DomainEvent.objects.filter(name="DoseLevelExceeded").exists()


def test_a_level_is_changed_and_removed() -> None:
    make.definition()
    first = level("400")
    second = level("500")

    assert first == second
    assert DoseReferenceLevel.objects.get().value == Decimal(500)
    execute(RemoveReferenceLevel(level=first), actor=people.manager)
    assert not DoseReferenceLevel.objects.exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code": Code("NOPE", "TEST")}, UnknownKeyError),
        ({"measure": Measure.KVP}, InvalidValueError),
        ({"from_age": 9, "to_age": 3}, InvalidValueError),
    ],
)
def test_a_level_that_makes_no_sense_is_refused(
    change: dict[str, Any], error: type[Exception]
) -> None:
    make.definition()

    with pytest.raises(error):
        level("400", **change)

    assert not DoseReferenceLevel.objects.exists()


def alerts() -> list[str]:
    names = ["DoseLevelExceeded", "DoseInPregnancy"]
    return list(DomainEvent.objects.filter(name__in=names).values_list("name", flat=True))


def look(
    order: Order,
    note: str = "obese patient, protocol as it should be",
    version: str | None = None,
) -> None:
    command = AcknowledgeDose(order=str(order.public_id), note=note, expected_version=version)
    execute(command, actor=people.manager)


# --- by age and weight


def test_a_level_for_weights_counts_before_one_for_ages() -> None:
    make.definition()
    level("300", from_age=40, to_age=60)
    level("500", from_kg=60, to_kg=80)
    order = make.performed(patient=make.patient("P1", weight_kg=70.4))

    record(document(order))

    (line,) = ExamDose.objects.get(order=order).compared
    assert (line["level"], line["value"]) == ("500", "410.2")
    assert alerts() == []


@pytest.mark.parametrize(("weight", "above"), [(None, 0), (14.4, 1), (14.6, 0)])
def test_a_band_of_weights_is_in_whole_kilograms(weight: float | None, above: int) -> None:
    make.definition()
    level("100", from_kg=5, to_kg=14)

    record(document(make.performed(patient=make.patient("P1", weight_kg=weight))))

    assert len(alerts()) == above


def test_a_weight_answered_for_the_exam_counts_before_the_hospitals() -> None:
    make.definition()
    level("100", from_kg=5, to_kg=14)
    order = make.performed(patient=make.patient("P1", weight_kg=70))
    Order.objects.filter(pk=order.pk).update(safety={"weight_kg": 12})

    record(document(order))

    assert alerts() == ["DoseLevelExceeded"]


def test_what_is_below_its_level_is_compared_too() -> None:
    make.definition()
    level("820.4")
    order = make.performed()

    record(document(order))

    assert dose_of(order).compared == ("Dose length product (DLP): 50 % of the level 820.4 mGy·cm",)


def dose_of(order: Order) -> OrderDose:
    found = of_order(str(order.public_id))
    assert found is not None
    return found


# --- one alert for an exam


def test_a_document_that_comes_again_or_corrected_tells_nobody_again() -> None:
    make.definition()
    level("400")
    order = make.performed()
    command = document(order)
    for _ in range(2):
        record(command)
    record(replace(command, totals=(dlp("500"),), content_at=NOON + timedelta(hours=2)))
    record(document(order, totals=(dlp("300"),), predecessors=(command.source_uid,),
                    content_at=NOON + timedelta(hours=3)))  # fmt: skip

    assert alerts() == ["DoseLevelExceeded"]


def test_a_document_that_was_untied_and_tied_again_tells_nobody_again() -> None:
    make.definition()
    level("400")
    order = make.performed()
    row = record(document(order))
    for target in ("", str(order.public_id)):
        execute(
            LinkDose(dose=str(row.public_id), order=target, reason="looked twice"),
            actor=people.technologist,
        )

    assert alerts() == ["DoseLevelExceeded"]
    assert ExamDose.objects.get(order=order).exceeded[0]["value"] == "410.2"


def test_an_alert_is_looked_at_with_a_word() -> None:
    make.definition()
    level("400")
    order = make.performed()
    record(document(order))

    with pytest.raises(MissingValueError):
        look(order, " ")
    look(order)

    row = ExamDose.objects.get(order=order)
    assert (row.acknowledged_by, row.acknowledged_note) == (
        "manager",
        "obese patient, protocol as it should be",
    )
    assert DomainEvent.objects.get(name="DoseAcknowledged").order == order
    assert not alert_lines(are_open=True)
    assert alert_lines(are_open=False)[0].acknowledged.startswith("manager: obese patient")


def test_of_two_who_look_at_an_alert_the_first_one_counts() -> None:
    make.definition()
    level("400")
    order = make.performed()
    record(document(order))
    (shown,) = alert_lines(are_open=True)
    look(order, "obese patient")

    for version in (shown.version, None):
        with pytest.raises(StateConflictError, match="somebody else changed this"):
            look(order, "wrong protocol", version)

    assert ExamDose.objects.get().acknowledged_note == "obese patient"
    assert DomainEvent.objects.filter(name="DoseAcknowledged").count() == 1


def test_who_looked_at_less_than_it_is_by_now_did_not_look() -> None:
    make.definition()
    level("400")
    order = make.performed()
    first = document(order)
    record(first)
    (shown,) = alert_lines(are_open=True)
    record(replace(first, totals=(dlp("900.5"),), content_at=NOON + timedelta(hours=2)))

    with pytest.raises(StateConflictError, match="somebody else changed this"):
        look(order, "obese patient", shown.version)

    assert ExamDose.objects.get().acknowledged_at is None


def test_only_who_answers_for_it_says_so() -> None:
    make.definition()
    level("400")
    order = make.performed()
    record(document(order))

    with pytest.raises(DeniedError):
        execute(AcknowledgeDose(order=str(order.public_id), note="x"), actor=people.technologist)

    assert ExamDose.objects.get().acknowledged_at is None


def test_what_is_below_its_level_is_not_looked_at() -> None:
    order = make.performed()
    record(document(order))

    with pytest.raises(StateConflictError):
        look(order)


@pytest.mark.parametrize(("value", "is_open"), [("410.2", False), ("390", False), ("600", True)])
def test_only_what_got_worse_is_to_be_looked_at_again(value: str, is_open: bool) -> None:
    make.definition()
    level("400")
    order = make.performed()
    command = document(order, events=())
    record(command)
    look(order)

    record(replace(command, totals=(dlp(value),), content_at=NOON + timedelta(hours=2)))

    assert bool(alert_lines(are_open=True)) is is_open
    assert alerts() == ["DoseLevelExceeded"]


# --- pregnancy


@pytest.mark.parametrize(
    ("status", "words"),
    [("2", "the patient may be pregnant"), ("3", "the patient is pregnant"), ("1", ""), ("4", "")],
)
def test_radiation_of_a_pregnant_patient_is_told_once(status: str, words: str) -> None:
    order = make.performed(patient=make.patient("P1", pregnancy_status=status))
    command = document(order)

    for _ in range(2):
        record(command)

    assert dose_of(order).pregnancy == words
    assert alerts() == (["DoseInPregnancy"] if words else [])


def test_an_exam_above_its_level_in_pregnancy_is_one_alert() -> None:
    make.definition()
    level("400")
    order = make.performed(patient=make.patient("P1", pregnancy_status="3"))

    record(document(order))

    alert = DomainEvent.objects.get(name="DoseLevelExceeded")
    assert alerts() == ["DoseLevelExceeded"]
    assert alert.payload["note"].endswith("level 400 mGy·cm; the patient is pregnant")


def test_what_was_answered_for_the_exam_counts_before_what_was_known() -> None:
    order = make.performed(patient=make.patient("P1", pregnancy_status="2"))
    Order.objects.filter(pk=order.pk).update(safety={"pregnancy": "1"})

    record(document(order))

    assert alerts() == []


# --- over time


def test_a_patients_exams_are_added_for_a_year_and_for_all() -> None:
    patient = make.patient("P1")
    first, second = make.performed(patient=patient), another(patient=patient)
    record(document(first, started_at=NOON - timedelta(days=400)))
    record(document(second, totals=(dlp("100"),), events=(event("2.25.9", "100"),)))

    (line,) = sums(of_patient(str(first.patient.public_id)), NOON + timedelta(hours=1))

    assert (line.words, line.year, line.all, line.exams) == (
        "Dose length product (DLP)",
        "100",
        "510.2",
        2,
    )


def breasts(*values: str) -> dict[str, Any]:
    """What a mammography device says: the dose of the left breast, then that of the right one."""
    sides = zip(values, (Part.LEFT, Part.RIGHT), strict=False)
    told = tuple(quantity(Measure.GLANDULAR_DOSE, value, "mGy", part) for value, part in sides)
    return {"kind": DoseKind.MAMMOGRAPHY, "totals": told, "events": ()}


def test_what_one_breast_had_is_not_added_to_what_the_other_had() -> None:
    patient = make.patient("P1")
    first, second = make.performed(patient=patient), another(patient=patient)
    record(document(first, **breasts("2.3", "1.9"), started_at=NOON - timedelta(days=400)))
    record(document(second, **breasts("2.1")))

    lines = sums(of_patient(str(first.patient.public_id)), NOON + timedelta(hours=1))

    assert [(line.words, line.part, line.year, line.all, line.exams) for line in lines] == [
        ("Average glandular dose (AGD)", "left", "2.1", "4.4", 2),
        ("Average glandular dose (AGD)", "right", "0", "1.9", 1),
    ]


def test_the_trend_of_breast_exams_is_that_of_the_breast_that_had_more() -> None:
    key = make.definition()
    record(document(make.performed(), **breasts("2.3", "1.9")))

    (line,) = trend(key, Measure.GLANDULAR_DOSE, NOON.date())

    assert line.median == Decimal("2.3")


def test_the_trend_is_the_median_of_a_device_month_by_month() -> None:
    key = make.definition()
    for number, value in enumerate(("100", "200", "900")):
        order = another(number)
        record(document(order, totals=(dlp(value),), events=(), station_name="CT 1"))
    order = another(5)
    record(document(order, totals=(dlp("80"),), events=(), started_at=NOON - timedelta(days=40)))

    first, second = trend(key, Measure.DLP, NOON.date())

    assert (first.device, first.count, first.median) == ("CT 1", 3, Decimal(200))
    assert [cell.count for cell in first.cells][-2:] == [0, 3]
    assert (second.device, second.cells[-3].median or second.cells[-2].median) == (
        "CT1",
        Decimal(80),
    )


def test_the_table_of_exams_names_nobody() -> None:
    make.definition()
    level("400")
    order = make.performed(patient=make.patient("P1", weight_kg=70))
    record(document(order, station_name="CT 1"))

    day = NOON.date()
    (row,), patients = exam_rows(Wanted(first=day, last=day))
    (named,), _ = exam_rows(Wanted(first=day, last=day, plain=True))

    said = dict(zip(EXAM_COLUMNS, row, strict=True))
    assert said["patient"] == pseudonym("patient", str(order.patient.public_id))
    assert "P1" not in row
    assert order.accession_number not in row
    assert (said["age"], said["station"], said["protocol"]) == (55, "CT 1", "Head")
    assert (said["dlp_mGy_cm"], said["percent_of_level"], said["above_level"]) == (
        "410.2",
        103,
        "yes",
    )
    assert dict(zip(EXAM_COLUMNS, named, strict=True))["patient"] == "P1"
    assert patients == [str(order.patient.public_id)]


def test_the_table_of_reports_says_which_count() -> None:
    order = make.performed()
    shared = event("2.25.81", "100")
    record(document(order, totals=(dlp("100"),), events=(shared,)))
    record(document(order, totals=(dlp("150"),), events=(shared, event("2.25.82", "50")),
                    content_at=NOON + timedelta(hours=1)))  # fmt: skip
    day = NOON.date()

    rows = [dict(zip(DOCUMENT_COLUMNS, row, strict=True))
            for row in document_rows(Wanted(first=day, last=day, plain=True))]  # fmt: skip

    assert [row["counts"] for row in rows] == ["", "yes"]
    assert {row["exam"] for row in rows} == {order.accession_number}

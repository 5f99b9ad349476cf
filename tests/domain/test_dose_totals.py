"""The dose of an exam: from any number of documents, in any order, each event once."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ris.domain.dose import DoseKind, DoseSource, ReferenceLevel, Scope
from ris.domain.dose_totals import Document, ExamDose, Total, exam_dose, exceeded
from ris.domain.measures import Measure, Part, Quantity, plain, quantity

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def dlp(value: str, part: Part = Part.WHOLE) -> Quantity:
    return quantity(Measure.DLP, value, "mGy.cm", part)


def ct(uid: str, events: dict[str, str] | None = None, **overrides: Any) -> Document:
    """A CT report of these events with their DLP, and their sum as total."""
    told = events or {}
    fields: dict[str, Any] = {
        "source_uid": uid,
        "source": DoseSource.RDSR,
        "kind": DoseKind.CT,
        "content_at": NOON,
        "device": "CT1",
        "scope": Scope.STUDY,
        "totals": (dlp(str(sum(map(Decimal, told.values())))),),
        "events": frozenset(told),
    }
    return Document(**fields | overrides)


def values(events: dict[str, str]) -> dict[str, list[Quantity]]:
    return {uid: [dlp(value)] for uid, value in events.items()}


def of(dose: ExamDose, measure: Measure = Measure.DLP, part: Part = Part.WHOLE) -> str:
    found = [one for one in dose.totals if one.measure is measure and one.part is part]
    assert len(found) == 1
    return plain(found[0].value)


EVENTS = {"1.1": "100", "1.2": "250.5", "1.3": "40"}


def test_one_report_counts_by_its_own_total() -> None:
    dose = exam_dose([ct("2.1", EVENTS, totals=(dlp("391"),))], values(EVENTS))

    assert of(dose) == "391"
    assert dose.counted == ("2.1",)


def test_a_later_report_with_more_events_replaces_the_earlier() -> None:
    first = ct("2.1", {"1.1": "100"})
    later = ct("2.2", EVENTS, content_at=NOON + timedelta(minutes=5))

    dose = exam_dose([later, first], values(EVENTS))

    assert of(dose) == "390.5"
    assert dose.left_out == {"2.1": "all its events are in another report"}


def test_reports_of_different_events_are_added() -> None:
    dose = exam_dose([ct("2.1", {"1.1": "100"}), ct("2.2", {"1.3": "40"})], values(EVENTS))

    assert of(dose) == "140"
    assert dose.counted == ("2.1", "2.2")


def test_an_event_that_two_reports_share_counts_once() -> None:
    one = ct("2.1", {"1.1": "100", "1.2": "250.5"})
    other = ct("2.2", {"1.2": "250.5", "1.3": "40"})

    dose = exam_dose([one, other], values(EVENTS))

    assert of(dose) == "390.5"
    assert of(dose, Measure.EVENTS) == "3"
    assert dose.notes == ("reports that share irradiation events were added up event by event",)


def test_the_same_events_again_are_those_of_the_later_report() -> None:
    first = ct("2.1", EVENTS, totals=(dlp("390.5"),))
    corrected = ct("2.2", EVENTS, totals=(dlp("380"),), content_at=NOON + timedelta(hours=1))

    assert of(exam_dose([first, corrected], values(EVENTS))) == "380"
    assert of(exam_dose([corrected, first], values(EVENTS))) == "380"


def test_a_report_that_names_its_predecessor_replaces_it() -> None:
    first = ct("2.1", {"1.1": "100"})
    later = ct(
        "2.2",
        {"1.3": "40"},
        content_at=NOON + timedelta(hours=1),
        predecessors=frozenset({"2.1"}),
    )

    assert of(exam_dose([first, later], values(EVENTS))) == "40"


def test_reports_that_name_each_other_do_not_vanish() -> None:
    one = ct("2.1", {"1.1": "100"}, predecessors=frozenset({"2.2"}))
    other = ct("2.2", {"1.3": "40"}, predecessors=frozenset({"2.1"}))

    dose = exam_dose([one, other], values(EVENTS))

    assert of(dose) == "40"
    assert dose.counted == ("2.2",)


def test_reports_without_events_of_one_scope_replace_each_other() -> None:
    first = ct("2.1", totals=(dlp("100"),))
    later = ct("2.2", totals=(dlp("150"),), content_at=NOON + timedelta(minutes=9))

    assert of(exam_dose([first, later], {})) == "150"


def test_reports_without_events_of_two_performed_steps_are_added() -> None:
    steps = [
        ct(f"2.{n}", totals=(dlp("100"),), scope=Scope.PERFORMED_STEP, scope_uid=f"3.{n}")
        for n in (1, 2)
    ]

    assert of(exam_dose(steps, {})) == "200"


def test_a_report_that_tells_events_counts_before_one_that_does_not() -> None:
    vague = ct("2.1", totals=(dlp("500"),), content_at=NOON + timedelta(hours=1))
    exact = ct("2.2", EVENTS)

    assert of(exam_dose([vague, exact], values(EVENTS))) == "390.5"


def test_reports_without_events_of_two_devices_are_added() -> None:
    one, other = ct("2.1", totals=(dlp("1"),)), ct("2.2", totals=(dlp("2"),), device="CT2")

    assert of(exam_dose([one, other], {})) == "3"


def test_an_event_that_counts_elsewhere_is_left_out() -> None:
    dose = exam_dose([ct("2.1", EVENTS)], values(EVENTS), frozenset({"1.2"}))

    assert of(dose) == "140"
    assert dose.notes == (
        "some irradiation events count for another exam that a report also names",
    )


# --- planes, sides, phantoms


def area(value: str, part: Part) -> Quantity:
    return quantity(Measure.DAP, value, "Gy.cm2", part)


def projection(*totals: Quantity, **overrides: Any) -> Document:
    return ct("2.1", kind=DoseKind.PROJECTION, totals=totals, **overrides)


def test_planes_are_added() -> None:
    dose = exam_dose([projection(area("21", Part.PLANE_A), area("13.5", Part.PLANE_B))], {})

    assert of(dose, Measure.DAP) == "34.5"


def test_a_total_of_all_planes_is_not_added_to_the_planes() -> None:
    document = projection(
        area("21", Part.PLANE_A), area("13.5", Part.PLANE_B), area("34.5", Part.ALL_PLANES)
    )

    assert of(exam_dose([document], {}), Measure.DAP) == "34.5"


def test_a_phantoms_share_is_part_of_the_total() -> None:
    document = ct("2.1", totals=(dlp("30"), dlp("20", Part.HEAD_PHANTOM)))

    assert of(exam_dose([document], {})) == "30"


def test_phantoms_alone_make_the_total() -> None:
    document = ct("2.1", totals=(dlp("10", Part.BODY_PHANTOM), dlp("20", Part.HEAD_PHANTOM)))

    assert of(exam_dose([document], {})) == "30"


def test_sides_stay_apart() -> None:
    sides = [
        quantity(Measure.GLANDULAR_DOSE, "2", "mGy", Part.LEFT),
        quantity(Measure.GLANDULAR_DOSE, "0.03", "dGy", Part.RIGHT),
    ]

    dose = exam_dose([ct("2.1", kind=DoseKind.MAMMOGRAPHY, totals=tuple(sides))], {})

    assert of(dose, Measure.GLANDULAR_DOSE, Part.LEFT) == "2"
    assert of(dose, Measure.GLANDULAR_DOSE, Part.RIGHT) == "3"


def test_the_highest_ctdi_of_each_phantom_is_shown() -> None:
    events = {
        "1.1": [quantity(Measure.CTDI_VOL, "54", "mGy", Part.HEAD_PHANTOM)],
        "1.2": [quantity(Measure.CTDI_VOL, "8.5", "mGy", Part.BODY_PHANTOM)],
        "1.3": [quantity(Measure.CTDI_VOL, "9.25", "mGy", Part.BODY_PHANTOM)],
    }

    dose = exam_dose([ct("2.1", EVENTS)], events)

    assert of(dose, Measure.CTDI_VOL, Part.HEAD_PHANTOM) == "54"
    assert of(dose, Measure.CTDI_VOL, Part.BODY_PHANTOM) == "9.25"


def test_a_report_without_total_is_added_up_from_its_events() -> None:
    assert of(exam_dose([ct("2.1", EVENTS, totals=())], values(EVENTS))) == "390.5"


# --- sources


def mpps(value: str, uid: str = "3.1") -> Document:
    return Document(
        source_uid=uid,
        source=DoseSource.MPPS,
        kind=DoseKind.PROJECTION,
        totals=(area(value, Part.WHOLE),),
    )


def manual(value: str) -> Document:
    return Document(
        source_uid="4.1",
        source=DoseSource.MANUAL,
        kind=DoseKind.PROJECTION,
        totals=(area(value, Part.WHOLE), quantity(Measure.FLUORO_TIME, "12", "s")),
    )


def test_the_best_source_counts_and_no_other_is_added() -> None:
    report = projection(area("3", Part.WHOLE))

    assert of(exam_dose([manual("9"), mpps("5"), report], {}), Measure.DAP) == "3"
    assert of(exam_dose([manual("9"), mpps("5")], {}), Measure.DAP) == "5"
    assert of(exam_dose([manual("9")], {}), Measure.DAP) == "9"


def test_a_measure_only_a_lesser_source_has_is_shown_with_it() -> None:
    dose = exam_dose([projection(area("3", Part.WHOLE)), manual("9")], {})

    by_measure = {one.measure: one.source for one in dose.totals}
    assert by_measure[Measure.DAP] is DoseSource.RDSR
    assert by_measure[Measure.FLUORO_TIME] is DoseSource.MANUAL


def test_two_performed_steps_are_added() -> None:
    assert of(exam_dose([mpps("5", "3.1"), mpps("2", "3.2")], {}), Measure.DAP) == "7"


def test_a_unit_that_is_not_understood_is_never_added() -> None:
    odd = quantity(Measure.DAP, "31.5", "Gy*cm2")

    alone = exam_dose([projection(odd)], {})
    beside = exam_dose([projection(odd, area("2", Part.PLANE_B))], {})

    assert alone.totals == ()
    assert alone.notes == ("Dose area product (DAP): told, but not in a form that can be counted",)
    (total,) = beside.totals
    assert (plain(total.value), total.incomplete) == ("2", True)


# --- any order, any repetition


@pytest.mark.parametrize("seed", range(60))
def test_neither_order_nor_repetition_changes_the_dose(seed: int) -> None:
    """Reports as a hostile department sends them, in every order tried the same exam."""
    chance = random.Random(seed)
    events = {f"1.{n}": str(chance.randrange(1, 5000)) for n in range(1, 9)}
    documents = []
    for number in range(chance.randrange(1, 7)):
        told = dict(chance.sample(sorted(events.items()), chance.randrange(0, 6)))
        documents.append(
            ct(
                f"2.{number}",
                told,
                totals=(dlp(str(chance.randrange(1, 9000))),) if chance.random() < 0.8 else (),
                content_at=chance.choice([None, NOON, NOON + timedelta(minutes=number)]),
                device=chance.choice(["CT1", "CT2"]),
                scope=chance.choice(list(Scope)),
                scope_uid=chance.choice(["", "3.1", "3.2"]),
                identified=chance.random() < 0.8,
                source=chance.choice(list(DoseSource)),
                predecessors=frozenset(chance.sample(["2.0", "2.1", "2.2"], 1))
                if chance.random() < 0.3
                else frozenset(),
            )
        )
    told_of = values(events)
    elsewhere = frozenset(chance.sample(sorted(events), chance.randrange(0, 2)))

    expected = exam_dose(documents, told_of, elsewhere)

    for _ in range(6):
        again = documents + chance.choices(documents, k=4)
        chance.shuffle(again)
        assert exam_dose(again, told_of, elsewhere) == expected


@pytest.mark.parametrize("seed", range(40))
def test_no_event_is_ever_counted_twice(seed: int) -> None:
    """With true totals, the dose is that of the union of events, however they are cut up."""
    chance = random.Random(seed)
    events = {f"1.{n}": str(chance.randrange(1, 5000)) for n in range(1, 12)}
    documents = [
        ct(
            f"2.{number}",
            dict(chance.sample(sorted(events.items()), chance.randrange(1, 12))),
            content_at=NOON + timedelta(minutes=chance.randrange(60)),
        )
        for number in range(chance.randrange(1, 6))
    ]
    union = frozenset().union(*(document.events for document in documents))

    dose = exam_dose(documents, values(events))

    assert of(dose) == plain(sum((Decimal(events[uid]) for uid in union), Decimal(0)))


# --- numbers and units


@pytest.mark.parametrize(
    ("measure", "sent", "unit", "value"),
    [
        (Measure.DAP, "0.0021", "Gy.m2", "21"),
        (Measure.DAP, "31.5", "dGy.cm2", "3.15"),
        (Measure.DAP, "250", "cGy.cm2", "2.5"),
        (Measure.DAP, "120", "uGy.m2", "1.2"),
        (Measure.DOSE_RP, "0.31", "Gy", "310"),
        (Measure.GLANDULAR_DOSE, "0.0232", "dGy", "2.32"),
        (Measure.DLP, "0.4102", "Gy.cm", "410.2"),
        (Measure.FLUORO_TIME, "1.5", "min", "90"),
        (Measure.ACTIVITY, "8.2", "mCi", "303.4"),
        (Measure.ACTIVITY, "303400000", "Bq", "303.4"),
        (Measure.FRAMES, "0", "1", "0"),
    ],
)
def test_units_are_converted_from_what_is_sent(
    measure: Measure, sent: str, unit: str, value: str
) -> None:
    one = quantity(measure, sent, unit)

    assert one.value is not None
    assert (plain(one.value), one.sent, one.sent_unit, one.problem) == (value, sent, unit, "")


@pytest.mark.parametrize(
    ("sent", "unit", "scheme", "problem"),
    [
        ("12", "mGycm", "UCUM", "unit not understood: mGycm"),
        ("12", "MGY.CM", "UCUM", "unit not understood: MGY.CM"),
        ("12", "mGy", "UCUM", "unit not understood: mGy"),
        ("12", "mGy.cm", "99SITE", "unit not understood: mGy.cm"),
        ("12", "", "UCUM", "unit not understood: none given"),
        ("", "mGy.cm", "UCUM", "no number"),
        ("NaN", "mGy.cm", "UCUM", "not a number"),
        ("Infinity", "mGy.cm", "UCUM", "not a number"),
        ("12,5", "mGy.cm", "UCUM", "not a number"),
        ("1\\2", "mGy.cm", "UCUM", "more than one number"),
        ("-1", "mGy.cm", "UCUM", "less than nothing"),
        ("1E99999", "mGy.cm", "UCUM", "out of any range"),
        ("1E-99999", "mGy.cm", "UCUM", "out of any range"),
        ("99999999", "mGy.cm", "UCUM", "out of any range"),
        ("1" * 40, "mGy.cm", "UCUM", "no number"),
    ],
)
def test_what_cannot_be_understood_is_kept_and_told(
    sent: str, unit: str, scheme: str, problem: str
) -> None:
    one = quantity(Measure.DLP, sent, unit, scheme=scheme)

    assert (one.value, one.problem) == (None, problem)
    assert one.sent == sent[:32]


def test_a_quantity_survives_storing() -> None:
    one = quantity(Measure.DAP, "0.00210", "Gy.m2", Part.PLANE_A)

    assert Quantity.from_json(one.as_json()) == one


def test_a_total_survives_storing() -> None:
    (total,) = exam_dose([ct("2.1", totals=(dlp("0.10"),))], {}).totals

    assert Total.from_json(total.as_json()) == total


# --- reference levels


def level(value: str, low: int = 0, high: int = 200) -> ReferenceLevel:
    return ReferenceLevel(measure=Measure.DLP, value=Decimal(value), from_age=low, to_age=high)


def test_only_what_is_above_its_level_is_told() -> None:
    totals = exam_dose([ct("2.1", totals=(dlp("700"),))], {}).totals

    (above,) = exceeded(totals, [level("600")], 40)

    assert above.words == "Dose length product (DLP): 700 mGy·cm, level 600 mGy·cm"
    assert exceeded(totals, [level("700")], 40) == ()


def test_the_level_for_the_age_counts() -> None:
    totals = exam_dose([ct("2.1", totals=(dlp("300"),))], {}).totals
    levels = [level("600"), level("250", 0, 5)]

    assert len(exceeded(totals, levels, 3)) == 1
    assert exceeded(totals, levels, 40) == ()
    assert exceeded(totals, levels, None) == ()

"""Stored queries explained, and why a device sees a step, by what the handlers really kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.errors import UnknownKeyError
from ris.domain.facility import RegisterDevice
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.values import PersonName
from ris.models import Order, ScheduledProcedureStep, WorklistQueryLog
from ris.selectors.explain import queries
from ris.selectors.explain.overview import overview
from ris.selectors.explain.queries import Explanation
from ris.selectors.explain.sight import Sight, Weight, sight
from ris.services import execute
from ris.services.refusals import record_refusal
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier

pytestmark = pytest.mark.django_db

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = "20260302"


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    for ae_title, modality in (("CT1", "CT"), ("CT2", "CT"), ("MR1", "MR")):
        make.device(ae_title, modality)


def place(name: str, start_at: datetime = NOW, station: str = "CT1") -> Order:
    return make.order(
        start_at=start_at, station=station, patient=make.patient(name=PersonName.parse(name))
    )


def day(date: str = TODAY, station: str = "CT1", **step: str) -> Any:
    """A scanner's usual query."""
    return identifier(
        PatientName="",
        step={
            "ScheduledStationAETitle": station,
            "Modality": "CT",
            "ScheduledProcedureStepStartDate": date,
            **step,
        },
    )


def ask(query: Any, *, ae_title: str = "CT1", at: datetime = NOW, **options: Any) -> int:
    """Ask as a device does; the number of the stored query."""
    requests.find(requests.handlers(**options), query, ae_title=ae_title)
    row = WorklistQueryLog.objects.latest("id")
    WorklistQueryLog.objects.filter(pk=row.pk).update(at=at)
    return row.pk


def explained(number: int, now: datetime = NOW) -> Explanation:
    return queries.explain(number, now)


def left_out(explanation: Explanation) -> dict[str, tuple[str, ...]]:
    return {one.step.patient_name: one.reasons for one in explanation.left_out}


# --- a stored query


def test_a_query_is_kept_byte_for_byte() -> None:
    query = day()
    number = ask(query)

    kept = queries.stored_query(number)

    assert kept.identifier == requests.encoded(query, "explicit")
    assert kept.transfer_syntax == "1.2.840.10008.1.2.1"
    assert kept.keys == {
        "ScheduledStationAETitle": "CT1",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": TODAY,
    }


def test_an_explanation_tells_what_was_given_and_what_was_left_out_by_which_key() -> None:
    place("Given^A")
    place("Other^B", station="CT2")
    place("Tomorrow^C", NOW + timedelta(days=1))
    canceled = place("Canceled^D")
    execute(
        CancelOrder(order=OrderReference(public_id=str(canceled.public_id))),
        actor=people.scheduler,
    )

    explanation = explained(ask(day()))

    assert [step.patient_name for step in explanation.given] == ["Given^A"]
    assert left_out(explanation) == {
        "Other^B": ("Station AE title: asked CT1, this step is for CT2",),
        "Canceled^D": (
            "State of the step: offered are scheduled, arrived or ready, this step is canceled",
            "State of the order: offered are active, this order is canceled",
        ),
    }
    assert explanation.replay is not None
    assert (explanation.replay.count, explanation.replay.more, explanation.replay.fewer) == (
        1,
        (),
        (),
    )


def test_who_asks_for_a_patient_is_told_of_that_patient_only() -> None:
    place("Berg^Anna", NOW + timedelta(days=3))
    place("Stone^Ada")

    explanation = explained(
        ask(
            identifier(
                PatientName="berg*", step={"ScheduledProcedureStepStartDate": TODAY, "Modality": ""}
            )
        )
    )

    assert left_out(explanation) == {
        "Berg^Anna": ("Start: asked 2026-03-02, this step has 2026-03-05 13:00",)
    }


def test_a_step_that_waits_for_a_time_is_among_those_left_out() -> None:
    make.order(patient=make.patient(name=PersonName.parse("Waiting^W")))

    explanation = explained(ask(day()))

    assert left_out(explanation)["Waiting^W"] == (
        "State of the step: offered are scheduled, arrived or ready, this step is pending",
        "Station AE title: asked CT1, this step is for no station yet",
        "Start: asked 2026-03-02, this step has no time yet",
    )


def test_asked_again_a_query_tells_what_changed_since() -> None:
    gone = place("Gone^A")
    number = ask(day())
    place("New^B")
    execute(
        CancelOrder(order=OrderReference(public_id=str(gone.public_id))), actor=people.scheduler
    )

    replay = explained(number).replay

    assert replay is not None
    assert replay.count == 1
    assert [step.patient_name for step in replay.more] == ["New^B"]
    assert [one.step.patient_name for one in replay.fewer] == ["Gone^A"]
    assert replay.fewer[0].failed[0].field == "statuses"


def test_a_setting_of_the_device_is_told_as_such() -> None:
    place("Far^A", NOW + timedelta(days=20))
    execute(
        RegisterDevice(ae_title="CT1", modality="CT", settings={"window_days": [1, 7]}),
        actor=OPERATOR,
    )

    explanation = explained(ask(identifier(PatientName="", step={"Modality": "CT"})))

    assert explanation.left_out == ()
    seen = sight(str(make.step_of(Order.objects.latest("id")).public_id), "CT1", NOW)
    assert [one.words for one in seen.failed] == [
        "Start: the device is set to 2026-03-01 to 2026-03-09, this step has 2026-03-22 13:00"
    ]


def test_a_refused_query_says_why_and_has_no_replay() -> None:
    number = ask(day(date="garbage"))

    explanation = explained(number)

    assert explanation.query.status == 0xA900
    assert explanation.query.elements == "(0040,0002)"
    assert explanation.query.status_words == "not understood"
    assert explanation.reading is not None
    assert explanation.reading.refused == explanation.query.comment
    assert explanation.replay is None


def test_what_the_standard_does_not_allow_is_noted() -> None:
    query = day(Modality="CT\\MR")
    query.QueryRetrieveLevel = "WORKLIST"

    reading = explained(ask(query)).reading

    assert reading is not None
    assert [note.partition(":")[0] for note in reading.notes] == ["QueryRetrieveLevel", "Modality"]


def test_the_elements_of_a_query_are_shown_as_sent() -> None:
    elements = explained(ask(day())).elements

    assert [(one.depth, one.name, one.value) for one in elements] == [
        (0, "PatientName", ""),
        (0, "ScheduledProcedureStepSequence", "1 item"),
        (1, "Modality", "CT"),
        (1, "ScheduledStationAETitle", "CT1"),
        (1, "ScheduledProcedureStepStartDate", TODAY),
    ]


def test_a_query_of_which_only_keys_were_kept_shows_what_was_given() -> None:
    place("Given^A")
    number = ask(day())
    WorklistQueryLog.objects.update(identifier=b"")

    explanation = explained(number)

    assert [step.patient_name for step in explanation.given] == ["Given^A"]
    assert (explanation.reading, explanation.replay, explanation.left_out) == (None, None, ())


def test_an_unknown_query_is_an_unknown_key() -> None:
    with pytest.raises(UnknownKeyError, match="no such query"):
        explained(7)


# --- a step and a device


def why(order: Order, ae_title: str = "CT1", now: datetime = NOW) -> Sight:
    return sight(str(make.step_of(order).public_id), ae_title, now)


def test_a_device_sees_what_its_last_query_would_give() -> None:
    order = place("Berg^Anna")
    ask(day())

    seen = why(order)

    assert seen.sees
    assert seen.verdict == "CT1 sees this step when it asks."
    assert (seen.findings, seen.failed) == ((), ())
    assert seen.shown is not None
    assert seen.shown.count == 1


def test_another_device_does_not_and_is_told_why() -> None:
    order = place("Berg^Anna")
    ask(day(station="CT2"), ae_title="CT2")

    seen = why(order, "CT2")

    assert not seen.sees
    assert seen.verdict == (
        "CT2 does not see this step. Station AE title: asked CT2, this step is for CT1."
    )
    assert seen.shown is None


def test_yesterdays_query_is_moved_to_today() -> None:
    order = place("Berg^Anna")
    ask(day("20260301"), at=NOW - timedelta(days=1))

    seen = why(order)

    assert seen.sees
    assert seen.usual.words == "What it asked last, on 2026-03-01, moved to today."
    assert [one.words for one in seen.findings] == ["It has not asked since 2026-03-01 13:00"]


def test_a_query_is_moved_over_a_clock_change_by_days_and_not_by_hours() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    after = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
    ask(day("20260328"), at=before)
    late = place("Late^L", datetime(2026, 3, 30, 23, 30, tzinfo=ZoneInfo("Europe/Vienna")))

    seen = why(late, now=after)

    assert seen.sees
    assert seen.usual.offered.start_from == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)


def test_a_barcode_is_not_what_a_device_usually_asks() -> None:
    order = place("Berg^Anna")
    ask(day(), at=NOW - timedelta(minutes=5))
    ask(identifier(AccessionNumber="OTHER"), at=NOW)

    assert why(order).sees


def test_a_device_that_never_asked_is_taken_at_its_stations_day() -> None:
    order = place("Berg^Anna")

    seen = why(order)

    assert seen.sees
    assert seen.usual.basis is None
    assert [(one.weight, one.words) for one in seen.findings] == [
        (Weight.MAY, "It has never asked for its worklist here")
    ]


def test_a_device_that_is_out_of_use_or_refused_sees_nothing() -> None:
    order = place("Berg^Anna")
    ask(day(), at=NOW - timedelta(minutes=5))
    record_refusal(
        "CT1",
        address="10.1.2.3",
        operation="A-ASSOCIATE",
        status="1/1/3",
        reason="address is not that of the device",
        at=NOW,
    )

    assert why(order).verdict == (
        "CT1 does not see this step. Its last association from 10.1.2.3 was refused at"
        " 2026-03-02 13:00: address is not that of the device."
    )

    execute(RegisterDevice(ae_title="CT1", modality="CT", active=False), actor=OPERATOR)
    assert "The device is out of use, so it is not let in" in why(order).verdict


def test_an_association_that_was_broken_off_may_be_why_but_need_not() -> None:
    order = place("Berg^Anna")
    ask(day(), at=NOW - timedelta(minutes=5))
    record_refusal(
        "CT1",
        address="127.0.0.1",
        operation="A-ASSOCIATE",
        status="abort",
        reason="a PDU came too slowly",
        at=NOW,
    )

    seen = why(order)

    assert seen.sees
    (finding,) = seen.findings
    assert finding.weight is Weight.MAY
    assert finding.words == (
        "Its last association from 127.0.0.1 was broken off at 2026-03-02 13:00:"
        " a PDU came too slowly"
    )


def test_a_caller_that_nobody_registered_is_named() -> None:
    order = place("Berg^Anna")

    seen = why(order, "NOBODY")

    assert seen.device is None
    assert seen.findings[0].words == "No device is registered as NOBODY, so it is not let in"
    assert not seen.sees


def test_a_step_without_a_time_says_what_to_do() -> None:
    order = make.order()

    seen = why(order)

    assert not seen.sees
    assert "The step has no time yet: book it, and it is offered" in [
        one.words for one in seen.findings
    ]


def test_a_step_that_lacks_a_type_1_value_is_not_served() -> None:
    order = place("Berg^Anna")
    ask(day())
    ScheduledProcedureStep.objects.update(modality="CT\x07", version=7)
    WorklistQueryLog.objects.all().delete()
    ask(identifier(PatientName="", step={"ScheduledStationAETitle": "CT1"}))

    seen = why(order)

    assert not seen.sees
    assert seen.findings[-1].words == "The step is not served: it lacks Modality"
    assert explained(WorklistQueryLog.objects.latest("id").pk).replay is not None


# --- a device


def test_the_overview_of_a_device_shows_what_it_sees_asked_and_was_refused() -> None:
    place("Berg^Anna")
    place("Stone^Ada", station="CT2")
    ask(day(), at=NOW - timedelta(minutes=2))
    ask(day(date="garbage"), at=NOW - timedelta(minutes=1))

    found = overview("CT1", NOW)

    assert [str(entry.patient.name) for entry in found.seen] == ["Berg^Anna"]
    assert (found.count, found.truncated, found.lacking) == (1, False, {})
    assert [one.status for one in found.queries] == [0xA900, 0]
    assert [(one.operation, one.status) for one in found.troubles] == [("C-FIND", "A900")]
    assert [(one.name, one.asked) for one in found.asks] == [
        ("Station AE title", "CT1"),
        ("Modality", "CT"),
        ("Start", "2026-03-02"),
    ]
    assert found.findings[0].words.startswith("Its last query ended with A900 (not understood)")


def test_an_overview_of_nobody_is_an_unknown_key() -> None:
    with pytest.raises(UnknownKeyError, match="no such device"):
        overview("NOBODY", NOW)


@pytest.mark.parametrize("steps", [2, 12])
def test_explanations_cost_the_same_statements_however_much_there_is(steps: int) -> None:
    for number in range(steps):
        place(f"Name{number}^A", NOW + timedelta(minutes=20 * number))
        ask(day(), at=NOW + timedelta(seconds=number))
    step = str(ScheduledProcedureStep.objects.latest("id").public_id)
    counts: dict[str, int] = {}

    for name, work in (
        ("overview", lambda: overview("CT1", NOW)),
        ("query", lambda: explained(WorklistQueryLog.objects.latest("id").pk)),
        ("sight", lambda: sight(step, "CT1", NOW)),
    ):
        with CaptureQueriesContext(connection) as captured:
            work()
        counts[name] = len(captured)

    assert [name for name, count in counts.items() if count > BUDGETS[f"explain_{name}"]] == []

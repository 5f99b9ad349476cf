"""The explanation agrees with the database: answered is exactly what meets every condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ris.domain.orders import (
    CancelOrder,
    CancelStep,
    HoldOrder,
    OrderDetails,
    OrderReference,
    Priority,
    ProcedureRequest,
    StepStatus,
)
from ris.domain.patients import MergePatients, Sex, VisitDetails
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.models import Order, ScheduledProcedureStep
from ris.selectors import worklist
from ris.selectors.explain import candidates
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.condition import Condition, Source
from ris.selectors.explain.conditions import CHECKS, conditions
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.views import TextMatch, WorklistQuery
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

ZONE = ZoneInfo("Europe/Vienna")
FIRST = datetime(2026, 7, 5, tzinfo=ZONE).astimezone(UTC)
KNEE = Code("MRKNEE", "http://loinc.org", "MR of the knee, left\\right")


def place(
    name: str,
    number: str,
    hours: int | None,
    *,
    station: str = "CT1",
    modality: str = "CT",
    code: Code = make.CT_HEAD,
    step: dict[str, Any] | None = None,
    born: str = "1970-05-03",
    sex: Sex = Sex.FEMALE,
    details: dict[str, Any] | None = None,
    **overrides: Any,
) -> Order:
    """An order whose step starts so many hours after the first day began; never, if None."""
    said: dict[str, Any] = {"station_ae_title": station, "modality": modality, **(step or {})}
    if hours is not None:
        said["start_at"] = FIRST + timedelta(hours=hours)
    return make.order(
        patient=make.patient(
            number, name=PersonName.parse(name), birth_date=PartialDate(born), sex=sex
        ),
        procedures=(ProcedureRequest(code=code, steps=(make.step_request(**said),)),),
        details=OrderDetails(**{"priority": Priority.ROUTINE, **(details or {})}),
        **overrides,
    )


def reference(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def seed() -> None:
    """Steps in every state, with odd values in every field a query can ask for."""
    make.site()
    for ae_title, modality in (("CT1", "CT"), ("CT2", "CT"), ("MR1", "MR")):
        make.device(ae_title, modality)
    place("Müller^Jörg", "ab1", 9, step={"performing_physician": PersonName.parse("Osei^Ama")})
    place(
        "Muller^Jorg^Q",
        "AB1",
        32,
        station="CT2",
        sex=Sex.MALE,
        visit=VisitDetails(number=Identifier("V1", "HOSP"), location="Ward 4"),
        details={"requester": PersonName.parse("Łukasz^Jan"), "priority": Priority.STAT},
    )
    place(
        "Doe^John",
        "a%1",
        33,
        born="1960",
        details={"referring": PersonName.parse("Ruíz^Eva"), "requesting_service": "Neuro East"},
    )
    place(
        "山田^花子",
        "a*1",
        60,
        station="MR1",
        modality="MR",
        code=KNEE,
        step={"protocol_codes": (Code("P1", "L", ""), Code("P2", "L", "Knee routine"))},
        visit=VisitDetails(number=Identifier("V2", "CLINIC")),
    )
    place("Yamada^Tarou=山田^太郎", "x!y", 80, step={"description": "Head, fast"})
    started = place("Started^A", "s1", 34)
    execute(make.start(started), actor=people.ct1)
    make.performed(patient=make.patient("done1", name=PersonName.of("Done", "B")))
    place("Waiting^C", "w1", None, station="")
    held = place("Held^D", "h1", 35)
    execute(HoldOrder(order=reference(held)), actor=people.scheduler)
    canceled = place("Canceled^E", "c1", 36)
    execute(CancelOrder(order=reference(canceled)), actor=people.scheduler)
    two = place("Two^F", "t1", 37)
    execute(CancelStep(step=str(make.step_of(two).public_id)), actor=people.scheduler)
    place("Temp^Unknown", "OLD", 38)
    place("Real^Rita", "NEW", 39)
    execute(
        MergePatients(survivor=make.patient("NEW"), subsumed=make.patient("OLD"), reason="same"),
        actor=people.ehr,
    )


class Everything(list[Candidate]):
    """All steps, without showing them when a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} steps"


@pytest.fixture
def everything() -> Everything:
    seed()
    keys = ScheduledProcedureStep.objects.values_list("pk", flat=True)
    found = Everything(candidates.by_keys(keys))
    assert {one.status for one in found} >= {
        StepStatus.PENDING,
        StepStatus.SCHEDULED,
        StepStatus.STARTED,
        StepStatus.COMPLETED,
        StepStatus.CANCELED,
    }
    return found


# --- queries that nearly fit


def _bend(text: str, way: int) -> str:
    """The value itself, or something close to it."""
    half = max(1, len(text) // 2)
    return [
        text,
        text.upper(),
        text.swapcase(),
        f"{text[:half]}*",
        f"?{text[1:]}",
        f"*{text[half:]}",
        f"{text}x",
        f"x\\{text}",
        "*",
    ][way % 9] or "x"


def _texts(read: Callable[[Candidate], str | None]) -> Callable[[Candidate, int], Any]:
    return lambda one, way: TextMatch(pattern=_bend(read(one) or "x", way), wildcard=way % 2 == 0)


def _some(read: Callable[[Candidate], str | None]) -> Callable[[Candidate, int], Any]:
    return lambda one, way: tuple(_bend(read(one) or "x", way).split("\\"))


def _views(read: Callable[[Candidate], str]) -> Callable[[Candidate, int], Any]:
    return lambda one, way: ((read(one), "MR*"), tuple(_bend(read(one), way).split("\\")))[
        way % 2 :
    ]


def _name(read: Callable[[Candidate], str]) -> Callable[[Candidate, int], Any]:
    return lambda one, way: _bend(read(one) or "x", way)


def _at(one: Candidate, way: int) -> datetime:
    return (one.start_at or FIRST) + timedelta(minutes=[0, -1, 1, 60 * 24, -60 * 24][way % 5])


def _clock(one: Candidate, way: int) -> str:
    moved = (one.start_at or FIRST).astimezone(ZONE) + timedelta(minutes=[0, -1, 1][way % 3])
    return f"{moved:%H%M%S}.{'000000' if way % 2 else '999999'}"


def _born(one: Candidate, way: int) -> tuple[str, str]:
    day = one.birth_date.replace("-", "")[:8].ljust(8, "1")
    return [(day, day), (day, ""), ("", day), ("19600101", day), ("20000101", "")][way % 5]


def _code(value: str, scheme: str, way: int) -> tuple[Code, ...]:
    return [
        (Code(value, scheme),),
        (Code(value, ""),),
        (Code("", scheme or "x"),),
        (Code("other", scheme), Code(value, scheme)),
        (Code(value.lower() or "x", scheme),),
    ][way % 5]


def _protocol(one: Candidate, way: int) -> tuple[Code, ...]:
    code = one.protocol_codes[way % len(one.protocol_codes)] if one.protocol_codes else Code("x")
    return _code(code.value, code.scheme, way)


_STATES = list(StepStatus)

# For each field a value made from a step, so that most queries fit some steps and miss others.
MADE: dict[str, Callable[[Candidate, int], Any]] = {
    "station_ae_titles": _some(lambda one: one.station_ae_title),
    "modalities": _some(lambda one: one.modality),
    "view_stations": _views(lambda one: one.station_ae_title),
    "view_modalities": _views(lambda one: one.modality),
    "start_from": _at,
    "start_before": _at,
    "time_from": _clock,
    "time_to": _clock,
    "time_zone": lambda one, way: ["", "UTC+01:00", "UTC-05:30", "Europe/Vienna", "UTC"][way % 5],
    "patient_name": _name(lambda one: one.patient_name),
    "patient_id": _texts(lambda one: one.identifiers[-1][0].value),
    "patient_id_issuer": lambda one, way: ["HOSP", "hosp", "OTHER"][way % 3],
    "accession_number": _texts(lambda one: one.accession_number),
    "procedure_id": _texts(lambda one: one.procedure_id),
    "step_id": _texts(lambda one: one.step_id),
    "study_instance_uids": lambda one, way: (one.study_instance_uid, "1.2")[way % 2 :],
    "performing_physician": _name(lambda one: one.performing_physician),
    "patient_birth_date": _born,
    "patient_sex": lambda one, way: [one.sex.value or "O", "M", "F\\O", "f"][way % 4],
    "admission_id": _texts(lambda one: one.admission_id),
    "referring_physician": _name(lambda one: one.referring),
    "requesting_physician": _name(lambda one: one.requester),
    "station_name": _texts(lambda one: one.station_name),
    "location": _texts(lambda one: one.location),
    "priorities": lambda one, way: (one.priority, Priority.STAT, Priority.URGENT)[way % 3 :],
    "placer_number": _texts(lambda one: one.placer_number),
    "filler_number": _texts(lambda one: one.filler_number),
    "procedure_codes": lambda one, way: _code(one.code_value, one.code_scheme, way),
    "protocol_codes": _protocol,
    "procedure_description": _texts(lambda one: one.code_meaning.replace("\\", "/")),
    "step_description": _texts(lambda one: one.title.replace("\\", "/")),
    "current_location": _texts(lambda one: one.current_location),
    "requesting_service": _texts(lambda one: one.requesting_service.replace("\\", "/")),
    "institution": _texts(lambda one: one.institution),
    "accession_issuers": lambda one, way: (
        one.accession_issuer,
        "x",
        IssuerPattern("?" + one.accession_issuer[1:], universal=False),
        IssuerPattern("1*", universal=True),
    )[way % 4 :],
    "admission_issuers": lambda one, way: (one.admission_issuer or "y", "HOSP", "x")[way % 3 :],
    "statuses": lambda one, way: frozenset({one.status, _STATES[way % len(_STATES)]}),
}


def test_every_field_of_a_query_is_explained_and_tried() -> None:
    asked = {field.name for field in fields(WorklistQuery)} - {"limit"}

    told_with_another = {"start_before", "time_to", "time_zone"}
    assert asked - CHECKS.keys() == told_with_another
    assert CHECKS.keys() - asked == {"order_status"}
    assert asked - MADE.keys() == set()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_step_is_answered_exactly_if_every_condition_is_met(
    everything: Everything, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(MADE)), min_size=0, max_size=3, unique=True))
    one = everything[data.draw(st.integers(0, len(everything) - 1))]
    if "time_zone" in names:
        names.append("time_from")
    query = WorklistQuery(
        **{name: MADE[name](one, data.draw(st.integers(0, 89), label=name)) for name in names}
    )

    answered = {entry.step.public_id for entry in worklist.entries(query).entries}

    explained = {
        step.public_id
        for step in everything
        if all(condition.meets for condition in conditions(query, step, ZONE))
    }
    assert explained == answered


# --- words


def failed(query: WorklistQuery, name: str, sent: WorklistQuery | None = None) -> list[str]:
    """What leaves out the only step of the patient with this name."""
    step = ScheduledProcedureStep.objects.get(procedure__order__patient__name__startswith=name)
    found: Sequence[Condition] = conditions(query, candidates.by_id(step.step_id), ZONE, sent)
    return [condition.words for condition in found if not condition.meets]


def test_a_failed_condition_names_both_values(everything: Everything) -> None:
    query = WorklistQuery(
        station_ae_titles=("CT1", "CT2"),
        modalities=("CT",),
        start_from=FIRST,
        start_before=FIRST + timedelta(days=1),
        patient_sex="M",
    )

    assert failed(query, "山田") == [
        "Station AE title: asked CT1 or CT2, this step is for MR1",
        "Modality: asked CT, this step is for MR",
        "Start: asked 2026-07-05, this step has 2026-07-07 12:00",
        "Sex: asked M, the patient has F",
    ]


def test_what_is_never_offered_says_so(everything: Everything) -> None:
    assert failed(WorklistQuery(), "Canceled") == [
        "State of the step: offered are scheduled, arrived or ready, this step is canceled",
        "State of the order: offered are active, this order is canceled",
    ]
    assert failed(WorklistQuery(), "Held") == [
        "State of the order: offered are active, this order is on hold"
    ]


def test_what_the_device_is_set_to_is_told_apart_from_what_it_asked(
    everything: Everything,
) -> None:
    sent = WorklistQuery(modalities=("CT",))
    offered = WorklistQuery(
        modalities=("CT",), start_from=FIRST + timedelta(days=9), view_stations=(("CT2",),)
    )

    assert failed(offered, "Müller", sent) == [
        "Stations of its view: the device is set to CT2, this step is for CT1",
        "Start: the device is set to from 2026-07-14 00:00, this step has 2026-07-05 09:00",
    ]
    assert {
        condition.source
        for condition in conditions(offered, everything[0], ZONE, sent)
        if condition.field == "modalities"
    } == {Source.QUERY}


def test_nothing_has_a_default_that_would_ask_for_something() -> None:
    for field in fields(WorklistQuery):
        value = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name != "limit":
            assert not value, field.name

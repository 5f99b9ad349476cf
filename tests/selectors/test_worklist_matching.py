"""The worklist query against a plain reading of the standard."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ris.domain.orders import (
    Priority,
    ProcedureRequest,
)
from ris.domain.patients import Sex, VisitDetails
from ris.domain.values import Code, Identifier, fold
from ris.models import ScheduledProcedureStep
from ris.selectors import worklist, worklist_rows
from ris.selectors.views import TextMatch, WorklistEntry, WorklistQuery
from tests import make
from tests.selectors.worklist_entries import VIENNA, at, found, place

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    for ae_title, modality in (("CT1", "CT"), ("CT2", "CT"), ("MR1", "MR")):
        make.device(ae_title, modality)


def _seed() -> None:
    code = Code("MRKNEE", "http://loinc.org", "MR knee")
    place("Müller^Jörg", at(5, 9), number="ab1", physician="Osei^Ama", birth="1960-01-01")
    place("Muller^Jorg^Q", at(6, 7, 59), number="AB1", station="CT2", sex=Sex.MALE)
    place("Doe^John", at(6, 8), number="a%1", priority=Priority.STAT, referring="Ruíz^Eva")
    place("Doe", at(6, 20), number="a_1", birth="1960")
    place("Yamada^Tarou=山田^太郎=やまだ^たろう", at(7, 9), number="[x]", physician="Ösei^Ama")
    place("山田^花子", at(7, 18), number="a*1", station="MR1", modality="MR", code=code)
    place("Αλεξίου^Νίκος", at(8, 0, 0), number="a?1", requester="Łukasz^Jan")
    place("Łukasiewicz^Ewa", at(8, 23, 59), number="a\\1".replace("\\", "!"), birth="1999-12-31")
    place(
        "D_e^J%n", at(9, 12), number="9" * 20, visit=VisitDetails(number=Identifier("V1", "HOSP"))
    )


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(
        "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL
    )


def _text_meets(match: TextMatch | None, *values: str) -> bool:
    if match is None:
        return True
    for pattern in match.pattern.split("\\"):
        for value in values:
            if not value:
                continue
            if match.wildcard and _regex(pattern).fullmatch(value):
                return True
            if pattern == value:
                return True
    return False


def _group_meets(key: str, group: str) -> bool:
    """Trailing empty components do not count, on either side."""
    key = "^".join(part.strip() for part in key.split("^"))
    return any(_regex(key.rstrip("^")).fullmatch(group + "^" * padding) for padding in range(6))


def _name_meets(key: str, name: str) -> bool:
    if not key:
        return True
    stored = fold(name).split("=")
    for one in key.split("\\"):
        if not one.strip("^= "):
            return True
        groups = [fold(group) for group in one.split("=")][:3]
        if len(groups) == 1 and not groups[0].isascii():
            if any(_group_meets(groups[0], group) for group in stored):
                return True
            continue
        padded = stored + [""] * 3
        if all(
            not group.strip("^ ") or _group_meets(group, padded[index])
            for index, group in enumerate(groups)
        ):
            return True
    return False


def _meets(query: WorklistQuery, entry: WorklistEntry) -> bool:
    step, patient = entry.step, entry.patient
    start = step.start_at
    assert start is not None
    clock = start.astimezone(VIENNA).strftime("%H%M%S.%f")
    first, last = query.patient_birth_date or ("", "")
    born = patient.birth_date.dicom
    return all(
        (
            not query.station_ae_titles
            or any(_regex(one).fullmatch(step.station_ae_title) for one in query.station_ae_titles),
            not query.modalities
            or any(_regex(one).fullmatch(step.modality) for one in query.modalities),
            query.start_from is None or start >= query.start_from,
            query.start_before is None or start < query.start_before,
            not query.time_from or clock >= query.time_from,
            not query.time_to or clock <= query.time_to,
            _name_meets(query.patient_name, str(patient.name)),
            _name_meets(query.performing_physician, str(step.performing_physician))
            and (not query.performing_physician or bool(step.performing_physician)),
            _name_meets(query.requesting_physician, str(entry.requester)),
            _name_meets(query.referring_physician, str(entry.referring))
            and (not query.referring_physician or bool(entry.referring)),
            _text_meets(query.patient_id, *(one.value for one in patient.identifiers)),
            _text_meets(query.accession_number, entry.accession.value),
            _text_meets(query.admission_id, entry.visit.number.value if entry.visit else ""),
            query.patient_birth_date is None
            or (bool(born) and (not first or born >= first) and (not last or born <= last)),
            not query.patient_sex or patient.sex.value in query.patient_sex.split("\\"),
            not query.priorities or entry.priority in query.priorities,
            not query.procedure_codes
            or any(
                (not code.value or code.value == entry.procedure.code.value)
                and (not code.scheme or code.scheme == entry.procedure.code.scheme)
                for code in query.procedure_codes
            ),
        )
    )


_NAMES = st.one_of(
    st.sampled_from(
        [
            "muller*", "MÜLLER^JÖRG", "Müller^Jörg^^^", "doe", "DOE^*", "DOE^*^*", "doe^john",
            "*john", "?oe*", "D_e*", "D?e^J%n", "%", "山田*", "=山田^太郎", "yamada*", "YAMADA*=",
            "==やまだ*", "*^太郎", "yamada^tarou=山田^太郎", "αλεξίου*", "Lukasiewicz^Ewa",
            "Doe^John\\Müller*", "*", "*=*", "doe*=*", "y*u", "*=*", "^john", "[dy]*",
        ]
    ),
    st.text(st.sampled_from("*?^=dDoOeEJmMüÜlr山田太郎yYaΑα%_[]\\ "), max_size=8),
)  # fmt: skip
_TEXTS = st.builds(
    TextMatch,
    pattern=st.one_of(
        st.sampled_from(
            ["ab1", "AB1", "a%1", "a_1", "a*1", "a?1", "[x]", "[*]", "*1", "a??", "9*", "ab1\\AB1"]
        ),
        st.text(st.sampled_from("aAbB1%_[]*?!9"), min_size=1, max_size=4),
    ),
    wildcard=st.booleans(),
)
_INSTANTS = st.integers(0, 5 * 24 * 4).map(lambda quarter: at(5) + timedelta(minutes=15 * quarter))
_CLOCKS = st.sampled_from(
    [
        "000000.000000",
        "080000.000000",
        "080000.999999",
        "095959.999999",
        "235959.999999",
        "200000.500000",
    ]
)
_DAYS = st.sampled_from(["", "19600101", "19700503", "19991231", "20300101"])


@st.composite
def _queries(draw: st.DrawFn) -> WorklistQuery:
    """One to three conditions."""
    possible: dict[str, st.SearchStrategy[Any]] = {
        "station_ae_titles": st.sampled_from([("CT1",), ("CT1", "MR1"), ("CT?",), ("ct1",)]),
        "modalities": st.sampled_from([("CT",), ("CT", "MR"), ("*R",), ("ct",)]),
        "start_from": _INSTANTS,
        "start_before": _INSTANTS,
        "time_from": _CLOCKS,
        "time_to": _CLOCKS,
        "patient_name": _NAMES,
        "patient_id": _TEXTS,
        "admission_id": st.builds(TextMatch, pattern=st.sampled_from(["V1", "V*", "v1"]),
                                  wildcard=st.just(True)),
        "performing_physician": st.sampled_from(["osei*", "Osei^Ama", "x", "ösei^ama"]),
        "requesting_physician": st.sampled_from(["Ordonez*", "lukasz^jan", "ŁUKASZ*"]),
        "referring_physician": st.sampled_from(["ruiz^eva", "RUÍZ*"]),
        "patient_birth_date": st.tuples(_DAYS, _DAYS).filter(any),
        "patient_sex": st.sampled_from(["F", "M", "O", "M\\O", "f"]),
        "priorities": st.sampled_from([(Priority.STAT,), (Priority.ASAP, Priority.ROUTINE)]),
        "procedure_codes": st.sampled_from(
            [(Code("MRKNEE", "LN"), Code("MRKNEE", "http://loinc.org")), (Code("MRKNEE"),),
             (Code("", "TEST"),)]
        ),
    }  # fmt: skip
    names = draw(st.lists(st.sampled_from(sorted(possible)), min_size=1, max_size=3, unique=True))
    return WorklistQuery(**{name: draw(possible[name]) for name in names})


class Seeded(list[WorklistEntry]):
    """The seeded entries, without showing all of them when a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} entries"


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=_queries())
def test_a_query_finds_what_the_standard_says(seeded: Seeded, query: WorklistQuery) -> None:
    expected = [entry.step.step_id for entry in seeded if _meets(query, entry)]

    answer = worklist.entries(query)

    assert [entry.step.step_id for entry in answer.entries] == expected


@pytest.fixture
def seeded() -> Seeded:
    _seed()
    everything = Seeded(worklist.entries(WorklistQuery()).entries)
    assert len(everything) == 9
    return everything


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("muller*", ["Müller^Jörg", "Muller^Jorg^Q"]),
        ("Müller^Jörg", ["Müller^Jörg"]),
        ("Doe^John^^^", ["Doe^John"]),
        ("DOE^*", ["Doe^John", "Doe"]),
        ("山田*", ["Yamada^Tarou=山田^太郎=やまだ^たろう", "山田^花子"]),
        ("YAMADA*", ["Yamada^Tarou=山田^太郎=やまだ^たろう"]),
        ("=山田*", ["Yamada^Tarou=山田^太郎=やまだ^たろう"]),
        ("yamada*=鈴木*", []),
        ("αλεξιου*", ["Αλεξίου^Νίκος"]),
        ("D_e*", ["D_e^J%n"]),
        ("D%", []),
        ("lukasiewicz*", ["Łukasiewicz^Ewa"]),
    ],
)
def test_names_are_matched_group_by_group_without_case_and_accents(
    seeded: list[WorklistEntry], key: str, names: list[str]
) -> None:
    assert found(patient_name=key) == names


@pytest.mark.parametrize(
    ("pattern", "wildcard", "numbers"),
    [
        ("ab1", False, ["ab1"]),
        ("AB1", False, ["AB1"]),
        ("a%1", False, ["a%1"]),
        ("a_1", True, ["a_1"]),
        ("a*1", False, ["a*1"]),
        ("a*1", True, ["ab1", "a%1", "a_1", "a*1", "a?1", "a!1"]),
        ("a?1", True, ["ab1", "a%1", "a_1", "a*1", "a?1", "a!1"]),
        ("[x]", True, ["[x]"]),
        ("ab1\\AB1", False, ["ab1", "AB1"]),
    ],
)
def test_numbers_are_matched_to_the_letter(
    seeded: list[WorklistEntry], pattern: str, wildcard: bool, numbers: list[str]
) -> None:
    answer = worklist.entries(
        WorklistQuery(patient_id=TextMatch(pattern=pattern, wildcard=wildcard))
    )

    assert [entry.patient.identifier.value for entry in answer.entries] == numbers


def test_an_issuer_narrows_the_number(seeded: list[WorklistEntry]) -> None:
    number = TextMatch(pattern="ab1")

    assert found(patient_id=number, patient_id_issuer="HOSP") == ["Müller^Jörg"]
    assert found(patient_id=number, patient_id_issuer="ELSEWHERE") == []
    assert len(found(patient_id_issuer="HOSP")) == 9


@pytest.mark.parametrize(
    "field", ["step_id", "procedure_id", "accession_number", "placer_number", "filler_number"]
)
def test_each_number_of_the_order_finds_its_step(seeded: list[WorklistEntry], field: str) -> None:
    entry = seeded[3]
    value = {
        "step_id": entry.step.step_id,
        "procedure_id": entry.procedure.procedure_id,
        "accession_number": entry.accession.value,
        "placer_number": entry.placer.value,
        "filler_number": entry.filler.value,
    }[field]

    assert found(**{field: TextMatch(pattern=value)}) == [str(entry.patient.name)]
    assert found(**{field: TextMatch(pattern=value + "X")}) == []


def test_a_list_of_study_uids_finds_each(seeded: list[WorklistEntry]) -> None:
    uids = tuple(entry.procedure.study_instance_uid for entry in seeded[2:4])

    assert found(study_instance_uids=(*uids, "1.2.3")) == [
        str(entry.patient.name) for entry in seeded[2:4]
    ]


def test_station_name_and_room_are_matched(seeded: list[WorklistEntry]) -> None:
    names = {entry.step.station_name for entry in seeded}

    assert names == {"CT 1", "MR 1"}
    assert found(station_name=TextMatch(pattern="MR*", wildcard=True)) == ["山田^花子"]


def test_every_step_of_an_order_is_an_entry_of_its_own() -> None:
    make.order(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=tuple(
                    make.step_request(start_at=at(6, hour), station_ae_title="CT1")
                    for hour in (8, 9, 10)
                ),
            ),
        )
    )

    answer = worklist.entries(WorklistQuery())

    assert len(answer.entries) == 3
    assert len({entry.step.step_id for entry in answer.entries}) == 3
    assert len({entry.procedure.study_instance_uid for entry in answer.entries}) == 1


@pytest.mark.only("sqlite")  # PostgreSQL chooses by the number of rows
@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({"patient_name": "doe*"}, "patient_name_key"),
        ({"patient_name": "doe"}, "patient_name_key"),
        ({"patient_id": TextMatch(pattern="P1")}, "patient_identifier_value"),
        ({"accession_number": TextMatch(pattern="A1")}, "order_accession"),
        ({"station_ae_titles": ("CT1",), "start_from": at(6), "start_before": at(7)},
         "step_station_start"),
        ({"station_ae_titles": ("CT1",), "modalities": ("CT",), "start_from": at(6),
          "start_before": at(7)}, "step_station_start"),
        ({"station_ae_titles": ("CT1", "CT2"), "start_from": at(6), "start_before": at(7)},
         "step_station_start"),
        ({"view_stations": (("CT1", "CT2"),), "start_from": at(6), "start_before": at(7)}, "start"),
        ({"station_ae_titles": ("*1",), "modalities": ("CT",), "start_from": at(6),
          "start_before": at(7)}, "step_modality_start"),
        ({"start_from": at(6), "start_before": at(7)}, "start"),
    ],
)  # fmt: skip
def test_a_query_uses_an_index(conditions: dict[str, Any], index: str) -> None:
    query = WorklistQuery(**conditions)
    where = worklist._conditions(query)

    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN QUERY PLAN " + worklist._select(query, where, connection.vendor),
            [*where.params, 10, 0],
        )
        plan = [row[3] for row in cursor.fetchall()]

    assert any(index in step for step in plan), plan
    assert not any(step.startswith("SCAN") and "ris_site" not in step for step in plan), plan


def test_reading_is_bounded_in_memory() -> None:
    for number in range(3):
        place(f"Name{number}^A")
    known = replace(worklist._known, capacity=2)

    keys = [worklist._version_key(row) for row in worklist._rows(WorklistQuery())]
    entries = known.get(keys, lambda missing: worklist_rows.read(missing, ""))

    assert [str(entry.patient.name) for entry in entries] == ["Name0^A", "Name1^A", "Name2^A"]
    assert len(known.entries) == 2
    assert ScheduledProcedureStep.objects.count() == 3

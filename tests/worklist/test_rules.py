"""How the queries of a device may be read: typed names, stray keys, strictness, shared lists."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError
from ris.selectors import name_keys
from ris.selectors.views import TextMatch, WorklistQuery
from tests.worklist.entries import SYNTAXES, encoded, identifier
from worklist.elements import tag_of
from worklist.matching import WorklistRequest, to_request
from worklist.rules import DEVIATIONS, REFUSED, Deviation, Rules, groups_of, operator_name

VIENNA = ZoneInfo("Europe/Vienna")


def request(query: Dataset | bytes, **rules: Any) -> WorklistRequest:
    data = query if isinstance(query, bytes) else encoded(query)
    return to_request(data, SYNTAXES["explicit"], zone=VIENNA, rules=Rules(**rules))


def kinds(query: Dataset | bytes) -> set[str]:
    return {deviation.kind for deviation in request(query).deviations}


# --- names as operators type them


@pytest.mark.parametrize(
    ("typed", "names", "others"),
    [
        ("Doe", ["Doe^John", "Doering^Eva", "Doe"], ["Mac Doe^Eva"]),
        ("doe, john", ["Doe^John", "DOE^JOHNNY"], ["Doe", "John^Doe"]),
        ("Doe,John Q", ["Doe^John^Q", "Doe^John Q"], ["Doe^John"]),
        ("Doe John", ["Doe^John", "Doe John^Eva"], ["John^Doe"]),
        ("van der Berg Anna", ["van der Berg^Anna"], ["Berg^Anna"]),
        ("Doe,", ["Doe^John", "Doering^Eva"], ["Berg^Anna"]),
        ("山田 太郎", ["Yamada^Tarou=山田^太郎"], ["Yamada^Hanako=山田^花子"]),
        ("山田　太郎", ["Yamada^Tarou=山田^太郎"], ["Yamada^Hanako=山田^花子"]),
        ("DOE^JOHN", ["Doe^John"], ["Doe^Johnny"]),
        ("Doe^J*", ["Doe^John"], ["Doering^John"]),
        ("=山田^太郎", ["Yamada^Tarou=山田^太郎"], ["山田^太郎"]),
        ("D?e", ["Doe^John", "Dee^Eva"], ["Doonan^Eva"]),
        ("Doe\\Berg", ["Doe^John", "Berg^Anna"], ["Stone^Ada"]),
    ],
)
def test_a_name_is_read_as_people_type_it(typed: str, names: list[str], others: list[str]) -> None:
    key = operator_name(typed)

    assert [one for one in names if not name_keys.matches(key, name_keys.fold(one))] == []
    assert [one for one in others if name_keys.matches(key, name_keys.fold(one))] == []


def test_typed_names_are_read_only_for_devices_registered_so() -> None:
    query = identifier(PatientName="Doe, John")

    assert request(query).query == WorklistQuery(patient_name="Doe, John")
    assert request(query, operator_names=True).query == WorklistQuery(patient_name="Doe^John*")


def test_all_names_of_a_query_are_read_so() -> None:
    query = identifier(
        ReferringPhysicianName="Ruiz E", step={"ScheduledPerformingPhysicianName": "Osei"}
    )

    assert request(query, operator_names=True).query == WorklistQuery(
        referring_physician="Ruiz E*\\Ruiz^E*", performing_physician="Osei*"
    )


def test_a_star_is_still_everybody() -> None:
    assert request(identifier(PatientName="*"), operator_names=True).query == WorklistQuery()


# --- keys of the step at root level


def test_keys_of_the_step_at_root_level_ask_for_nothing() -> None:
    found = request(identifier(Modality="CT", PatientName=""))

    assert found.query == WorklistQuery()
    assert found.unsupported == (tag_of("Modality"),)
    assert Deviation("step-keys-at-root", "Modality") in found.deviations


def test_a_device_may_put_keys_of_the_step_at_root_level() -> None:
    query = identifier(
        Modality="CT", ScheduledStationAETitle="CT1", step={"ScheduledStationAETitle": "CT2"}
    )

    found = request(query, step_keys_at_root=True)

    assert found.query == WorklistQuery(modalities=("CT",), station_ae_titles=("CT2",))
    assert found.unsupported == ()
    (sequence,) = found.plan.keys
    assert [key.attribute.keyword for key in sequence.children] == [
        "Modality", "ScheduledStationAETitle",
    ]  # fmt: skip


# --- deviations


def raw(tag: int, vr: bytes, value: bytes) -> bytes:
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    return head + vr + len(value).to_bytes(2, "little") + value


SEVERAL_ITEMS = identifier(step={"Modality": "CT"})
SEVERAL_ITEMS.ScheduledProcedureStepSequence.append(Dataset())


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (identifier(step={"Modality": ["CT", "MR"]}), "several-values"),
        (identifier(step={"ScheduledStationAETitle": "CT*"}), "wildcard"),
        (identifier(PatientID="P?"), "wildcard"),
        (identifier(Modality="CT"), "step-keys-at-root"),
        (SEVERAL_ITEMS, "several-items"),
        (identifier(QueryRetrieveLevel="STUDY"), "retrieve-level"),
        (raw(0x00100000, b"UL", b"\0\0\0\0"), "group-length"),
        (raw(0x00090010, b"LO", b"ACME"), "private"),
        (raw(0x00100020, b"LO", b"P12"), "odd-length"),
        (identifier(OtherPatientIDs=""), "retired"),
        (identifier(step={"ScheduledProcedureStepStartDate": "2026.07.06"}), "old-date"),
        (identifier(step={"ScheduledProcedureStepStartDate": "20260706 - 20260707"}), "old-date"),
        (raw(0x00080005, b"CS", b""), "character-set"),
        (raw(0x00080005, b"CS", b"KLINGON "), "character-set"),
    ],
)
def test_what_the_standard_does_not_allow_is_noted(query: Dataset | bytes, kind: str) -> None:
    assert kinds(query) == {kind}
    assert kind in DEVIATIONS


@pytest.mark.parametrize(
    "query",
    [
        identifier(PatientName="", PatientID="P1", StudyInstanceUID=["1.2", "1.3"]),
        identifier(step={"Modality": "*", "ScheduledProcedureStepStartDate": "20260706-"}),
        identifier(SpecificCharacterSet="ISO_IR 192", PatientName="Müller*"),
    ],
)
def test_an_allowed_query_is_not_noted(query: Dataset) -> None:
    assert request(query).deviations == ()


def test_half_of_a_letter_is_no_separator_of_values() -> None:
    query = raw(0x00080005, b"CS", b"GB18030 ") + raw(0x00100010, b"PN", b"\x95\x5c")

    assert request(query).deviations == ()


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (identifier(step={"Modality": ["CT", "MR"]}), "(0008,0060)"),
        (SEVERAL_ITEMS, "(0040,0100)"),
        (identifier(Modality="CT"), "(0008,0060)"),
        (identifier(step={"ScheduledProcedureStepStartDate": "2026.07.06"}), "(0040,0002)"),
    ],
)
def test_a_strict_device_is_refused_by_the_name_of_the_element(query: Dataset, path: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        request(query, strict=True)

    assert refused.value.path == path
    assert set(DEVIATIONS) > REFUSED


def test_a_strict_device_may_send_a_retrieve_level() -> None:
    query = identifier(QueryRetrieveLevel="STUDY", PatientID="P1")

    assert request(query, strict=True).query == WorklistQuery(patient_id=TextMatch(pattern="P1"))


# --- stations that share a list


def test_stations_that_name_each_other_are_one_group() -> None:
    assert groups_of([("CT2", ["CT1"]), ("CT3", ["CT2"]), ("MR1", [])]) == (("CT1", "CT2", "CT3"),)


def test_two_groups_stay_two() -> None:
    assert groups_of([("CT1", ["CT2"]), ("MR1", ["MR2"])]) == (("CT1", "CT2"), ("MR1", "MR2"))


def test_a_station_stands_first_among_its_sharers() -> None:
    rules = Rules(shared=(("CT1", "CT2"),))

    assert rules.stations_of("CT2") == ("CT2", "CT1")
    assert rules.stations_of("MR1") == ("MR1",)

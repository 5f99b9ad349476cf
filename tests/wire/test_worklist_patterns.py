"""What modalities really send, sent by three clients that are not ours (dicom.md 1.3).

Each pattern goes through findscu, pynetdicom and dcmjs-dimse, and each must see the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code, Identifier, PersonName
from tests import make
from tests.wire.dicom_peer import associated, find_rq
from tests.wire.test_worklist_wire import names_in
from tests.wire.worklist_server import dcmjs, findscu, modality, running
from tests.worklist.entries import identifier
from worklist.server import ServerThread
from worklist.sop_classes import MODALITY_WORKLIST_FIND

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

SPS = "ScheduledProcedureStepSequence"
Pattern = tuple[dict[str, str], dict[str, str] | None]
# Root keys, and keys of the step: None sends no sequence at all.
PATTERNS: dict[str, tuple[Pattern, list[str]]] = {
    "broad, as a CT does it": (
        ({}, {"ScheduledStationAETitle": "CT1", "Modality": "CT",
              "ScheduledProcedureStepStartDate": "20260302",
              "ScheduledProcedureStepStartTime": ""}),
        ["Berg^Anna", "Doe^John"],
    ),
    "broad, all modalities of two days": (
        ({}, {"ScheduledProcedureStepStartDate": "20260302-20260303", "Modality": ""}),
        ["Berg^Anna", "Doe^John", "Stone^Ada", "Berger^Eva"],
    ),
    "patient, by the beginning of the name": (
        ({"PatientName": "BERG*"}, {"ScheduledProcedureStepStartDate": ""}),
        ["Berg^Anna", "Berger^Eva"],
    ),
    "patient, by number and name": (
        ({"PatientName": "berg*", "PatientID": "PB-1"}, {}),
        ["Berg^Anna"],
    ),
    "barcode of an order": (({"AccessionNumber": "ACC-2"}, None), ["Doe^John"]),
    "barcode of a procedure": (({"RequestedProcedureID": "RP-3"}, None), ["Stone^Ada"]),
    "barcode of a wristband": (({"PatientID": "PB-4"}, None), ["Berger^Eva"]),
    "everything": (
        ({"PatientID": "", "AccessionNumber": ""},
         {"Modality": "", "ScheduledStationAETitle": "", "ScheduledProcedureStepStartDate": ""}),
        ["Berg^Anna", "Doe^John", "Stone^Ada", "Berger^Eva"],
    ),
    "two modalities at once, which is not allowed": (
        ({}, {"Modality": "MR\\DX"}),
        ["Stone^Ada", "Berger^Eva"],
    ),
    "a station with a wildcard, which is not allowed": (
        ({}, {"ScheduledStationAETitle": "CT*"}),
        ["Berg^Anna", "Doe^John"],
    ),
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[ServerThread]:
    make.site()
    for station, kind in (("CT1", "CT"), ("MR1", "MR"), ("DX1", "DX")):
        make.device(station, kind)
    days = (
        ("Berg^Anna", "CT1", "CT", datetime(2026, 3, 2, 8, 5, tzinfo=UTC)),
        ("Doe^John", "CT1", "CT", datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        ("Stone^Ada", "MR1", "MR", datetime(2026, 3, 2, 10, 0, tzinfo=UTC)),
        ("Berger^Eva", "DX1", "DX", datetime(2026, 3, 3, 8, 0, tzinfo=UTC)),
    )
    for number, (name, station, kind, start_at) in enumerate(days, 1):
        make.order(
            patient=make.patient(f"PB-{number}", name=PersonName.parse(name)),
            accession=Identifier(f"ACC-{number}", "RIS"),
            procedures=(
                ProcedureRequest(
                    code=make.CT_HEAD,
                    procedure_id=f"RP-{number}",
                    steps=(
                        make.step_request(
                            start_at=start_at,
                            station_ae_title=station,
                            modality=kind,
                            protocol_codes=(Code("P-HEAD", "99SITE"),),
                        ),
                    ),
                ),
            ),
        )
    with running(matches=50) as listener:
        yield listener


def by_findscu(server: ServerThread, pattern: Pattern) -> list[str]:
    root, step = pattern
    keys = [f"{keyword}={value}" for keyword, value in ({"PatientName": ""} | root).items()]
    keys += [f"{SPS}[0].{keyword}={value}" for keyword, value in (step or {}).items()]
    if step == {}:
        keys.append(f"{SPS}[0]")
    text, code = findscu(server, *(part for key in keys for part in ("-k", key)))
    assert code == 0
    assert "Received Final Find Response (Success)" in text
    return names_in(text)


def by_pynetdicom(server: ServerThread, pattern: Pattern) -> list[str]:
    root, step = pattern
    answers = modality(server).find(identifier(step=step, **({"PatientName": ""} | root)))
    assert answers.status == 0
    return [str(row.PatientName) for row in answers.identifiers]


def by_dcmjs(server: ServerThread, pattern: Pattern) -> list[str]:
    root, step = pattern
    elements: dict[str, Any] = {"PatientName": ""} | root
    if step is not None:
        elements[SPS] = [step]
    answers = dcmjs(server, "c-find", elements=elements)
    assert answers[-1]["status"] == 0
    return [_name(answer["dataset"]["PatientName"]) for answer in answers[:-1]]


def _name(value: Any) -> str:
    value = value[0] if isinstance(value, list) else value
    return str(value["Alphabetic"] if isinstance(value, dict) else value)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("ask", [by_findscu, by_pynetdicom, by_dcmjs])
def test_a_pattern_sees_the_same_people_with_every_client(
    server: ServerThread, ask: Callable[[ServerThread, Pattern], list[str]], name: str
) -> None:
    pattern, people = PATTERNS[name]

    assert ask(server, pattern) == people


def test_a_scanner_that_refreshes_gets_the_same_list_in_the_same_order(
    server: ServerThread,
) -> None:
    pattern, people = PATTERNS["broad, all modalities of two days"]

    assert [by_pynetdicom(server, pattern) for _ in range(5)] == [people] * 5


# --- what no library would send, and devices do (dicom.md MWL-33)


def raw(tag: int, value: bytes) -> bytes:
    """One element in Implicit VR Little Endian, whatever its value."""
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + (len(value).to_bytes(4, "little") + value)
    )


NAME = raw(0x00100010, b"")
ODD: dict[str, tuple[bytes, int]] = {
    "a value of odd length": (NAME + raw(0x00100020, b"PB-1 "), 1),
    "a value of odd length that is the last": (NAME + raw(0x00401001, b"RP-1\0"), 1),
    "group lengths": (raw(0x00100000, b"\x08\0\0\0") + NAME, 4),
    "a Query/Retrieve Level": (raw(0x00080052, b"WORKLIST") + NAME, 4),
    "private elements": (raw(0x00090010, b"ACME") + raw(0x00091001, b"\1\2\3\4") + NAME, 4),
    "an empty character set": (raw(0x00080005, b"") + NAME, 4),
    "a retired element": (NAME + raw(0x00101000, b""), 4),
    "titles padded with zeros": (
        NAME + raw(0x00400100, raw(0xFFFEE000, raw(0x00400001, b"CT1\0"))), 2,
    ),
    "an item without attributes": (NAME + raw(0x00400100, raw(0xFFFEE000, b"")), 4),
    "a station key at root level": (NAME + raw(0x00400001, b"MR1 "), 4),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_query_is_answered(server: ServerThread, name: str) -> None:
    identifier_bytes, matches = ODD[name]

    with associated(server.port, MODALITY_WORKLIST_FIND) as peer:
        peer.send(find_rq(identifier=identifier_bytes))
        rows, final = peer.answer()

    assert final.status == 0x0000
    assert len(rows) == matches


def test_keys_of_the_step_at_root_level_count_for_a_device_that_sends_them_there(
    server: ServerThread,
) -> None:
    make.device("CT1", settings={"step_keys_at_root": True})

    with associated(server.port, MODALITY_WORKLIST_FIND) as peer:
        peer.send(find_rq(identifier=ODD["a station key at root level"][0]))
        rows, final = peer.answer()

    assert final.status == 0x0000
    assert len(rows) == 1
    assert b"Stone^Ada" in rows[0]
    assert b"MR1" in rows[0]


# --- what single vendors need


def everything(**keys: Any) -> Dataset:
    """What a scanner asks for that shows nothing if one of these is not there."""
    return identifier(
        PatientName="", PatientID="", PatientBirthDate="", PatientSex="", AccessionNumber="",
        StudyInstanceUID="", RequestedProcedureID="", RequestedProcedureDescription="",
        RequestedProcedureCodeSequence=[], ReferringPhysicianName="", RequestingPhysician="",
        AdmissionID="", CurrentPatientLocation="", ReferencedStudySequence=[],
        ReferencedPatientSequence=[], PatientWeight="", MedicalAlerts="", Allergies="",
        PregnancyStatus="", PatientState="", SpecialNeeds="", RequestedProcedurePriority="",
        PatientTransportArrangements="",
        step={
            "ScheduledStationAETitle": "CT1", "ScheduledProcedureStepStartDate": "20260302",
            "ScheduledProcedureStepStartTime": "", "Modality": "CT",
            "ScheduledPerformingPhysicianName": "", "ScheduledProcedureStepDescription": "",
            "ScheduledProtocolCodeSequence": [], "ScheduledProcedureStepID": "",
            "ScheduledStationName": "", "ScheduledProcedureStepLocation": "",
            "PreMedication": "", "RequestedContrastAgent": "",
        },
        **keys,
    )  # fmt: skip


def test_start_times_have_exactly_six_digits(server: ServerThread) -> None:
    # GE CT reads nothing else (DOC0500644 6.8).
    answers = modality(server).find(everything())

    times = [row[SPS].value[0].ScheduledProcedureStepStartTime for row in answers.identifiers]
    assert times == ["090500", "100000"]


def test_every_code_has_a_meaning(server: ServerThread) -> None:
    # GE CT shows the meaning of the protocol code, which the standard makes optional.
    answers = modality(server).find(everything())

    row = answers.identifiers[0]
    codes = [
        *row.RequestedProcedureCodeSequence,
        *row[SPS].value[0].ScheduledProtocolCodeSequence,
    ]
    assert [(code.CodeValue, code.CodeMeaning) for code in codes] == [
        (make.CT_HEAD.value, make.CT_HEAD.meaning), ("P-HEAD", "P-HEAD"),
    ]  # fmt: skip


def test_every_type_1_and_2_attribute_asked_for_is_there(server: ServerThread) -> None:
    # A Siemens ultrasound showed nothing because one was missing (fo-dicom issue 1056).
    asked = everything()

    (first, _) = modality(server).find(asked).identifiers

    assert {element.keyword for element in asked} - {element.keyword for element in first} == set()
    step = {element.keyword for element in asked[SPS].value[0]}
    assert step - {element.keyword for element in first[SPS].value[0]} == set()
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "RequestedProcedureID"):
        assert first[keyword].value


def test_descriptions_are_there_even_if_only_a_code_was_ordered(server: ServerThread) -> None:
    (first, _) = modality(server).find(everything()).identifiers

    assert first.RequestedProcedureDescription == make.CT_HEAD.meaning
    assert first[SPS].value[0].ScheduledProcedureStepDescription

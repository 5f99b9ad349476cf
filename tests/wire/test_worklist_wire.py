"""Worklist queries over the wire, with three clients that are not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.errors import DeniedError
from ris.domain.orders import OrderDetails, ProcedureRequest
from ris.domain.values import PersonName
from ris.models import WorklistQueryLog
from tests import make
from tests.wire.worklist_server import dcmjs, findscu, modality, running
from worklist.modality import Modality, query
from worklist.server import ServerThread
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_WORKLIST_FIND,
)

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    make.site()
    make.device("CT1", "CT")
    make.device("MR1", "MR")
    with running(matches=50) as listener:
        yield listener


def place(name: str, station: str = "CT1", modality: str = "CT", hour: int = 12) -> str:
    """An accession number that is on the worklist."""
    order = make.order(
        patient=make.patient(name=PersonName.parse(name)),
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(
                    make.step_request(
                        start_at=NOON.replace(hour=hour),
                        station_ae_title=station,
                        modality=modality,
                    ),
                ),
            ),
        ),
        details=OrderDetails(reason="headache"),
    )
    number: str = order.accession_number
    return number


def names_in(text: str) -> list[str]:
    """Patient names that findscu printed for its answers."""
    answers = text.split("Find Response:", 1)
    found = re.findall(r"\(0010,0010\) PN \[(.*?)\s*\]", answers[1] if len(answers) > 1 else "")
    return [name.strip() for name in found]


# --- dcmtk


def test_findscu_sees_the_day_of_a_station(server: ServerThread) -> None:
    place("Berg^Anna")
    place("Stone^Ada", station="MR1", modality="MR")

    text, code = findscu(
        server,
        "-k", "PatientName",
        "-k", "(0040,0100)[0].ScheduledStationAETitle=CT1",
        "-k", "(0040,0100)[0].ScheduledProcedureStepStartDate=20260302",
        "-k", "(0040,0100)[0].Modality=CT",
    )  # fmt: skip

    assert code == 0
    assert names_in(text) == ["Berg^Anna"]
    assert "Received Final Find Response (Success)" in text


def test_findscu_sees_a_new_order_in_the_very_next_query(server: ServerThread) -> None:
    before, _ = findscu(server, "-k", "PatientName")
    place("Berg^Anna")
    after, _ = findscu(server, "-k", "PatientName")

    assert names_in(before) == []
    assert names_in(after) == ["Berg^Anna"]


@pytest.mark.parametrize("key", ["PatientName=muller*", "PatientName=MULLER^J?RG"])
def test_findscu_finds_a_name_without_its_accents(server: ServerThread, key: str) -> None:
    place("Müller^Jörg")
    place("Berg^Anna")

    text, _ = findscu(server, "-k", key)

    assert names_in(text) == ["Müller^Jörg"]
    assert "ISO_IR 192" in text


def test_findscu_with_only_top_level_keys_needs_no_sequence(server: ServerThread) -> None:
    number = place("Berg^Anna")
    place("Stone^Ada")

    text, _ = findscu(server, "-k", f"AccessionNumber={number}", "-k", "PatientName")

    assert names_in(text) == ["Berg^Anna"]
    assert "(0040,0100)" not in text.split("Find Response:", 1)[1]


@pytest.mark.parametrize("syntax", ["-xi", "-xe", "-xb", "-x="])
def test_findscu_is_answered_in_every_transfer_syntax(server: ServerThread, syntax: str) -> None:
    place("Berg^Anna")

    text, code = findscu(server, syntax, "-k", "PatientName", "-k", "StudyInstanceUID")

    assert code == 0
    assert names_in(text) == ["Berg^Anna"]


def test_findscu_extracts_a_dataset_pydicom_reads(server: ServerThread, tmp_path: Path) -> None:
    number = place("Berg^Anna")

    findscu(
        server, "-X", "-od", str(tmp_path),
        "-k", "PatientName", "-k", "AccessionNumber", "-k", "StudyInstanceUID",
        "-k", "(0040,0100)[0].ScheduledProcedureStepID",
        "-k", "(0040,0100)[0].ScheduledProcedureStepStartTime",
    )  # fmt: skip

    (file,) = tmp_path.glob("*.dcm")
    found = dcmread(file)
    assert found.AccessionNumber == number
    assert found.StudyInstanceUID.startswith("2.25.")
    assert found.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "130000"


def test_findscu_hears_of_a_date_that_is_none(server: ServerThread) -> None:
    text, _ = findscu(server, "-k", "(0040,0100)[0].ScheduledProcedureStepStartDate=someday")

    assert "Received Final Find Response (Error: DataSetDoesNotMatchSOPClass)" in text
    assert WorklistQueryLog.objects.get().status == 0xA900


def test_findscu_hears_that_the_list_was_cut(server: ServerThread) -> None:
    for number in range(51):
        place(f"Name{number}^A")

    text, _ = findscu(server, "-k", "PatientName")

    assert len(names_in(text)) == 50
    assert "Received Final Find Response (Refused: OutOfResources)" in text


def test_findscu_from_an_unknown_scanner_is_turned_away(server: ServerThread) -> None:
    text, code = findscu(server, "-k", "PatientName", calling="NOBODY")

    assert code != 0
    assert "Calling AE Title Not Recognized" in text


# --- pynetdicom


def test_pynetdicom_gets_what_it_asked_for_and_no_more(server: ServerThread) -> None:
    place("Yamada^Tarou=山田^太郎=やまだ^たろう")
    asked = query(PatientName="=山田*")
    asked.SpecificCharacterSet = ["", "ISO 2022 IR 87"]

    answers = modality(server).find(asked)

    (found,) = answers.identifiers
    expected = {element.tag for element in asked} - {0x00101030}
    assert answers.status == 0
    assert found.SpecificCharacterSet == ["", "ISO 2022 IR 87"]
    assert found.PatientName.ideographic == "山田^太郎"
    assert expected <= {element.tag for element in found} | {0x00100021}
    assert {element.tag for element in found} <= {element.tag for element in asked}


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_pynetdicom_is_answered_in_its_transfer_syntax(server: ServerThread, syntax: str) -> None:
    place("Müller^Jörg")
    ae = AE("CT1")
    ae.add_requested_context(MODALITY_WORKLIST_FIND, [syntax])
    association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
    asked = Dataset()
    asked.PatientName = ""

    found = [row for _, row in association.send_c_find(asked, MODALITY_WORKLIST_FIND) if row]
    association.release()

    assert [row.PatientName for row in found] == ["Müller^Jörg"]


def test_pending_says_whether_all_keys_are_supported(server: ServerThread) -> None:
    place("Berg^Anna")
    ae = AE("CT1")
    ae.add_requested_context(MODALITY_WORKLIST_FIND)
    association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
    plain, exotic = Dataset(), Dataset()
    plain.PatientName = exotic.PatientName = ""
    exotic.PatientReligiousPreference = ""

    statuses = [
        [status.Status for status, _ in association.send_c_find(asked, MODALITY_WORKLIST_FIND)]
        for asked in (plain, exotic)
    ]
    association.release()

    assert statuses == [[0xFF00, 0x0000], [0xFF01, 0x0000]]


def test_a_scanner_that_keeps_its_association_asks_again_and_again(server: ServerThread) -> None:
    ae = AE("CT1")
    ae.add_requested_context(MODALITY_WORKLIST_FIND)
    association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
    asked = Dataset()
    asked.PatientName = ""

    counts = []
    for number in range(3):
        place(f"Name{number}^A")
        answers = association.send_c_find(asked, MODALITY_WORKLIST_FIND)
        counts.append(sum(1 for _, row in answers if row is not None))
    association.release()

    assert counts == [1, 2, 3]
    assert WorklistQueryLog.objects.count() == 3


def test_an_echo_is_answered_and_a_stranger_refused(server: ServerThread) -> None:
    modality(server).echo()

    with pytest.raises(DeniedError):
        modality(server, "NOBODY").echo()
    with pytest.raises(DeniedError):
        Modality(host="127.0.0.1", port=server.port, called="OTHER").echo()


def test_a_long_allergy_arrives_whole_and_shows_where_it_goes_on(server: ServerThread) -> None:
    allergies = ("iodinated contrast media: anaphylactic shock with ventilation (2019)", "Latex")
    make.booked(patient=make.patient(allergies=allergies))
    asked = query()
    asked.Allergies = ""

    (found,) = modality(server).find(asked).identifiers

    assert list(found.Allergies) == [
        "iodinated contrast media: anaphylactic shock with ...",
        "... ventilation (2019)",
        "Latex",
    ]


# --- dcmjs-dimse


def test_dcmjs_sees_the_step(server: ServerThread) -> None:
    number = place("Müller^Jörg")

    answers = dcmjs(
        server,
        "c-find",
        elements={
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientName": "",
            "AccessionNumber": number,
            "PregnancyStatus": "",
            "ScheduledProcedureStepSequence": [
                {"ScheduledStationAETitle": "CT1", "Modality": "CT",
                 "ScheduledProcedureStepStartDate": "20260302"}
            ],
        },
    )  # fmt: skip

    # The library asks for keys of its own, some of which no worklist has.
    assert [answer["status"] for answer in answers] == [0xFF01, 0x0000]
    found = answers[0]["dataset"]
    assert found["AccessionNumber"] == number
    assert "Müller^Jörg" in str(found["PatientName"])

"""Entries of another worklist, read: what is taken, what is left out, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from ris.domain.errors import RisError
from ris.domain.orders import PlaceOrder, Priority
from ris.domain.patients import Sex
from ris.domain.values import Code, Identifier
from tests.wire.wlmscpfs import entry
from worklist import charset, foreign
from worklist.foreign import Circumstances, Entry
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

VIENNA = Circumstances(zone=ZoneInfo("Europe/Vienna"))


def written(dataset: Dataset, *, implicit: bool = False) -> bytes:
    data = encode(dataset, implicit, True)
    assert data is not None
    return data


def read(
    dataset: Dataset, circumstances: Circumstances = VIENNA, *, implicit: bool = False
) -> Entry:
    syntax = IMPLICIT_VR_LITTLE_ENDIAN if implicit else EXPLICIT_VR_LITTLE_ENDIAN
    return foreign.from_identifier(written(dataset, implicit=implicit), syntax, circumstances)


@pytest.mark.parametrize("implicit", [False, True])
def test_numbers_names_and_times_are_taken_as_they_are(implicit: bool) -> None:
    found = read(entry(), implicit=implicit)

    assert found.patient.identifiers == (Identifier("M-100", "OLDHOSP", "MR"),)
    assert str(found.patient.demographics.name) == "Grünwald^Käthe"
    assert found.patient.demographics.sex is Sex.FEMALE
    assert found.patient.demographics.birth_date is not None
    assert found.patient.demographics.birth_date.text == "1951-09-14"
    assert found.procedure.code == Code("CTHEAD", "99OLD", "CT head")
    assert found.step.start_at == datetime(2099, 3, 2, 8, 30, tzinfo=UTC)
    assert found.details.priority is Priority.URGENT
    assert found.visit is None  # a number of nobody knows whom


def test_times_are_those_of_the_zone_the_entry_names() -> None:
    far = entry()
    far.TimezoneOffsetFromUTC = "-0500"

    assert read(far).step.start_at == datetime(2099, 3, 2, 14, 30, tzinfo=UTC)


def test_how_long_it_takes_is_from_its_start_to_its_end() -> None:
    long = entry()
    step = long.ScheduledProcedureStepSequence[0]
    step.ScheduledProcedureStepEndDate, step.ScheduledProcedureStepEndTime = "20990302", "101500"

    assert read(long).step.duration_minutes == 45
    assert read(entry()).step.duration_minutes is None


def test_several_stations_are_a_choice_and_none_of_them_is_named() -> None:
    assert read(entry(ScheduledStationAETitle="CT1\\CT2")).step.station_ae_title == ""
    assert read(entry(ScheduledStationAETitle="CT1")).step.station_ae_title == "CT1"


def test_issuers_are_those_of_the_entry_before_those_of_the_administrator() -> None:
    told = Circumstances(zone=UTC, issuer="CITY", placer="EHR")

    named, bare = read(entry(), told), read(entry(IssuerOfPatientID=""), told)

    assert named.patient.identifiers[0].issuer == "OLDHOSP"
    assert bare.patient.identifiers[0].issuer == "CITY"
    assert bare.placer == Identifier("PL-1", "EHR")
    assert bare.visit is not None
    assert bare.visit.number == Identifier("V-9", "CITY")


def test_comments_of_every_level_are_kept_once() -> None:
    spoken = entry(
        ImagingServiceRequestComments="Lives alone", RequestedProcedureComments="Lives alone",
        AdditionalPatientHistory="Fell from a ladder",
    )  # fmt: skip
    spoken.ScheduledProcedureStepSequence[0].CommentsOnTheScheduledProcedureStep = "Feet first"

    assert read(spoken).details.comments == "Lives alone\nFeet first"


def test_language_and_service_are_taken_by_their_codes() -> None:
    coded, unknown = entry(), entry()
    coded.PatientPrimaryLanguageCodeSequence = [item("pt-BR", "RFC5646", "Portuguese")]
    coded.RequestingServiceCodeSequence = [item("NEUR", "99OLD", "Neurology")]
    unknown.PatientPrimaryLanguageCodeSequence = [item("17", "99OLD", "Portuguese")]

    found = read(coded)

    assert found.patient.demographics.language == "pt-BR"
    assert found.details.requesting_service_code == Code("NEUR", "99OLD", "Neurology")
    assert read(unknown).patient.demographics.language is None


def item(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def test_a_text_instead_of_a_code_is_what_is_to_be_done() -> None:
    bare = entry()
    del bare.RequestedProcedureCodeSequence

    assert read(bare).procedure.code == Code("", meaning="CT head")


@pytest.mark.parametrize(
    ("keyword", "words", "path"),
    [
        ("PatientID", "a patient without number", "(0010,0020)"),
        ("IssuerOfPatientID", "a number without its issuer names nobody", "(0010,0021)"),
        ("StudyInstanceUID", "a study without UID", "(0020,000D)"),
        ("Modality", "Modality has no value", "(0008,0060)"),
        (
            "ScheduledProcedureStepStartDate",
            "ScheduledProcedureStepStartDate has no value",
            "(0040,0002)",
        ),
        (
            "ScheduledProcedureStepStartTime",
            "ScheduledProcedureStepStartTime has no value",
            "(0040,0003)",
        ),
    ],
)
def test_what_an_exam_hangs_on_must_be_there(keyword: str, words: str, path: str) -> None:
    with pytest.raises(RisError) as caught:
        read(entry(**{keyword: ""}))

    assert (caught.value.message, caught.value.path) == (words, path)


# (0008,0005) of an entry in Explicit VR.
_LATIN_1 = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"


@pytest.mark.parametrize(
    ("before", "after", "words", "path"),
    [
        (b"19510914", b"19511332", "no such day", "(0010,0030)"),
        (b"093000", b"256000", "no such time", "(0040,0003)"),
        (b"2.25.4711\0", b"2.25.47:1\0", "not a DICOM UID", "(0020,000D)"),
        (_LATIN_1, b"", "text does not fit its character set", "(0010,0010)"),
    ],
)
def test_what_an_exam_hangs_on_must_make_sense(
    before: bytes, after: bytes, words: str, path: str
) -> None:
    data = written(entry())
    assert before in data

    with pytest.raises(RisError) as caught:
        foreign.from_identifier(data.replace(before, after), EXPLICIT_VR_LITTLE_ENDIAN, VIENNA)

    assert (caught.value.message, caught.value.path) == (words, path)


def test_letters_without_a_declared_set_are_those_the_administrator_names() -> None:
    data = written(entry()).replace(_LATIN_1, b"")
    latin = Circumstances(zone=UTC, default=charset.character_set(("ISO_IR 100",)))

    found = foreign.from_identifier(data, EXPLICIT_VR_LITTLE_ENDIAN, latin)

    assert str(found.patient.demographics.name) == "Grünwald^Käthe"


def test_orders_are_told_apart_by_accession_then_placer_number_then_study() -> None:
    bare = {"AccessionNumber": "", "PlacerOrderNumberImagingServiceRequest": ""}
    entries = [
        read(entry()),
        read(entry(StudyInstanceUID="2.25.8")),
        read(entry(AccessionNumber="")),
        read(entry(**bare)),
        read(entry(**bare, StudyInstanceUID="2.25.8")),
    ]

    assert [len(group) for group in foreign.orders(entries)] == [2, 1, 1, 1]


def test_one_command_asks_for_all_steps_of_an_order() -> None:
    entries = [read(entry()), read(entry(ScheduledProcedureStepID="OLD-S2"))]

    wanted = foreign.command(entries, None)

    assert isinstance(wanted, PlaceOrder)
    (procedure,) = wanted.procedures
    assert [step.step_id for step in procedure.steps] == ["OLD-S1", "OLD-S2"]
    assert procedure.whole

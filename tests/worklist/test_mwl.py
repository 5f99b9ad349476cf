"""Answers: byte for byte what pydicom writes, and never a wrong character."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from ris.domain.orders import StepStatus
from ris.domain.values import Code, Identifier, NameGroup, PartialDate, PersonName
from ris.selectors.views import WorklistEntry
from tests.worklist.entries import ENTRY, SYNTAXES, encoded, identifier, make_entry, named
from worklist import mwl
from worklist.attributes import SPS, WORKLIST_TREE, Attribute, Offer
from worklist.charset import candidates, character_set
from worklist.elements import UNDIVIDED_VRS, tag_of
from worklist.matching import to_request
from worklist.ready import Answers

VIENNA = ZoneInfo("Europe/Vienna")
EVERYTHING = mwl.plan(mwl.EVERYTHING).keys


def answer(
    entry: WorklistEntry,
    keys: tuple[mwl.Key, ...] = EVERYTHING,
    *,
    syntax: str = "explicit",
    query: tuple[str, ...] = (),
    device: tuple[str, ...] = (),
) -> Dataset:
    data = mwl.encode(keys, Offer.of(entry, VIENNA), candidates(query, device), SYNTAXES[syntax])
    return decode(BytesIO(data), syntax == "implicit", syntax != "big")


def asked(query: Dataset) -> tuple[mwl.Key, ...]:
    return to_request(encoded(query), SYNTAXES["explicit"], zone=VIENNA).plan.keys


ENTRIES = {
    "plain": ENTRY,
    "nothing optional": make_entry(
        step={"protocol_codes": (), "performing_physician": PersonName(), "station_name": "",
              "location": ""},
        patient={"birth_date": PartialDate(""), "weight_kg": None},
        visit=None, placer=Identifier(""), reason="", reason_code=Code(""), comments="",
        requester=PersonName(), referring=PersonName(), institution="",
    ),
    "rich": make_entry(
        step={"protocol_codes": (Code("A", "99SITE", "One"), Code("B" * 20, "LN", "Two")),
              "pre_medication": "Prednisone", "contrast_agent": "Iodine", "comments": "Odd"},
        patient={"identifiers": (Identifier("MRN1", "1.2.3", "MR"), Identifier("OLD", "HOSP")),
                 "weight_kg": 71.55, "height_m": 1.7, "allergies": ("Iodine", "Latex"),
                 "alerts": ("Pacemaker",), "pregnancy_status": "1", "language": "de-AT",
                 "phone": "+43 1 234", "address": "Hauptplatz 1", "special_needs": "Interpreter"},
    ),
    "latin": named("Müller^Jörg", reason="Übelkeit"),
    "polish": named("Łukasiewicz^Ąnna"),
    "greek": named("Παπαδόπουλος^Γιώργος"),
    "cyrillic": named("Иванов^Иван"),
    "japanese": named("Yamada^Tarou=山田^太郎=やまだ^たろう", reason="頭痛 since 昨日"),
    "korean": named("Hong^Gildong=洪^吉洞=홍^길동"),
    "chinese": named("Wang^XiaoDong=王^小东"),
}  # fmt: skip
QUERY_SETS = {
    "none": (), "latin 1": ("ISO_IR 100",), "latin 2": ("ISO_IR 101",), "greek": ("ISO_IR 126",),
    "cyrillic": ("ISO_IR 144",), "utf-8": ("ISO_IR 192",), "gb18030": ("GB18030",),
    "japanese": ("", "ISO 2022 IR 87"), "korean": ("", "ISO 2022 IR 149"),
}  # fmt: skip


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
@pytest.mark.parametrize("query", QUERY_SETS)
@pytest.mark.parametrize("name", ENTRIES)
def test_an_answer_is_what_pydicom_writes(name: str, query: str, syntax: str) -> None:
    offer = Offer.of(ENTRIES[name], VIENNA)
    among = candidates(QUERY_SETS[query], ())

    data = mwl.encode(EVERYTHING, offer, among, SYNTAXES[syntax])

    written = decode(BytesIO(data), syntax == "implicit", syntax != "big")
    terms = written.get("SpecificCharacterSet", ())
    terms = (terms,) if isinstance(terms, str) else tuple(terms)
    expected = mwl.to_identifier(EVERYTHING, offer, terms)
    assert data == encode(expected, syntax == "implicit", syntax != "big")


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big"])
def test_an_answer_reads_back_with_every_value(syntax: str) -> None:
    found = answer(ENTRIES["rich"], syntax=syntax)

    step = found.ScheduledProcedureStepSequence[0]
    assert "SpecificCharacterSet" not in found
    assert found.PatientName == "Baker^Nora"
    assert found.PatientID == "MRN1"
    assert found.IssuerOfPatientID == "1.2.3"
    assert found.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3"
    assert found.OtherPatientIDsSequence[0].PatientID == "OLD"
    assert found.OtherPatientIDsSequence[0].IssuerOfPatientID == "HOSP"
    assert found.PatientBirthDate == "19700503"
    assert found.PatientSex == "F"
    assert found.PatientWeight == 71.55
    assert found.PatientSize == 1.7
    assert found.PregnancyStatus == 1
    assert found.Allergies == ["Iodine", "Latex"]
    assert found.MedicalAlerts == "Pacemaker"
    assert found.PatientPrimaryLanguageCodeSequence[0].CodeMeaning == "German"
    assert found.AccessionNumber == "A2600000001"
    assert found.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "RIS"
    assert found.StudyInstanceUID == "2.25.1001"
    assert found.RequestedProcedureID == "P000000001"
    assert found.RequestedProcedureDescription == "CT abdomen"
    assert found.RequestedProcedureCodeSequence[0].CodeValue == "CTABD"
    assert found.RequestedProcedurePriority == "STAT"
    assert found.RequestingPhysician == "Novak^Petra"
    assert found.ReferringPhysicianName == "Ruiz^Eva"
    assert found.AdmissionID == "V77"
    assert found.CurrentPatientLocation == "Ward 4"
    assert found.PatientTransportArrangements == "Wheelchair"
    assert found.ReasonForTheRequestedProcedure == "Abdominal pain, ruling out appendicitis"
    assert found.PlacerOrderNumberImagingServiceRequest == "PL-1"
    assert found.InstitutionName == "Invented General Hospital"
    assert step.ScheduledStationAETitle == "CT1"
    assert step.ScheduledProcedureStepStartDate == "20260706"
    assert step.ScheduledProcedureStepStartTime == "093000"
    assert step.Modality == "CT"
    assert step.ScheduledProcedureStepID == "S000000001"
    assert step.ScheduledPerformingPhysicianName == "Osei^Ama"
    assert step.ScheduledProcedureStepStatus == "SCHEDULED"
    assert step.PreMedication == "Prednisone"
    assert [code.CodeMeaning for code in step.ScheduledProtocolCodeSequence] == ["One", "Two"]
    assert step.ScheduledProtocolCodeSequence[1].LongCodeValue == "B" * 20
    assert "CodeValue" not in step.ScheduledProtocolCodeSequence[1]


@pytest.mark.parametrize(
    ("name", "query", "device", "terms"),
    [
        ("plain", ("ISO_IR 100",), (), None),
        ("latin", ("ISO_IR 100",), (), "ISO_IR 100"),
        ("latin", (), ("ISO_IR 100",), "ISO_IR 100"),
        ("polish", ("ISO_IR 100",), (), "ISO_IR 192"),
        ("japanese", ("", "ISO 2022 IR 87"), (), ["", "ISO 2022 IR 87"]),
        ("korean", (), ("", "ISO 2022 IR 149"), ["", "ISO 2022 IR 149"]),
        ("chinese", ("GB18030",), (), "GB18030"),
    ],
)
def test_the_character_set_is_named_exactly_when_needed(
    name: str, query: tuple[str, ...], device: tuple[str, ...], terms: Any
) -> None:
    found = answer(ENTRIES[name], query=query, device=device)

    assert found.get("SpecificCharacterSet") == terms
    assert found.PatientName == str(ENTRIES[name].patient.name)


@pytest.mark.parametrize(
    ("query", "terms"), [(("ISO_IR 100",), "ISO_IR 100"), (("ISO_IR 144",), "ISO_IR 192")]
)
def test_a_device_with_big_endian_gets_its_own_character_set(
    query: tuple[str, ...], terms: str
) -> None:
    found = answer(ENTRIES["latin"], syntax="big", query=query)

    assert found.SpecificCharacterSet == terms
    assert found.PatientName == "Müller^Jörg"


def test_only_what_was_asked_for_comes_back() -> None:
    query = identifier(
        PatientName="", StudyInstanceUID="", step={"Modality": "", "ScheduledProcedureStepID": ""}
    )

    found = answer(ENTRIES["latin"], asked(query))

    assert [element.keyword for element in found] == [
        "SpecificCharacterSet",
        "PatientName",
        "StudyInstanceUID",
        "ScheduledProcedureStepSequence",
    ]
    assert [element.keyword for element in found.ScheduledProcedureStepSequence[0]] == [
        "Modality",
        "ScheduledProcedureStepID",
    ]


def test_an_entry_with_little_gives_empty_type_2_and_no_type_3() -> None:
    found = answer(ENTRIES["nothing optional"])

    for keyword in (
        "AccessionNumber",
        "RequestingPhysician",
        "AdmissionID",
        "PatientBirthDate",
        "PatientWeight",
        "PatientState",
        "PregnancyStatus",
        "ReferencedStudySequence",
        "ReferencedPatientSequence",
    ):
        assert keyword in found, keyword
        if keyword != "AccessionNumber":
            assert not found[keyword].value, keyword
    for keyword in (
        "PatientSize",
        "OtherPatientIDsSequence",
        "PlacerOrderNumberImagingServiceRequest",
        "ReasonForTheRequestedProcedure",
        "ReasonForRequestedProcedureCodeSequence",
        "InstitutionName",
    ):
        assert keyword not in found, keyword


def test_empty_and_absent_items_ask_for_the_whole_sequence() -> None:
    empty = Dataset()
    empty.ScheduledProcedureStepSequence = []
    one_empty = Dataset()
    one_empty.ScheduledProcedureStepSequence = [Dataset()]

    first = answer(ENTRY, asked(empty))
    second = answer(ENTRY, asked(one_empty))

    assert first == second
    assert len(first.ScheduledProcedureStepSequence) == 1
    keywords = {element.keyword for element in first.ScheduledProcedureStepSequence[0]}
    assert {"ScheduledStationAETitle", "ScheduledProtocolCodeSequence", "Modality"} <= keywords


@pytest.mark.parametrize(
    ("overrides", "keyword"),
    [
        ({"step": {"step_id": ""}}, "ScheduledProcedureStepID"),
        ({"step": {"station_ae_title": ""}}, "ScheduledStationAETitle"),
        ({"step": {"start_at": None}}, "ScheduledProcedureStepStartDate"),
        ({"step": {"modality": ""}}, "Modality"),
        ({"procedure": {"procedure_id": "P" * 17}}, "RequestedProcedureID"),
        ({"procedure": {"study_instance_uid": ""}}, "StudyInstanceUID"),
        ({"patient": {"name": PersonName()}}, "PatientName"),
        ({"patient": {"identifiers": ()}}, "PatientID"),
        ({"patient": {"identifiers": (Identifier("A\\B"),)}}, "PatientID"),
    ],
)
def test_an_entry_without_a_type_1_value_is_not_served(
    overrides: dict[str, Any], keyword: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers()

    with caplog.at_level("WARNING"):
        found = answers.encoded(
            [make_entry(**overrides)],
            mwl.plan(mwl.EVERYTHING),
            candidates((), ()),
            SYNTAXES["explicit"],
            VIENNA,
        )

    assert found == [None]
    assert keyword in mwl.missing(Offer.of(make_entry(**overrides), VIENNA))
    assert keyword in caplog.text


def test_values_fit_their_representation() -> None:
    found = answer(
        make_entry(
            step={"location": "A very long room name", "description": "x\\y\x00z" + "w" * 80},
            reason="first line\r\nsecond \\ line",
            patient={"name": PersonName(NameGroup("Longname" * 10)), "phone": "+43 1 " * 5},
            placer=Identifier("9" * 65, "EHR"),
        )
    )

    step = found.ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepLocation == "A very long r..."
    assert step.ScheduledProcedureStepDescription == "x/y z" + "w" * 56 + "..."
    assert found.AdditionalPatientHistory == "first line\r\nsecond \\ line"
    assert found.ReasonForTheRequestedProcedure == "first line  second / line"
    assert str(found.PatientName) == ("Longname" * 8)[:61] + "..."
    assert "PatientTelephoneNumbers" not in found
    assert "PlacerOrderNumberImagingServiceRequest" not in found


ALLERGY = (
    "iodinated contrast media (2019: anaphylactic shock with ventilation), so none without the "
    "anesthetist; gadolinium is tolerated"
)


def test_an_allergy_longer_than_a_value_goes_on_in_the_next() -> None:
    found = answer(make_entry(patient={"allergies": ("Latex", ALLERGY), "alerts": ("M" * 70,)}))

    assert list(found.Allergies) == [
        "Latex",
        "iodinated contrast media (2019: anaphylactic shock with ...",
        "... ventilation), so none without the anesthetist; ...",
        "... gadolinium is tolerated",
    ]
    assert list(found.MedicalAlerts) == ["M" * 60 + "...", "..." + "M" * 10]


def test_what_the_order_tells_of_the_patient_is_told_whole() -> None:
    found = answer(make_entry(clinical_information="Shunt left arm, no cannula; " * 4))

    assert (
        "".join(found.MedicalAlerts).replace(" ......", "")
        == ("Shunt left arm, no cannula; " * 4).strip()
    )


def test_of_a_thousand_allergies_a_mark_says_that_there_are_more() -> None:
    entry = make_entry(patient={"allergies": tuple(f"{one:060}" for one in range(2_000))})

    found = answer(entry, syntax="explicit")

    assert found.Allergies[-1] == "..."
    assert found.Allergies[-2] == f"{len(found.Allergies) - 2:060}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Longname" * 9 + "^Anna Maria", "Longname" * 6 + "Lo...^Anna Maria"),
        ("Ruiz^" + "Maria " * 15 + "^^Dr.", "Ruiz^" + "Maria " * 9 + "Ma..."),
        ("Ruiz^" + "M" * 59, "Ruiz^" + "M" * 59),
    ],
)  # fmt: skip
def test_a_name_that_is_too_long_keeps_the_beginning_of_both_names(name: str, shown: str) -> None:
    found = answer(make_entry(patient={"name": PersonName.parse(name)}))

    assert str(found.PatientName) == shown
    assert len(shown) <= 64


def test_who_gave_a_number_out_is_told_whole_or_not() -> None:
    numbers = (Identifier("7", "H" * 65, "MR"), Identifier("8", "I" * 65), Identifier("9", "HOSP"))

    found = answer(make_entry(patient={"identifiers": numbers}))

    assert found.PatientID == "7"
    assert "IssuerOfPatientID" not in found
    assert [item.get("IssuerOfPatientID", "") for item in found.OtherPatientIDsSequence] == [
        "", "HOSP",
    ]  # fmt: skip


def test_only_the_state_known_to_the_standard_is_told() -> None:
    found = answer(make_entry(step={"status": StepStatus.COMPLETED}))

    assert found.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "DEPARTED"


def test_answers_are_remembered_until_the_entry_changes() -> None:
    answers = Answers()
    plan = mwl.plan(mwl.EVERYTHING)
    among = candidates((), ())

    def ask(entry: WorklistEntry) -> bytes | None:
        (data,) = answers.encoded([entry], plan, among, SYNTAXES["explicit"], VIENNA)
        return data

    first = ask(make_entry(key=(1, 1)))
    again = ask(make_entry(key=(1, 1), reason="not looked at"))
    changed = ask(make_entry(key=(1, 2), reason="looked at"))

    assert first is again
    assert changed is not None
    assert b"looked at" in changed


def test_the_memory_of_answers_is_bounded() -> None:
    answers = Answers(capacity=2)

    for number in range(5):
        answers.encoded(
            [make_entry(key=(number, 1))],
            mwl.plan(mwl.EVERYTHING),
            candidates((), ()),
            SYNTAXES["explicit"],
            VIENNA,
        )

    assert len(answers._known) == 2


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="^=\\"), min_size=1, max_size=30)
_PLANS = st.sampled_from(
    [
        mwl.EVERYTHING,
        ((tag_of("PatientName"), (), ()), (tag_of("PatientID"), (), ())),
        ((tag_of(SPS), mwl.whole(WORKLIST_TREE[tag_of(SPS)].children), ()),),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    family=_WORDS, reason=_WORDS, location=_WORDS, signature=_PLANS,
    query=st.sampled_from(list(QUERY_SETS.values())), syntax=st.sampled_from(list(SYNTAXES)),
)  # fmt: skip
def test_whatever_the_text_it_is_read_back_or_made_plain(
    family: str, reason: str, location: str, signature: Any, query: tuple[str, ...], syntax: str
) -> None:
    entry = make_entry(
        patient={"name": PersonName(NameGroup(family, "Nora"))},
        reason=reason,
        step={"location": location[:16]},
    )

    found = answer(entry, mwl.plan(signature).keys, syntax=syntax, query=query)

    if "PatientName" in found:
        row = WORKLIST_TREE[tag_of("PatientName")].attribute
        assert str(found.PatientName) == mwl.fit(row, str(entry.patient.name))


_ROWS = [
    node.attribute
    for nodes in (WORKLIST_TREE, WORKLIST_TREE[tag_of(SPS)].children)
    for node in nodes.values()
    if node.attribute.vr in mwl.LIMITS
]


@settings(max_examples=400, deadline=None)
@given(
    row=st.sampled_from(_ROWS),
    text=st.text(st.sampled_from([*"AAaa00_ ^=\\-.~\n\x7fä"]), max_size=18),
)
def test_a_value_is_written_as_it_is_exactly_when_it_needs_no_fitting(
    row: Attribute, text: str
) -> None:
    is_plain = text.isascii() and not set(text) & {"\\", *("=" if row.vr == "PN" else "")}
    needs_none = bool(text and is_plain and mwl.fit(row, text) == text)

    if row.vr in UNDIVIDED_VRS:  # in longer texts there may be lines
        needs_none = needs_none and text == text.strip() and "\n" not in text
    assert mwl._fits(text, row.vr) is needs_none


def test_ideographs_do_not_need_the_query_to_say_so() -> None:
    found = answer(ENTRIES["japanese"])

    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName.ideographic == "山田^太郎"


def test_a_set_pydicom_cannot_name_is_still_used() -> None:
    assert character_set(("ISO_IR 203",)).encode("5 €") == b"5 \xa4"

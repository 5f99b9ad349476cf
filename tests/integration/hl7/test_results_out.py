"""ORU^R01: every version of a report whole, in the layout the peer reads (spec 1.7)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7 import bindings
from integration.hl7.er7 import Message
from integration.hl7.from_domain.patients import adt_a40, adt_as_is
from integration.hl7.from_domain.results import oru_r01
from ris.domain.reporting import VersionKind
from ris.domain.values import Identifier, PersonName
from ris.selectors.documents import DocumentView
from ris.selectors.views import ReportView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written
from tests.integration.hl7.views import VERSIONS


def result(report: ReportView | None = None, number: int = 1, **settings: Any) -> str:
    profile = views.profile(**settings)
    order = views.order(procedures=(views.procedure(performed=(views.performed(),)),))
    draft = oru_r01(report or views.report(), number, [order], views.AT, profile)
    # HD is not in table 0125, but IHE's own test set sends a UID so, and some read nothing else.
    return written(draft, profile, tables=settings.get("study_uid_type") != "HD")


def texts(message: str) -> list[str]:
    """OBX-5 of the report's parts, the Study Instance UID aside."""
    return [line.split("|")[5] for line in segments(message, "OBX")[1:]]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_final_report_is_told_by_section(version: str) -> None:
    message = result(version=version)

    assert field(message, "MSH-9").split("^")[:2] == ["ORU", "R01"]
    assert field(message, "ORC-1") == "RE"
    assert field(message, "ORC-5") == "CM"
    assert field(message, "OBR-25") == "F"
    assert field(message, "OBR-2") == "PL1^EHR"
    assert field(message, "OBR-3") == "F000000001^RIS"
    assert field(message, "OBR-18") == "A2600000001"
    assert field(message, "OBR-7") == "20260303100000+0100"
    assert field(message, "OBR-8") == "20260303101500+0100"
    assert field(message, "OBR-32") == "&Radic&Rita"
    assert field(message, "OBX[2]-2") == "FT"
    assert field(message, "OBX[2]-3") == "18782-3^Radiology Study observation^LN"
    assert field(message, "OBX[3]-3") == "19005-8^Radiology Imaging study [Impression]^LN"
    assert texts(message) == ["No bleeding.\\.br\\No mass.", "Normal CT of the head."]
    assert [line.split("|")[11] for line in segments(message, "OBX")] == ["O", "F", "F"]


@pytest.mark.parametrize(
    ("issuer", "assigned"), [("HOSP", "HOSP"), ("1.2.40.0.10", "^1.2.40.0.10^ISO"), ("", "")]
)
def test_who_signed_is_told_with_the_number_it_is_known_by(issuer: str, assigned: str) -> None:
    version = views.version(signer_identifier=Identifier("0300", issuer))

    message = result(views.report(version))

    ndl = f"0300&Radic&Rita&&&&&&{assigned.replace('^', '&')}".rstrip("&")
    xcn = f"0300^Radic^Rita^^^^^^{assigned.replace('^', '&')}".rstrip("^")
    assert field(message, "OBR-32") == ndl
    assert field(message, "OBX[2]-16") == xcn


def test_the_text_reads_back_as_it_was_written() -> None:
    text = "5 < 6 | a^b & c~d \\ e\n\nÜber 2 cm → Kontrolle"
    version = views.version(sections={"findings": text})

    message = Message.from_bytes(result(views.report(version)).encode())

    assert message.text("OBX[2]-5") == text


def test_tx_parts_lines_by_repetition() -> None:
    message = result(report_text="TX")

    assert field(message, "OBX[2]-2") == "TX"
    assert texts(message)[0] == "No bleeding.~No mass."
    assert Message.from_bytes(message.encode()).text("OBX[2]-5") == "No bleeding.\nNo mass."


@pytest.mark.parametrize(
    ("layout", "names", "parts"),
    [
        (
            "suffix",
            ["CTHEAD&GDT^CT head^L", "CTHEAD&IMP^CT head^L"],
            ["FINDINGS|No bleeding.|No mass.", "IMPRESSION|Normal CT of the head."],
        ),
        (
            "lines",
            ["CTHEAD^CT head^L"] * 6,
            ["FINDINGS", "No bleeding.", "No mass.", "", "IMPRESSION", "Normal CT of the head."],
        ),
        (
            "whole",
            ["18748-4^Diagnostic imaging study^LN"],
            ["FINDINGS|No bleeding.|No mass.||IMPRESSION|Normal CT of the head."],
        ),
    ],
    ids=["suffix", "lines", "whole"],
)
def test_other_layouts(layout: str, names: list[str], parts: list[str]) -> None:
    message = result(report_layout=layout)

    assert [line.split("|")[3] for line in segments(message, "OBX")[1:]] == names
    assert [text.replace("\\.br\\", "|") for text in texts(message)] == parts


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (VersionKind.PRELIMINARY, ("A", "P", "P")),
        (VersionKind.FINAL, ("CM", "F", "F")),
        (VersionKind.ADDENDUM, ("CM", "C", "C")),
        (VersionKind.CORRECTION, ("CM", "C", "C")),
        (VersionKind.RETRACTION, ("IP", "C", "W")),
    ],
)
def test_each_kind_of_version_has_its_status(
    kind: VersionKind, expected: tuple[str, str, str]
) -> None:
    message = result(views.report(views.version(kind=kind)))

    status = (field(message, "ORC-5"), field(message, "OBR-25"), field(message, "OBX[2]-11"))
    assert status == expected


def test_an_addendum_may_be_final_for_a_peer_and_a_correction_may_not() -> None:
    addendum = result(views.report(views.version(kind=VersionKind.ADDENDUM)), amended_status="F")
    correction = result(
        views.report(views.version(kind=VersionKind.CORRECTION)), amended_status="F"
    )

    assert (field(addendum, "OBR-25"), field(addendum, "OBX[2]-11")) == ("F", "F")
    assert field(correction, "OBR-25") == "C"


def test_an_amended_report_is_told_whole_with_its_number_and_reason() -> None:
    second = views.version(
        number=2,
        kind=VersionKind.ADDENDUM,
        sections={**views.version().sections, "addendum": "Compared with 2024: unchanged."},
        reason="prior found",
    )

    message = result(views.report(views.version(), second), number=2)

    assert segments(message, "NTE") == ["NTE|1|L|Report version 2, addendum: prior found"]
    assert texts(message) == [
        "No bleeding.\\.br\\No mass.",
        "Normal CT of the head.",
        "Compared with 2024: unchanged.",
    ]


def test_an_earlier_version_is_told_as_it_was() -> None:
    second = views.version(number=2, kind=VersionKind.CORRECTION, sections={"findings": "Mass."})

    message = result(views.report(views.version(), second), number=1)

    assert texts(message)[0] == "No bleeding.\\.br\\No mass."


def test_an_addendum_goes_alone_to_who_wants_it_so() -> None:
    second = views.version(
        number=2,
        kind=VersionKind.ADDENDUM,
        sections={**views.version().sections, "addendum": "First."},
    )
    third = views.version(
        number=3,
        kind=VersionKind.ADDENDUM,
        sections={**views.version().sections, "addendum": "First.\n\nSecond."},
    )
    report = views.report(views.version(), second, third)

    assert texts(result(report, number=2, addendum="only")) == ["First."]
    assert texts(result(report, number=3, addendum="only")) == ["Second."]
    assert texts(result(report, number=1, addendum="only"))[1] == "Normal CT of the head."


def test_addenda_as_groups_are_final_and_each_a_part_of_its_own() -> None:
    sections = views.version().sections
    second = views.version(
        number=2, kind=VersionKind.ADDENDUM, sections={**sections, "addendum": "First."}
    )
    third = views.version(
        number=3, kind=VersionKind.ADDENDUM, sections={**sections, "addendum": "First.\n\nSecond."}
    )

    message = result(
        views.report(views.version(), second, third),
        number=3,
        addendum="group",
        report_layout="suffix",
    )

    found = [line.split("|") for line in segments(message, "OBX")[1:]]
    assert field(message, "OBR-25") == "F"
    assert [each[3].split("^")[0] for each in found] == [
        "CTHEAD&GDT", "CTHEAD&IMP", "CTHEAD&ADT", "CTHEAD&ADT",
    ]  # fmt: skip
    assert [each[4] for each in found] == ["1", "2", "3", "4"]
    assert [each[5] for each in found][2:] == [
        "ADDENDUM\\.br\\First.", "ADDENDUM\\.br\\Second.",
    ]  # fmt: skip
    assert {each[11] for each in found} == {"F"}


@pytest.mark.parametrize(
    ("layout", "flags"),
    [("sections", ["", "AA", ""]), ("suffix", ["", "AA", ""]), ("whole", ["AA"])],
)
def test_a_critical_finding_that_was_told_is_flagged(layout: str, flags: list[str]) -> None:
    sections = {**views.version().sections, "communication": "Bleeding: told to Dr. Olga Ordonez."}

    message = result(views.report(views.version(sections=sections)), report_layout=layout)

    assert [line.split("|")[8] for line in segments(message, "OBX")[1:]] == flags
    assert "told to Dr. Olga Ordonez." in texts(message)[-1]


def test_the_attending_and_the_resident_are_told_apart() -> None:
    message = result(views.report(views.version(resident_name=PersonName.of("Novak", "Nina"))))

    assert field(message, "OBR-32") == "&Radic&Rita"
    assert field(message, "OBR-33") == "&Novak&Nina"


def test_what_came_with_a_report_is_sent_along() -> None:
    profile = views.profile()
    document = DocumentView(
        public_id="document-1",
        patient="patient-1",
        order=views.ORDER,
        title="Report",
        file_name="",
        media_type="application/pdf",
        content=b"%PDF-1.4",
    )
    order = views.order()

    draft = oru_r01(views.report(), 1, [order], views.AT, profile, [document])

    message = written(draft, profile)
    last = len(segments(message, "OBX"))
    assert field(message, f"OBX[{last}]-2") == "ED"
    assert field(message, f"OBX[{last}]-3") == "PDF^Report^99RIS"
    assert field(message, f"OBX[{last}]-5") == "RIS^Application^PDF^Base64^JVBERi0xLjQ="
    assert field(message, f"OBX[{last}]-11") == "F"


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        ("ST", views.STUDY_UID),
        ("HD", views.STUDY_UID),
        ("RP", f"{views.STUDY_UID}^RIS^Application^DICOM"),
    ],
)
def test_the_study_uid_in_the_type_the_peer_reads(value_type: str, value: str) -> None:
    message = result(study_uid_type=value_type)

    assert field(message, "OBX[1]-2") == value_type
    assert field(message, "OBX[1]-3") == "113014^DICOM Study^DCM"
    assert field(message, "OBX[1]-5") == value


def test_a_report_on_two_orders_is_filed_whole_with_each() -> None:
    first = views.order()
    second = views.order(
        public_id="order-2",
        placer=Identifier("PL2", "EHR"),
        procedures=(views.procedure(public_id="procedure-2", study_instance_uid="1.2.3"),),
    )
    report = views.report(procedures=(views.PROCEDURE, "procedure-2"))
    profile = views.profile()

    message = written(oru_r01(report, 1, [first, second], views.AT, profile), profile)

    assert [line.split("|")[2] for line in segments(message, "OBR")] == ["PL1^EHR", "PL2^EHR"]
    assert len(segments(message, "OBX")) == 6
    assert field(message, "OBX[4]-5") == "1.2.3"


def test_a_report_on_nothing_the_peer_is_told_of_is_not_sent() -> None:
    assert oru_r01(views.report(), 1, [], views.AT, views.profile()) is None


def test_every_section_of_a_report_has_a_code() -> None:
    every = dict.fromkeys(bindings.SECTION, "text")

    message = result(views.report(views.version(sections=every)))

    assert len(texts(message)) == len(bindings.SECTION)


# --- patients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_tells_all_that_is_known(version: str) -> None:
    profile = views.profile(version)

    message = written(adt_as_is("A08", views.patient(deceased=True), views.AT, profile), profile)

    assert field(message, "MSH-9").split("^")[:2] == ["ADT", "A08"]
    assert field(message, "EVN-2") == "20260302093015+0100"
    assert field(message, "PID-3") == "4711^^^HOSP^MR~998877^^^&1.2.40.0.10&ISO^NI"
    assert field(message, "PID-7") == "19700503"
    assert field(message, "PID-8") == "F"
    assert field(message, "PID-11") == "Ringstrasse 1, Wien"
    assert field(message, "PID-13") == "+43 1 5550100^PRN^PH~^NET^Internet^anna@example.org"
    assert field(message, "PID-30") == "Y"
    assert field(message, "PV1-2") == "U"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_merge_names_who_stays_and_which_numbers_go_over(version: str) -> None:
    profile = views.profile(version)
    gone = Identifier("4712", "HOSP", "MR")
    survivor = views.patient(
        name=PersonName.of("Berg", "Anna"),
        identifiers=(Identifier("4711", "HOSP", "MR"), gone),
    )

    message = written(adt_a40(survivor, [gone], views.AT, profile), profile)

    assert field(message, "MSH-9").split("^")[:2] == ["ADT", "A40"]
    assert field(message, "PID-3") == "4711^^^HOSP^MR"
    assert field(message, "MRG-1") == "4712^^^HOSP^MR"

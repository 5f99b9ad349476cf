"""ADT as commands: what is said, what is deleted, what stays; merges (spec 1.1, 1.5)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.hl7.to_domain.adt import from_adt
from integration.hl7.to_domain.adt_records import MAX_MERGES, from_merge
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientClass,
    Sex,
    UpdatePatient,
)
from ris.domain.values import Identifier, NameGroup, PartialDate, PersonName
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import PID, PV1, profile, read


def update(*segments: str, trigger: str = "A08", **settings: Any) -> UpdatePatient:
    message = messages.text("EVN|A08|20290310", *segments, message_type=f"ADT^{trigger}")
    (request,) = from_adt(read(message), profile(**settings))
    (command,) = request.commands
    assert isinstance(command, UpdatePatient)
    return command


def said(pid: str) -> Demographics:
    return update(f"PID|1||4711^^^HOSP||{pid}").demographics


def faults(*segments: str, merge: bool = False) -> list[str]:
    message = read(messages.text("EVN|A08|20290310", *segments, message_type="ADT^A08"))
    with pytest.raises(RisError) as caught:
        (from_merge if merge else from_adt)(message, profile())
    error = caught.value
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return [each.path for each in errors]


def test_an_update_creates_who_is_not_known_yet() -> None:
    command = update(PID, PV1)

    assert command.create
    assert command.patient.identifiers == (Identifier("4711", "HOSP", "MR"),)
    assert command.demographics.name == PersonName.of("Berg", "Anna", "Maria")
    assert command.visit is not None
    assert command.visit.number == Identifier("V1", "HOSP")


def test_what_is_absent_is_not_said() -> None:
    assert said("Berg^Anna") == Demographics(name=PersonName.of("Berg", "Anna"))


def test_two_quotation_marks_delete() -> None:
    demographics = said('Berg^Anna||""|""|||""||""||""||||||||||||||N')

    assert demographics.birth_date == PartialDate("")
    assert demographics.sex is Sex.UNKNOWN
    assert demographics.address == ""
    assert demographics.phone == ""
    assert demographics.language == ""


@pytest.mark.parametrize(
    ("sent", "language"),
    [("ger^German^ISO639", "ger"), ("de", "de"), ("^Turkish^L", "Turkish"), ("", None)],
)
def test_a_language_is_its_code_or_else_what_it_is_called(sent: str, language: str | None) -> None:
    assert said(f"Berg^Anna||||||||||{sent}").language == language


def test_a_deleted_component_is_deleted_alone() -> None:
    assert said('Berg^Anna^""').name == PersonName.of("Berg", "Anna")


@pytest.mark.parametrize(
    ("sent", "date"),
    [
        ("1970", "1970"),
        ("197005", "1970-05"),
        ("19700503", "1970-05-03"),
        ("197005031830", "1970-05-03"),
    ],
)
def test_a_birth_date_is_as_precise_as_it_is_known(sent: str, date: str) -> None:
    assert said(f"Berg^Anna||{sent}").birth_date == PartialDate(date)


@pytest.mark.parametrize(
    ("sent", "sex"),
    [("M", Sex.MALE), ("f", Sex.FEMALE), ("O", Sex.OTHER), ("A", Sex.OTHER), ("U", Sex.UNKNOWN)],
)
def test_sex(sent: str, sex: Sex) -> None:
    assert said(f"Berg^Anna|||{sent}").sex is sex


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "Berg^Anna^Maria^Jr.^Dr.^PhD",
            PersonName(NameGroup("Berg", "Anna", "Maria", "Dr.", "Jr. PhD")),
        ),
        ("Klein^Anna^^^^^M~Berg^Anna^^^^^L", PersonName.of("Berg", "Anna")),
        ("Berg&van den&Berg^Anna", PersonName.of("van den Berg", "Anna")),
        ("van den Berg&van den^Anna", PersonName.of("van den Berg", "Anna")),
        ("山田^太郎^^^^^L^I", PersonName(ideographic=NameGroup("山田", "太郎"))),
        ("O'Neill^Siobhán", PersonName.of("O'Neill", "Siobhán")),
        ("A=B^C\\S\\D", PersonName.of("A B", "C D")),
    ],
    ids=[
        "all parts",
        "maiden name",
        "prefix apart",
        "prefix repeated",
        "one writing",
        "accents",
        "DICOM delimiters",
    ],
)
def test_names(names: str, expected: PersonName) -> None:
    assert said(names).name == expected


def test_address_phones_and_mail() -> None:
    demographics = said(
        "Berg^Anna||||||Ringstrasse 1&Ringstrasse&1^Stiege 2^Wien^^1010^AUT"
        "||^NET^Internet^anna@example.org~+43 1 5550100^PRN^PH|^WPN^PH^^43^1^5550199^7"
    )

    assert demographics.address == "Ringstrasse 1, Stiege 2, Wien, 1010, AUT"
    assert demographics.phone == "+43 1 5550100"
    assert demographics.email == "anna@example.org"


def test_a_phone_number_in_parts() -> None:
    assert said("Berg^Anna||||||||^WPN^PH^^43^1^5550199^7").phone == "+43 1 5550199 ext. 7"


@pytest.mark.parametrize(
    ("died_at", "indicator", "deceased"),
    [("", "Y", True), ("", "N", False), ("20290301", "", True), ('""', "", False), ("", "", None)],
)
def test_death(died_at: str, indicator: str, deceased: bool | None) -> None:
    pid = "PID|1||4711^^^HOSP||Berg^Anna" + "|" * 24 + f"{died_at}|{indicator}"

    assert update(pid).demographics.deceased is deceased


def test_needs_and_pregnancy_are_in_the_ambulatory_status() -> None:
    pv1 = "PV1|1|I" + "|" * 13 + "A2~B1~B6"

    demographics = update(PID, pv1).demographics

    assert demographics.special_needs == "wheelchair or stretcher, oxygen therapy"
    assert demographics.pregnancy_status == "3"


def test_clinical_facts_of_an_admission() -> None:
    demographics = update(
        PID,
        PV1,
        "OBX|1|NM|3141-9^Body weight^LN||70|kg|||||F",
        "OBX|2|NM|Body Height m||1.72",
        "OBX|3|CE|82810-3^Pregnancy status^LN||LA26683-5^Not pregnant^LN",
        "AL1|1|DA|70618^Penicillin^RxNorm",
        trigger="A01",
    ).demographics

    assert (demographics.weight_kg, demographics.height_m) == (70, 1.72)
    assert demographics.pregnancy_status == "1"
    assert demographics.allergies == ("Penicillin",)


def test_a_withdrawn_observation_is_none() -> None:
    demographics = update(PID, "OBX|1|NM|3141-9^Body weight^LN||700|kg|||||W").demographics

    assert demographics.weight_kg is None


def test_an_allergy_list_may_be_emptied() -> None:
    assert update(PID, 'AL1|1|DA|""').demographics.allergies == ()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("I", PatientClass.INPATIENT),
        ("AMB", PatientClass.OUTPATIENT),
        ("ER", PatientClass.EMERGENCY),
        ("N", PatientClass.UNKNOWN),
    ],
)
def test_patient_class(sent: str, expected: PatientClass) -> None:
    pv1 = PV1.replace("PV1|1|O|", f"PV1|1|{sent}|")

    visit = update(PID, pv1).visit

    assert visit is not None
    assert visit.patient_class is expected


def test_the_account_names_the_visit_where_no_visit_number_does() -> None:
    visit = update("PID|1||4711^^^HOSP||Berg^Anna" + "|" * 13 + "ACC1^^^ADMIT", "PV1|1|O").visit

    assert visit is not None
    assert visit.number == Identifier("ACC1", "ADMIT")


def test_a_visit_without_number_is_none() -> None:
    assert update(PID, "PV1|1|O|NEURO").visit is None


def test_all_faults_of_who_it_is_are_told() -> None:
    pv1 = PV1.replace("PV1|1|O|", "PV1|1|Q|")

    assert faults("PID|1||4711^^^HOSP||Berg^Anna||19701303|?", pv1) == ["PID-7", "PID-8"]


@pytest.mark.parametrize(
    ("segments", "paths"),
    [((), ["PID"]), ((PID, PID), ["PID[2]"]), (("PID|1||||Berg^Anna",), ["PID-3"])],
)
def test_who_is_meant_must_be_clear(segments: tuple[str, ...], paths: list[str]) -> None:
    assert faults(*segments) == paths


# --- merge --------------------------------------------------------------------------------------


def merge(*segments: str) -> list[Any]:
    message = read(messages.text("EVN|A40|20290310", *segments, message_type="ADT^A40^ADT_A39"))
    return from_merge(message, profile())


def test_each_pair_is_a_merge() -> None:
    requests = merge(
        PID,
        "MRG|4712^^^HOSP^MR",
        "PID|1||5001||Klein^Karl",
        "MRG|5002~998877^^^NATIONAL",
    )

    first, second = (request.commands[0] for request in requests)
    assert isinstance(first, MergePatients)
    assert first.survivor.identifiers == (Identifier("4711", "HOSP", "MR"),)
    assert first.subsumed.identifiers == (Identifier("4712", "HOSP", "MR"),)
    assert second.survivor.demographics.name == PersonName.of("Klein", "Karl")
    assert second.subsumed.identifiers == (
        Identifier("5002", "HOSP"),
        Identifier("998877", "NATIONAL"),
    )
    assert requests[1].places == {"PID": 2, "MRG": 2}


def test_a_merge_names_both_patients() -> None:
    assert faults(PID, merge=True) == ["MRG"]
    assert faults("MRG|4712", merge=True) == ["PID"]
    assert faults(PID, "MRG||x", merge=True) == ["MRG-1"]
    assert faults(PID, "MRG|1", PID, merge=True) == ["MRG[2]"]


def test_a_message_holds_a_bounded_number_of_merges() -> None:
    pairs = [
        segment
        for number in range(MAX_MERGES + 1)
        for segment in (f"PID|1||A{number}||Berg^Anna", f"MRG|B{number}")
    ]

    assert faults(*pairs, merge=True) == ["MRG"]

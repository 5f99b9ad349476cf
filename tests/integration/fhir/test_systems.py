"""Issuers and coding schemes as the URIs of FHIR."""

from __future__ import annotations

import pytest

from integration.fhir import systems
from integration.fhir.systems import Systems
from ris.domain.errors import InvalidValueError


@pytest.mark.parametrize(
    ("issuer", "system"),
    [
        ("HOSP", "urn:ris:issuer:HOSP"),
        ("St. Anna / Nord", "urn:ris:issuer:St.%20Anna%20%2F%20Nord"),
        ("1.2.276.0.76.3", "urn:oid:1.2.276.0.76.3"),
        ("http://hospital.example/mrn", "http://hospital.example/mrn"),
        ("urn:uuid:7b2c", "urn:uuid:7b2c"),
        ("Ärzte", "urn:ris:issuer:%C3%84rzte"),
    ],
)
def test_an_issuer_and_its_system_lead_to_each_other(issuer: str, system: str) -> None:
    assert Systems().system(issuer) == system
    assert Systems().issuer(system) == issuer


def test_no_issuer_has_no_system() -> None:
    assert Systems().system("") == ""


@pytest.mark.parametrize("system", ["urn:ris:filler-order-number", "urn:ris:accession-number"])
def test_our_own_numbers_have_no_issuer(system: str) -> None:
    assert Systems().issuer(system) == ""


def test_a_site_may_give_its_word_a_uri_of_its_own() -> None:
    known = Systems({"http://hospital.example/mrn": "HOSP"})

    assert known.issuer("http://hospital.example/mrn") == "HOSP"
    assert known.system("HOSP") == "http://hospital.example/mrn"
    assert known.issuer("urn:ris:issuer:HOSP") == "HOSP"


def test_a_system_too_long_to_keep_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="longer than 200 characters"):
        Systems().issuer("http://hospital.example/" + "x" * 200)


@pytest.mark.parametrize(
    ("system", "scheme"),
    [
        ("http://snomed.info/sct", "SCT"),
        ("http://loinc.org", "LN"),
        ("http://dicom.nema.org/resources/ontology/DCM", "DCM"),
        ("http://www.ama-assn.org/go/cpt", "C4"),
        ("urn:oid:1.2.3", "1.2.3"),
        ("urn:ris:scheme:99LOCAL", "99LOCAL"),
        ("http://hospital.example/procedures", "http://hospital.example/procedures"),
    ],
)
def test_a_code_system_and_its_designator_lead_to_each_other(system: str, scheme: str) -> None:
    assert systems.scheme(system) == scheme
    assert systems.coding_system(scheme) == system


def test_a_code_is_searched_under_every_designator_of_its_system() -> None:
    assert systems.schemes("http://www.ama-assn.org/go/cpt") == ("C4", "CPT", "CPT4")
    assert systems.coding_system("CPT4") == "http://www.ama-assn.org/go/cpt"


def test_old_snomed_designators_are_not_snomed_ct() -> None:
    assert systems.coding_system("SRT") == "urn:ris:scheme:SRT"

"""The core names places in words of its own, and each edge has its own for every one of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Set

import pytest

from integration.fhir import elements, outcome
from integration.fhir import places as fhir
from integration.hl7 import acks
from integration.hl7 import places as hl7
from integration.rest import places as rest
from ris.domain import places
from ris.domain.limits import OF_ORDER, OF_PATIENT
from ris.domain.places import Place
from ris.web import places as web
from tests.architecture.source import modules
from worklist import places as dicom
from worklist.elements import tags_in

CORE = ("ris/domain/", "ris/models/", "ris/selectors/", "ris/services/")
# A field of HL7 v2 (PID-3, PID[2]-3.1), an attribute of DICOM ((0040,0252)).
FIELD = re.compile(
    r"(?!UTF-|SHA-|ISO-)[A-Z][A-Z0-9]{2}(\[\d+\])?-\d+(\[\d+\])?(\.\d+)*"
    r"|\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)"
)
ELEMENT = re.compile(r"([A-Z][A-Za-z]+)(\.[a-z]\w*(\[\d+\])?)+")
# What commands of orders and patients ask for that nobody but a page gives.
OF_PAGES = {"question", "answer", "procedures", "name", "sex", "note"}

TABLES: tuple[tuple[str, Mapping[str, str], Set[str]], ...] = (
    ("hl7", hl7.FIELDS, hl7.SILENT),
    ("fhir", fhir.EXPRESSIONS, fhir.SILENT),
    ("rest", rest.FIELDS, rest.SILENT),
    ("dicom", dicom.TAGS, dicom.SILENT),
    ("pages", web.LABELS, frozenset()),
)


def core() -> Iterator[tuple[str, ast.Module]]:
    return ((name, tree) for name, tree in modules() if name.startswith(CORE))


def is_foreign(text: str) -> bool:
    """Whether it is a field of HL7 v2, an attribute of DICOM or an element of FHIR."""
    element = ELEMENT.fullmatch(text)
    kinds = elements.resource_types()
    return FIELD.fullmatch(text) is not None or (element is not None and element[1] in kinds)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("PID-3", True),
        ("PID[2]-3", True),
        ("ORC-7.4", True),
        ("(0040,0252)", True),
        ("Patient.identifier", True),
        ("patient.identifiers", False),
        ("UTF-8", False),
        ("Gy.cm", False),
    ],
)
def test_words_of_a_protocol_are_known_by_their_form(text: str, foreign: bool) -> None:
    assert is_foreign(text) is foreign


def test_the_core_names_no_place_in_the_words_of_a_protocol() -> None:
    found = [
        f"{name}:{node.lineno} {node.value}"
        for name, tree in core()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_foreign(node.value)
    ]

    assert found == []


@pytest.mark.parametrize(("edge", "words", "silent"), TABLES, ids=[row[0] for row in TABLES])
def test_each_edge_has_a_word_for_every_place_or_says_that_it_tells_of_none(
    edge: str, words: Mapping[str, str], silent: Set[str]
) -> None:
    assert words.keys() | silent == set(Place)
    assert not words.keys() & silent
    assert all(words.values())


def test_the_words_of_each_edge_are_places_there() -> None:
    for path in hl7.FIELDS.values():
        assert acks.location(path), path
    for path in fhir.EXPRESSIONS.values():
        kind, name = path.split(".")
        known = elements.of(kind).elements.values()
        assert name in {each.choice or each.name for each in known}, path
        assert outcome.expression(path) == path
    for path in dicom.TAGS.values():
        assert len(tags_in(path)) == 1, path


def test_every_place_belongs_to_one_area() -> None:
    areas = (places.OF_PATIENTS, places.OF_ORDERS, places.OF_EXAMS, places.OF_EXCHANGE)

    assert sorted(place for area in areas for place in area) == sorted(Place)


def said_as_text(*folders: str) -> set[str]:
    """What refusals there are about, where it is written as a text and not as a Place."""
    return {
        keyword.value.value
        for name, tree in core()
        if name.startswith(folders)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "path" and isinstance(keyword.value, ast.Constant)
    }


def test_what_the_handlers_of_orders_and_patients_refuse_is_a_place() -> None:
    said = said_as_text("ris/services/orders/", "ris/services/patients/")

    assert said == OF_PAGES
    assert set(OF_PATIENT) | set(OF_ORDER) <= set(Place)


def test_no_handler_of_the_calendar_says_a_place_as_a_text() -> None:
    assert said_as_text("ris/services/scheduling/") & set(Place) == set()


def test_every_place_is_one_that_the_core_tells_of() -> None:
    told: set[str] = set()
    for name, tree in core():
        if name == "ris/domain/places.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told.add(node.value)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                told |= {Place[node.attr]} if node.value.id == "Place" else set()

    assert set(Place) <= told

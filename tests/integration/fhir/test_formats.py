"""Which format is answered, and which bodies are read."""

from __future__ import annotations

import pytest

from integration.fhir import formats
from integration.fhir.outcome import HttpError

FHIR = "application/fhir+json"
XML = "application/fhir+xml"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", FHIR),
        ("*/*", FHIR),
        ("application/*", FHIR),
        ("application/json", "application/json"),
        ("text/json", "text/json"),
        ("application/fhir+json", FHIR),
        ("application/json+fhir", FHIR),
        ("application/fhir+json; fhirVersion=4.0", FHIR),
        ("application/fhir+json;charset=utf-8", FHIR),
        ("application/fhir+xml, application/fhir+json;q=0.5", XML),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.5", FHIR),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
        ("application/xml+fhir", XML),
        ("application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+json, */*; q=0.1", FHIR),
        ("application/json;q=0.9, application/fhir+json;q=0.2", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
        ("text/html, */*;q=0.8", FHIR),
        ("nonsense, application/json", "application/json"),
        ("*/*, application/fhir+json;q=0", "application/json"),
    ],
)
def test_accept_decides(accept: str, expected: str) -> None:
    assert formats.answer_type(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/turtle",
        "application/fhir+xml; fhirVersion=5.0",
        "application/fhir+json; fhirVersion=5.0",
        "application/fhir+json;q=0",
        "image/*",
    ],
)
def test_what_is_not_served_is_not_acceptable(accept: str) -> None:
    with pytest.raises(HttpError) as caught:
        formats.answer_type(accept)

    assert (caught.value.status, caught.value.issue) == (406, "not-supported")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("json", FHIR),
        ("application/fhir+json", FHIR),
        ("application/fhir json", FHIR),
        ("application/json", "application/json"),
        ("text/json", "text/json"),
        ("xml", XML),
        ("application/fhir xml", XML),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
    ],
)
def test_the_format_parameter_beats_accept(word: str, expected: str) -> None:
    assert formats.answer_type("text/html", word) == expected


@pytest.mark.parametrize("word", ["ttl", "html", "text/turtle"])
def test_another_format_parameter_is_not_acceptable(word: str) -> None:
    with pytest.raises(HttpError) as caught:
        formats.answer_type(FHIR, word)

    assert caught.value.status == 406


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "application/fhir+json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json+fhir",
        "text/json",
        "application/fhir+json; fhirVersion=4.0",
        "application/fhir+xml",
        "application/xml; charset=utf-8",
        "text/xml",
        "",
    ],
)
def test_bodies_in_json_and_xml_are_read(content_type: str) -> None:
    assert formats.require_body_type(content_type, formats.BODIES) in formats.BODIES


@pytest.mark.parametrize(
    "content_type",
    [
        "text/turtle",
        "text/plain",
        "application/json; charset=latin-1",
        "application/fhir+json; fhirVersion=5.0",
        "application/x-www-form-urlencoded",
    ],
)
def test_other_bodies_are_not(content_type: str) -> None:
    with pytest.raises(HttpError) as caught:
        formats.require_body_type(content_type, formats.BODIES)

    assert caught.value.status == 415

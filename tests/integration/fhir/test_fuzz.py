"""Whatever is sent, it is taken or refused; nothing of ours breaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.fhir import gate
from integration.fhir.outcome import refusal
from integration.fhir.parameters import Reading
from integration.fhir.query import parse, read_cursor
from integration.fhir.resources import KINDS
from integration.fhir.systems import Systems
from integration.fhir.to_domain import patient, servicerequest
from integration.fhir.to_domain.references import Known, Reader
from integration.fhir.to_domain.servicerequest import Profile
from ris.domain.errors import RisError
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=80),
    st.sampled_from(["active", "#p", "Patient/1", "2026-02-30", "0001-01-01T00:00:00+14:00",
                     "9999-12-31T23:59:60Z", "urn:oid:", "a^b", "a|b", "\\", "  "]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["system", "value", "code", "coding", "text", "reference", "display",
                             "identifier", "type", "url", "extension", "resourceType", "id"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip
WHOLE = resources.service_request(
    "1",
    occurrenceDateTime="2026-03-02T13:00:00+01:00",
    encounter={"identifier": {"system": "urn:x", "value": "V1"}},
    locationReference=[{"display": "CT 1"}],
    performer=[{"type": "Device", "identifier": {"system": "urn:ris:ae-title", "value": "CT1"}}],
    bodySite=[{"text": "Head"}],
    requisition={"value": "G1"},
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        found += paths(inner, (*path, key))
    return found


PLACES = paths(WHOLE)


def put(resource: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(resource)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dict(changed)


def status_of(action: Callable[[], object]) -> int:
    """200, or the status of the refusal; anything but a refusal is a failure of the test."""
    try:
        action()
    except RisError as error:
        return refusal(error).status
    return 200


@QUICK
@given(path=st.sampled_from(PLACES), value=VALUES)
def test_a_request_with_anything_anywhere_is_taken_or_refused(path: Any, value: Any) -> None:
    resource = put(WHOLE, path, value)
    raw = json.dumps(resource).encode("utf-8", "surrogatepass")

    def place() -> None:
        reader = Reader(gate.check("ServiceRequest", raw), "http://x/fhir", Systems())
        servicerequest.targets(reader)
        servicerequest.place_order(reader, Known(), Profile())

    assert status_of(place) in {200, 400, 422}


PATIENT = resources.patient(
    "1",
    telecom=[{"system": "phone", "value": "1"}],
    address=[{"line": ["a"], "city": "b"}],
    communication=[{"language": {"text": "sv"}}],
)


@QUICK
@given(path=st.sampled_from(paths(PATIENT)), value=VALUES)
def test_a_patient_with_anything_anywhere_is_taken_or_refused(path: Any, value: Any) -> None:
    raw = json.dumps(put(PATIENT, path, value)).encode("utf-8", "surrogatepass")

    def register() -> object:
        return patient.register_patient(gate.check("Patient", raw), Systems())

    assert status_of(register) in {200, 400, 422}


@QUICK
@given(
    kind=st.sampled_from(sorted(KINDS)),
    data=st.data(),
    value=st.one_of(
        st.text(max_size=30),
        st.sampled_from(["lt0001-01-01", "ap9999-12-31", "ge9999", "sa0000", "a|", "|", "\\",
                         "2026-03-02T12:00:00.123456789+14:00", "Patient/1/2", "-_id,_id"]),
    ),
)  # fmt: skip
def test_a_search_for_anything_is_understood_or_refused(kind: str, data: Any, value: str) -> None:
    found = KINDS[kind]
    names = [*found.parameters, "_sort", "_count", "_include", "_revinclude", "_cursor", "x:y.z"]
    name = data.draw(st.sampled_from(names))

    reading = Reading("http://x/fhir")
    assert status_of(lambda: parse(found, [(name, value)], reading)) in {200, 400}


@QUICK
@given(st.text(max_size=60))
def test_a_cursor_that_is_none_of_ours_is_refused(text: str) -> None:
    assert status_of(lambda: read_cursor(text)) in {200, 400}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "_lastUpdated=lt0001-01-01T00:00:00%2B14:00",
        "_lastUpdated=ge9999-12-31T23:59:59-14:00",
        "_sort=_lastUpdated&_cursor=WyJub3QgYSB0aW1lIiwiMDAwMDAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAxIl0",
        "_sort=-_lastUpdated&_cursor=W3siYXQiOiI5OTk5LTEyLTMxVDIzOjU5OjU5Ljk5OTk5OSswMDowMCJ9LCIwMDAwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDEiXQ",
        "_cursor=WyJub3QgYW4gaWQiXQ",
        "_cursor=W3siYXQiOiIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIn1d",
        "identifier=%F0%9F%98%80",
        "_id=%27%3B--",
    ],
)
def test_the_database_is_never_asked_what_it_cannot_answer(api: Api, query: str) -> None:
    for kind in KINDS:
        answer = api.get(f"/{kind}?{query}")
        assert answer.status in {200, 400}, (kind, answer.body)


@pytest.mark.django_db
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_time_outside_of_history_is_refused(api: Api, at: str) -> None:
    answer = api.post("/ServiceRequest", resources.service_request(occurrenceDateTime=at))

    assert answer.status == 422
    assert answer.issue["expression"] == ["ServiceRequest.occurrence"]


@pytest.mark.django_db
def test_a_key_that_is_too_long_is_refused(api: Api) -> None:
    assert api.post("/Patient", resources.patient(), Idempotency_Key="x" * 161).status == 400
    assert api.post("/Patient", resources.patient(), Idempotency_Key="x" * 160).status == 201

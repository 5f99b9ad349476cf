"""What a search finds is what the official definitions find in the resources as they are shown.

The oracle reads a parameter's values out of every rendered resource and compares them in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.fhir import elements, indexing
from integration.fhir.date_parameters import interval
from integration.fhir.parameters import Reading
from integration.fhir.query import parse
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.systems import Systems
from ris.domain.fhir_index import ANY_SYSTEM, IndexEntry
from ris.domain.orders import CancelOrder, HoldOrder, OrderReference, ProcedureRequest
from ris.domain.patients import VisitDetails
from ris.domain.values import Identifier
from ris.selectors.search import Page
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

READING = Reading("http://testserver/fhir", Systems(), UTC)
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")

# Lenient here, as documented: these find more than their official meaning, or another part of it.
LENIENT = {
    ("Patient", "phone"),
    ("Patient", "email"),
    ("Patient", "telecom"),
    ("Patient", "address"),
    ("Practitioner", "name"),
    ("Practitioner", "family"),
    ("Practitioner", "given"),
    ("Schedule", "date"),  # a schedule that goes on is found by each of its days
}
# Worked out from the journal, with tests of their own.
JOURNAL = {"AuditEvent", "Provenance"}
# Computed, and more of them than a page holds.
COMPUTED = {"Slot"}

Shown = dict[str, list[dict[str, Any]]]


@pytest.fixture
def shown(api: Api) -> Shown:
    """Every resource there is, as it is shown, by type."""
    make.site()
    make.device()
    anna, bo = make.patient("A1"), make.patient("B1")
    make.order(patient=anna, group_number="G1")
    make.booked(patient=bo, start_at=make.NOON + timedelta(days=1))
    done = make.performed(patient=anna, visit=VisitDetails(number=Identifier("V1", "HOSP")))
    make.final_report(done)
    held, canceled = make.order(patient=bo), make.order(patient=anna)
    for command in (HoldOrder, CancelOrder):
        order = held if command is HoldOrder else canceled
        reference = OrderReference(
            placer=Identifier(order.placer_order_number, order.placer_issuer)
        )
        execute(command(order=reference), actor=people.ehr)
    several = tuple(ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(),)) for _ in "ab")
    make.order(patient=bo, procedures=several)
    sent = api.post("/Patient", resources.patient("S1", birthDate="1970-05")).body["id"]
    for value, at in ((1.5, "2026-03-02"), (2.5, "2026-03-03T10:00:00Z")):
        observation = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "urn:codes", "code": f"c{value}", "display": "Code"}]},
            "subject": {"reference": f"Patient/{sent}"},
            "effectiveDateTime": at,
            "valueQuantity": {"value": value, "unit": "mg"},
        }
        assert api.post("/Observation", observation).status == 201
    return {
        kind: load(served, ids, shown_for([served], READING.systems))
        for kind, served in KINDS.items()
        if served.finder.sources and (ids := served.finder.keys(served.criteria(), Page(50)).hits)
    }


def entries(resource: dict[str, Any], name: str) -> list[IndexEntry]:
    found = indexing.entries_of(resource["resourceType"], resource, frozenset({name}), UTC)
    return [each for each in found if each.parameter == name]


def compared(prefix: str, low: datetime, high: datetime) -> Callable[[IndexEntry], bool]:
    def matches(entry: IndexEntry) -> bool:
        assert entry.low is not None
        assert entry.high is not None
        inside = low <= entry.low and entry.high <= high
        return {
            "eq": inside,
            "ne": not inside,
            "gt": entry.high > high,
            "lt": entry.low < low,
            "ge": entry.high > high or inside,
            "le": entry.low < low or inside,
            "sa": entry.low >= high,
            "eb": entry.high <= low,
        }[prefix]

    return matches


def question(draw: st.DataObject, entry: IndexEntry, type_: str) -> tuple[str, Any]:
    """A value for the search, and whether an entry matches it."""
    match type_:
        case "token":
            system, code = entry.system, entry.code
            bare = draw.draw(st.booleans()) or system == ANY_SYSTEM
            if bare:
                return escaped(code), lambda other: other.code == code
            return (
                f"{system}|{escaped(code)}",
                lambda other: (other.system, other.code) == (system, code),
            )
        case "reference":
            return f"{entry.system}/{entry.target}", lambda other: other.target == entry.target
        case "string":
            text = entry.code[: draw.draw(st.integers(2, 6))]
            folded = entry.text[: len(text)]
            return escaped(text), lambda other: other.text.startswith(folded)
        case "date":
            assert entry.low is not None
            day = entry.low + timedelta(days=draw.draw(st.integers(-1, 1)))
            text = day.strftime(draw.draw(st.sampled_from(["%Y-%m-%d", "%Y-%m", "%Y"])))
            prefix = draw.draw(st.sampled_from(PREFIXES))
            return f"{prefix}{text}", compared(prefix, *interval("date", text, UTC))
        case "quantity":
            return f"{entry.number}", lambda other: other.number == entry.number
        case _:
            return escaped(entry.code), lambda other: other.code == entry.code


def escaped(text: str) -> str:
    for sign in "\\,|$":
        text = text.replace(sign, f"\\{sign}")
    return text


@pytest.mark.django_db
@pytest.mark.database
def test_searches_find_what_the_definitions_find(shown: Shown) -> None:
    asked = {
        (kind, name): found
        for kind, rendered in shown.items()
        for name, parameter in KINDS[kind].parameters.items()
        if kind not in JOURNAL | COMPUTED
        and parameter.type != "composite"
        and name in elements.search_parameters(kind)
        and (kind, name) not in LENIENT
        and (found := [each for one in rendered for each in entries(one, name)])
        and any(each.target or parameter.type != "reference" for each in found)
    }
    assert len(asked) > 100

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(draw: st.DataObject) -> None:
        kind, name = draw.draw(st.sampled_from(sorted(asked)))
        check(draw, kind, name)

    def check(draw: st.DataObject, kind: str, name: str) -> None:
        served = KINDS[kind]
        parameter = served.parameters[name]
        found = [e for e in asked[kind, name] if e.target or parameter.type != "reference"]
        modifier = draw.draw(st.sampled_from(["", "", "missing", "not"]))
        if modifier == "missing":
            value, matches = "true", None
        else:
            value, matches = question(draw, draw.draw(st.sampled_from(found)), parameter.type)
        if modifier == "not" and "not" not in parameter.modifiers:
            modifier = ""
        expected = {
            one["id"]
            for one in shown[kind]
            if (
                not entries(one, name)
                if matches is None
                else any(map(matches, entries(one, name))) is (modifier != "not")
            )
        }
        asked_ = f"{name}:{modifier}" if modifier else name
        query = parse(served, [(asked_, value)], READING, strict=True)
        hits = served.finder.keys(query.criteria, Page(50)).hits
        assert set(hits) == expected, f"{kind}?{asked_}={value}"

    run()

"""Writes that depend on what a search finds, or on a version (FHIR R4 3.1.0.4 to 3.1.0.8)."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, ReplayMessage
from ris.models import InboundMessage, Patient
from ris.services import execute
from tests import people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token

pytestmark = pytest.mark.django_db

ONE = f"/Patient?identifier={resources.MRN}|1"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "pulse"},
    "identifier": [{"system": "urn:x", "value": "7"}],
}


def test_a_conditional_update_creates_then_updates(api: Api) -> None:
    created = api.put(ONE, resources.patient("1"))
    updated = api.put(ONE, resources.patient("1", birthDate="1962"))
    own = api.put(ONE, {**resources.patient("1"), "id": created.body["id"]})

    assert (created.status, updated.status, own.status) == (201, 200, 200)
    assert created.headers["Location"].endswith(f"/Patient/{created.body['id']}/_history/1")
    assert (updated.body["id"], updated.body["birthDate"]) == (created.body["id"], "1962")
    assert Patient.objects.count() == 1


def test_a_conditional_update_that_is_not_clear_is_refused(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))
    api.post("/Patient", resources.patient("2"))
    several = "/Patient?family=Lindqvist"
    told = {
        "several": api.put(several, resources.patient("3")),
        "another id": api.put(ONE, {**resources.patient("1"), "id": "other"}),
        "an id for nothing": api.put(f"{ONE}0", {**resources.patient("10"), "id": "mine"}),
        "a version of nothing": api.put(f"{ONE}0", resources.patient("10"), If_Match='W/"1"'),
        "unknown parameter": api.put("/Patient?colour=red", resources.patient("3")),
        "a number that is empty": api.put(
            "/Patient?identifier=&gender=female", resources.patient("3")
        ),
        "no condition": api.put("/Patient", resources.patient("3")),
        "patch of several": api.patch(several, [{"op": "remove", "path": "/gender"}]),
        "patch of nothing": api.patch(f"{ONE}0", [{"op": "remove", "path": "/gender"}]),
    }

    assert {name: each.status for name, each in told.items()} == {
        "several": 412,
        "another id": 400,
        "an id for nothing": 405,
        "a version of nothing": 412,
        "unknown parameter": 400,
        "a number that is empty": 400,
        "no condition": 405,
        "patch of several": 412,
        "patch of nothing": 404,
    }
    assert Patient.objects.count() == 2


def test_a_conditional_patch_changes_the_one_it_finds(api: Api) -> None:
    created = api.post("/Patient", resources.patient("1"))
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": "Patient.birthDate"},
                    {"name": "value", "valueDate": "1963"},
                ],
            }
        ],
    }

    by_list = api.patch(ONE, [{"op": "replace", "path": "/birthDate", "value": "1962"}])
    by_path = api.patch(ONE, parameters, Content_Type="application/fhir+json")
    merged = api.patch(ONE, {"gender": "other"}, Content_Type="application/json")
    invalid = api.patch(ONE, [{"op": "replace", "path": "/birthDate", "value": "soon"}])
    failing = api.patch(ONE, [{"op": "test", "path": "/birthDate", "value": "1900"}])

    assert [each.status for each in (by_list, by_path, merged, invalid, failing)] == [
        200, 200, 200, 422, 409,
    ]  # fmt: skip
    assert (merged.body["id"], merged.body["birthDate"], merged.body["gender"]) == (
        created.body["id"], "1963", "other",
    )  # fmt: skip


def test_a_conditional_delete_deletes_one(api: Api) -> None:
    for _ in range(2):
        api.post("/Observation", OBSERVATION)
    lone = api.post("/Observation", {**OBSERVATION, "identifier": [{"value": "8"}]}).body["id"]

    several = api.request("DELETE", "/Observation?identifier=urn:x|7")
    one = api.request("DELETE", "/Observation?identifier=8")
    again = api.request("DELETE", "/Observation?identifier=8")
    by_id = api.request("DELETE", f"/Observation/{lone}")
    nothing = api.request("DELETE", "/Observation")
    patient = api.request("DELETE", ONE)

    assert [each.status for each in (several, one, again, by_id, nothing, patient)] == [
        412, 204, 204, 204, 405, 405,
    ]  # fmt: skip
    assert api.get(f"/Observation/{lone}").status == 410


@pytest.mark.parametrize(
    "query", ["_count=1", "_sort=_lastUpdated", "_summary=count", "_include=Observation:subject",
              "_elements=id&_total=none", "_format=json"]
)  # fmt: skip
def test_what_shapes_an_answer_is_no_condition(api: Api, query: str) -> None:
    """The only one there is would be deleted, or taken for the one that was meant."""
    lone = api.post("/Observation", OBSERVATION).body["id"]

    deleted = api.request("DELETE", f"/Observation?{query}")
    created = api.post("/Observation", OBSERVATION, If_None_Exist=query)
    meant = api.request("DELETE", f"/Observation?identifier=nobody&{query}")

    assert (deleted.status, deleted.issue["code"]) in {(400, "required"), (405, "not-supported")}
    assert (created.status, created.issue["code"]) == (400, "required")
    assert meant.status == 204
    assert api.get("/Observation").ids == [lone]


def test_a_change_to_an_old_version_is_refused(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body
    address = f"/Patient/{patient['id']}"
    observation = api.post("/Observation", OBSERVATION).body
    api.put(address, {**patient, "birthDate": "1962"}, If_Match='W/"1"')

    stale = api.put(address, {**patient, "birthDate": "1963"}, If_Match='W/"1"')
    patched = api.patch(address, [{"op": "remove", "path": "/gender"}], If_Match='"1"')
    deleted = api.request("DELETE", f"/Observation/{observation['id']}", If_Match='W/"9"')
    conditional = api.put(ONE, resources.patient("1"), If_Match='W/"1"')

    assert [each.status for each in (stale, patched, deleted, conditional)] == [412] * 4
    assert api.get(address).body["birthDate"] == "1962"


def test_a_write_that_is_only_for_what_is_not_there_changes_nothing_that_is(api: Api) -> None:
    """``If-None-Match: *`` on a write (RFC 9110 13.1.2): whoever says so must not overwrite."""
    patient = api.post("/Patient", resources.patient("1")).body
    address = f"/Patient/{patient['id']}"
    changed = {**patient, "birthDate": "1962"}
    patch = [{"op": "remove", "path": "/gender"}]
    observation = api.post("/Observation", OBSERVATION).body

    answers = [
        api.put(address, changed, If_None_Match="*"),
        api.put(address, changed, If_None_Match='W/"1"'),
        api.put(ONE, resources.patient("1", birthDate="1962"), If_None_Match="*"),
        api.patch(address, patch, If_None_Match="*"),
        api.request("DELETE", f"/Observation/{observation['id']}", If_None_Match="*"),
    ]
    new = api.put(f"{ONE}0", resources.patient("10"), If_None_Match="*")
    other = api.put(address, changed, If_None_Match='W/"9"')

    assert [each.status for each in answers] == [412] * 5
    assert (new.status, other.status, other.body["meta"]["versionId"]) == (201, 200, "2")
    assert api.get(f"/Observation/{observation['id']}").status == 200


def test_an_endpoint_may_ask_for_the_version_of_every_change(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body
    execute(
        ConfigureEndpoint(
            name="EHR",
            protocol=Protocol.FHIR,
            direction=Direction.IN,
            protocol_name="EHR",
            settings={"require_if_match": True},
        ),
        actor=people.admin,
    )

    without = api.put(f"/Patient/{patient['id']}", patient)
    conditional = api.put(ONE, resources.patient("1"))
    with_it = api.put(f"/Patient/{patient['id']}", patient, If_Match='W/"1"')
    created = api.put(f"{ONE}0", resources.patient("10"))

    assert [each.status for each in (without, conditional, with_it, created)] == [
        400, 400, 200, 201,
    ]  # fmt: skip
    assert without.issue["code"] == "required"


def test_a_condition_needs_the_scope_to_search() -> None:
    api = Api(token("system/Patient.cu"))

    answers = [
        api.put(ONE, resources.patient("1")),
        api.patch(ONE, [{"op": "remove", "path": "/gender"}]),
        api.post("/Patient", resources.patient("1"), If_None_Exist="identifier=1"),
    ]

    assert [each.status for each in answers] == [403] * 3
    assert Patient.objects.count() == 0


def test_a_conditional_write_is_applied_again_from_its_message(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))
    other = api.post("/Patient", resources.patient("2")).body
    address = "/Patient?family=Lindqvist"
    refused = api.put(address, resources.patient("1", birthDate="1962"))
    message = InboundMessage.objects.order_by("-id")[0]
    api.put(f"/Patient/{other['id']}", {**other, "name": [{"family": "Berg"}]})

    execute(ReplayMessage(message=str(message.public_id), reason="one now"), actor=people.admin)

    message.refresh_from_db()
    assert (refused.status, message.state, message.outcome) == (412, "APPLIED", "200")
    assert api.get(address).resources[0]["birthDate"] == "1962"

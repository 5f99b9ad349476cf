"""JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396), FHIRPath Patch (FHIR R4 3.1.0.6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir.outcome import HttpError
from integration.fhir.patch import MAX_OPERATIONS, apply_patch, json_patch, merge_patch

DOCUMENT: dict[str, Any] = {"a": {"b": [1, 2, 3]}, "c/d": "x", "e~f": True}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/g", "value": 7}, {**DOCUMENT, "g": 7}),
        ({"op": "add", "path": "/a/b/1", "value": 9}, {**DOCUMENT, "a": {"b": [1, 9, 2, 3]}}),
        ({"op": "add", "path": "/a/b/-", "value": 9}, {**DOCUMENT, "a": {"b": [1, 2, 3, 9]}}),
        ({"op": "add", "path": "", "value": {"new": 1}}, {"new": 1}),
        ({"op": "remove", "path": "/a/b/0"}, {**DOCUMENT, "a": {"b": [2, 3]}}),
        ({"op": "remove", "path": "/c~1d"}, {"a": {"b": [1, 2, 3]}, "e~f": True}),
        ({"op": "replace", "path": "/e~0f", "value": None}, {**DOCUMENT, "e~f": None}),
        ({"op": "replace", "path": "/a/b/2", "value": 0}, {**DOCUMENT, "a": {"b": [1, 2, 0]}}),
        (
            {"op": "move", "from": "/c~1d", "path": "/moved"},
            {"a": {"b": [1, 2, 3]}, "e~f": True, "moved": "x"},
        ),
        ({"op": "copy", "from": "/a/b", "path": "/b"}, {**DOCUMENT, "b": [1, 2, 3]}),
        ({"op": "test", "path": "/a", "value": {"b": [1, 2, 3]}}, DOCUMENT),
    ],
)
def test_an_operation_does_what_the_rfc_says(operation, expected) -> None:
    before = str(DOCUMENT)

    assert json_patch(DOCUMENT, [operation]) == expected
    assert str(DOCUMENT) == before


def test_operations_see_what_those_before_them_did() -> None:
    operations = [
        {"op": "add", "path": "/list", "value": []},
        {"op": "add", "path": "/list/-", "value": "one"},
        {"op": "test", "path": "/list/0", "value": "one"},
    ]

    assert json_patch({}, operations) == {"list": ["one"]}


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/e~0f", "value": 1}, 409),
        ({"op": "test", "path": "/a/b", "value": [1, 2]}, 409),
        ({"op": "remove", "path": "/missing"}, 422),
        ({"op": "remove", "path": ""}, 422),
        ({"op": "replace", "path": "/missing", "value": 1}, 422),
        ({"op": "add", "path": "/a/b/4", "value": 1}, 422),
        ({"op": "add", "path": "/a/b/01", "value": 1}, 422),
        ({"op": "add", "path": "/a/b/x", "value": 1}, 422),
        ({"op": "add", "path": "/missing/deeper", "value": 1}, 422),
        ({"op": "add", "path": "/c~1d/deeper", "value": 1}, 422),
        ({"op": "move", "from": "/a", "path": "/a/b"}, 422),
        ({"op": "replace", "path": "", "value": []}, 422),
        ({"op": "add", "path": "/g"}, 400),
        ({"op": "add", "path": "g", "value": 1}, 400),
        ({"op": "add", "value": 1}, 400),
        ({"op": "merge", "path": "/g", "value": 1}, 400),
        ("add", 400),
    ],
)
def test_an_operation_that_cannot_be_is_refused(operation, status) -> None:
    with pytest.raises(HttpError) as caught:
        json_patch(DOCUMENT, [operation])

    assert caught.value.status == status


def test_a_patch_of_no_operations_changes_nothing() -> None:
    """What a client finds no difference for is a patch as well (RFC 6902 3: an array)."""
    assert json_patch(DOCUMENT, []) == DOCUMENT


@pytest.mark.parametrize("operations", [{}, "x", [{"op": "test"}] * (MAX_OPERATIONS + 1)])
def test_a_patch_is_a_list_of_some_operations(operations) -> None:
    with pytest.raises(HttpError) as caught:
        json_patch(DOCUMENT, operations)

    assert caught.value.status == 400


def test_a_merge_patch_deletes_by_null_and_goes_into_objects() -> None:
    patched = merge_patch(DOCUMENT, {"a": {"b": None, "g": 1}, "c/d": "y"})

    assert patched == {"a": {"g": 1}, "c/d": "y", "e~f": True}
    assert DOCUMENT["a"] == {"b": [1, 2, 3]}


# --- FHIRPath Patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "birthDate": "1961",
    "name": [{"use": "official", "family": "Berg"}, {"use": "nickname", "given": ["A", "B"]}],
    "deceasedBoolean": False,
}


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    said = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name == "value":
            said.append({"name": name, **value})
        elif name == "name":
            said.append({"name": name, "valueString": value})
        else:
            said.append({"name": name, "valueInteger": value})
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": said}]}


@pytest.mark.parametrize(
    ("patch", "path", "expected"),
    [
        (operation("replace", "Patient.birthDate", value={"valueDate": "1962"}), "birthDate",
         "1962"),
        (operation("add", "Patient", name="gender", value={"valueCode": "female"}), "gender",
         "female"),
        (operation("add", "Patient", name="maritalStatus", value={"valueCodeableConcept":
         {"text": "m"}}), "maritalStatus", {"text": "m"}),
        (operation("add", "Patient", name="contact", value={"part": [
            {"name": "gender", "valueCode": "male"},
            {"name": "name", "valueHumanName": {"text": "N"}},
            {"name": "telecom", "valueContactPoint": {"value": "1"}}]}), "contact",
         [{"gender": "male", "name": {"text": "N"}, "telecom": [{"value": "1"}]}]),
        (operation("add", "Patient.name.where(use = 'nickname')", name="family",
         value={"valueString": "C"}), "name",
         [PATIENT["name"][0], {"use": "nickname", "given": ["A", "B"], "family": "C"}]),
        (operation("insert", "Patient.name[1].given", index=1, value={"valueString": "X"}), "name",
         [PATIENT["name"][0], {"use": "nickname", "given": ["A", "X", "B"]}]),
        (operation("move", "Patient.name.last().given", source=1, destination=0), "name",
         [PATIENT["name"][0], {"use": "nickname", "given": ["B", "A"]}]),
        (operation("delete", "Patient.name.where(use='official').family"), "name",
         [{"use": "official"}, PATIENT["name"][1]]),
        (operation("delete", "Patient.name.first()"), "name", [PATIENT["name"][1]]),
        (operation("delete", "Patient.gender"), "birthDate", "1961"),
        (operation("replace", "Patient.deceased", value={"valueDateTime": "2020"}),
         "deceasedDateTime", "2020"),
    ],
)  # fmt: skip
def test_a_fhirpath_operation_does_what_it_says(patch, path, expected) -> None:
    before = str(PATIENT)

    patched = apply_patch(PATIENT, patch)

    assert patched[path] == expected
    assert str(PATIENT) == before
    assert "deceasedDateTime" not in patched or "deceasedBoolean" not in patched


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        (operation("add", "Patient", name="birthDate", value={"valueDate": "1962"}), 422),
        (operation("add", "Patient", name="colour", value={"valueString": "red"}), 422),
        (operation("add", "Patient.birthDate", name="x", value={"valueString": "red"}), 422),
        (operation("replace", "Patient.name", value={"valueHumanName": {}}), 422),
        (operation("replace", "Patient.gender", value={"valueCode": "male"}), 422),
        (operation("replace", "Patient.colour", value={"valueCode": "male"}), 422),
        (operation("replace", "Practitioner.gender", value={"valueCode": "male"}), 400),
        (operation("replace", "Patient.name.select(1)", value={"valueCode": "male"}), 400),
        (operation("replace", "Patient.name.where(use ~ 1)", value={"valueCode": "male"}), 400),
        (operation("replace", "Patient", value={"valueCode": "male"}), 422),
        (operation("delete", "Patient"), 422),
        (operation("delete", "Patient.name"), 422),
        (operation("insert", "Patient.name", index=9, value={"valueHumanName": {}}), 422),
        (operation("insert", "Patient.birthDate", index=0, value={"valueDate": "1"}), 422),
        (operation("grow", "Patient"), 400),
        (operation("add", "Patient", name="gender"), 400),
        ({"resourceType": "Parameters"}, 400),
        ({"resourceType": "Parameters", "parameter": [{"name": "x"}]}, 400),
    ],
)
def test_a_fhirpath_operation_that_cannot_be_done_is_refused(patch, status) -> None:
    with pytest.raises(HttpError) as caught:
        apply_patch(PATIENT, patch)

    assert caught.value.status == status


def test_copies_of_copies_do_not_fill_the_memory() -> None:
    document = {"a": [{"b": "x"}]}
    copies = [{"op": "copy", "from": "/a", "path": f"/a/0/c{number}"} for number in range(100)]

    with pytest.raises(HttpError) as caught:
        json_patch(document, copies)

    assert (caught.value.status, caught.value.message) == (400, "more than 10000 values")


def test_a_patch_nests_no_deeper_than_a_body() -> None:
    value: Any = {"a": 1}
    for _ in range(60):
        value = {"a": value}
    deeper = [
        {"op": "add", "path": "/a" * (61 * number + 1), "value": value} for number in range(9)
    ]

    with pytest.raises(HttpError) as caught:
        json_patch({"a": {}}, deeper)

    assert (caught.value.status, "levels deep" in caught.value.message) == (400, True)

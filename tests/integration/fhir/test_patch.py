"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir.outcome import HttpError
from integration.fhir.patch import MAX_OPERATIONS, json_patch, merge_patch

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


@pytest.mark.parametrize("operations", [{}, [], "x", [{"op": "test"}] * (MAX_OPERATIONS + 1)])
def test_a_patch_is_a_list_of_some_operations(operations) -> None:
    with pytest.raises(HttpError) as caught:
        json_patch(DOCUMENT, operations)

    assert caught.value.status == 400


def test_a_merge_patch_deletes_by_null_and_goes_into_objects() -> None:
    patched = merge_patch(DOCUMENT, {"a": {"b": None, "g": 1}, "c/d": "y"})

    assert patched == {"a": {"g": 1}, "c/d": "y", "e~f": True}
    assert DOCUMENT["a"] == {"b": [1, 2, 3]}

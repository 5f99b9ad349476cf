"""JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396) and FHIRPath Patch on a resource."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from integration.fhir import json
from integration.fhir.outcome import HttpError
from integration.fhir.path_patch import path_patch

MAX_OPERATIONS = 200
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


def apply_patch(target: dict[str, Any], patch: Any) -> Any:
    """``target`` with a patch of any kind: each shows by its form which one it is."""
    if isinstance(patch, list):
        return json_patch(target, patch)
    if isinstance(patch, dict) and patch.get("resourceType") == "Parameters":
        return path_patch(target, patch)
    return merge_patch(target, patch)


def merge_patch(target: Any, patch: Any) -> Any:
    """``target`` with ``patch`` merged in: null deletes, objects merge, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(target: dict[str, Any], operations: Any) -> dict[str, Any]:
    """``target`` after all operations; raises HttpError 422, or 409 where a test fails."""
    if not isinstance(operations, list):
        raise HttpError(400, "structure", "a JSON Patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise HttpError(400, "too-costly", f"more than {MAX_OPERATIONS} operations")
    document: Any = copy.deepcopy(target)
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
            raise HttpError(400, "structure", f"operation {number} is none of RFC 6902")
        try:
            document = _OPERATIONS[str(operation["op"])](document, operation, number)
        except RecursionError:
            raise _impossible(number, "the result is nested too deeply") from None
    json.require_limits(document)
    if not isinstance(document, dict):
        raise _impossible(len(operations) - 1, "the result is no resource")
    return document


def _add(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    return _put(document, _path(operation, "path", number), _value(operation, number), number)


def _remove(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    path = _path(operation, "path", number)
    if not path:
        raise _impossible(number, "the whole resource cannot be removed")
    parent, key = _parent(document, path, number)
    _get(parent, key, number)
    del parent[_index(parent, key, number)]
    return document


def _replace(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    path = _path(operation, "path", number)
    value = _value(operation, number)
    if not path:
        return value
    parent, key = _parent(document, path, number)
    _get(parent, key, number)
    parent[_index(parent, key, number)] = value
    return document


def _move(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    source, path = _path(operation, "from", number), _path(operation, "path", number)
    if path[: len(source)] == source and path != source:
        raise _impossible(number, "nothing can be moved into itself")
    value = _find(document, source, number)
    document = _remove(document, {"path": operation["from"]}, number)
    return _put(document, path, value, number)


def _copy(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    value = _find(document, _path(operation, "from", number), number)
    # What is copied into itself again and again doubles each time.
    json.require_limits([document, value])
    return _put(document, _path(operation, "path", number), copy.deepcopy(value), number)


def _test(document: Any, operation: Mapping[str, Any], number: int) -> Any:
    path = _path(operation, "path", number)
    if not _same(_find(document, path, number), _value(operation, number)):
        raise HttpError(
            409, "conflict", f"operation {number}: the test of {operation['path']} fails"
        )
    return document


_OPERATIONS: Mapping[str, Callable[[Any, Mapping[str, Any], int], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _same(a: Any, b: Any) -> bool:
    """JSON equality: true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _value(operation: Mapping[str, Any], number: int) -> Any:
    if "value" not in operation:
        raise HttpError(400, "structure", f"operation {number} lacks its value")
    return copy.deepcopy(operation["value"])


def _path(operation: Mapping[str, Any], name: str, number: int) -> list[str]:
    """The tokens of a JSON Pointer (RFC 6901)."""
    pointer = operation.get(name)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise HttpError(400, "structure", f"operation {number}: {name} is no JSON Pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _find(document: Any, path: list[str], number: int) -> Any:
    for key in path:
        document = _get(document, key, number)
    return document


def _parent(document: Any, path: list[str], number: int) -> tuple[Any, str]:
    return _find(document, path[:-1], number), path[-1]


def _get(parent: Any, key: str, number: int) -> Any:
    try:
        return parent[_index(parent, key, number)]
    except (KeyError, IndexError):
        raise _impossible(number, f"there is no {key[:64]!r}") from None


def _index(parent: Any, key: str, number: int) -> Any:
    """The key of an object or the index of a list."""
    if isinstance(parent, dict):
        return key
    if isinstance(parent, list) and _INDEX.fullmatch(key):
        return int(key)
    raise _impossible(number, f"there is no {key[:64]!r}")


def _put(document: Any, path: list[str], value: Any, number: int) -> Any:
    if not path:
        return value
    parent, key = _parent(document, path, number)
    if isinstance(parent, list):
        index = len(parent) if key == "-" else _index(parent, key, number)
        if index > len(parent):
            raise _impossible(number, f"there is no place {index}")
        parent.insert(index, value)
    else:
        if not isinstance(parent, dict):
            raise _impossible(number, f"there is no place {key[:64]!r}")
        parent[key] = value
    return document


def _impossible(number: int, message: str) -> HttpError:
    return HttpError(422, "processing", f"operation {number}: {message}")

"""FHIRPath Patch (FHIR R4 3.1.0.6.2): operations as Parameters, places as simple FHIRPath.

The paths that are understood: elements by name, ``[n]``, ``first()``, ``last()`` and
``where(element = 'value')``. The element table says what repeats and what a choice is called.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integration.fhir import elements
from integration.fhir.outcome import HttpError

MAX_OPERATIONS = 200
_STEP = re.compile(
    r"\.?(?:(?P<name>[A-Za-z]\w*+)(?!\()"
    r"|\[(?P<index>\d{1,6})\]"
    r"|(?P<end>first|last)\(\)"
    r"|where\((?P<condition>(?:[^'()]|'(?:[^'\\]|\\.)*')+)\))"
)
_EQUAL = re.compile(r"\s*([A-Za-z][\w.]*)\s*=\s*('(?:[^'\\]|\\.)*'|true|false|-?\d+)\s*")


@dataclass(frozen=True, slots=True)
class _Place:
    """A value in the resource: in an object by name, or in a list by index."""

    parent: Any
    key: Any
    structure: str  # of the value; empty for a primitive

    @property
    def value(self) -> Any:
        return self.parent[self.key]


def path_patch(target: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """``target`` after all operations; raises HttpError 400 for a wrong one, 422 for an
    impossible one."""
    operations = parameters.get("parameter")
    if not isinstance(operations, list) or not operations:
        raise HttpError(400, "structure", "a FHIRPath Patch has operations as parameters")
    if len(operations) > MAX_OPERATIONS:
        raise HttpError(400, "too-costly", f"more than {MAX_OPERATIONS} operations")
    document = copy.deepcopy(target)
    for number, operation in enumerate(operations):
        _Operation(number, document, _parts(number, operation)).apply()
    return document


def _parts(number: int, operation: Any) -> dict[str, Any]:
    if not isinstance(operation, dict) or operation.get("name") != "operation":
        raise HttpError(400, "structure", f"parameter {number} is no operation")
    found = {}
    for part in operation.get("part") or []:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise HttpError(400, "structure", f"operation {number}: a part without name")
        found[part["name"]] = part
    return found


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation on the document, which is changed in place."""

    number: int
    document: dict[str, Any]
    parts: dict[str, Any]

    def apply(self) -> None:
        kind = self._text("type", "valueCode")
        path = self._text("path", "valueString")
        match kind:
            case "add":
                self._add(path)
            case "insert":
                items, structure = self._list(path)
                items.insert(self._index("index", len(items)), self._value(structure)[1])
            case "delete":
                self._delete(path)
            case "replace":
                self._replace(path)
            case "move":
                items, _ = self._list(path)
                item = items.pop(self._index("source", len(items) - 1))
                items.insert(self._index("destination", len(items)), item)
            case _:
                raise self._wrong(f"the type {kind[:40]!r} is none of add, insert, delete, "
                                  "replace, move")  # fmt: skip

    # --- what is asked for

    def _text(self, name: str, element: str) -> str:
        found = self.parts.get(name, {}).get(element)
        if not isinstance(found, str) or not found:
            raise self._wrong(f"the part {name} lacks its {element}")
        return found

    def _index(self, name: str, most: int) -> int:
        found = self.parts.get(name, {}).get("valueInteger")
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._wrong(f"the part {name} lacks its valueInteger")
        if not 0 <= found <= most:
            raise self._impossible(f"there is no place {found}")
        return found

    def _value(self, structure: str) -> tuple[str, Any]:
        """(name of the data type in value[x], the value); parts make up a backbone element."""
        part = self.parts.get("value")
        if part is None:
            raise self._wrong("lacks its value")
        return self._of_part(part, structure)

    def _of_part(self, part: dict[str, Any], structure: str) -> tuple[str, Any]:
        for name, value in part.items():
            if name.startswith("value") and name != "value":
                return name.removeprefix("value"), copy.deepcopy(value)
        inner = part.get("part")
        if not isinstance(inner, list) or not inner or not structure:
            raise self._wrong("the value has no value[x] and no parts")
        made: dict[str, Any] = {}
        for each in inner:
            if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                raise self._wrong("a part without name")
            self._set(made, structure, each["name"], each)
        return "", made

    def _set(self, into: dict[str, Any], structure: str, name: str, part: dict[str, Any]) -> None:
        """Put the value of a part into an object: at the end of a list, or in place."""
        row = self._row(structure, name)
        kind, value = self._of_part(part, row.type if row else "")
        key = self._choice(structure, name, kind) if row is None else name
        row = row or self._row(structure, key)
        if row is None:
            raise self._impossible(f"there is no element {name[:64]!r}")
        if row.many:
            into.setdefault(key, []).append(value)
        else:
            into[key] = value

    # --- where

    def _row(self, structure: str, name: str) -> elements.Element | None:
        return elements.of(structure).elements.get(name)

    def _choice(self, structure: str, name: str, kind: str) -> str:
        """The name in JSON of a choice: ``deceased`` with a boolean is ``deceasedBoolean``."""
        return f"{name}{kind}" if name in elements.of(structure).choices else name

    def _find(self, path: str) -> list[_Place]:
        """The values at a path."""
        kind = str(self.document["resourceType"])
        at = 0
        places = [_Place([self.document], 0, kind)]
        first = True
        while at < len(path):
            step = _STEP.match(path, at)
            if step is None or step.end() == at:
                raise self._wrong(f"the path is not understood from {path[at : at + 40]!r}")
            at = step.end()
            if first and step["name"]:
                if step["name"] not in {kind, "Resource", "DomainResource"}:
                    raise self._wrong(f"the path begins with {kind}")
            elif step["name"]:
                places = [inner for each in places for inner in self._inner(each, step["name"])]
            elif step["index"]:
                index = int(step["index"])
                places = places[index : index + 1]
            elif step["end"]:
                places = places[:1] if step["end"] == "first" else places[-1:]
            else:
                places = [each for each in places if self._holds(each, step["condition"])]
            first = False
        return places

    def _inner(self, place: _Place, name: str) -> Iterator[_Place]:
        value = place.value
        if not isinstance(value, dict) or not place.structure:
            raise self._impossible(f"nothing has an element {name[:64]!r} there")
        structure = elements.of(place.structure)
        names = [each.name for each in structure.choices.get(name, ())] or [name]
        if names == [name] and name not in structure.elements:
            raise self._impossible(f"{place.structure} has no element {name[:64]!r}")
        for key in names:
            if key not in value:
                continue
            row = structure.elements[key]
            inner = "" if row.primitive else row.type
            if isinstance(value[key], list):
                for index in range(len(value[key])):
                    yield _Place(value[key], index, inner)
            else:
                yield _Place(value, key, inner)

    def _holds(self, place: _Place, condition: str) -> bool:
        for each in re.split(r"\s+and\s+", condition):
            found = _EQUAL.fullmatch(each)
            if found is None:
                raise self._wrong(f"the condition {each[:60]!r} is not understood")
            value = place.value
            for name in found[1].split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if value != _literal(found[2]):
                return False
        return True

    def _one(self, path: str) -> _Place:
        found = self._find(path)
        if len(found) != 1:
            raise self._impossible(f"the path finds {len(found)} places, not one")
        return found[0]

    def _list(self, path: str) -> tuple[list[Any], str]:
        """The list at a path, and the structure of its items."""
        found = self._find(path)
        lists = {id(each.parent): each for each in found if isinstance(each.parent, list)}
        if len(lists) != 1 or len(found) != len(next(iter(lists.values())).parent):
            raise self._impossible("the path finds no list")
        (place,) = lists.values()
        return place.parent, place.structure

    # --- what is done

    def _add(self, path: str) -> None:
        place = self._one(path)
        if not isinstance(place.value, dict) or not place.structure:
            raise self._impossible("nothing can be added to a value")
        part = self.parts.get("value")
        if part is None:
            raise self._wrong("lacks its value")
        name = self._text("name", "valueString")
        row = self._row(place.structure, name)
        if row is not None and not row.many and name in place.value:
            raise self._impossible(f"there is an element {name[:64]!r} already")
        self._set(place.value, place.structure, name, part)

    def _delete(self, path: str) -> None:
        found = self._find(path)
        if len(found) > 1:
            raise self._impossible(f"the path finds {len(found)} places, not one")
        if found and found[0].value is self.document:
            raise self._impossible("the whole resource cannot be deleted by a patch")
        for place in found:  # what is not there is deleted already
            del place.parent[place.key]
        _without_empty(self.document)

    def _replace(self, path: str) -> None:
        place = self._one(path)
        if place.value is self.document:
            raise self._impossible("the whole resource cannot be replaced by a patch")
        kind, value = self._value(place.structure)
        last = path.rpartition(".")[2]
        if isinstance(place.parent, dict) and place.key != last and place.key.startswith(last):
            # Another type of the same choice.
            del place.parent[place.key]
            place.parent[f"{last}{kind}"] = value
        else:
            place.parent[place.key] = value

    def _wrong(self, message: str) -> HttpError:
        return HttpError(400, "structure", f"operation {self.number}: {message}")

    def _impossible(self, message: str) -> HttpError:
        return HttpError(422, "processing", f"operation {self.number}: {message}")


def _literal(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    if text.startswith("'"):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return int(text)


def _without_empty(value: Any) -> None:
    """FHIR has no empty lists and objects: what became empty goes too."""
    if isinstance(value, dict):
        for name in list(value):
            _without_empty(value[name])
            if value[name] in ({}, []):
                del value[name]
    elif isinstance(value, list):
        for item in value:
            _without_empty(item)
        value[:] = [item for item in value if item not in ({}, [])]

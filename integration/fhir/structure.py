"""Whether a resource is what the R4 element table says: one walk, every fault with its place.

The walk goes through a resource beside its structure and looks at what JSON may get wrong (FHIR R4
2.6.2), primitives, cardinality, choices, required codes, where references lead, contained
resources, and the invariants. It trusts nothing about the value but that it came from JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from integration.fhir import elements
from integration.fhir.elements import Element, Structure
from integration.fhir.invariants import INVARIANTS
from integration.fhir.outcome import HttpError, InvalidCodeError
from integration.fhir.primitives import CHECKS

# Enough to say that a body is hopeless; an answer shows fewer still.
MAX_FAULTS = 200
_WORD = re.compile(r"[A-Za-z_]\w{0,63}")
_VERSION = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}$")
_TYPED = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}$|\?)")
# Elements that are attributes in XML have no extensions of their own.
_BARE = frozenset({"id", "url", "div"})


class _EnoughError(Exception):
    """There is no use in looking further."""


@dataclass(slots=True)
class _Scope:
    """One resource with what it contains: where ``#id`` is looked up."""

    type: str
    path: str
    contained: dict[str, str] = field(default_factory=dict)  # id → type, "" if R4 has no such
    named: set[str] = field(default_factory=set)  # ids that something refers to
    locals: list[tuple[str, frozenset[str], str]] = field(default_factory=list)


def faults(kind: str, value: Mapping[str, Any]) -> list[HttpError]:
    """All that is wrong with a resource of type ``kind``; its resourceType was looked at."""
    walk = _Walk()
    with suppress(_EnoughError):
        walk.resource(value, elements.of(kind), kind)
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.found: list[HttpError] = []

    def fault(
        self, message: str, path: str, *, status: int = 400, issue: str = "structure"
    ) -> None:
        self.found.append(HttpError(status, issue, message, path=path[:500]))
        if len(self.found) >= MAX_FAULTS:
            raise _EnoughError

    # --- resources

    def resource(self, value: Mapping[str, Any], structure: Structure, path: str) -> None:
        scope = _Scope(structure.name, path)
        contained = value.get("contained")
        if isinstance(contained, list):
            for index, each in enumerate(contained):
                self._contain(each, scope, f"{path}.contained[{index}]")
        self.object(value, structure, path, scope)
        self._local_references(scope)
        if isinstance(contained, list):
            self._unreferenced(contained, scope)

    def _contain(self, value: Any, scope: _Scope, path: str) -> None:
        """Note the ids before the walk: references to them may come first."""
        if not isinstance(value, dict):
            return
        own_id = value.get("id")
        kind = value.get("resourceType")
        if isinstance(own_id, str) and isinstance(kind, str):
            if own_id in scope.contained:
                self.fault("two contained resources have this id", f"{path}.id", issue="duplicate")
            scope.contained[own_id] = kind if kind in elements.resource_types() else ""

    def _local_references(self, scope: _Scope) -> None:
        for own_id, targets, path in scope.locals:
            scope.named.add(own_id)
            kind = scope.contained.get(own_id) if own_id else scope.type
            if kind is None:
                self.fault(
                    "ref-1: no contained resource has this id", path, status=422, issue="not-found"
                )
            elif targets and kind and kind not in targets:
                self._wrong_target(kind, targets, path)

    def _unreferenced(self, contained: list[Any], scope: _Scope) -> None:
        """dom-3: what is contained belongs to something in the resource."""
        for index, each in enumerate(contained):
            own_id = each.get("id") if isinstance(each, dict) else None
            if not isinstance(own_id, str) or own_id not in scope.contained:
                continue  # no resource at all, which was said
            if own_id not in scope.named and not _points_out(each):
                self.fault(
                    "dom-3: nothing refers to this contained resource",
                    f"{scope.path}.contained[{index}]",
                    status=422,
                    issue="invariant",
                )

    def _inner_resource(self, value: Any, element: Element, path: str, scope: _Scope) -> None:
        """Contained resources stay in their scope; those of a bundle have their own."""
        if not isinstance(value, dict):
            self.fault("an object is expected", path)
            return
        kind = value.get("resourceType")
        if kind is None:
            self.fault("resourceType is missing", path, issue="required")
            return
        if not isinstance(kind, str) or kind not in elements.resource_types():
            words = f"{str(kind)[:64]!r} cannot be contained here"
            self.fault(words, path, status=422, issue="not-supported")
            return
        structure = elements.of(kind)
        if element.name != "contained":
            self.resource(value, structure, path)
            return
        if "contained" in value:
            self.fault("dom-2: a contained resource contains none", path, issue="invariant")
        meta = value.get("meta")
        for name in ("versionId", "lastUpdated", "security"):
            if isinstance(meta, dict) and name in meta:
                key = "dom-5" if name == "security" else "dom-4"
                self.fault(
                    f"{key}: a contained resource has no {name}",
                    f"{path}.meta.{name}",
                    status=422,
                    issue="invariant",
                )
        self.object(value, structure, path, scope)

    # --- objects

    def object(self, value: Any, structure: Structure, path: str, scope: _Scope) -> None:
        if not isinstance(value, dict):
            self.fault("an object is expected", path)
            return
        if not value:
            self.fault("FHIR has no empty lists and objects", path)
            return
        before = len(self.found)
        known = structure.elements
        chosen: dict[str, str] = {}
        for name, item in value.items():
            element = known.get(name)
            if element is None:
                element = self._extended(name, value, structure, path, scope)
                if element is None:
                    continue
            elif element.many:
                self._list(name, item, element, value, path, scope)
            else:
                place = f"{path}.{element.choice or name}"
                if item is None:
                    self.fault("FHIR has no null", place)
                elif isinstance(item, list):
                    self.fault("one value is expected, not a list", place)
                else:
                    self._value(item, element, place, scope)
            choice = element.choice
            if choice and chosen.setdefault(choice, element.name) != element.name:
                self.fault(f"only one of {choice}[x] may be given", f"{path}.{choice}")
        for label, names in structure.required:
            if not any(name in value or f"_{name}" in value for name in names):
                self.fault("this is required", f"{path}.{label}", status=422, issue="required")
        if len(value) == 1 and "id" in value and not structure.resource:
            self.fault("ele-1: an element has a value or children", path, issue="invariant")
        self._invariants(value, structure, path, broken=len(self.found) > before)

    def _invariants(
        self, value: dict[str, Any], structure: Structure, path: str, *, broken: bool
    ) -> None:
        for invariant in INVARIANTS.get(structure.name, ()):
            try:
                holds = invariant.holds(value)
            except ArithmeticError:
                continue  # a number or year that is out of the reach of comparing
            except (AttributeError, TypeError, ValueError, KeyError, IndexError):
                if not broken:
                    raise
                continue  # what it would look at is no such value, and that has been said
            if not holds:
                words = f"{invariant.key}: {invariant.words}"
                place = f"{path}.{invariant.element}" if invariant.element else path
                self.fault(words, place, status=422, issue="invariant")

    def _extended(
        self, name: str, value: dict[str, Any], structure: Structure, path: str, scope: _Scope
    ) -> Element | None:
        """A name the structure does not have: the extensions of a primitive, or a fault."""
        element = structure.elements.get(name[1:]) if name.startswith("_") else None
        if element is None or not element.primitive or element.name in _BARE:
            if name == "resourceType" and structure.resource:
                return None
            place = f"{path}.{name}" if _WORD.fullmatch(name) else path
            self.fault("R4 has no such element here", place)
            return None
        place = f"{path}.{element.choice or element.name}"
        item = value[name]
        if not element.many:
            if item is None:
                self.fault("FHIR has no null", place)
            else:
                self._primitive_extension(item, place, scope, alone=element.name not in value)
        elif not isinstance(item, list):
            self.fault("a list is expected", place)
        elif element.name not in value:
            for index, each in enumerate(item):
                if each is None:
                    self.fault("neither a value nor an extension", f"{place}[{index}]")
                else:
                    self._primitive_extension(each, f"{place}[{index}]", scope, alone=True)
        return element

    def _primitive_extension(self, value: Any, path: str, scope: _Scope, *, alone: bool) -> None:
        if isinstance(value, dict) and alone and not value.get("extension"):
            self.fault("ele-1: an element has a value or children", path, issue="invariant")
            return
        self._only_extensions(value, path, scope)

    def _only_extensions(self, value: Any, path: str, scope: _Scope) -> None:
        if not isinstance(value, dict):
            self.fault("an object is expected", path)
        elif not value:
            self.fault("FHIR has no empty lists and objects", path)
        else:
            known = elements.of("Extension").elements
            for name, item in value.items():
                if name == "extension":
                    self._list(name, item, known["extension"], value, path, scope)
                elif name == "id":
                    self._value(item, known["id"], f"{path}.id", scope)
                else:
                    self.fault("a primitive has an id and extensions, nothing else", path)

    # --- lists and values

    def _list(
        self,
        name: str,
        items: Any,
        element: Element,
        around: dict[str, Any],
        path: str,
        scope: _Scope,
    ) -> None:
        place = f"{path}.{name}"
        if not isinstance(items, list):
            words = "FHIR has no null" if items is None else "a list is expected"
            self.fault(words, place)
            return
        if not items:
            self.fault("FHIR has no empty lists and objects", place)
            return
        if element.maximum is not None and len(items) > element.maximum:
            self.fault(f"at most {element.maximum} are allowed", place)
        beside = around.get(f"_{name}") if element.primitive else None
        if isinstance(beside, list):
            self._beside(items, beside, place, scope)
        for index, item in enumerate(items):
            if item is not None:
                self._value(item, element, f"{place}[{index}]", scope)
            elif not isinstance(beside, list):
                # In a list null keeps the place of a value that has only extensions.
                self.fault("FHIR has no null", f"{place}[{index}]")

    def _beside(self, items: list[Any], beside: list[Any], place: str, scope: _Scope) -> None:
        """The extensions of a list of primitives, in step with the values."""
        if len(items) != len(beside):
            self.fault("values and their extensions are two lists of one length", place)
            return
        for index, (item, more) in enumerate(zip(items, beside, strict=True)):
            if more is not None:
                here = f"{place}[{index}]"
                self._primitive_extension(more, here, scope, alone=item is None)
            elif item is None:
                self.fault("neither a value nor an extension", f"{place}[{index}]")

    def _value(self, value: Any, element: Element, path: str, scope: _Scope) -> None:
        check = CHECKS.get(element.type)
        if check is not None:
            words = check(value)
            if words:
                if words.startswith("txt-"):
                    self.fault(words, path, status=422, issue="invariant")
                else:
                    self.fault(
                        words, path, issue="value" if isinstance(value, str) else "structure"
                    )
            elif element.binding and value not in elements.bare_codes(element.binding):
                self._wrong_code(repr(value[:64]), element, path)
            elif element.targets and value[0] == "#" and element.type == "canonical":
                scope.locals.append((value[1:], element.targets, path))
            elif value.__class__ is str and value[:1] == "#" and element.type in _POINTING:
                scope.named.add(value[1:])
            return
        if element.type == "Resource":
            self._inner_resource(value, element, path, scope)
            return
        self.object(value, elements.of(element.type), path, scope)
        if not isinstance(value, dict):
            return
        if element.type == "Reference":
            self._reference(value, element.targets, path, scope)
        elif element.binding:
            codings = [value] if element.type == "Coding" else value.get("coding")
            if not _in_binding(codings, element.binding):
                self._wrong_code("what is coded", element, path)

    def _wrong_code(self, what: str, element: Element, path: str) -> None:
        self.found.append(InvalidCodeError(f"{what} is not in {element.binding}", path=path))
        if len(self.found) >= MAX_FAULTS:
            raise _EnoughError

    # --- references

    def _reference(
        self, value: dict[str, Any], targets: frozenset[str], path: str, scope: _Scope
    ) -> None:
        said = value.get("type")
        if isinstance(said, str) and targets:
            kind = said.rpartition("/")[2]
            if kind in elements.resource_types() and kind not in targets:
                self._wrong_target(kind, targets, f"{path}.type")
        text = value.get("reference")
        if not isinstance(text, str):
            return
        place = f"{path}.reference"
        if text.startswith("#"):
            scope.locals.append((text[1:], targets, place))
            return
        match = _TYPED.search(_VERSION.sub("", text))
        if match is None:
            return
        kind = match[1]
        if kind not in elements.resource_types():
            if match.start() == 0:
                self.fault(f"R4 has no resource type {kind[:64]}", place, status=422, issue="value")
        elif targets and kind not in targets:
            self._wrong_target(kind, targets, place)

    def _wrong_target(self, kind: str, targets: frozenset[str], path: str) -> None:
        self.fault(
            f"{kind} is none of the types this refers to: {', '.join(sorted(targets))}",
            path,
            status=422,
            issue="value",
        )


_POINTING = frozenset({"uri", "url", "canonical"})


def _in_binding(codings: Any, binding: str) -> bool:
    known = elements.codes(binding)
    if not isinstance(codings, list):
        return False
    for each in codings:
        if isinstance(each, dict):
            system, code = each.get("system"), each.get("code")
            if isinstance(system, str) and isinstance(code, str) and code in known.get(system, ()):
                return True
    return False


def _points_out(value: Any) -> bool:
    """Whether a contained resource refers to the one around it (``#``)."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("reference") == "#":
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False

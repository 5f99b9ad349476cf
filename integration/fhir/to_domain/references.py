"""References of a resource: what they name, and what was found for them (FHIR R4 2.3).

A translator does no look-up. :func:`target` says what a reference names; the writer loads all
targets of a resource in one go and hands them over as :class:`Known`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from integration.fhir.systems import Systems
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from ris.domain.errors import InvalidValueError
from ris.domain.values import Identifier

V = TypeVar("V")

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
_ELSEWHERE = re.compile(r"https?://\S+?/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(/_history/\S{1,64})?")


@dataclass(frozen=True, slots=True)
class Target:
    """One of our own resources, by id or by a business identifier."""

    type: str
    id: str = ""
    identifier: Identifier | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """What a Reference says: at most one of ``target`` and ``contained``, besides ``logical``."""

    path: str
    type: str
    target: Target | None = None
    contained: Json | None = None
    logical: Identifier | None = None
    display: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found for the targets of one resource."""

    views: Mapping[Target, Any] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, target: Target | None, kind: type[V]) -> V | None:
        view = self.views.get(target) if target else None
        return view if isinstance(view, kind) else None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the references of one resource; ``base`` is our own address."""

    resource: Json
    base: str
    systems: Systems

    def named(self, element: Json, path: str, allowed: frozenset[str], default: str = "") -> Named:
        """What ``element`` names; ``default`` is the type of a logical reference that says none.

        What is on another server is nobody we know: it is who its identifier or its display says.
        """
        said = datatypes.text(element, "type", path)
        if said and said not in allowed:
            raise InvalidValueError(f"cannot refer to {said}", path=f"{path}.type")
        inner = datatypes.single(element, "identifier", path)
        logical = datatypes.identifier(inner, f"{path}.identifier", self.systems) if inner else None
        display = datatypes.text(element, "display", path)
        text = datatypes.text(element, "reference", path)
        where = f"{path}.reference"
        if text.startswith("#"):
            inner = self._contained(text, where, allowed)
            kind = str(inner.get("resourceType"))
            return Named(path, kind, None, inner, logical, display)
        target = self._target(text, where, allowed) if text else None
        elsewhere = _ELSEWHERE.fullmatch(text) if target is None else None
        if elsewhere:
            self._require(elsewhere[1], allowed, where)
            said = said or elsewhere[1]
        if target is None and text and logical is None and not display:
            raise InvalidValueError(
                "points outside this server; send a display, the identifier or the resource "
                "contained",
                path=where,
            )
        if target is None and logical is not None:
            target = Target(said or default, identifier=logical)
        kind = target.type if target else said or default
        return Named(path, kind, target, None, logical, display)

    def _contained(self, text: str, path: str, allowed: frozenset[str]) -> Json:
        for inner, where in datatypes.several(
            self.resource, "contained", str(self.resource.get("resourceType"))
        ):
            if inner.get("id") == text[1:]:
                self._require(str(inner.get("resourceType")), allowed, path)
                datatypes.refuse_modifiers(inner, where)
                return inner
        raise InvalidValueError("no contained resource has this id", path=path)

    def _target(self, text: str, path: str, allowed: frozenset[str]) -> Target | None:
        text = text.removeprefix(self.base + "/")
        kind, mark, query = text.partition("?")
        if mark and "/" not in kind:
            # The form of IHE and of transactions: Patient?identifier=system|value.
            self._require(kind, allowed, path)
            return Target(kind, identifier=self._conditional(query, path))
        found = _LOCAL.fullmatch(text)
        if found is None:
            return None
        self._require(found[1], allowed, path)
        return Target(found[1], id=found[2])

    def _conditional(self, query: str, path: str) -> Identifier:
        pairs = parse_qsl(query, keep_blank_values=True)
        if len(pairs) != 1 or pairs[0][0] != "identifier":
            raise InvalidValueError("only ?identifier=system|value is understood", path=path)
        system, bar, value = pairs[0][1].partition("|")
        if not (bar and system and value):
            raise InvalidValueError("the identifier needs system and value", path=path)
        return Identifier(value, self.systems.issuer(system, path))

    @staticmethod
    def _require(kind: str, allowed: frozenset[str], path: str) -> None:
        if kind not in allowed:
            raise InvalidValueError(f"cannot refer to {kind}", path=path)

"""The input parameters of an operation: a Parameters resource, or the query of a GET (FHIR R4 3.2).

What is not there is empty; what has the wrong type is refused with its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration.fhir import gate
from integration.fhir.date_parameters import interval
from integration.fhir.operations.interface import Call
from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import datatypes

PATH = "Parameters.parameter"
RESULT = frozenset({"_format", "_pretty", "_count"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Name → values: texts of a query, elements of a Parameters resource."""

    given: Mapping[str, Sequence[Any]]
    call: Call

    @classmethod
    def of(cls, call: Call) -> Inputs:
        found: dict[str, list[Any]] = {}
        for name, value in call.query:
            found.setdefault(name, []).append(value)
        if call.body is not None:
            body = gate.check_value("Parameters", call.body)
            for element, path in datatypes.several(body, "parameter", "Parameters"):
                name = datatypes.text(element, "name", path)
                values = [value for key, value in element.items() if _holds_value(key)]
                found.setdefault(name, []).extend(values)
        return cls(found, call)

    def refuse_others(self, known: frozenset[str]) -> None:
        """A parameter nobody understands may change what is meant."""
        strange = sorted(self.given.keys() - known - RESULT)
        if strange:
            raise HttpError(
                400, "not-supported", f"unknown parameter {strange[0][:64]!r}", path=PATH
            )

    def texts(self, name: str) -> list[str]:
        for value in self.given.get(name, ()):
            if not isinstance(value, str):
                raise HttpError(400, "invalid", f"{name} is a text", path=PATH)
        return [value for value in self.given.get(name, ()) if value.strip()]

    def text(self, name: str) -> str:
        return next(iter(self.texts(name)), "")

    def count(self, default: int, most: int) -> int:
        for value in self.given.get("_count", ()):
            text = str(value)
            if not text.isdecimal() or len(text) > 9:
                raise HttpError(400, "invalid", "_count is a number", path=PATH)
            return min(int(text), most)
        return default

    def moment(self, name: str, *, end: bool = False) -> datetime:
        """A required dateTime; a day, month or year is its beginning in the
        site's zone, or where it ends."""
        text = self.text(name)
        if not text:
            raise HttpError(422, "required", f"{name} is required", path=PATH)
        when = datatypes.when({name: text}, name, PATH)
        if when.at is not None:
            return when.at
        low, high = interval(name, when.day, self.call.reading.zone)
        return high if end else low

    def references(self, name: str) -> list[dict[str, Any]]:
        """Reference elements; a query has them as text."""
        return [
            {"reference": value} if isinstance(value, str) else self._object(name, value)
            for value in self.given.get(name, ())
        ]

    def element(self, name: str) -> dict[str, Any] | None:
        for value in self.given.get(name, ()):
            return self._object(name, value)
        return None

    def resource(self, name: str, kind: str) -> dict[str, Any] | None:
        found = self.element(name)
        if found is not None and found.get("resourceType") != kind:
            raise HttpError(422, "invalid", f"{name} is a resource of type {kind}", path=PATH)
        return found

    @staticmethod
    def _object(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise HttpError(400, "invalid", f"{name} has the wrong type", path=PATH)
        return value


def parameters_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a Parameters resource whose inner structure nobody looked at."""
    given = body.get("parameter") or []
    if not isinstance(given, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in given
    ):
        raise HttpError(400, "structure", "parameter is a list, each with its name", path=PATH)
    return given


def _holds_value(key: str) -> bool:
    return key == "resource" or key.startswith("value")

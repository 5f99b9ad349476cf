"""SMART on FHIR scopes (SMART App Launch 2.2, "Scopes for requesting FHIR resources").

``system/ServiceRequest.cruds``, its v1 form ``system/ServiceRequest.read``, and the same narrowed
to rows: ``system/ServiceRequest.rs?category=363679005&status=active``. A scope this server cannot
enforce grants nothing, because granting it without its limit would grant too much: that is
``patient/``, as no token here has a patient in context, and a filter that is no search parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from ris.domain.errors import InvalidValueError, RisError

_V2 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(c?r?u?d?s?)(?:\?(.+))?")
_V1 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(read|write|\*)(?:\?(.+))?")
_LETTERS = "cruds"
_OF_V1 = {"read": "rs", "write": "cud", "*": "cruds"}

# What a row must match: search parameters with their values, all of them.
Filter = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope: a type or ``*``, letters of cruds, and what rows it is limited to."""

    level: str
    kind: str
    letters: str
    rows: Filter = ()

    def covers(self, kind: str, letters: str) -> bool:
        return self.kind in {kind, "*"} and any(each in self.letters for each in letters)

    def within(self, other: Grant) -> Grant | None:
        """What both grant; None if that is nothing."""
        letters = "".join(
            each for each in _LETTERS if each in self.letters and each in other.letters
        )
        kinds = {self.kind, other.kind} - {"*"}
        if self.level != other.level or len(kinds) > 1 or not letters:
            return None
        rows = tuple(dict.fromkeys((*self.rows, *other.rows)))
        return Grant(self.level, next(iter(kinds), "*"), letters, rows)

    def __str__(self) -> str:
        rows = f"?{urlencode(self.rows)}" if self.rows else ""
        return f"{self.level}/{self.kind}.{self.letters}{rows}"


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a client may do."""

    grants: tuple[Grant, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scopes:
        return cls(tuple(grant for text in texts if (grant := read(text)) is not None))

    def allow(self, kind: str, letters: str) -> bool:
        """Whether one of ``letters`` (of c r u d s) is granted for a type, at least for some rows;
        ``*`` asks for all types."""
        return any(each.covers(kind, letters) for each in self.grants)

    def filters(self, kind: str, letters: str) -> tuple[Filter, ...] | None:
        """What rows of a type are granted: those that match one of these; None: every row."""
        found = dict.fromkeys(each.rows for each in self.grants if each.covers(kind, letters))
        return None if () in found else tuple(found)

    def readable(self, kind: str) -> bool:
        """Whether resources of a type may be shown beside others."""
        return self.allow(kind, "rs")


def read(text: str) -> Grant | None:
    """A scope as a grant; None for what this server does not enforce."""
    found = _V2.fullmatch(text) or _V1.fullmatch(text)
    if found is None or not found[3]:
        return None
    rows = tuple(parse_qsl(found[4] or "", keep_blank_values=True))
    if found[4] and not rows:
        return None  # a filter of nothing but separators
    return Grant(found[1], found[2], _OF_V1.get(found[3], found[3]), rows)


def check(text: str) -> None:
    """Raises InvalidValueError for a row filter that no type it is given for can be asked by."""
    grant = read(text)
    if grant is None or not grant.rows:
        return
    # Only who registers a client needs the tables of all types.
    from integration.fhir.criteria import criteria_of
    from integration.fhir.parameters import Reading
    from integration.fhir.resources import KINDS

    faults: list[str] = []
    for kind in KINDS.values():
        if grant.kind not in {"*", kind.name}:
            continue
        try:
            criteria_of(kind, grant.rows, Reading(""))
        except RisError as error:
            faults.append(error.message)
        else:
            return
    fault = faults[0] if faults and grant.kind != "*" else "no type has these search parameters"
    raise InvalidValueError(f"{text}: {fault}", path="scopes")


def granted(asked: Iterable[str], registered: Iterable[str]) -> tuple[str, ...]:
    """What a client is granted: what it asks for, as far as it is registered for it.

    A scope that is granted whole is given back in the client's own words.
    """
    owned = tuple(registered)
    grants = [grant for text in owned if (grant := read(text)) is not None]
    found: dict[str, None] = {}
    for text in asked:
        wanted = read(text)
        if wanted is None:
            if text in owned and text.startswith(("system/", "role/")):
                found[text] = None  # a scope of DICOMweb or REST
            continue
        for each in grants:
            both = wanted.within(each)
            if both is not None:
                found[text if both == wanted else str(both)] = None
    return tuple(found)

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
from urllib.parse import parse_qsl

_V2 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(c?r?u?d?s?)(?:\?(.+))?")
_V1 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(read|write|\*)()")
_OF_V1 = {"read": "rs", "write": "cud", "*": "cruds"}

# What a row must match: search parameters with their values, all of them.
Filter = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope: a type or ``*``, letters of cruds, and what rows it is limited to."""

    kind: str
    letters: str
    rows: Filter = ()

    def covers(self, kind: str, letters: str) -> bool:
        return self.kind in {kind, "*"} and any(each in self.letters for each in letters)


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
    if found[4]:
        return None
    rows = tuple(parse_qsl(found[4] or "", keep_blank_values=True))
    return Grant(found[2], _OF_V1.get(found[3], found[3]), rows)

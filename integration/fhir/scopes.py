"""SMART on FHIR scopes (SMART App Launch 2.2, "Scopes for requesting FHIR resources").

``system/ServiceRequest.cruds`` and its v1 form ``system/ServiceRequest.read``. A scope this server
cannot enforce (a patient compartment, a row filter ``?param=value``) grants nothing: granting it
without its limit would grant too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_V2 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(c?r?u?d?s?)")
_V1 = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.(read|write|\*)")
_OF_V1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a client may do: (type or ``*``, letters of cruds)."""

    grants: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scopes:
        grants = []
        for text in texts:
            found = _V2.fullmatch(text)
            if found is not None and found[3]:
                grants.append((found[2], found[3]))
                continue
            found = _V1.fullmatch(text)
            if found is not None:
                grants.append((found[2], _OF_V1[found[3]]))
        return cls(tuple(grants))

    def allow(self, kind: str, letter: str) -> bool:
        """Whether ``letter`` (one of c r u d s) is granted for a type."""
        return any(name in {kind, "*"} and letter in letters for name, letters in self.grants)

    def readable(self, kind: str) -> bool:
        """Whether resources of a type may be shown beside others."""
        return self.allow(kind, "r") or self.allow(kind, "s")

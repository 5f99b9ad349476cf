"""An issuer asked for with wildcards, in the form in which a dataset shows it (PS3.3 Table 10-17).

One column holds what an answer shows as a local namespace or as a universal id, so ``1*`` for a
namespace must not find the issuer ``1.2.3``, nor ``urn*`` what is shown without its ``urn:oid:``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.identifiers import universal_id
from ris.selectors.name_keys import wildcard_pattern


@dataclass(frozen=True, slots=True)
class IssuerPattern:
    text: str
    universal: bool

    def __str__(self) -> str:
        return self.text

    def meets(self, issuer: str) -> bool:
        shown = universal_id(issuer)[0]
        if self.universal:
            return bool(shown) and bool(wildcard_pattern(self.text).fullmatch(shown))
        return not shown and bool(wildcard_pattern(self.text).fullmatch(issuer))

"""Macros of PS3.3 as the core's values: codes (8.8) and issuers of numbers (10.14)."""

from __future__ import annotations

from ris.domain.values import Code
from worklist.elements import Texts


def codes(texts: Texts, keyword: str) -> tuple[Code, ...]:
    """The codes of a sequence; none if it is absent or empty (Table 8.8-1)."""
    return tuple(filter(None, (_code(item) for item in texts.items(keyword))))


def _code(item: Texts) -> Code:
    value = item.text("CodeValue") or item.text("LongCodeValue") or item.text("URNCodeValue")
    return Code(
        value,
        item.text("CodingSchemeDesignator"),
        item.text("CodeMeaning"),
        item.text("CodingSchemeVersion"),
    )


def issuer(item: Texts, keyword: str) -> str:
    """Who gave a number out (Table 10-17): by its universal id, else by its local name."""
    for designator in item.items(keyword):
        universal = designator.text("UniversalEntityID")
        return universal or designator.text("LocalNamespaceEntityID")
    return ""

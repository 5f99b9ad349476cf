"""Texts of a worklist query as SQL: exact, case-sensitive, with the wildcards of PS3.4 C.2.2.2.4.

A database's LIKE is not case-sensitive everywhere: SQLite gets GLOB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from ris.domain.identifiers import OID, URI, UUID
from ris.selectors import name_keys
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.name_keys import Pattern
from ris.selectors.views import TextMatch

Clause = tuple[str, Sequence[Any]]


def texts(column: str, match: TextMatch) -> list[tuple[str, Sequence[Any]]]:
    """A key may hold several values, joined as DICOM joins them."""
    return [one_text(column, value, wildcard=match.wildcard) for value in match.pattern.split("\\")]


def one_text(column: str, value: str, *, wildcard: bool) -> tuple[str, Sequence[Any]]:
    """One value of a key."""
    if not (wildcard and is_pattern(value)):
        return f"{column} = %s", [value]
    parts = tuple(name_keys.split(value))
    return like(column, Pattern(parts))


def is_pattern(value: str) -> bool:
    return "*" in value or "?" in value


def like(column: str, pattern: Pattern) -> tuple[str, Sequence[Any]]:
    """A comparison with wildcards, case-sensitive; a known beginning uses the index."""
    if pattern.is_literal:
        return f"{column} = %s", [pattern.prefix]
    if connection.vendor == "sqlite":
        clause, params = f"{column} GLOB %s", [_glob(pattern)]
        following = _following(pattern.prefix)
        if following:
            # GLOB alone uses an index only if its pattern stands in the statement.
            clause = f"({clause} AND {column} >= %s AND {column} < %s)"
            params += [pattern.prefix, following]
        return clause, params
    return f"{column} LIKE %s", [_sql_like(pattern)]


def _following(prefix: str) -> str:
    """The first text that sorts behind everything that begins with ``prefix``."""
    if not prefix or ord(prefix[-1]) >= 0xD7FF:
        return ""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _glob(pattern: Pattern) -> str:
    return "".join(
        part if index % 2 else part.translate(_GLOB) for index, part in enumerate(pattern.parts)
    )


def _sql_like(pattern: Pattern) -> str:
    return "".join(
        {"*": "%", "?": "_"}[part] if index % 2 else part.translate(_LIKE)
        for index, part in enumerate(pattern.parts)
    )


_GLOB = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})
_LIKE = str.maketrans({"%": "\\%", "_": "\\_", "\\": "\\\\"})


# --- issuers: one column holds what is shown in two forms

_REGEX = {"sqlite": "REGEXP", "postgresql": "~"}
_IS_OID, _IS_UUID, _IS_URI = f"^(urn:oid:)?{OID}$", f"^(urn:uuid:)?{UUID}$", f"^{URI}"


def issuers(column: str, pattern: IssuerPattern) -> list[Clause]:
    """``IssuerPattern.meets`` of a column, as alternatives."""
    asked = one_text(column, pattern.text, wildcard=True)
    others = (_is(column, _IS_OID), _is(column, _IS_UUID))
    if not pattern.universal:
        return [_all(asked, *(_not(one) for one in (*others, _is(column, _IS_URI))))]
    return [
        _all(asked, _is(column, f"^{OID}$")),
        _all(_behind("urn:oid:", column, pattern), others[0]),
        _all(asked, _is(column, f"^{UUID}$")),
        _all(_behind("urn:uuid:", column, pattern), others[1]),
        _all(asked, _is(column, _IS_URI), *(_not(one) for one in others)),
    ]


def _behind(prefix: str, column: str, pattern: IssuerPattern) -> Clause:
    return one_text(column, prefix + pattern.text, wildcard=True)


def _is(column: str, regex: str) -> Clause:
    return f"{column} {_REGEX[connection.vendor]} %s", [regex]


def _not(clause: Clause) -> Clause:
    return f"NOT ({clause[0]})", clause[1]


def _all(*clauses: Clause) -> Clause:
    return (
        "(" + " AND ".join(clause for clause, _ in clauses) + ")",
        [param for _, params in clauses for param in params],
    )

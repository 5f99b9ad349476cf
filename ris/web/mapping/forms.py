"""A mapping as a form: rules a line each, tables as lines of ``code = ours``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from ris.domain.errors import RisError, SeveralErrors
from ris.services.mapping import MapKind

LONGEST = 500_000
OTHERWISE = (
    ("pass", "passes as it is"),
    ("refuse", "is refused"),
    ("fixed", "becomes this:"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableField:
    """One table on the page."""

    kind: MapKind
    text: str
    otherwise: str
    fixed: str
    errors: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(bool(line.strip()) for line in self.text.splitlines())

    @property
    def is_open(self) -> bool:
        return bool(self.errors)

    @property
    def is_used(self) -> bool:
        return bool(self.rows) or self.otherwise != "pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingForm:
    """What stands in the form, and what is wrong with it, by the row it is in."""

    rules: str
    tables: tuple[TableField, ...]
    errors: tuple[str, ...] = ()  # of the rules
    others: tuple[str, ...] = ()

    @property
    def faulty(self) -> bool:
        return bool(self.errors or self.others or any(table.errors for table in self.tables))


def of_content(content: Mapping[str, Any], kinds: Sequence[MapKind]) -> MappingForm:
    """A stored mapping as the form that would save it."""
    maps = content.get("maps", {})
    tables = []
    for kind in kinds:
        table = maps.get(kind.name, {})
        values = table.get("values", {})
        tables.append(
            TableField(
                kind=kind,
                text="\n".join(f"{_quoted(code)} = {ours}" for code, ours in values.items()),
                otherwise=str(table.get("otherwise", "pass")),
                fixed=str(table.get("fixed", "")),
            )
        )
    return MappingForm(rules="\n".join(content.get("rules", ())), tables=tuple(tables))


def _quoted(code: str) -> str:
    if "=" not in code and code == code.strip() and not code.startswith('"'):
        return code
    inside = code.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def of_post(post: QueryDict, kinds: Sequence[MapKind]) -> MappingForm:
    """What somebody typed."""
    tables = tuple(
        TableField(
            kind=kind,
            text=str(post.get(f"map-{kind.name}", ""))[:LONGEST],
            otherwise=str(post.get(f"otherwise-{kind.name}", "pass")),
            fixed=str(post.get(f"fixed-{kind.name}", "")).strip()[:200],
        )
        for kind in kinds
    )
    return MappingForm(rules=str(post.get("rules", ""))[:LONGEST], tables=tables)


def content_of(form: MappingForm) -> tuple[dict[str, Any], MappingForm]:
    """The mapping that the form says, and the form with the lines marked that say nothing."""
    maps: dict[str, Any] = {}
    tables = []
    for table in form.tables:
        values, errors = _rows(table.text)
        said: dict[str, Any] = {"otherwise": table.otherwise, "values": values}
        if table.otherwise == "fixed":
            said["fixed"] = table.fixed
        if values or table.otherwise != "pass":
            maps[table.kind.name] = said
        tables.append(_with(table, errors))
    content: dict[str, Any] = {}
    if maps:
        content["maps"] = maps
    lines = form.rules.replace("\r\n", "\n").rstrip().split("\n")
    if any(line.strip() for line in lines):
        content["rules"] = lines
    return content, MappingForm(rules=form.rules, tables=tuple(tables))


def _rows(text: str) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    errors = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        code, separator, ours = _split(line.strip())
        if not separator:
            errors.append(f"Line {number}: write it as code = ours.")
        elif code in values:
            errors.append(f"Line {number}: {code} is there twice.")
        else:
            values[code] = ours
    return values, errors


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=(.*)')


def _split(line: str) -> tuple[str, str, str]:
    """A code with an equals sign in it stands in quotation marks."""
    match = _QUOTED.fullmatch(line)
    if match is not None:
        return re.sub(r"\\(.)", r"\1", match[1]), "=", match[2].strip()
    code, separator, ours = line.partition("=")
    return code.strip(), separator, ours.strip()


def refused(form: MappingForm, error: RisError) -> MappingForm:
    """The form with every fault at its place."""
    rules, others = list(form.errors), list(form.others)
    by_table: dict[str, list[str]] = {table.kind.name: [] for table in form.tables}
    for each in error.errors if isinstance(error, SeveralErrors) else (error,):
        place, _, row = each.path.partition("[")
        row = row.removesuffix("]")
        words = each.message[:1].upper() + each.message[1:]
        if place == "rules":
            rules.append(f"Line {row}: {each.message}." if row else f"{words}.")
        elif place.startswith("maps.") and place[5:] in by_table:
            by_table[place[5:]].append(f"{row}: {each.message}." if row else f"{words}.")
        else:
            others.append(f"{words}.")
    tables = tuple(_with(table, by_table[table.kind.name]) for table in form.tables)
    return MappingForm(rules=form.rules, tables=tables, errors=tuple(rules), others=tuple(others))


def _with(table: TableField, errors: Sequence[str]) -> TableField:
    return TableField(
        kind=table.kind,
        text=table.text,
        otherwise=table.otherwise,
        fixed=table.fixed,
        errors=(*table.errors, *errors),
    )

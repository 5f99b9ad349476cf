"""The site configuration as a file: its tables, and how they are read and written."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ris.domain.actors import NO_LOGINS, Role
from ris.domain.discontinuation import WORDS
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Direction, Protocol, Subscription
from ris.domain.opening_hours import parse_hours

Record = dict[str, Any]
Tables = dict[str, list[Record]]

_PEOPLE = tuple(role.value for role in Role if role not in NO_LOGINS)
_TYPES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One name of a table: its type, what it is when never said, and the words it may hold."""

    type: type
    default: Any = None
    required: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of record; ``key`` names the fields that tell records apart."""

    name: str
    key: tuple[str, ...]
    fields: Mapping[str, Field]

    def key_of(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(record.get(name, self.fields[name].default)) for name in self.key)

    @property
    def required(self) -> list[str]:
        return [name for name, row in self.fields.items() if row.required]

    def complete(self, record: Mapping[str, Any]) -> Record:
        """The record with every name, as it is when nothing else was ever said."""
        return {name: record.get(name, row.default) for name, row in self.fields.items()}


def _text(default: str = "", *words: str, required: bool = False) -> Field:
    return Field(str, default, required, words)


# In the order they are applied: what is named by a later table stands in an earlier one.
TABLES: tuple[Table, ...] = (
    Table(
        "site",
        ("name",),
        {
            "name": _text(required=True),
            "institution": _text(),
            "time_zone": _text(),
            "address": _text(),
            "patient_id_issuer": _text(),
            "avoids_gaps": Field(bool, False),
        },
    ),
    Table("room", ("name",), {"name": _text(required=True), "hours": Field(list, [])}),
    Table(
        "device",
        ("ae_title",),
        {
            "ae_title": _text(required=True),
            "modality": _text(required=True),
            "station_name": _text(),
            "room": _text(),
            "address": _text(),
            "character_sets": Field(list, []),
            "settings": Field(dict, {}),
            "active": Field(bool, True),
        },
    ),
    Table(
        "procedure",
        ("scheme", "code", "version"),
        {
            "code": _text(required=True),
            "scheme": _text(),
            "version": _text(),
            "name": _text(required=True),
            "modality": _text(required=True),
            "duration_minutes": Field(int, 30),
            "preparation": _text(),
            "body_part": _text(),
            "contrast": _text(),
            "laterality_required": Field(bool, False),
            "buffer_before_minutes": Field(int, 0),
            "buffer_after_minutes": Field(int, 0),
            "lead_hours": Field(int, 0),
            "radiologist_present": Field(bool, False),
            "required_skills": Field(list, []),
            "staff_required": Field(int, 0),
            "subspecialty": _text(),
            "active": Field(bool, True),
            "steps": Field(list, []),
        },
    ),
    Table(
        "follow_up",
        ("scheme", "code"),
        {
            "code": _text(required=True),
            "scheme": _text("DCM"),
            "then": _text("", *WORDS, required=True),
        },
    ),
    Table(
        "endpoint",
        ("protocol", "direction", "name"),
        {
            "name": _text(required=True),
            "protocol": _text("", *(item.value for item in Protocol), required=True),
            "direction": _text("", *(item.value for item in Direction), required=True),
            "protocol_name": _text(),
            "host": _text(),
            "port": Field(int),
            "version": _text(),
            "character_set": _text(),
            "time_zone": _text(),
            "sends": Field(list, [], words=tuple(item.value for item in Subscription)),
            "settings": Field(dict, {}),
            "mapping": Field(dict, {}),
            "watch": Field(dict, {}),
            "active": Field(bool, True),
        },
    ),
    Table(
        "user",
        ("username",),
        {
            "username": _text(required=True),
            "roles": Field(list, [], required=True, words=_PEOPLE),
            "first_name": _text(),
            "last_name": _text(),
            "email": _text(),
            "active": Field(bool, True),
        },
    ),
)
TABLE = {table.name: table for table in TABLES}

# A procedure's steps and their codes are tables inside a record.
STEP = Table(
    "step",
    (),
    {
        "modality": _text(required=True),
        "description": _text(),
        "duration_minutes": Field(int, 30),
        "protocol_codes": Field(list, []),
    },
)
CODE = Table(
    "code",
    (),
    {
        "value": _text(required=True),
        "scheme": _text(),
        "meaning": _text(),
        "version": _text(),
    },
)
_INNER = {("procedure", "steps"): STEP, ("step", "protocol_codes"): CODE}


# --- reading


def parse(text: str, stored: Tables | None = None) -> Tables:
    """The tables of a file. Raises InvalidValueError whose path is ``line N`` for what is wrong.

    A record that is ``stored`` says what changes and no more.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _place(str(error))
        raise InvalidValueError(message, path=line) from None
    tables: Tables = {}
    for name, value in content.items():
        table = TABLE.get(name)
        if table is None:
            raise InvalidValueError(
                f"no such table: {name}{_meant(name, TABLE)}", path=_line(text, name)
            )
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise InvalidValueError(f"write each {name} as [[{name}]]", path=_line(text, name))
        known = {table.key_of(record) for record in (stored or {}).get(name, ())}
        seen: set[tuple[str, ...]] = set()
        for number, record in enumerate(value):
            _check(table, record, text, number)
            key = table.key_of(record)
            missing = next((each for each in table.required if each not in record), None)
            if missing and (missing in table.key or key not in known):
                place = _line(text, name, number)
                raise InvalidValueError(f"{name}: {missing} is missing", path=place)
            if key in seen:
                raise InvalidValueError(
                    f"{name} {' '.join(filter(None, key))} is there twice",
                    path=_line(text, name, number),
                )
            seen.add(key)
        tables[name] = value
    return tables


def _place(message: str) -> tuple[str, str]:
    """tomllib's ``Unclosed array (at line 3, column 7)`` as text and ``line 3``."""
    found = re.search(r" \(at (line \d+)", message)
    return (message[: found.start()], found.group(1)) if found else (message, "")


def _meant(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _check(table: Table, record: Record, text: str, number: int, inside: str = "") -> None:
    outer = inside or table.name

    def wrong(message: str, name: str = "") -> InvalidValueError:
        return InvalidValueError(f"{table.name}: {message}", path=_line(text, outer, number, name))

    for name, value in record.items():
        row = table.fields.get(name)
        if row is None:
            hint = _meant(name, table.fields)
            if table.name == "user" and "password" in name:
                hint = "; passwords do not belong in a file: `ris changepassword NAME` asks for one"
            raise wrong(f"no such name: {name}{hint}", name)
        # A boolean is an integer to Python, and not to a person.
        if not isinstance(value, row.type) or (row.type is int and isinstance(value, bool)):
            raise wrong(f"{name} is {_TYPES[row.type]}", name)
        for word in value if isinstance(value, list) else [value]:
            if row.words and word not in row.words:
                raise wrong(f"{name} is one of {', '.join(row.words)}", name)
        inner = _INNER.get((table.name, name))
        if inner is not None and isinstance(value, list):
            for item in value:
                if not isinstance(item, dict):
                    raise wrong(f"{name} is a list of tables", name)
                _check(inner, item, text, number, outer)
        elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise wrong(f"{name} is a list of texts", name)
    for name, row in table.fields.items():
        # What a record may leave out is seen where it is known whether it is stored.
        if row.required and not record.get(name) and (inside or name in record):
            raise wrong(f"{name} is missing")
    if table.name == "room":
        for hours in record.get("hours", []):
            try:
                parse_hours(hours)
            except InvalidValueError as error:
                raise wrong(error.message, "hours") from None


def _line(text: str, table: str, number: int = 0, name: str = "") -> str:
    """Where a name of the ``number``-th table stands, for a message; the table if it is hidden."""
    header = re.compile(rf"\s*\[\[?\s*{re.escape(table)}\s*[\].]|\s*{re.escape(table)}\s*=")
    record = re.compile(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]")
    other = re.compile(r"\s*\[")
    within = re.compile(rf"\s*\[\[?\s*{re.escape(table)}\.")
    key = re.compile(rf"(?:\s*|.*[{{,\s]){re.escape(name)}\s*=") if name else None
    seen, start = -1, 0
    for at, line in enumerate(text.splitlines(), start=1):
        if record.match(line) or (seen < 0 and header.match(line)):
            seen += 1
            if seen == number:
                start = at
        elif seen == number and other.match(line) and not within.match(line):
            seen += 1
        if start and seen == number and key is not None and key.match(line):
            return f"line {at}"
        if seen > number:
            break
    return f"line {start}" if start else ""


# --- writing


def render(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The tables as a file that ``parse`` reads; names at their default are left out."""
    parts: list[str] = []
    for table in TABLES:
        for record in sorted(tables.get(table.name, ()), key=table.key_of):
            lines = [f"[[{table.name}]]"]
            for name, row in table.fields.items():
                value = record.get(name, row.default)
                if name == "mapping":
                    continue
                if row.required or value not in (row.default, None):
                    lines.append(f"{name} = {toml_value(value)}")
            if record.get("mapping"):
                lines += _mapping(f"{table.name}.mapping", record["mapping"])
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n" if parts else ""


def _mapping(within: str, content: Mapping[str, Any]) -> list[str]:
    """Rules a line each and maps as tables of their own: files are read and compared by people."""
    lines: list[str] = []
    if content.get("rules"):
        lines += [f"[{within}]"] if within else []
        lines += ["rules = [", *(f"  {_quoted(line)}," for line in content["rules"]), "]"]
    for name, one in content.get("maps", {}).items():
        table = f"{within}.maps.{_name(name)}".lstrip(".")
        lines.append(f"[{table}]")
        lines += [f"{key} = {toml_value(one[key])}" for key in ("otherwise", "fixed") if key in one]
        lines.append(f"[{table}.values]")
        lines += [f"{_name(code)} = {toml_value(ours)}" for code, ours in one["values"].items()]
    return lines


def render_mapping(content: Mapping[str, Any]) -> str:
    """A mapping as a file of its own, as it would stand below an endpoint."""
    return "".join(f"{line}\n" for line in _mapping("", content))


def parse_mapping(text: str) -> Record:
    """The mapping of a file. Raises InvalidValueError whose path is ``line N``."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        message, line = _place(str(error))
        raise InvalidValueError(message, path=line) from None


def toml_value(value: Any) -> str:
    """One value as a file writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_name(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return _quoted(str(value))


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    marks = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(marks.get(char) or _plain(char) for char in text) + '"'


def _plain(char: str) -> str:
    return f"\\u{ord(char):04X}" if ord(char) < 32 or ord(char) == 127 else char

"""How a peer's messages are rewritten: commands and events."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ris.domain.commands import Command, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveMapping(Command[int]):
    """Put a mapping in force for an endpoint; returns the number of its version.

    ``content`` is in the form of the endpoint's protocol and checked by it; empty: messages are
    taken and written as they are. ``expected`` is the version it was made from, if that matters.
    """

    endpoint: str
    content: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackMapping(Command[int]):
    """Put an older version's content in force again, as a new version; returns its number."""

    endpoint: str
    number: int
    note: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSaved(Event):
    """``rolled_back_to`` is the older version whose content this is, 0 if it is new."""

    endpoint: str
    number: int
    previous: int
    rolled_back_to: int
    note: str


# --- for people


def normal(content: dict[str, Any]) -> dict[str, Any]:
    """The form a mapping is stored in, as far as that can be said without its language."""
    found: dict[str, Any] = {}
    maps = content.get("maps", {})
    if isinstance(maps, dict):
        maps = {
            name: {"otherwise": "pass", "values": {}, **table}
            for name, table in maps.items()
            if isinstance(table, dict)
            and (table.get("values") or table.get("otherwise", "pass") != "pass")
        }
    if maps:
        found["maps"] = maps
    rules = content.get("rules", [])
    if isinstance(rules, list) and all(isinstance(line, str) for line in rules):
        rules = [line.rstrip() for line in rules]
        if any(rules):
            found["rules"] = rules
    else:
        found["rules"] = rules
    return found | {name: value for name, value in content.items() if name not in {"maps", "rules"}}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs, a line each: ``+`` is new, ``-`` is gone, ``~`` is another value."""
    lines: list[str] = []
    maps_before, maps_after = before.get("maps", {}), after.get("maps", {})
    for name in sorted({*maps_before, *maps_after}):
        lines += _table(name, maps_before.get(name, {}), maps_after.get(name, {}))
    matched = difflib.ndiff(before.get("rules", []), after.get("rules", []))
    lines += [
        f"{line[0]} rule {line[2:]}" for line in matched if line[0] in "+-" and line[2:].strip()
    ]
    return lines


def _table(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    old, new = before.get("values", {}), after.get("values", {})
    for code in sorted({*old, *new}):
        if code not in old:
            lines.append(f"+ {name}: {code} = {new[code]}")
        elif code not in new:
            lines.append(f"- {name}: {code} = {old[code]}")
        elif old[code] != new[code]:
            lines.append(f"~ {name}: {code} = {new[code]} (was {old[code]})")
    was, now = _otherwise(before), _otherwise(after)
    if was != now:
        lines.append(f"~ {name}: all other codes {now} (was {was})")
    return lines


def _otherwise(table: Mapping[str, Any]) -> str:
    otherwise = str(table.get("otherwise", "pass"))
    return f"= {table.get('fixed', '')}" if otherwise == "fixed" else otherwise

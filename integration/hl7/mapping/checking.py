"""A mapping checked when it is saved: every fault at once, each with its row.

The form it is kept in::

    {"maps": {"sex": {"otherwise": "refuse", "values": {"W": "F"}}}, "rules": ["drop ZZZ"]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integration.hl7.mapping.engine import Compiled, ValueMap, folded, value_map
from integration.hl7.mapping.kinds import KINDS, Kind
from integration.hl7.mapping.rules import Do, Rule, parse
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors
from ris.domain.exchange import Direction

MAX_ROWS = 5_000
MAX_CODE = 200
OTHERWISE = ("pass", "refuse", "fixed")
# Fields of MSH that a rule may write when we send; the rest is the transport's own.
_HEADER_OUT = frozenset({3, 4, 5, 6, 8, 15, 16, 17, 19, 20, 21})


def check(content: Mapping[str, Any], way: Direction) -> dict[str, Any]:
    """The mapping in its stored form. Raises SeveralErrors with ``maps.sex[W]``, ``rules[3]``."""
    faults: list[RisError] = [
        InvalidValueError("a mapping has maps and rules", path=str(name)[:60])
        for name in sorted(map(str, content.keys() - {"maps", "rules"}))
    ]
    maps = _maps(content.get("maps", {}), way, faults)
    rules = _rules(content.get("rules", []), way, faults)
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)
    found: dict[str, Any] = {}
    if maps:
        found["maps"] = maps
    if any(line.strip() for line in rules):
        found["rules"] = rules
    return found


def compiled(
    content: Mapping[str, Any], way: Direction, moved: Mapping[str, Sequence[str]] | None = None
) -> Compiled | None:
    """A checked mapping made ready; None if it does nothing."""
    rules, _ = parse(content.get("rules", ()))
    maps: list[ValueMap] = [
        value_map(name, content["maps"][name], moved or {})
        for name in KINDS
        if name in content.get("maps", {})
    ]
    return Compiled(way, tuple(rules), tuple(maps)) if rules or maps else None


def _rules(lines: Any, way: Direction, faults: list[RisError]) -> list[str]:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        faults.append(InvalidValueError("rules are a list of lines", path="rules"))
        return []
    rules, wrong = parse(lines)
    faults += wrong
    faults += [
        InvalidValueError("holds a line break or another control character", path=f"rules[{at}]")
        for at, line in enumerate(lines, start=1)
        if any(char < " " and char != "\t" for char in line)
    ]
    for rule in rules:
        told = _untouchable(rule, way)
        if told:
            faults.append(InvalidValueError(told, path=f"rules[{rule.number}]"))
    return [line.rstrip() for line in lines]


def _untouchable(rule: Rule, way: Direction) -> str:
    """Why a rule may not be, if it may not: the header is what answers and queues go by."""
    if rule.segment == "MSH" and rule.do in (Do.DROP_SEGMENT, Do.ADD):
        return "a message has one MSH"
    written = [rule.target] if rule.target else []
    if rule.do is Do.MOVE and rule.source:
        written.append(rule.source)
    for place in written:
        if place.segment != "MSH":
            continue
        if way is Direction.IN:
            return "the header of what comes in stays as it is: the answer is made from it"
        if place.field not in _HEADER_OUT:
            return f"MSH-{place.field} is not for a rule: the settings of the peer say it"
    return ""


def _maps(maps: Any, way: Direction, faults: list[RisError]) -> dict[str, Any]:
    if not isinstance(maps, dict):
        faults.append(InvalidValueError("maps are tables by kind", path="maps"))
        return {}
    found: dict[str, Any] = {}
    for name, content in maps.items():
        kind = KINDS.get(name)
        if kind is None or way not in kind.ways:
            known = ", ".join(kind.name for kind in KINDS.values() if way in kind.ways)
            faults.append(InvalidValueError(f"is none of {known}", path=f"maps.{name}"[:60]))
            continue
        checked = _map(kind, content, way, faults)
        if checked is not None:
            found[name] = checked
    return found


def _map(kind: Kind, content: Any, way: Direction, faults: list[RisError]) -> dict[str, Any] | None:
    path = f"maps.{kind.name}"

    def wrong(message: str, row: str = "") -> None:
        place = f"{path}[{row[:40]}]" if row else path
        faults.append(InvalidValueError(message, path=place))

    if not isinstance(content, dict):
        wrong("is a table with values and otherwise")
        return None
    for key in sorted(map(str, content.keys() - {"values", "otherwise", "fixed"})):
        wrong("is none of values, otherwise, fixed", key)
    values, otherwise = content.get("values", {}), content.get("otherwise", "pass")
    fixed = content.get("fixed", "")
    if otherwise not in OTHERWISE:
        wrong(f"otherwise is one of {', '.join(OTHERWISE)}")
    if (otherwise == "fixed") != bool(fixed) or not isinstance(fixed, str):
        wrong('a value for all other codes and otherwise = "fixed" go together')
    if not isinstance(values, dict) or not all(
        isinstance(code, str) and isinstance(ours, str) for code, ours in values.items()
    ):
        wrong("values are pairs of texts")
        return None
    if len(values) > MAX_ROWS:
        wrong(f"more than {MAX_ROWS} rows")
        return None
    seen: dict[str, str] = {}
    for code, ours in values.items():
        if not code.strip():
            wrong("a row needs a code; for what is empty write a rule", code)
        elif any(char < " " for char in code):
            wrong("holds a control character", code)
        elif folded(code) in seen:
            wrong(f"the same as {seen[folded(code)]}: case and blanks do not count", code)
        seen[folded(code)] = code
        told = _value_fault(kind, ours, way) if len(code) <= MAX_CODE else "is too long"
        if told:
            wrong(told, code)
    if isinstance(fixed, str) and fixed:
        told = _value_fault(kind, fixed, way)
        if told:
            wrong(told, "otherwise")
    if not values and otherwise == "pass":
        return None
    made: dict[str, Any] = {"otherwise": otherwise, "values": values}
    if fixed:
        made["fixed"] = fixed
    return made


def _value_fault(kind: Kind, ours: str, way: Direction) -> str:
    if not ours.strip():
        return "needs a value"
    if len(ours) > MAX_CODE or any(char < " " for char in ours):
        return "is too long or holds a control character"
    if kind.parts == 1 and "^" in ours:
        return "is one value, without ^"
    if (
        way is Direction.IN
        and kind.allowed is not None
        and ours.strip().upper() not in kind.allowed()
    ):
        known = sorted(kind.allowed())
        listed = ", ".join(known[:30]) + (" …" if len(known) > 30 else "")
        return f"{ours} is none of {listed}"
    return ""

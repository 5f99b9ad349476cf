"""Texts with names in braces, as a site words them: what may be named, and what is put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ris.domain.errors import InvalidValueError


def filled(text: str, names: Iterable[str], values: Mapping[str, str]) -> str:
    """``text`` with each ``{name}``; lines that only named what is empty are left out."""
    known = tuple(names)
    lines = []
    for line in text.splitlines():
        made = line
        named = [name for name in known if f"{{{name}}}" in line]
        for name in named:
            made = made.replace(f"{{{name}}}", values.get(name, ""))
        if not named or any(values.get(name) for name in named):
            lines.append(made.rstrip())
    return "\n".join(lines).strip()


def check(text: str, names: Iterable[str], path: str) -> None:
    """Refuse a name in braces that stands for nothing."""
    rest = text
    for name in names:
        rest = rest.replace(f"{{{name}}}", "")
    if "{" in rest or "}" in rest:
        allowed = ", ".join(f"{{{name}}}" for name in names)
        raise InvalidValueError(f"in braces there may only be: {allowed}", path=path)

"""The product's source as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ris.loading import kept

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("ris", "worklist", "integration")


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the product as (path below the root, tree), migrations left out."""
    # A million nodes that stay: the collector would look at them again and again, and would take
    # longer than the parser.
    with kept():
        return tuple(_parsed())


def _parsed() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name:
                yield name, ast.parse(path.read_text(encoding="utf-8"), name)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute chain; calls and subscripts in between are passed through."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    return node.id if isinstance(node, ast.Name) else ""

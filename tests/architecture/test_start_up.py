"""What no start needs is loaded where it is used: drawing takes a library of its own."""

from __future__ import annotations

import ast

from tests.architecture.source import modules

DRAWS = frozenset(f"ris.printing.{name}" for name in ("fonts", "labels", "page", "shaping"))


def loaded_at_once(tree: ast.Module) -> set[str]:
    """The modules that a module loads as soon as it is loaded itself."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def test_what_draws_is_loaded_by_what_draws_alone() -> None:
    offenders = {}
    for path, tree in modules():
        name = path.removesuffix(".py").replace("/", ".")
        heavy = {
            each
            for each in loaded_at_once(tree)
            if each in DRAWS or each.partition(".")[0] in {"reportlab", "PIL"}
        }
        if heavy and name not in DRAWS:
            offenders[name] = heavy

    assert offenders == {}


def test_the_check_sees_a_module_that_loads_it_at_once() -> None:
    tree = ast.parse("from ris.printing import page\ndef draw():\n    import reportlab")

    assert loaded_at_once(tree) == {"ris.printing", "ris.printing.page"}

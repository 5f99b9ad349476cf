"""A status or stage is assigned in one module only."""

from __future__ import annotations

import ast

from tests.architecture.source import modules

HOME = "ris/services/_transition.py"
FIELDS = {"status", "stage", "state", "reply_state"}
SERVICES = "ris/services/"


def assignments(tree: ast.Module) -> list[int]:
    lines = []
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        lines += [
            target.lineno
            for target in targets
            if isinstance(target, ast.Attribute)
            and target.attr in FIELDS
            and not (isinstance(target.value, ast.Name) and target.value.id == "self")
        ]
    return lines


def test_only_one_module_assigns_a_status() -> None:
    offenders = {
        name: lines
        for name, tree in modules()
        if name.startswith(SERVICES) and name != HOME and (lines := assignments(tree))
    }

    assert offenders == {}


def test_the_check_sees_an_assignment() -> None:
    assert assignments(ast.parse("order.status = 'CANCELED'")) == [1]

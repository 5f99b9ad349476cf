"""A transaction is opened by the door, the inbox and the outbox, and nowhere else."""

from __future__ import annotations

import ast

from tests.architecture.source import dotted, modules

HOMES = {"ris/services/_execute.py", "ris/services/inbox.py", "ris/services/outbox.py"}


def openings(tree: ast.Module) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node) == "transaction.atomic"
    ]


def test_only_three_modules_open_a_transaction() -> None:
    offenders = {
        name: lines for name, tree in modules() if name not in HOMES and (lines := openings(tree))
    }

    assert offenders == {}


def test_nobody_imports_atomic_by_name() -> None:
    offenders = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.db.transaction"
    ]

    assert offenders == []

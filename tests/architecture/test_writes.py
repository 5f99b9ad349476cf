"""Only the services write: no other module saves, creates, updates or deletes rows."""

from __future__ import annotations

import ast

from tests.architecture.source import dotted, modules

WRITERS = ("ris/services/",)
METHODS = {"save", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
METHODS |= {"insert_unless_known"}  # and add_all, of ris.models.prepared
THROUGH_OBJECTS = {"create", "update", "delete", "bulk_create", "bulk_update"}
# Not the tables of the core: a session and a form, both Django's own. And how a row is saved, in
# the models' base, which says nothing of who may.
ALLOWED = {"request.session.save", "form.save", "super.save", "Quick.save"}


def writes(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "add_all":
            found.append(f"line {node.lineno}: add_all")
        if not isinstance(node.func, ast.Attribute):
            continue
        name = dotted(node.func)
        method = node.func.attr
        reached = ".objects." in f".{name}."
        if name in ALLOWED:
            continue
        forbidden = THROUGH_OBJECTS | METHODS if reached else METHODS - {"delete"}
        if method in forbidden:
            found.append(f"line {node.lineno}: {name}")
    return found


def test_only_services_write() -> None:
    offenders = {
        name: found
        for name, tree in modules()
        if not name.startswith(WRITERS) and (found := writes(tree))
    }

    assert offenders == {}


def test_the_check_sees_a_write() -> None:
    tree = ast.parse("Order.objects.filter(pk=1).update(x=2)\norder.save()\nget().delete()")
    quick = ast.parse("add_all([order])\norder.insert_unless_known()")

    assert len(writes(tree)) == 2
    assert len(writes(quick)) == 2

"""An order by names is put together without looking at each selected column.

Django's compiler asks whether an ordering is one of the selected expressions, and for that hashes
each column: of a row with the rows it belongs to, a hundred, a quarter of what the statement takes
to be written. A name can only be the name of an annotation; where none is selected, and nothing
but names orders, there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models.sql.compiler import SQLCompiler

# Django's own (django/db/models/sql/compiler.py); the stubs know its name only.
_compiler: Any = SQLCompiler
_with_selected = _compiler._order_by_pairs


def install() -> None:
    """From now on, for every statement of this process."""
    _compiler._order_by_pairs = _pairs


def _pairs(compiler: Any) -> Iterator[Any]:
    if not _is_by_names_alone(compiler):
        yield from _with_selected(compiler)
        return
    selected, compiler.select = compiler.select, ()
    try:
        yield from _with_selected(compiler)
    finally:
        compiler.select = selected


def _is_by_names_alone(compiler: Any) -> bool:
    query = compiler.query
    if query.combinator or any(alias for _, _, alias in compiler.select or ()):
        return False
    by = (*query.extra_order_by, *query.order_by, *query.get_meta().ordering)
    return all(isinstance(each, str) for each in by)

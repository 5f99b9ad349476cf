"""Numbers that are given out once."""

from __future__ import annotations

from functools import cache

from ris.domain import identifiers
from ris.models import Counter, driver
from ris.models.driver import Text
from ris.services._context import Context


def take(name: str) -> int:
    """The next number of a series. A gap after a rollback is fine; a repeat never happens."""
    number = _next(name)
    if number is None:
        Counter.objects.get_or_create(name=name)
        number = _next(name)
    assert number is not None  # noqa: S101 - the row was made one line above
    return number


def _next(name: str) -> int | None:
    """Count up and read in one statement; the ORM would take two."""
    connection = driver.here()
    found = driver.rows(connection, _counting(connection.vendor), [name])
    return int(found[0][0]) if found else None


@cache
def _counting(vendor: str) -> Text:
    return Text("UPDATE ris_counter SET value = value + 1 WHERE name = %s RETURNING value", vendor)


def accession_number(context: Context) -> str:
    return identifiers.accession_number(take("accession"), context.now.year)


def filler_order_number() -> str:
    return identifiers.filler_order_number(take("filler"))


def procedure_id() -> str:
    return identifiers.procedure_id(take("procedure"))


def step_id() -> str:
    return identifiers.step_id(take("step"))


def patient_number() -> str:
    return identifiers.patient_number(take("patient"))

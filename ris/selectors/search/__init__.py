"""Bounded searches for protocols that search: criteria in, read models out, page by page.

A search costs one query for the keys of a page, and the few that load what is shown.
"""

from __future__ import annotations

from django.db import connection

import ris.selectors.search.signed  # noqa: F401 - its answers stand beside the index
from ris.selectors.search.appointments import answers, appointments
from ris.selectors.search.engine import Finder, Found, Matching, Page, Referred
from ris.selectors.search.exams import performed, reports, studies
from ris.selectors.search.kept import kept
from ris.selectors.search.people import (
    directory,
    issuers,
    patients,
    practitioners,
    rooms,
    sites,
    stations,
    visits,
)
from ris.selectors.search.requests import requests
from ris.selectors.search.slots import schedules, slots
from ris.selectors.search.steps import steps


def serialize(kind: str) -> None:
    """Let one transaction after the other search for, then create, things of this kind.

    A conditional create looks before it writes; two at once would both find nothing. On SQLite
    transactions are serial anyway (IMMEDIATE); on PostgreSQL this lock lasts to the commit.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"ris.search.{kind}"])


__all__ = [
    "Finder",
    "Found",
    "Matching",
    "Page",
    "Referred",
    "answers",
    "appointments",
    "directory",
    "issuers",
    "kept",
    "patients",
    "performed",
    "practitioners",
    "reports",
    "requests",
    "rooms",
    "schedules",
    "serialize",
    "sites",
    "slots",
    "stations",
    "steps",
    "studies",
    "visits",
]

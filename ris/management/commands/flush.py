"""Django's ``flush`` where rows are guarded: all of a database may go, a signed version may not.

Only SQLite empties its tables row by row, past the triggers; PostgreSQL truncates.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.core.management.commands.flush import Command as Flush
from django.db import connections

from ris.models.guards import lifted


class Command(Flush):
    def handle(self, **options: Any) -> None:
        vendor = connections[options["database"]].vendor
        with lifted() if vendor == "sqlite" else nullcontext():
            super().handle(**options)

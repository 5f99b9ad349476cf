"""What happens once before the parts start: checks, migrations, and the data of the demo."""

from __future__ import annotations

import argparse
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from ris.checks import other_clocks, unsafe_data
from ris.cli import run
from ris.parts import run_folder
from ris.services import fhir_reindexing
from ris.terminal import complain, say

CATCH_UP_SECONDS = 10.0
MIGRATING = 0x524953  # the number of the advisory lock; any will do that nobody else takes


def main(argv: list[str]) -> int:
    """Leave a database that the parts can work with, or say why not."""
    parser = argparse.ArgumentParser(
        prog="ris prepare",
        description="Check the settings, bring the database to this release, load the demo site "
        "if this is a demo. `ris up` does this by itself.",
    )
    parser.parse_args(argv)
    with _one_at_a_time():
        if is_behind():
            call_command("migrate", verbosity=0, interactive=False)
    problems = [
        message
        for message in [*checks.run_checks(databases=["default"]), *unsafe_data(settings.CONFIG)]
        if message.is_serious()
    ]
    # Worklist and messages go by the site's clock, as they should: said, and started all the same.
    for message in [*problems, *other_clocks(settings.CONFIG)]:
        complain(f"ris: {message.msg}{f' ({message.hint})' if message.hint else ''}")
    if problems:
        return 1
    with _one_at_a_time():
        catch_up()
    if settings.CONFIG.demo:
        return run("demo load", ["--if-empty"])
    return 0


def catch_up() -> None:
    """Index anew what this release finds otherwise than the last: some thousands of resources now,
    the others are the worker's, so that no start waits long for them."""
    if fhir_reindexing.note():
        count = fhir_reindexing.advance(CATCH_UP_SECONDS)
        left = fhir_reindexing.left()
        say(f"{count} resources of FHIR clients were indexed anew; {left} are left for the worker")


def is_behind() -> bool:
    """Whether migrations are to come: at most starts none, which ``migrate`` takes long to see."""
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Several hosts may start at once; the second waits and finds nothing to do."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATING])
    else:
        with (run_folder(settings.CONFIG.home) / "migrating").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

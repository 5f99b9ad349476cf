"""What happens before the parts start, and what a start loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ris import prepare
from tests.running import printed


@pytest.mark.django_db
def test_a_database_of_this_release_has_no_migrations_to_come() -> None:
    assert prepare.is_behind() is False


@pytest.mark.django_db
def test_a_database_without_the_newest_migration_is_behind() -> None:
    newest = MigrationLoader(connection).graph.leaf_nodes("ris")

    MigrationRecorder(connection).record_unapplied(*newest[0])

    assert prepare.is_behind() is True


@pytest.mark.django_db
@pytest.mark.parametrize("newest", ["0001", "0011", "0051", "0068", "0069", "0071"])
def test_a_database_of_an_earlier_release_goes_on_where_it_is(newest: str) -> None:
    """Whatever ``0001_squashed_until_0069`` replaces; other applications have their tables, too."""
    recorder = MigrationRecorder(connection)
    ours = sorted(name for app, name in recorder.applied_migrations() if app == "ris")
    later = [name for name in ours if name[:4] > newest]
    recorder.migration_qs.filter(app="ris", name__in=later).delete()
    recorder.migration_qs.filter(app="ris", name__contains="until").delete()

    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())

    assert [(migration.app_label, migration.name) for migration, _ in plan] == [
        ("ris", name) for name in later
    ]
    assert later


_LOADED = """
import gc
from ris import cli
cli._function = lambda name, target: lambda arguments: print(
    gc.isenabled(), gc.get_freeze_count() > 100_000
)
cli.main(["token", "list"])
"""


def test_what_a_command_loads_is_kept_from_the_garbage_collector(tmp_path: Path) -> None:
    assert printed(_LOADED, tmp_path) == "True True\n"

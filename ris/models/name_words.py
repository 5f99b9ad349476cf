"""The words of patients' names in an index of their own, where the database is SQLite (FTS5).

PostgreSQL finds a part of a name by its trigrams; SQLite would read all names of the archive. The
index follows the table by triggers, so nobody who writes a patient has to think of it.

SQLite makes a table anew for a new column, and its triggers are gone with the old one: a migration
that changes the columns of ``Patient`` ends with ``index_names`` once more
(``tests/selectors/test_patient_search.py`` fails without).
"""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection
from django.db.models import BigIntegerField, Func, Value

# What an index of foreign content has to be told of a row that goes.
_FORGET = (
    "INSERT INTO ris_patient_words (ris_patient_words, rowid, name_key)"
    " VALUES ('delete', OLD.id, OLD.name_key)"
)
_LEARN = "INSERT INTO ris_patient_words (rowid, name_key) VALUES (NEW.id, NEW.name_key)"
_TRIGGERS = {
    "ris_patient_words_added": f"AFTER INSERT ON ris_patient BEGIN {_LEARN}; END",
    "ris_patient_words_gone": f"AFTER DELETE ON ris_patient BEGIN {_FORGET}; END",
    "ris_patient_words_renamed": (
        "AFTER UPDATE OF name_key ON ris_patient WHEN OLD.name_key IS NOT NEW.name_key "
        f"BEGIN {_FORGET}; {_LEARN}; END"
    ),
}


class Named(Func):
    """The keys of the patients whose name has the words of an FTS5 question."""

    template = "(SELECT rowid FROM ris_patient_words WHERE ris_patient_words MATCH %(expressions)s)"
    output_field = BigIntegerField()

    def __init__(self, question: str) -> None:
        super().__init__(Value(question))


def index_names(apps: Any, schema_editor: Any) -> None:
    """For migrations: index the words of all names anew; done twice is done once."""
    if schema_editor.connection.vendor != "sqlite":
        return
    forget_names(apps, schema_editor)
    with schema_editor.connection.cursor() as cursor:
        try:
            cursor.execute(
                "CREATE VIRTUAL TABLE ris_patient_words USING fts5(name_key, content='ris_patient',"
                " content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='2 3')"
            )
        except DatabaseError:
            return  # an SQLite without FTS5: names are read one by one
        for name, what in _TRIGGERS.items():
            cursor.execute(f"CREATE TRIGGER {name} {what}")
        cursor.execute("INSERT INTO ris_patient_words (ris_patient_words) VALUES ('rebuild')")


def forget_names(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "sqlite":
        return
    with schema_editor.connection.cursor() as cursor:
        for name in _TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute("DROP TABLE IF EXISTS ris_patient_words")


_known: dict[str, bool] = {}


def names_are_indexed() -> bool:
    """Whether this database has the index and all that keeps it; asked once for each database."""
    if connection.vendor != "sqlite":
        return False
    name = str(connection.settings_dict["NAME"])
    if name not in _known:
        connection.ensure_connection()
        found = connection.connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE ?",
            ["ris_patient_words_%"],
        )
        _known[name] = found.fetchone()[0] == len(_TRIGGERS)
    return _known[name]

"""Person names by a part of them (``*contains*``), where PostgreSQL has its trigram index.

pg_trgm comes with PostgreSQL, and the owner of a database may add it. Where it is not installed or
not allowed, such a search reads all names: slower, and just as right.
"""

from django.db import DatabaseError, migrations, transaction

INDEX = "patient_name_trigrams"


def forwards(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if cursor.fetchone() is None:
            return
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                cursor.execute(
                    f"CREATE INDEX IF NOT EXISTS {INDEX}"
                    " ON ris_patient USING gin (name_key gin_trgm_ops)"
                )
        except DatabaseError:
            return  # not ours to add


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {INDEX}")


class Migration(migrations.Migration):
    dependencies = [("ris", "0008_longer_names_of_askers")]

    operations = [migrations.RunPython(forwards, backwards)]

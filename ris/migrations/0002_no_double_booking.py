"""Two live, exclusive bookings of one resource never overlap: the database's own word.

PostgreSQL gets an exclusion constraint that needs no extension: a resource is written as the range
of its own number, so plain GiST range operators do. SQLite gets triggers that raise.
"""

from django.db import migrations

CONSTRAINT = "booking_no_double_booking"


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"""
            ALTER TABLE ris_booking ADD CONSTRAINT {CONSTRAINT}
            EXCLUDE USING gist (
                int8range(resource_id, resource_id, '[]') WITH &&,
                tstzrange(start_at, end_at, '[)') WITH &&
            ) WHERE (live AND exclusive)
            """
        )
        return
    for name, event in (("insert", "INSERT"), ("update", "UPDATE")):
        schema_editor.execute(
            f"""
            CREATE TRIGGER {CONSTRAINT}_{name}
            BEFORE {event} ON ris_booking
            WHEN NEW.live AND NEW.exclusive AND EXISTS (
                SELECT 1 FROM ris_booking AS other
                WHERE other.resource_id = NEW.resource_id
                  AND other.live AND other.exclusive
                  AND other.id IS NOT NEW.id
                  AND other.start_at < NEW.end_at
                  AND other.start_at > datetime(NEW.start_at, '-1 day', '-1 second')
                  AND other.end_at > NEW.start_at
            )
            BEGIN
                SELECT RAISE(ABORT, '{CONSTRAINT}');
            END
            """
        )


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE ris_booking DROP CONSTRAINT {CONSTRAINT}")
        return
    for name in ("insert", "update"):
        schema_editor.execute(f"DROP TRIGGER {CONSTRAINT}_{name}")


class Migration(migrations.Migration):
    dependencies = [("ris", "0001_initial")]

    operations = [migrations.RunPython(forwards, backwards, elidable=False)]

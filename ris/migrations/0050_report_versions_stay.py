"""A signed version is neither changed nor deleted, whoever asks the database."""

from django.db import migrations

from ris.models.guards import guard_versions, unguard_versions


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0049_report_templates_macros_and_codes"),
    ]

    operations = [
        migrations.RunPython(guard_versions, unguard_versions),
    ]

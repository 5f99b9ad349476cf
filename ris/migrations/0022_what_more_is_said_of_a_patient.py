"""What more is said of a patient, for the worklist."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0021_open_work_found_by_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="patient",
            name="comments",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="patient",
            name="ethnic_group",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="patient",
            name="mother_birth_name",
            field=models.CharField(blank=True, db_default="", default="", max_length=324),
        ),
    ]

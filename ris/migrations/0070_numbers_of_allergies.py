from django.db import migrations, models

from ris.models.name_words import index_names

_nothing = migrations.RunPython.noop


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0069_indexes_of_days_and_doses"),
    ]

    # SQLite makes the table anew, either way, without the triggers that keep the words of names.
    operations = [
        migrations.RunPython(_nothing, index_names, elidable=False),
        migrations.AddField(
            model_name="patient",
            name="allergy_numbers",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.RunPython(index_names, _nothing, elidable=False),
    ]

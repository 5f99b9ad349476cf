from django.db import migrations, models

from ris.models.name_words import index_names

_nothing = migrations.RunPython.noop


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0064_a_protocol_is_proposed"),
    ]

    # SQLite makes the table anew, either way, without the triggers that keep the words of names.
    operations = [
        migrations.RunPython(_nothing, index_names, elidable=False),
        migrations.AlterField(
            model_name="patient",
            name="special_needs",
            field=models.CharField(blank=True, default="", max_length=400),
        ),
        migrations.RunPython(index_names, _nothing, elidable=False),
    ]

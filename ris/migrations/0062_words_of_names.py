"""The words of patients' names are indexed on SQLite; what is there is read once."""

from django.db import migrations

from ris.models.name_words import forget_names, index_names


class Migration(migrations.Migration):
    dependencies = [("ris", "0061_a_critical_finding_is_told_before_its_report")]

    operations = [migrations.RunPython(index_names, forget_names, elidable=False)]

"""Each signed version has an id of its own, by which its document is known outside.

The guard of the table is lifted for the filling, and put back on the table as it is afterwards.
"""

from typing import Any

from django.db import migrations, models

import ris.models.base
from ris.models.base import uuid7
from ris.models.guards import guard_versions, unguard_versions

_AT_ONCE = 500


def give_ids(apps: Any, schema_editor: Any) -> None:
    table = apps.get_model("ris", "ReportVersion")
    last = 0
    while rows := list(
        table.objects.filter(pk__gt=last, public_id=None).only("pk").order_by("pk")[:_AT_ONCE]
    ):
        last = rows[-1].pk
        for row in rows:
            row.public_id = uuid7()
        table.objects.bulk_update(rows, ["public_id"], batch_size=200)


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0051_results_told_before_have_a_finding"),
    ]

    operations = [
        migrations.RunPython(unguard_versions, guard_versions),
        migrations.AddField(
            model_name="reportversion",
            name="public_id",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.RunPython(give_ids, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="reportversion",
            name="public_id",
            field=models.UUIDField(default=ris.models.base.uuid7, editable=False, unique=True),
        ),
        migrations.RunPython(guard_versions, unguard_versions),
    ]

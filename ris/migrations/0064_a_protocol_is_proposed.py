from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0063_critical_findings_by_their_end"),
    ]

    operations = [
        migrations.AddField(
            model_name="protocoling",
            name="proposed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="protocoling",
            name="proposed_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
    ]

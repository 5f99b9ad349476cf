"""Indexes of the lists of what is settled; one that no question uses goes."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0054_archives_are_asked_to_commit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(model_name="examdose", name="exam_dose_pregnancy"),
        migrations.AddIndex(
            model_name="breastletter",
            index=models.Index(fields=["state", "sent_at"], name="breast_letter_sent"),
        ),
        migrations.AddIndex(
            model_name="breastletter",
            index=models.Index(fields=["state", "updated_at"], name="breast_letter_changed"),
        ),
        migrations.AddIndex(
            model_name="breastrecall",
            index=models.Index(fields=["settled_at"], name="breast_recall_settled"),
        ),
        migrations.AddIndex(
            model_name="followuprecommendation",
            index=models.Index(fields=["updated_at"], name="follow_up_changed"),
        ),
        migrations.AddIndex(
            model_name="examdose",
            index=models.Index(
                condition=models.Q(acknowledged_at__isnull=True, alerted_at__isnull=False),
                fields=["alerted_at"],
                name="exam_dose_to_be_looked_at",
            ),
        ),
    ]

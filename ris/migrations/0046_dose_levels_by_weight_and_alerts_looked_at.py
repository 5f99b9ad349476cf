from django.db import migrations, models


def _text(length: int) -> models.CharField:
    return models.CharField(blank=True, db_default="", default="", max_length=length)


def _list() -> models.JSONField:
    return models.JSONField(blank=True, db_default=[], default=list)


class Migration(migrations.Migration):
    dependencies = [("ris", "0045_breast_exams_and_dose_levels_by_weight")]

    operations = [
        migrations.RemoveConstraint(model_name="dosereferencelevel", name="dose_level_unique"),
        migrations.AddField(
            "dosereferencelevel",
            "from_kg",
            models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            "dosereferencelevel",
            "to_kg",
            models.PositiveSmallIntegerField(db_default=999, default=999),
        ),
        migrations.AddConstraint(
            model_name="dosereferencelevel",
            constraint=models.UniqueConstraint(
                fields=("definition", "measure", "from_age", "to_age", "from_kg", "to_kg"),
                name="dose_level_unique",
            ),
        ),
        migrations.AddField("examdose", "compared", _list()),
        migrations.AddField(
            "examdose", "acknowledged_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField("examdose", "acknowledged_by", _text(150)),
        migrations.AddField("examdose", "acknowledged_note", _text(500)),
        migrations.AddField("examdose", "acknowledged_exceeded", _list()),
        migrations.AddField("examdose", "pregnancy", _text(1)),
        migrations.AddIndex(
            model_name="examdose",
            index=models.Index(fields=["started_at"], name="exam_dose_started"),
        ),
        migrations.AddIndex(
            model_name="examdose",
            index=models.Index(fields=["pregnancy", "started_at"], name="exam_dose_pregnancy"),
        ),
        migrations.AddField("proceduredefinition", "breast_exam", _text(12)),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0064_a_protocol_is_proposed"),
    ]

    operations = [
        migrations.AlterField(
            model_name="patient",
            name="special_needs",
            field=models.CharField(blank=True, default="", max_length=400),
        ),
    ]

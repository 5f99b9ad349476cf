"""What an order came under or replaced, what more is said of it, and early cancellations."""

import django.db.models.deletion
from django.db import migrations, models

import ris.models.base


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0015_documents_and_appointment_numbers"),
    ]

    operations = [
        migrations.CreateModel(
            name="EarlyCancellation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(default=ris.models.base.uuid7, editable=False, unique=True),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("placer_order_number", models.CharField(max_length=64)),
                ("placer_issuer", models.CharField(blank=True, default="", max_length=200)),
                ("reason", models.TextField(blank=True, default="")),
                ("received_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="order",
            name="clinical_information",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="order",
            name="confidentiality",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="order",
            name="entering_location",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="order",
            name="parent_issuer",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="order",
            name="parent_order_number",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="order",
            name="patient_confidentiality",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="order",
            name="patient_state",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="order",
            name="replaces",
            field=models.ManyToManyField(blank=True, related_name="replaced_by", to="ris.order"),
        ),
        migrations.AddField(
            model_name="order",
            name="requesting_service_code",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["parent_order_number"], name="order_parent"),
        ),
        migrations.AddField(
            model_name="earlycancellation",
            name="message",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="ris.inboundmessage",
            ),
        ),
        migrations.AddField(
            model_name="earlycancellation",
            name="order",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="early_cancellations",
                to="ris.order",
            ),
        ),
        migrations.AddIndex(
            model_name="earlycancellation",
            index=models.Index(fields=["placer_order_number"], name="early_cancellation_number"),
        ),
    ]

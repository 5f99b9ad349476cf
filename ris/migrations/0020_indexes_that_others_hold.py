"""Indexes on one key that begin another index are not kept twice.

What finds the rows of an order finds them in order as well. Nobody asks for the events of an
endpoint. Dropped by name, for to alter the field would have SQLite copy the table.
"""

import django.db.models.deletion
from django.db import migrations, models


_INDEXES = (
    ("ris_appointment", "patient_id", "ris_appointment_patient_id_7988addb"),
    ("ris_auditevent", "order_id", "ris_auditevent_order_id_96f3c46e"),
    ("ris_auditevent", "patient_id", "ris_auditevent_patient_id_07b40b19"),
    ("ris_booking", "resource_id", "ris_booking_resource_id_b351a9b8"),
    ("ris_domainevent", "actor_endpoint_id", "ris_domainevent_actor_endpoint_id_abb1add0"),
    ("ris_domainevent", "order_id", "ris_domainevent_order_id_197273b7"),
    ("ris_domainevent", "patient_id", "ris_domainevent_patient_id_665abbc4"),
    ("ris_order", "patient_id", "ris_order_patient_id_ef388186"),
)


class Migration(migrations.Migration):
    dependencies = [
        ("ris", "0019_messages_in_parts_and_in_sequence"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f'DROP INDEX IF EXISTS "{name}"',
                    f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" ("{column}")',
                )
                for table, column, name in _INDEXES
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="appointment",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to="ris.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="auditevent",
                    name="order",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit",
                        to="ris.order",
                    ),
                ),
                migrations.AlterField(
                    model_name="auditevent",
                    name="patient",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit",
                        to="ris.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="booking",
                    name="resource",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bookings",
                        to="ris.resource",
                    ),
                ),
                migrations.AlterField(
                    model_name="domainevent",
                    name="actor_endpoint",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="ris.endpoint",
                    ),
                ),
                migrations.AlterField(
                    model_name="domainevent",
                    name="order",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="ris.order",
                    ),
                ),
                migrations.AlterField(
                    model_name="domainevent",
                    name="patient",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="ris.patient",
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="patient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="ris.patient",
                    ),
                ),
            ],
        ),
    ]

"""``python -m benchmarks.fill SIZE``: a worklist of that size into the database of RIS_DATA_DIR.

Rows instead of commands: a hundred thousand orders through the door would take an hour, and ten
minutes as objects of the ORM. The rows are those the door would have left behind, but for events,
audit and messages; columns and defaults are the models'.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks.dataset import Item, items

if TYPE_CHECKING:
    from django.db.models import Field, Model

_BATCH = 5_000
Values = Callable[[Item], dict[str, Any]]


def main(argv: list[str]) -> int:
    import django

    from ris.loading import kept

    with kept():
        django.setup()
    fill(items(int(argv[0])))
    return 0


def fill(worklist: Iterable[Item]) -> None:
    """Patients, orders, procedures and steps of all items, then fresh statistics."""
    from django.core.management.color import no_style
    from django.db import connection, transaction

    filled = [Table(model, values) for model, values in tables()]
    remaining = iter(worklist)
    with transaction.atomic():
        while batch := list(islice(remaining, _BATCH)):
            for table in filled:
                table.insert(batch)
        with connection.cursor() as cursor:
            models = [table.model for table in filled]
            for statement in connection.ops.sequence_reset_sql(no_style(), models):
                cursor.execute(statement)
    if connection.vendor == "postgresql":
        # Autovacuum would do the same within a minute.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


class Table:
    """Writes one row for each item: the model's defaults, and what the item says."""

    def __init__(self, model: type[Model], values: Values) -> None:
        from django.db import connection

        self.model = model
        self._values = values
        self._connection = connection
        self._fields: dict[str, Field[Any, Any]] = {
            field.attname: field for field in model._meta.concrete_fields
        }
        # Prepared once: it is the same in all rows, but for the key and the public id.
        unsaid = model()
        self._defaults = {
            name: field.get_db_prep_save(field.pre_save(unsaid, True), connection)
            for name, field in self._fields.items()
        }

    def insert(self, batch: list[Item]) -> None:
        name = self._connection.ops.quote_name
        columns = ", ".join(name(f"{field.column}") for field in self._fields.values())
        marks = ", ".join(["%s"] * len(self._fields))
        table = name(self.model._meta.db_table)
        rows = [self._row(item) for item in batch]
        with self._connection.cursor() as cursor:
            if self._connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def _row(self, item: Item) -> list[Any]:
        # The item's number is the key of all its rows, so that nothing needs to be looked up.
        said = {"id": item.number, **self._values(item)}
        if "public_id" in self._fields and "public_id" not in said:
            said["public_id"] = self._fields["public_id"].get_default()
        prepared = {
            # Texts and numbers are stored as they are.
            name: value
            if type(value) in {str, int, float}
            else self._fields[name].get_db_prep_save(value, self._connection)
            for name, value in said.items()
        }
        return list({**self._defaults, **prepared}.values())


def tables() -> list[tuple[type[Model], Values]]:
    """What stands in the rows of one item, in the order they are written."""
    from ris import models
    from ris.domain.values import fold

    devices = {device.ae_title: device.pk for device in models.Device.objects.all()}
    return [
        (
            models.Patient,
            lambda item: {
                "name": item.name,
                "name_key": fold(item.name),
                "birth_date": f"{item.birth}",
                "sex": item.sex,
                "weight_kg": float(item.weight),
            },
        ),
        (
            models.PatientIdentifier,
            lambda item: {
                "patient_id": item.number,
                "value": item.patient_id,
                "issuer": "BENCHHOSP",
                "type": "MR",
                "primary": True,
            },
        ),
        (
            models.Visit,
            lambda item: {
                "patient_id": item.number,
                "number": item.visit,
                "issuer": "BENCHHOSP",
                "patient_class": "O",
                "location": item.ward,
            },
        ),
        (
            models.Order,
            lambda item: {
                "patient_id": item.number,
                "visit_id": item.number,
                "placer_order_number": item.placer,
                "filler_order_number": item.filler,
                "accession_number": item.accession,
                "priority": item.priority,
                "requester": item.referring,
                "referring": item.referring,
                "transport": "WALK",
                "ordered_at": item.at,
            },
        ),
        (
            models.RequestedProcedure,
            lambda item: {
                "order_id": item.number,
                "procedure_id": item.procedure_id,
                "study_instance_uid": item.study_uid,
                "code_value": item.code,
                "code_scheme": "99BENCH",
                "code_meaning": item.meaning,
                "description": item.meaning,
                "stage": "SCHEDULED",
            },
        ),
        (
            models.ScheduledProcedureStep,
            lambda item: {
                "procedure_id": item.number,
                "step_id": item.step_id,
                "status": "SCHEDULED",
                "modality": item.modality,
                "device_id": devices.get(item.station),
                "station_ae_title": item.station,
                "station_name": item.station,
                "location": "ROOM1",
                "start_at": item.at,
                "description": item.meaning,
                "protocol_codes": [
                    {"value": item.code, "scheme": "99BENCH", "meaning": item.meaning}
                ],
                "performing_physician": item.performing,
            },
        ),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

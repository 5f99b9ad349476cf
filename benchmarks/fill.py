"""``python -m benchmarks.fill SIZE``: a worklist of that size into the database of RIS_DATA_DIR.

Bulk rows instead of commands: a hundred thousand orders through the door would take an hour. The
rows are those the door would have left behind, but for events, audit and messages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.dataset import Item, items

if TYPE_CHECKING:
    from ris import models

_BATCH = 5_000


def main(argv: list[str]) -> int:
    import django

    django.setup()
    size = int(argv[0])
    fill(items(size))
    return 0


def fill(worklist: Iterable[Item]) -> None:
    """Patients, orders, procedures and steps of all items, then fresh statistics."""
    from django.db import connection, transaction

    remaining = iter(worklist)
    with transaction.atomic():
        while batch := list(islice(remaining, _BATCH)):
            _insert(batch)
    if connection.vendor == "postgresql":
        # Autovacuum would do the same within a minute.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _insert(batch: list[Item]) -> None:
    from ris import models

    patients = models.Patient.objects.bulk_create(map(_patient, batch))
    models.PatientIdentifier.objects.bulk_create(
        models.PatientIdentifier(
            patient=patient, value=item.patient_id, issuer="BENCHHOSP", type="MR", primary=True
        )
        for item, patient in zip(batch, patients, strict=True)
    )
    visits = models.Visit.objects.bulk_create(
        models.Visit(
            patient=patient,
            number=item.visit,
            issuer="BENCHHOSP",
            patient_class="O",
            location=item.ward,
        )
        for item, patient in zip(batch, patients, strict=True)
    )
    orders = models.Order.objects.bulk_create(_orders(batch, patients, visits))
    procedures = models.RequestedProcedure.objects.bulk_create(
        models.RequestedProcedure(
            order=order,
            procedure_id=item.procedure_id,
            study_instance_uid=item.study_uid,
            code_value=item.code,
            code_scheme="99BENCH",
            code_meaning=item.meaning,
            description=item.meaning,
            stage="SCHEDULED",
        )
        for item, order in zip(batch, orders, strict=True)
    )
    models.ScheduledProcedureStep.objects.bulk_create(_steps(batch, procedures))


def _patient(item: Item) -> models.Patient:
    from ris import models
    from ris.domain.values import fold

    return models.Patient(
        name=item.name,
        name_key=fold(item.name),
        birth_date=f"{item.birth}",
        sex=item.sex,
        weight_kg=float(item.weight),
    )


def _orders(
    batch: list[Item], patients: list[models.Patient], visits: list[models.Visit]
) -> Iterator[models.Order]:
    from ris import models

    for item, patient, visit in zip(batch, patients, visits, strict=True):
        yield models.Order(
            patient=patient,
            visit=visit,
            placer_order_number=item.placer,
            filler_order_number=item.filler,
            accession_number=item.accession,
            priority=item.priority,
            requester=item.referring,
            referring=item.referring,
            transport="WALK",
            ordered_at=item.at,
        )


def _steps(
    batch: list[Item], procedures: list[models.RequestedProcedure]
) -> Iterator[models.ScheduledProcedureStep]:
    from ris import models

    devices = {device.ae_title: device for device in models.Device.objects.all()}
    for item, procedure in zip(batch, procedures, strict=True):
        yield models.ScheduledProcedureStep(
            procedure=procedure,
            step_id=item.step_id,
            status="SCHEDULED",
            modality=item.modality,
            device=devices.get(item.station),
            station_ae_title=item.station,
            station_name=item.station,
            location="ROOM1",
            start_at=item.at,
            description=item.meaning,
            protocol_codes=[{"value": item.code, "scheme": "99BENCH", "meaning": item.meaning}],
            performing_physician=item.performing,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

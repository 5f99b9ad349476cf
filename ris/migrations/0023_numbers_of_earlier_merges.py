"""Mark the identifiers of merges that were made before identifiers knew where they came from."""

from typing import Any

from django.db import migrations


def mark(apps: Any, schema_editor: Any) -> None:
    """By the events of the merges that stand, the earliest first: it was the number's own record."""
    event_of = apps.get_model("ris", "DomainEvent").objects
    identifiers = apps.get_model("ris", "PatientIdentifier").objects
    merged = apps.get_model("ris", "Patient").objects.exclude(merged_into=None)
    found = []
    for patient in merged.only("pk", "public_id", "merged_into_id").iterator(chunk_size=1000):
        event = (
            event_of.filter(
                name="PatientsMerged",
                patient_id=patient.merged_into_id,
                payload__subsumed=str(patient.public_id),
            )
            .order_by("-id")
            .first()
        )
        if event is not None:
            found.append((event.pk, patient.pk, event.payload["moved"].get("identifiers", [])))
    for _, patient, moved in sorted(found):
        identifiers.filter(pk__in=moved, former=None).update(former_id=patient)


class Migration(migrations.Migration):
    dependencies = [("ris", "0022_what_more_is_said_of_a_patient")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]

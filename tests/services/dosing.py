"""Builders of dose documents, through the door, for an order whose exam was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ris.domain.dose import (
    DoseKind,
    DoseSource,
    IrradiationEventDetails,
    RecordDose,
    Scope,
)
from ris.domain.identifiers import new_uid
from ris.domain.measures import Measure, Quantity, quantity
from ris.domain.performing import (
    CompletePerformedStep,
    PerformedDetails,
)
from ris.domain.values import Identifier
from ris.models import (
    DoseRecord,
    ExamDose,
    Order,
)
from ris.services import execute
from tests import make, people
from tests.make import NOON


def dlp(value: str, unit: str = "mGy.cm") -> Quantity:
    return quantity(Measure.DLP, value, unit)


def event(uid: str, value: str) -> IrradiationEventDetails:
    return IrradiationEventDetails(
        uid=uid, started_at=NOON, protocol="Head", quantities=(dlp(value),)
    )


def document(order: Order | None = None, **overrides: Any) -> RecordDose:
    """A CT dose report for the order's exam; it names accession, study and patient."""
    fields: dict[str, Any] = {
        "source": DoseSource.RDSR,
        "source_uid": new_uid(),
        "kind": DoseKind.CT,
        "ae_title": "CT1",
        "content_at": NOON + timedelta(minutes=20),
        "started_at": NOON,
        "ended_at": NOON + timedelta(minutes=10),
        "scope": Scope.STUDY,
        "totals": (dlp("410.2"),),
        "events": (event(new_uid(), "410.2"),),
    }
    if order is not None:
        number = order.patient.identifiers.get(primary=True)
        fields |= {
            "accession_number": order.accession_number,
            "study_instance_uid": make.step_of(order).procedure.study_instance_uid,
            "patient_identifier": Identifier(number.value, number.issuer),
        }
    return RecordDose(**fields | overrides)


def record(command: RecordDose) -> DoseRecord:
    return DoseRecord.objects.get(public_id=execute(command, actor=people.ct1))


def total(order: Order, measure: Measure = Measure.DLP) -> str:
    rows = [row for row in ExamDose.objects.get(order=order).totals if row["measure"] == measure]
    assert len(rows) == 1
    value: str = rows[0]["value"]
    return value


def another(hours: int = 1, **overrides: Any) -> Order:
    """One more exam, booked later on the same device and performed at the same time."""
    return make.performed(start_at=NOON + timedelta(hours=hours), **overrides)


def dose_in(**values: Any) -> dict[str, Any]:
    """DICOM JSON of the retired dose attributes."""
    rows = {
        "area": ("0018115E", "DS"),
        "fluoro": ("00400300", "US"),
        "exposures": ("00400301", "US"),
        "entrance": ("00408302", "DS"),
    }
    return {rows[name][0]: {"vr": rows[name][1], "Value": [one]} for name, one in values.items()}


def complete(order: Order, dataset: dict[str, Any], **start: Any) -> str:
    command = make.start(order, **start)
    execute(command, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(ended_at=NOON + timedelta(minutes=9)),
            dataset=dataset,
        ),
        actor=people.ct1,
    )
    return command.sop_instance_uid


def typed_in(order: Order, *totals: Quantity) -> RecordDose:
    return RecordDose(
        source=DoseSource.MANUAL,
        source_uid=new_uid(),
        kind=DoseKind.PROJECTION,
        order=str(order.public_id),
        totals=totals,
    )

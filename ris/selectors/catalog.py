"""What can be ordered."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.values import Code
from ris.models import ProcedureDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureLine:
    public_id: str
    code: Code
    modality: str
    duration_minutes: int
    preparation: str
    body_part: str
    contrast: str
    laterality_required: bool


def lines() -> list[ProcedureLine]:
    """The catalog as it is now, without what was retired."""
    rows = ProcedureDefinition.objects.filter(active=True).order_by("modality", "meaning", "id")
    return [
        ProcedureLine(
            public_id=str(row.public_id),
            code=Code(row.code, row.scheme, row.meaning, row.code_version),
            modality=row.modality,
            duration_minutes=row.duration_minutes,
            preparation=row.preparation,
            body_part=row.body_part,
            contrast=row.contrast,
            laterality_required=row.laterality_required,
        )
        for row in rows
    ]

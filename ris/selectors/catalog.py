"""What can be ordered."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet

from ris.domain.catalog import DeviceRuleDetails, StepTemplateDetails
from ris.domain.errors import UnknownKeyError
from ris.domain.values import Code
from ris.models import DeviceRule, ProcedureDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureLine:
    """A procedure of the catalog; one that is not ``offered`` was retired."""

    public_id: str
    code: Code
    modality: str
    duration_minutes: int
    preparation: str
    body_part: str
    contrast: str
    laterality_required: bool
    steps: tuple[StepTemplateDetails, ...]
    offered: bool
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    lead_hours: int = 0
    radiologist_present: bool = False
    required_skills: tuple[str, ...] = ()
    staff_required: int = 0
    device_rules: tuple[DeviceRuleDetails, ...] = ()
    subspecialty: str = ""


_RULES = Prefetch(
    "device_rules",
    queryset=DeviceRule.objects.select_related("device").order_by("device__ae_title"),
)


def _rows() -> QuerySet[ProcedureDefinition]:
    return ProcedureDefinition.objects.prefetch_related("steps", _RULES).order_by(
        "modality", "meaning", "id"
    )


def _line(row: ProcedureDefinition) -> ProcedureLine:
    return ProcedureLine(
        public_id=str(row.public_id),
        code=Code(row.code, row.scheme, row.meaning, row.code_version),
        modality=row.modality,
        duration_minutes=row.duration_minutes,
        preparation=row.preparation,
        body_part=row.body_part,
        contrast=row.contrast,
        laterality_required=row.laterality_required,
        steps=tuple(
            StepTemplateDetails(
                modality=step.modality,
                description=step.description,
                duration_minutes=step.duration_minutes,
                protocol_codes=tuple(Code.from_json(code) for code in step.protocol_codes),
            )
            for step in row.steps.all()
        ),
        offered=row.active,
        buffer_before_minutes=row.buffer_before_minutes,
        buffer_after_minutes=row.buffer_after_minutes,
        lead_hours=row.lead_hours,
        radiologist_present=row.radiologist_present,
        required_skills=tuple(row.required_skills),
        staff_required=row.staff_required,
        subspecialty=row.subspecialty,
        device_rules=tuple(
            DeviceRuleDetails(
                device=rule.device.ae_title, allowed=rule.allowed, minutes=rule.minutes
            )
            for rule in row.device_rules.all()
        ),
    )


def lines(*, retired: bool = False) -> list[ProcedureLine]:
    """The catalog as it is now; with ``retired``, also what is no longer offered."""
    rows = _rows()
    return [_line(row) for row in (rows if retired else rows.filter(active=True))]


def matching(text: str, modality: str, *, retired: bool) -> QuerySet[ProcedureDefinition]:
    """Procedures by a part of name or code, and modality."""
    rows = _rows() if retired else _rows().filter(active=True)
    if text:
        rows = rows.filter(Q(meaning__icontains=text) | Q(code__istartswith=text))
    return rows.filter(modality=modality) if modality else rows


def lines_of(rows: list[ProcedureDefinition]) -> list[ProcedureLine]:
    return [_line(row) for row in rows]


def modalities() -> list[str]:
    """Those that the catalog has procedures of."""
    found = ProcedureDefinition.objects.order_by("modality").values_list("modality", flat=True)
    return list(found.distinct())


def is_empty() -> bool:
    """Whether nothing was ever defined."""
    return not ProcedureDefinition.objects.exists()


def is_known(code: Code) -> bool:
    """Whether there is a procedure of this code, offered or not."""
    rows = ProcedureDefinition.objects.filter(
        code=code.value, scheme=code.scheme, code_version=code.version
    )
    return rows.exists()


def procedure(public_id: str) -> ProcedureLine:
    """One procedure; raises UnknownKeyError."""
    row = _rows().filter(public_id=public_id).first()
    if row is None:
        raise UnknownKeyError("no such procedure")
    return _line(row)

"""Diagnostic reference levels of catalog procedures."""

from __future__ import annotations

from ris.domain.dose import (
    ANY_AGE,
    ANY_WEIGHT,
    ReferenceLevelRemoved,
    ReferenceLevelSet,
    RemoveReferenceLevel,
    SetReferenceLevel,
)
from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.measures import MEASURES, Adding, plain
from ris.domain.values import require_text
from ris.models import DoseReferenceLevel, ProcedureDefinition
from ris.services._context import Context
from ris.services._locks import public_key


def set_reference_level(command: SetReferenceLevel, context: Context) -> str:
    """Create or change the level of a procedure, measure, range of ages and of weights.

    It is used from the next document on; what was compared before stays as it was.
    """
    definition = ProcedureDefinition.objects.filter(
        code=command.code.value, scheme=command.code.scheme, active=True
    ).first()
    if definition is None:
        raise UnknownKeyError("the catalog has no such procedure", path="code")
    if MEASURES[command.measure].adding is Adding.NONE:
        raise InvalidValueError("there is no total of this measure", path="measure")
    if not (command.value.is_finite() and 0 < command.value <= MEASURES[command.measure].highest):
        raise InvalidValueError("a level is a number above zero", path="value")
    if not 0 <= command.from_age <= command.to_age <= ANY_AGE:
        raise InvalidValueError("the ages are years, from the lower to the upper", path="from_age")
    if not 0 <= command.from_kg <= command.to_kg <= ANY_WEIGHT:
        raise InvalidValueError(
            "the weights are kilograms, from the lower to the upper", path="from_kg"
        )
    level, _ = DoseReferenceLevel.objects.update_or_create(
        definition=definition,
        measure=command.measure.value,
        from_age=command.from_age,
        to_age=command.to_age,
        from_kg=command.from_kg,
        to_kg=command.to_kg,
        defaults={
            "value": command.value,
            "origin": require_text(command.origin, path="origin", limit=100, name="origin"),
        },
    )
    context.emit(
        ReferenceLevelSet(
            level=str(level.public_id),
            code=definition.code,
            measure=command.measure.value,
            value=plain(command.value),
        ),
        subject=level,
    )
    return str(level.public_id)


def remove_reference_level(command: RemoveReferenceLevel, context: Context) -> None:
    level = (
        DoseReferenceLevel.objects.select_related("definition")
        .filter(public_id=public_key(command.level, "level"))
        .first()
    )
    if level is None:
        raise UnknownKeyError("no such level")
    context.emit(
        ReferenceLevelRemoved(level=str(level.public_id), code=level.definition.code),
        subject=level,
    )
    level.delete()

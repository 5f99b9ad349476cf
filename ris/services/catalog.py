"""The procedure catalog and code maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ris.domain.actors import Role
from ris.domain.catalog import (
    CodeMapped,
    DefineProcedure,
    DeviceRuleDetails,
    ImportProcedures,
    MapCode,
    ProcedureDefined,
    ProcedureRetired,
    RetireProcedure,
)
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.values import require_text
from ris.models import (
    CodeMap,
    Device,
    DeviceRule,
    Endpoint,
    ProcedureDefinition,
    StepTemplate,
)
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def define_procedure(command: DefineProcedure, context: Context) -> str:
    code = command.code
    if not code.value or not code.meaning:
        raise MissingValueError("a procedure needs a code and a name", path="code")
    if not 1 <= command.duration_minutes <= 24 * 60:
        raise InvalidValueError("a duration is 1 minute to 24 hours", path="duration_minutes")
    values = {
        "meaning": require_text(code.meaning, path="meaning", limit=200, name="name"),
        "modality": require_text(
            command.modality, path="modality", limit=16, name="modality"
        ).upper(),
        "duration_minutes": command.duration_minutes,
        "preparation": command.preparation,
        "body_part": require_text(command.body_part, path="body_part", limit=64, name="body part"),
        "contrast": require_text(command.contrast, path="contrast", limit=64, name="contrast"),
        "laterality_required": command.laterality_required,
        "active": True,
        **_booking(command),
    }
    definition, _ = ProcedureDefinition.objects.update_or_create(
        code=require_text(code.value, path="code", limit=64, name="code"),
        scheme=require_text(code.scheme, path="scheme", limit=64, name="coding scheme"),
        code_version=code.version,
        defaults=values,
    )
    definition.steps.all().delete()
    StepTemplate.objects.bulk_create(
        [
            StepTemplate(
                definition=definition,
                position=position,
                modality=step.modality.upper(),
                description=step.description[:64],
                duration_minutes=step.duration_minutes,
                protocol_codes=[code.as_json() for code in step.protocol_codes],
            )
            for position, step in enumerate(command.steps)
        ]
    )
    if command.device_rules is not None:
        _rule(definition, command.device_rules)
    context.emit(ProcedureDefined(definition=str(definition.public_id)), subject=definition)
    return str(definition.public_id)


LIMITS = {
    "buffer_before_minutes": 240,
    "buffer_after_minutes": 240,
    "lead_hours": 24 * 90,
    "staff_required": 10,
}


def _booking(command: DefineProcedure) -> dict[str, Any]:
    """What booking and reading have to know, as far as it is said."""
    found: dict[str, Any] = {}
    for name, most in LIMITS.items():
        number = getattr(command, name)
        if number is not None:
            if not 0 <= number <= most:
                raise InvalidValueError(f"{name} is 0 to {most}", path=name)
            found[name] = number
    if command.radiologist_present is not None:
        found["radiologist_present"] = command.radiologist_present
    if command.subspecialty is not None:
        found["subspecialty"] = require_text(
            command.subspecialty.strip(), path="subspecialty", limit=64, name="subspecialty"
        )
    if command.required_skills is not None:
        words = [
            require_text(word, path="required_skills", limit=64, name="skill")
            for word in command.required_skills
        ]
        found["required_skills"] = list(dict.fromkeys(word for word in words if word))
    return found


def _rule(definition: ProcedureDefinition, rules: Sequence[DeviceRuleDetails]) -> None:
    """Replace what holds on single devices; what says nothing is no rule."""
    said = {rule.device: rule for rule in rules if not rule.allowed or rule.minutes is not None}
    if len({rule.device for rule in rules}) != len(rules):
        raise InvalidValueError("a device is named twice", path="device_rules")
    devices = {row.ae_title: row for row in Device.objects.filter(ae_title__in=said)}
    for name, rule in said.items():
        if name not in devices:
            raise UnknownKeyError(f"no device {name}", path="device_rules")
        if rule.minutes is not None and not 1 <= rule.minutes <= 24 * 60:
            raise InvalidValueError("a duration is 1 minute to 24 hours", path="device_rules")
    definition.device_rules.all().delete()
    DeviceRule.objects.bulk_create(
        [
            DeviceRule(
                definition=definition,
                device=devices[name],
                allowed=rule.allowed,
                minutes=rule.minutes if rule.allowed else None,
            )
            for name, rule in said.items()
        ]
    )


def retire_procedure(command: RetireProcedure, context: Context) -> None:
    definition = ProcedureDefinition.objects.filter(
        public_id=public_key(command.procedure, "procedure")
    ).first()
    if definition is None:
        raise UnknownKeyError("no such procedure")
    definition.active = False
    touch(definition, "active")
    context.emit(ProcedureRetired(definition=str(definition.public_id)), subject=definition)


def import_procedures(command: ImportProcedures, context: Context) -> int:
    for each in command.procedures:
        define_procedure(each, context)
    for code in command.retired:
        row = ProcedureDefinition.objects.filter(
            code=code.value, scheme=code.scheme, code_version=code.version, active=True
        ).first()
        if row is None:
            raise UnknownKeyError(f"no procedure {code.value} is offered", path="retired")
        retire_procedure(RetireProcedure(procedure=str(row.public_id)), context)
    return len(command.procedures) + len(command.retired)


def map_code(command: MapCode, context: Context) -> None:
    endpoint = None
    if command.endpoint:
        endpoint = Endpoint.objects.filter(name=command.endpoint).first()
        if endpoint is None:
            raise UnknownKeyError("no such endpoint", path="endpoint")
    row, _ = CodeMap.objects.update_or_create(
        endpoint=endpoint,
        table=command.table,
        source_scheme=command.source.scheme,
        source_value=command.source.value,
        defaults={"target": command.target.as_json()},
    )
    context.emit(
        CodeMapped(table=command.table, source=command.source.value, target=command.target.value),
        subject=row,
    )


HANDLERS = {
    DefineProcedure: define_procedure,
    RetireProcedure: retire_procedure,
    ImportProcedures: import_procedures,
    MapCode: map_code,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    DefineProcedure: _SETUP,
    RetireProcedure: _SETUP,
    ImportProcedures: _SETUP,
    MapCode: _SETUP,
}

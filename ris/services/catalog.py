"""The procedure catalog and code maps."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.catalog import (
    CodeMapped,
    DefineProcedure,
    ImportProcedures,
    MapCode,
    ProcedureDefined,
    ProcedureRetired,
    RetireProcedure,
)
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.values import require_text
from ris.models import CodeMap, Endpoint, ProcedureDefinition, StepTemplate
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
    context.emit(ProcedureDefined(definition=str(definition.public_id)), subject=definition)
    return str(definition.public_id)


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

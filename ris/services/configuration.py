"""Apply a site file: compare, change what differs through the door, keep what was before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ris.domain.accounts import CreateUser, DisableUser, SetRoles
from ris.domain.actors import Role
from ris.domain.catalog import DefineProcedure, MapCode, RetireProcedure, StepTemplateDetails
from ris.domain.commands import Command
from ris.domain.configuration import (
    ApplyConfiguration,
    Change,
    ConfigurationApplied,
    Plan,
    RollBackConfiguration,
    plan,
)
from ris.domain.configuration_file import Record, Tables, parse, render
from ris.domain.discontinuation import FOLLOW_UPS
from ris.domain.errors import (
    InvalidValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
from ris.domain.facility import RegisterDevice, RegisterRoom, RegisterSite
from ris.domain.mapping import SaveMapping
from ris.domain.opening_hours import parse_hours
from ris.domain.scheduling import SetResourceHours
from ris.domain.values import Code
from ris.models import ConfigurationVersion, Endpoint, ProcedureDefinition, Room
from ris.selectors import configuration
from ris.services import mapping
from ris.services._context import Context
from ris.services._execute import execute


def apply_configuration(command: ApplyConfiguration, context: Context) -> Plan:
    wanted = parse(command.content, configuration.stored())
    return _apply(wanted, command.expected, context)


def roll_back_configuration(command: RollBackConfiguration, context: Context) -> Plan:
    content = configuration.previous()
    if content is None:
        raise UnknownKeyError("no file was applied yet: there is nothing to go back to")
    return _apply(parse(content), command.expected, context, whole=True)


def _apply(wanted: Tables, expected: str, context: Context, *, whole: bool = False) -> Plan:
    stored = configuration.stored()
    if expected and expected != configuration.digest(stored):
        raise StateConflictError("somebody changed the configuration meanwhile: look again")
    found = plan(wanted, stored, whole=whole)
    if not found:
        return found
    version = ConfigurationVersion.objects.create(
        content=render(stored), actor=context.actor.display or context.actor.name
    )
    for change in found.changes:
        try:
            for command in _commands(change):
                execute(command, actor=context.actor, correlation=context.correlation)
        except RisError as error:
            # A file has many records: say which one it was.
            told = _listed(error) if isinstance(error, SeveralErrors) else error.message
            error.message = f"{change.title}: {told}"
            error.args = (error.message,)
            raise
    context.emit(
        ConfigurationApplied(
            changed=tuple(change.title for change in found.changes),
            rolled_back=whole,
            notes=found.notes,
        ),
        subject=version,
    )
    return found


def check(found: Plan) -> None:
    """Refuse what could not be applied as far as that is known before: mappings, row by row."""
    for change in found.changes:
        if change.table == "endpoint" and change.after["mapping"]:
            protocol = Protocol(change.after["protocol"])
            direction = Direction(change.after["direction"])
            try:
                mapping.check(protocol, direction, change.after["mapping"])
            except RisError as error:
                raise InvalidValueError(f"{change.title}: {_listed(error)}") from None


def _listed(error: RisError) -> str:
    errors = error.errors if isinstance(error, SeveralErrors) else [error]
    return "; ".join(f"{each.path}: {each.message}" for each in errors)


def _commands(change: Change) -> Iterator[Command[Any]]:
    """What a change asks of the door; later ones may need what earlier ones made."""
    record = change.after
    match change.table:
        case "site":
            yield RegisterSite(**record)
        case "room":
            yield from _room(record, change)
        case "device":
            yield RegisterDevice(**{**record, "character_sets": tuple(record["character_sets"])})
        case "procedure":
            yield from _procedure(record, change)
        case "follow_up":
            yield MapCode(
                table=FOLLOW_UPS,
                source=Code(record["code"], record["scheme"]),
                target=Code(record["then"]),
            )
        case "endpoint":
            yield from _endpoint(record, change)
        case "user":
            yield from _user(record, change)


def _room(record: Record, change: Change) -> Iterator[Command[Any]]:
    if change.before is None:
        yield RegisterRoom(name=record["name"])
    if "hours" in change.names:
        room = Room.objects.select_related("resource").get(name=record["name"])
        yield SetResourceHours(
            resource=str(room.resource.public_id),
            hours=tuple(row for text in record["hours"] for row in parse_hours(text)),
        )


def _procedure(record: Record, change: Change) -> Iterator[Command[Any]]:
    if record["active"] or change.names != ("active",):
        yield DefineProcedure(
            code=Code(record["code"], record["scheme"], record["name"], record["version"]),
            modality=record["modality"],
            duration_minutes=record["duration_minutes"],
            preparation=record["preparation"],
            body_part=record["body_part"],
            contrast=record["contrast"],
            laterality_required=record["laterality_required"],
            buffer_before_minutes=record["buffer_before_minutes"],
            buffer_after_minutes=record["buffer_after_minutes"],
            lead_hours=record["lead_hours"],
            radiologist_present=record["radiologist_present"],
            required_skills=tuple(record["required_skills"]),
            staff_required=record["staff_required"],
            subspecialty=record["subspecialty"],
            steps=tuple(
                StepTemplateDetails(
                    modality=step["modality"],
                    description=step["description"],
                    duration_minutes=step["duration_minutes"],
                    protocol_codes=tuple(map(Code.from_json, step["protocol_codes"])),
                )
                for step in record["steps"]
            ),
        )
    if not record["active"]:
        definition = ProcedureDefinition.objects.get(
            scheme=record["scheme"], code=record["code"], code_version=record["version"]
        )
        yield RetireProcedure(procedure=str(definition.public_id))


def _endpoint(record: Record, change: Change) -> Iterator[Command[Any]]:
    content = record["mapping"]
    if change.names != ("mapping",):
        yield ConfigureEndpoint(
            **{
                **{name: value for name, value in record.items() if name != "mapping"},
                "protocol": Protocol(record["protocol"]),
                "direction": Direction(record["direction"]),
                "sends": tuple(Subscription(word) for word in record["sends"]),
            }
        )
    if "mapping" in change.names and (content or change.before):
        endpoint = Endpoint.objects.get(
            **{name: record[name] for name in ("protocol", "direction", "name")}
        )
        yield SaveMapping(
            endpoint=str(endpoint.public_id), content=content, note="from a site file"
        )


def _user(record: Record, change: Change) -> Iterator[Command[Any]]:
    roles = frozenset(Role(word) for word in record["roles"])
    if change.before is None:
        yield CreateUser(
            username=record["username"],
            password="",  # nobody can log in with it until one is set
            roles=roles,
            first_name=record["first_name"],
            last_name=record["last_name"],
            email=record["email"],
        )
    elif "roles" in change.names:
        yield SetRoles(username=record["username"], roles=roles)
    if not record["active"]:
        yield DisableUser(username=record["username"])


HANDLERS = {
    ApplyConfiguration: apply_configuration,
    RollBackConfiguration: roll_back_configuration,
}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {ApplyConfiguration: _ADMIN, RollBackConfiguration: _ADMIN}

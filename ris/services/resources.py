"""Staff, groups, holidays, and what booking has to know of rooms, devices and people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ris.domain.actors import Role
from ris.domain.commands import Command
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
    UnsupportedError,
)
from ris.domain.facility import RegisterRoom, ResourceKind
from ris.domain.resources import (
    BookableChanged,
    ChangeResource,
    GroupRemoved,
    GroupSaved,
    HolidayRemoved,
    HolidaySet,
    ImportResources,
    RegisterStaff,
    RemoveBlock,
    RemoveGroup,
    RemoveHoliday,
    ReserveBlock,
    ResourceRestored,
    ResourceRetired,
    RestoreResource,
    RetireResource,
    SaveGroup,
    SetHoliday,
    StaffRegistered,
)
from ris.domain.scheduling import SetResourceHours
from ris.domain.values import require_text
from ris.models import (
    Booking,
    Holiday,
    Practitioner,
    Resource,
    ResourceGroup,
    Site,
    StaffMember,
)
from ris.selectors.freeing import of_holiday
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import public_key
from ris.services.scheduling.freeing import note_freed
from ris.services.scheduling.resources import find_resource

LONGEST_BUFFER = 240
LONGEST_GAP = 240
MOST_SKILLS = 50


def register_staff(command: RegisterStaff, context: Context) -> str:
    name = _name(command.name, "a person needs a name")
    if command.staff:
        staff = (
            StaffMember.objects.select_related("resource")
            .filter(public_id=public_key(command.staff, "person"))
            .first()
        )
        if staff is None:
            raise UnknownKeyError("no such person", path="staff")
    else:
        staff = StaffMember.objects.select_related("resource").filter(name=name).first()
    if staff is None:
        _require_free(ResourceKind.STAFF, name, besides=0)
        staff = StaffMember(resource=Resource(kind=ResourceKind.STAFF.value))
    else:
        _require_free(ResourceKind.STAFF, name, besides=staff.resource.pk)
    staff.resource.name = name
    staff.resource.site = _site(command.site)
    staff.resource.save()
    staff.resource_id = staff.resource.pk
    staff.name = name
    staff.skills = _skills(command.skills)
    staff.practitioner = _practitioner(command.practitioner)
    staff.save()
    context.emit(
        StaffRegistered(staff=str(staff.public_id), resource=str(staff.resource.public_id)),
        subject=staff.resource,
    )
    return str(staff.public_id)


def change_resource(command: ChangeResource, context: Context) -> None:
    resource = find_resource(command.resource)
    kind = ResourceKind(resource.kind)
    values: dict[str, Any] = {}
    if command.name is not None:
        values["name"] = _name(command.name, "a resource needs a name")
        if kind is ResourceKind.DEVICE and values["name"] != resource.name:
            raise InvalidValueError("a device is named by its AE title", path="name")
        _require_free(kind, values["name"], besides=resource.pk)
    if command.site is not None:
        values["site"] = _site(command.site)
        if kind is ResourceKind.DEVICE and values["site"] != resource.site:
            raise InvalidValueError("a device is where its room is", path="site")
    for name in ("buffer_before_minutes", "buffer_after_minutes"):
        minutes = getattr(command, name)
        if minutes is not None:
            if not 0 <= minutes <= LONGEST_BUFFER:
                raise InvalidValueError(f"0 to {LONGEST_BUFFER} minutes are kept free", path=name)
            values[name] = minutes
    if command.gap_minutes is not None:
        if not 0 <= command.gap_minutes <= LONGEST_GAP:
            raise InvalidValueError(f"a gap is 0 to {LONGEST_GAP} minutes", path="gap_minutes")
        values["gap_minutes"] = command.gap_minutes
    if command.open_on_holidays is not None:
        values["open_on_holidays"] = command.open_on_holidays
    if command.note is not None:
        values["note"] = require_text(command.note, path="note", limit=500, name="note")
    changed = [name for name, value in values.items() if getattr(resource, name) != value]
    for name in changed:
        setattr(resource, name, values[name])
    if changed:
        resource.save(update_fields=[*changed, "updated_at"])
        _carry_over(resource, kind)
    if command.groups is not None and _regroup(resource, command.groups):
        changed.append("groups")
    if changed:
        context.emit(
            BookableChanged(resource=str(resource.public_id), changed=tuple(changed)),
            subject=resource,
        )


def _carry_over(resource: Resource, kind: ResourceKind) -> None:
    """What stands at a room or a person as well."""
    if kind is ResourceKind.STAFF:
        StaffMember.objects.filter(resource=resource).update(name=resource.name)
    elif kind is ResourceKind.ROOM:
        room = resource.room
        room.name, room.site = resource.name, resource.site
        room.save()
        Resource.objects.filter(device__room=room).update(site=resource.site)


def _regroup(resource: Resource, names: tuple[str, ...]) -> bool:
    wanted = dict.fromkeys(name.strip() for name in names if name.strip())
    groups = {row.name: row for row in ResourceGroup.objects.filter(name__in=wanted)}
    missing = [name for name in wanted if name not in groups]
    if missing:
        raise UnknownKeyError(f"no group {missing[0]}", path="groups")
    before = {row.pk for row in resource.groups.all()}
    after = {row.pk for row in groups.values()}
    if before != after:
        resource.groups.set(groups.values())
    return before != after


def retire_resource(command: RetireResource, context: Context) -> int:
    resource = find_resource(command.resource)
    _require_own_switch(resource)
    if not resource.active:
        raise StateConflictError(f"{resource.name} is out of use already")
    ahead = Booking.objects.filter(resource=resource, live=True, start_at__gt=context.now).count()
    _switch(resource, active=False)
    context.emit(
        ResourceRetired(resource=str(resource.public_id), bookings=ahead), subject=resource
    )
    return ahead


def restore_resource(command: RestoreResource, context: Context) -> None:
    resource = find_resource(command.resource)
    _require_own_switch(resource)
    if resource.active:
        raise StateConflictError(f"{resource.name} is in use")
    _switch(resource, active=True)
    context.emit(ResourceRestored(resource=str(resource.public_id)), subject=resource)


def _require_own_switch(resource: Resource) -> None:
    if resource.kind == ResourceKind.DEVICE.value:
        raise UnsupportedError("a device is put out of use on its own page")


def _switch(resource: Resource, *, active: bool) -> None:
    resource.active = active
    resource.save(update_fields=["active", "updated_at"])
    StaffMember.objects.filter(resource=resource).update(active=active)


def save_group(command: SaveGroup, context: Context) -> str:
    name = _name(command.name, "a group needs a name")
    if set(",;") & set(name):
        raise InvalidValueError("a group's name has no comma or semicolon", path="name")
    if command.group:
        group = _group(command.group)
    else:
        group = ResourceGroup.objects.filter(name=name).first() or ResourceGroup()
    if ResourceGroup.objects.filter(name=name).exclude(pk=group.pk).exists():
        raise DuplicateKeyError(f"there is a group {name} already", path="name")
    keys = {public_key(each, "resource") for each in command.members}
    members = list(Resource.objects.filter(public_id__in=keys))
    if len(members) != len(keys):
        raise UnknownKeyError("no such resource", path="members")
    group.name = name
    group.save()
    group.members.set(members)
    context.emit(GroupSaved(group=str(group.public_id)), subject=group)
    return str(group.public_id)


def remove_group(command: RemoveGroup, context: Context) -> None:
    group = _group(command.group)
    context.emit(GroupRemoved(group=str(group.public_id)), subject=group)
    group.delete()


def _group(key: str) -> ResourceGroup:
    group = ResourceGroup.objects.filter(public_id=public_key(key, "group")).first()
    if group is None:
        raise UnknownKeyError("no such group", path="group")
    return group


def set_holiday(command: SetHoliday, context: Context) -> str:
    name = require_text(command.name, path="name", limit=100, name="name")
    if not name:
        raise MissingValueError("a holiday needs a name", path="name")
    row, _ = Holiday.objects.update_or_create(
        site=_site(command.site), date=command.date, defaults={"name": name}
    )
    context.emit(
        HolidaySet(holiday=str(row.public_id), date=row.date, site=command.site), subject=row
    )
    return str(row.public_id)


def remove_holiday(command: RemoveHoliday, context: Context) -> None:
    row = Holiday.objects.filter(public_id=public_key(command.holiday, "holiday")).first()
    if row is None:
        raise UnknownKeyError("no such holiday", path="holiday")
    context.emit(HolidayRemoved(holiday=str(row.public_id), date=row.date), subject=row)
    note_freed(of_holiday(row, context.now), context)
    row.delete()


# What a file of resources may ask for.
_IMPORTED: tuple[type[Command[Any]], ...] = (
    RegisterRoom,
    RegisterStaff,
    ChangeResource,
    RetireResource,
    RestoreResource,
    SetResourceHours,
    SaveGroup,
    SetHoliday,
    RemoveHoliday,
    ReserveBlock,
    RemoveBlock,
)


def import_resources(command: ImportResources, context: Context) -> int:
    for each in command.commands:
        if not isinstance(each, _IMPORTED):
            raise UnsupportedError(f"a file cannot ask for {type(each).__name__}")
        execute(_found(each), actor=context.actor, correlation=context.correlation)
    return len(command.commands)


def _found(command: Command[Any]) -> Command[Any]:
    """The command with the public id of the resource that it names."""
    kind, slash, name = str(getattr(command, "resource", "")).partition("/")
    if not slash or kind not in ResourceKind.__members__:
        return command
    row = Resource.objects.filter(kind=kind, name=name).first()
    if row is None:
        raise UnknownKeyError(f"no {kind.lower()} {name}", path="resource")
    return replace(command, resource=str(row.public_id))  # type: ignore[type-var]


# --- what several need


def _name(text: str, missing: str) -> str:
    name = require_text(text, path="name", limit=64, name="name")
    if not name:
        raise MissingValueError(missing, path="name")
    return name


def _require_free(kind: ResourceKind, name: str, *, besides: int) -> None:
    if Resource.objects.filter(kind=kind.value, name=name).exclude(pk=besides).exists():
        raise DuplicateKeyError(f"there is a {kind.value.lower()} {name} already", path="name")


def _site(name: str) -> Site | None:
    if not name:
        return None
    site = Site.objects.filter(name=name).first()
    if site is None:
        raise UnknownKeyError(f"no site {name}", path="site")
    return site


def _skills(words: tuple[str, ...]) -> list[str]:
    found = [require_text(word, path="skills", limit=64, name="skill") for word in words]
    skills = list(dict.fromkeys(word for word in found if word))
    if len(skills) > MOST_SKILLS:
        raise InvalidValueError(f"more than {MOST_SKILLS} skills", path="skills")
    return skills


def _practitioner(key: str) -> Practitioner | None:
    if not key:
        return None
    row = Practitioner.objects.filter(public_id=public_key(key, "practitioner")).first()
    if row is None:
        raise UnknownKeyError("no such practitioner", path="practitioner")
    return row


HANDLERS = {
    RegisterStaff: register_staff,
    ChangeResource: change_resource,
    RetireResource: retire_resource,
    RestoreResource: restore_resource,
    SaveGroup: save_group,
    RemoveGroup: remove_group,
    SetHoliday: set_holiday,
    RemoveHoliday: remove_holiday,
    ImportResources: import_resources,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS: dict[type[Command[Any]], set[Role]] = dict.fromkeys(HANDLERS, _SETUP)

"""What a site configuration file changes of what is stored, and the commands that do it.

A file says what it says: a record that is not in it stays, a name that a record does not mention
stays as stored. Only a rollback takes the file as the whole and puts out of use what it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.configuration_file import CODE, STEP, TABLES, Record, Table, Tables, toml_value
from ris.domain.mapping import differences
from ris.domain.mapping import normal as normal_mapping
from ris.domain.opening_hours import format_hours, parse_hours


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one record. ``before`` is None for a new one."""

    table: str
    key: tuple[str, ...]
    before: Record | None
    after: Record
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.table} {' '.join(part for part in self.key if part)}"

    def lines(self) -> list[str]:
        """The change for people: a title, and a line for each name that differs."""
        before = self.before
        if before is None:
            told = [f"{name} = {toml_value(self.after[name])}" for name in self._plain]
        else:
            told = [
                f"{name}: {_shown(before.get(name))} → {_shown(self.after.get(name))}"
                for name in self._plain
            ]
        if "mapping" in self.names:
            was = before.get("mapping", {}) if before else {}
            told += [f"mapping {line}" for line in differences(was, self.after["mapping"])]
        kind = "new" if before is None else "changed"
        return [f"{self.title}: {kind}", *(f"  {line}" for line in told)]

    @property
    def _plain(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != "mapping")


def _shown(value: Any) -> str:
    return "nothing" if value is None else toml_value(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes that bring the stored configuration to what a file says."""

    changes: tuple[Change, ...] = ()
    same: int = 0  # records of the file that are stored like that already
    notes: tuple[str, ...] = ()  # what the file says and cannot be done

    def __bool__(self) -> bool:
        return bool(self.changes)


# What is set when a login is made, and changed by its owner or an administrator afterwards.
_ONCE = {"user": frozenset({"first_name", "last_name", "email"})}
# Put out of use by a rollback; a site or a room cannot be.
_CAN_END = frozenset({"device", "procedure", "endpoint", "user"})


def plan(wanted: Tables, stored: Tables, *, whole: bool = False) -> Plan:
    """Compare. With ``whole`` what the file lacks is put out of use."""
    changes: list[Change] = []
    notes: list[str] = []
    same = 0
    for table in TABLES:
        known = {table.key_of(record): record for record in stored.get(table.name, ())}
        for said in wanted.get(table.name, ()):
            record = normal(table, table.complete(said) if whole else said)
            key = table.key_of(record)
            change = _compare(table, key, record, known.pop(key, None), notes, merge=not whole)
            if change is None:
                same += 1
            else:
                changes.append(change)
        if whole and table.name in _CAN_END:
            changes += [
                Change(table.name, key, record, {**record, "active": False}, ("active",))
                for key, record in known.items()
                if record["active"]
            ]
    return Plan(changes=tuple(changes), same=same, notes=tuple(notes))


def _compare(
    table: Table,
    key: tuple[str, ...],
    said: Record,
    before: Record | None,
    notes: list[str],
    *,
    merge: bool,
) -> Change | None:
    if before is None:
        after = table.complete(said)
        names = tuple(name for name in table.fields if name in said)
        return Change(table.name, key, None, after, names)
    after = dict(before)
    for name, given in said.items():
        # A setting that is not named stays.
        part = merge and isinstance(given, dict) and name != "mapping"
        value = {**before[name], **given} if part else given
        if value == before[name]:
            continue
        if name in _ONCE.get(table.name, ()):
            notes.append(f"{table.name} {key[0]}: {name} of an existing login stays as it is")
            continue
        after[name] = value
    if table.name == "user" and after["active"] and not before["active"]:
        notes.append(f"user {key[0]}: a disabled login is not enabled by a file")
        after["active"] = False
    names = tuple(name for name in table.fields if after[name] != before[name])
    return Change(table.name, key, before, after, names) if names else None


def normal(table: Table, record: Record) -> Record:
    """The record as it would be stored, so that comparing finds only true differences."""
    found: Record = {
        name: value.strip() if isinstance(value, str) else value for name, value in record.items()
    }
    if "modality" in found:
        found["modality"] = found["modality"].upper()
    for name in ("sends", "roles"):
        if name in found:
            found[name] = sorted(set(found[name]))
    if "mapping" in found:
        found["mapping"] = normal_mapping(found["mapping"])
    if "hours" in found:
        found["hours"] = format_hours([row for text in found["hours"] for row in parse_hours(text)])
    if "steps" in found:
        found["steps"] = [
            {
                **STEP.complete(step),
                "modality": step["modality"].upper(),
                "protocol_codes": [CODE.complete(code) for code in step.get("protocol_codes", [])],
            }
            for step in found["steps"]
        ]
    return found


# --- commands and events


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyConfiguration(Command[Plan]):
    """Bring the stored configuration to what a file says; returns what was changed.

    ``expected`` is the digest of the configuration the plan was shown for; another one meanwhile
    refuses the change.
    """

    content: str
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackConfiguration(Command[Plan]):
    """Put back what was stored before the last file (or rollback) was applied."""

    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationApplied(Event):
    changed: tuple[str, ...]
    rolled_back: bool = False
    notes: tuple[str, ...] = field(default=())

"""Reads worklist entries by one joined statement that is built once.

The statement is the same for every query but for the number of keys, and building it through the
ORM costs ten times what the database needs. The rows become ordinary model instances, so that the
read models are still made in one place (``to_view`` of each area).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model
from django.db.models.base import ModelState

from ris.domain.orders import Priority, Stage
from ris.domain.values import Code, Identifier, PersonName
from ris.models import (
    Order,
    Patient,
    PatientIdentifier,
    RequestedProcedure,
    ScheduledProcedureStep,
    Visit,
)
from ris.models.columns import Read, readers
from ris.selectors.orders import procedure_code, step_view
from ris.selectors.patients import to_view as patient_view
from ris.selectors.patients import visit_view
from ris.selectors.statements import any_of, fetch
from ris.selectors.views import PatientView, ProcedureView, WorklistEntry
from ris.selectors.worklist_shown import study_starts


@dataclass(frozen=True, slots=True)
class _Part:
    """One table of a joined row: where its columns stand and how the database's values are read."""

    model: type[Model]
    names: tuple[str, ...]
    start: int
    converters: tuple[tuple[int, Read], ...]

    def instance(self, row: Sequence[Any], database: Any) -> Any:
        """The model instance; None for the empty side of an outer join.

        ``database`` is the thread's connection: to look it up takes longer than most converters.
        """
        values = list(row[self.start : self.start + len(self.names)])
        if values[0] is None:
            return None
        for index, read in self.converters:
            value = values[index]
            if value is not None:  # Django's converters all leave it
                values[index] = read(value, database)
        # What from_db() makes, without what Model.__init__ does for instances that may be
        # incomplete: that took longer than all the rest of reading an entry.
        instance = self.model.__new__(self.model)
        instance.__dict__.update(zip(self.names, values, strict=True))
        instance._state = ModelState()
        instance._state.adding = False
        instance._state.db = DEFAULT_DB_ALIAS
        return instance


# What no answer is made of: a third of the columns, and of the time to read a row. An instance asks
# the database for one of them when it is read, as with ``defer()``.
_UNSHOWN: Mapping[type[Model], frozenset[str]] = {
    ScheduledProcedureStep: frozenset(
        {"created_at", "procedure_id", "status_before_start", "device_id", "wished_at",
         "announced", "appointment_id"}
    ),
    RequestedProcedure: frozenset({"created_at", "order_id", "definition_id", "performed_at"}),
    Order: frozenset(
        {"created_at", "updated_at", "version", "patient_id", "visit_id", "group_number",
         "parent_order_number", "parent_issuer", "status", "requester_identifier",
         "requester_issuer", "interpreter_language", "source_id", "fingerprint", "cancel_asked"}
    ),
    Patient: frozenset({"created_at", "name_key"}),
    Visit: frozenset(
        {"created_at", "updated_at", "patient_id", "prior_location",
         "merged_into_id", "settled_at", "settled_by", "settled_note"}
    ),
    PatientIdentifier: frozenset({"created_at"}),
}  # fmt: skip


@lru_cache(maxsize=8)
def _parts(vendor: str, *tables: tuple[str, type[Model]]) -> tuple[str, tuple[_Part, ...]]:
    """The column list of a statement over ``tables`` and how to read its rows."""
    columns: list[str] = []
    parts = []
    for alias, model in tables:
        # The primary key first, for it says whether there is a row at all.
        shown = [one for one in model._meta.concrete_fields if one.attname not in _UNSHOWN[model]]
        fields = sorted(shown, key=lambda field: not field.primary_key)
        converters: list[tuple[int, Read]] = []
        for index, field in enumerate(fields):
            column = field.get_col(alias)
            found = (
                *connection.ops.get_db_converters(column),
                *column.get_db_converters(connection),
            )
            if found:
                converters += [(index, read) for read in readers(found, column, vendor)]
        names = tuple(field.attname for field in fields)
        parts.append(_Part(model, names, len(columns), tuple(converters)))
        columns += [f"{alias}.{connection.ops.quote_name(str(field.column))}" for field in fields]
    return ", ".join(columns), tuple(parts)


_TABLES: tuple[tuple[str, type[Model]], ...] = (
    ("s", ScheduledProcedureStep),
    ("r", RequestedProcedure),
    ("o", Order),
    ("p", Patient),
    ("v", Visit),
)
_IDENTIFIERS: tuple[str, type[Model]] = ("i", PatientIdentifier)
_WITH_NUMBERS = (*_TABLES, _IDENTIFIERS)
# A step and its patient's numbers come as one row for each number: for a few steps that is less
# than another statement, for a list it is not.
_FEW = 4


@lru_cache(maxsize=64)
def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


# What comes first of what begins at the same time.
RANK = {Priority.STAT: 0, Priority.ASAP: 1, Priority.URGENT: 2, Priority.ROUTINE: 3}
# What tells versions of an entry apart, by primary key of the step; empty: it is not kept.
Keys = Mapping[int, tuple[int, ...]]


def read(keys: Keys, institution: str) -> dict[int, WorklistEntry]:
    """The entries of these steps by primary key."""
    step_ids = [*keys]
    together = len(step_ids) <= _FEW
    columns, parts = _parts(connection.vendor, *(_WITH_NUMBERS if together else _TABLES))
    statement, params = _statement(columns, step_ids, together=together)
    rows = fetch(statement, params, as_text=True)
    if together:
        joined = _with_identifiers(rows, parts)
    else:
        database = connections[DEFAULT_DB_ALIAS]
        steps = [tuple(part.instance(row, database) for part in parts) for row in rows]
        numbers = _numbers_of([patient for _, _, _, patient, _ in steps])
        joined = [(*each, numbers[each[3].pk]) for each in steps]
    return _entries(joined, institution, keys)


def columns_with_numbers() -> tuple[str, str]:
    """What a statement over s, r, o, p, v adds to read whole entries: further columns, a join."""
    columns, _ = _parts(connection.vendor, *_WITH_NUMBERS)
    return f", {columns}", _numbers()


def in_order(rows: Iterable[tuple[Any, ...]], first: int) -> list[tuple[Any, ...]]:
    """Rows with ``columns_with_numbers`` from the ``first`` column on, as a list is sorted.

    One row is what most lookups find, and to prepare a sort took PostgreSQL a fifth of a lookup.
    """
    vendor = connection.vendor
    start_at, priority, step_id = (
        first + _place(vendor, model, name)
        for model, name in (
            (ScheduledProcedureStep, "start_at"),
            (Order, "priority"),
            (ScheduledProcedureStep, "step_id"),
        )
    )

    def key(row: tuple[Any, ...]) -> tuple[bool, Any, int, str]:
        start, rank = row[start_at], RANK.get(row[priority], len(RANK))
        # What has no start comes first on SQLite, last on PostgreSQL.
        is_later = (start is None) is (vendor == "postgresql")
        return is_later, 0 if start is None else start, rank, row[step_id]

    return sorted(rows, key=key)


@lru_cache(maxsize=16)
def _place(vendor: str, model: type[Model], name: str) -> int:
    """Where a column stands among those of ``columns_with_numbers``."""
    _, parts = _parts(vendor, *_WITH_NUMBERS)
    return next(part.start + part.names.index(name) for part in parts if part.model is model)


def _numbers() -> str:
    return f" LEFT JOIN {_table(PatientIdentifier)} i ON i.patient_id = p.id"


def made_of(
    rows: Iterable[Sequence[Any]], institution: str, keys: Keys
) -> dict[int, WorklistEntry]:
    """The entries of rows with ``columns_with_numbers``, by primary key of the step."""
    _, parts = _parts(connection.vendor, *_WITH_NUMBERS)
    return _entries(_with_identifiers(rows, parts), institution, keys)


def _entries(
    joined: Sequence[tuple[Any, ...]], institution: str, keys: Keys
) -> dict[int, WorklistEntry]:
    starts = study_starts([procedure for _, procedure, *_ in joined])
    return {
        step.pk: _entry(
            step,
            procedure,
            order,
            patient,
            visit,
            numbers,
            institution,
            starts.get(procedure.pk),
            keys[step.pk],
        )
        for step, procedure, order, patient, visit, numbers in joined
    }


def _statement(
    columns: str, step_ids: Sequence[int], *, together: bool
) -> tuple[str, Sequence[Any]]:
    chosen, params = any_of("s.id", step_ids)
    numbers = _numbers() if together else ""
    return (
        f"SELECT {columns} FROM {_table(ScheduledProcedureStep)} s"  # noqa: S608 - names only
        f" JOIN {_table(RequestedProcedure)} r ON r.id = s.procedure_id"
        f" JOIN {_table(Order)} o ON o.id = r.order_id"
        f" JOIN {_table(Patient)} p ON p.id = o.patient_id"
        f" LEFT JOIN {_table(Visit)} v ON v.id = o.visit_id{numbers}"
        f" WHERE {chosen}"
    ), params


def _with_identifiers(
    rows: Iterable[Sequence[Any]], parts: Sequence[_Part]
) -> list[tuple[Any, ...]]:
    """The instances of each step and its patient's numbers, in which alone its rows differ."""
    *firsts, last = parts
    database = connections[DEFAULT_DB_ALIAS]
    found: dict[Any, tuple[Any, ...]] = {}
    for row in rows:
        known = found.get(row[0])
        if known is None:
            known = found[row[0]] = (*(part.instance(row, database) for part in firsts), [])
        identifier = last.instance(row, database)
        if identifier is not None:
            known[-1].append(identifier)
    return list(found.values())


def _with_answers(patient: PatientView, told: dict[str, Any]) -> PatientView:
    """The patient as the safety answers of this exam tell (ToldOfSafety): they are newer."""
    if not told:
        return patient
    needs = _joined(patient.special_needs, told.get("needs", ()))
    return replace(
        patient,
        pregnancy_status=told.get("pregnancy", patient.pregnancy_status),
        alerts=tuple(dict.fromkeys((*patient.alerts, *told.get("alerts", ())))),
        allergies=tuple(dict.fromkeys((*patient.allergies, *told.get("allergies", ())))),
        special_needs=needs,
        weight_kg=told.get("weight_kg", patient.weight_kg),
        height_m=told.get("height_m", patient.height_m),
    )


def _joined(said: str, more: Sequence[str]) -> str:
    """Several words as one value; the answer marks it where it is too long."""
    return "; ".join(dict.fromkeys(filter(None, (said, *more)))) if more else said


def _numbers_of(patients: Iterable[Patient]) -> dict[int, list[PatientIdentifier]]:
    """Their numbers by primary key of the patient, by one statement."""
    columns, (part,) = _parts(connection.vendor, ("i", PatientIdentifier))
    chosen, params = any_of("i.patient_id", [patient.pk for patient in patients])
    found = defaultdict(list)
    database = connections[DEFAULT_DB_ALIAS]
    for row in fetch(
        f"SELECT {columns} FROM {_table(PatientIdentifier)} i"  # noqa: S608 - names only
        f" WHERE {chosen}",
        params,
        as_text=True,
    ):
        identifier = part.instance(row, database)
        found[identifier.patient_id].append(identifier)
    return found


def _entry(
    step: ScheduledProcedureStep,
    procedure: RequestedProcedure,
    order: Order,
    patient: Patient,
    visit: Visit | None,
    identifiers: Sequence[PatientIdentifier],
    institution: str,
    study_start: datetime | None,
    key: tuple[int, ...],
) -> WorklistEntry:
    step.appointment = None  # not part of an answer, and not worth a statement each
    return WorklistEntry(
        step=step_view(step),
        procedure=ProcedureView(
            public_id=str(procedure.public_id),
            procedure_id=procedure.procedure_id,
            study_instance_uid=procedure.study_instance_uid,
            code=procedure_code(procedure),
            description=procedure.description,
            laterality=procedure.laterality,
            stage=Stage(procedure.stage),
            started_at=study_start,
            updated_at=procedure.updated_at,
        ),
        patient=_with_answers(patient_view(patient, identifiers), order.safety),
        visit=visit_view(visit),
        order_public_id=str(order.public_id),
        placer=Identifier(order.placer_order_number, order.placer_issuer, "PLAC"),
        filler=Identifier(order.filler_order_number, order.filler_issuer, "FILL"),
        accession=Identifier(order.accession_number, order.accession_issuer, "ACSN"),
        priority=Priority(order.priority),
        reason=order.reason,
        reason_code=Code.from_json(order.reason_code),
        comments=order.comments,
        requester=PersonName.parse(order.requester),
        referring=PersonName.parse(order.referring),
        requesting_service=order.requesting_service,
        transport=order.transport,
        institution=institution,
        entered_by=order.entered_by,
        entering_location=order.entering_location,
        requesting_service_code=Code.from_json(order.requesting_service_code),
        clinical_information=order.clinical_information,
        patient_state=_joined(order.patient_state, order.safety.get("states", ())),
        confidentiality=order.confidentiality,
        patient_confidentiality=order.patient_confidentiality,
        callback_phone=order.callback_phone,
        ordered_at=order.ordered_at,
        key=key,
    )

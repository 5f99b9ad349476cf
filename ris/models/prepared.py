"""Statements that are worked out once and run many times.

Building SQL from a queryset takes Django several times as long as the database takes to run it, and
a message in makes fifty statements. Here the text of a statement is kept: per connection, because
Django's converters belong to one. What a field makes of a value, in and out, stays Django's work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, ForeignKey, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import InsertQuery

M = TypeVar("M", bound=Model)


class Given(Expression):
    """Stands in a queryset for a value that is given when the statement is run."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name
        self.kind = field

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Given:
        return self  # it refers to nothing

    def __repr__(self) -> str:
        return f"Given({self.name!r})"


class Select(Generic[M]):
    """A SELECT of instances whose text does not change, only its :class:`Given` values.

    ``build`` makes the queryset and is called once per connection; ``select_related`` and
    ``select_for_update`` count, ``prefetch_related`` does not. None as a value finds nothing.
    """

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build
        self._known: WeakKeyDictionary[BaseDatabaseWrapper, _Statement[M]] = WeakKeyDictionary()

    def all(self, **values: Any) -> list[M]:
        """The instances the statement finds."""
        connection = connections[DEFAULT_DB_ALIAS]
        statement = self._known.get(connection)
        if statement is None:
            statement = self._known[connection] = _Statement(self._build(), connection)
        return statement.run(connection, values)

    def first(self, **values: Any) -> M | None:
        """The first instance the statement finds; say ``[:1]`` in the queryset if many would."""
        found = self.all(**values)
        return found[0] if found else None


class _Statement(Generic[M]):
    """The text of a SELECT and how its rows become instances."""

    def __init__(self, queryset: QuerySet[M], connection: BaseDatabaseWrapper) -> None:
        if queryset._iterable_class is not ModelIterable:
            raise TypeError("only instances can be selected")
        compiler = queryset.query.get_compiler(connection=connection)
        self._sql, params = compiler.as_sql()
        self._params = tuple(params)
        # The connection knows this statement: a reference back would keep both for ever.
        select, info = compiler.select, compiler.klass_info
        first, last = info["select_fields"][0], info["select_fields"][-1] + 1
        self._model: type[M] = info["model"]
        self._fields = slice(first, last)
        self._names = [column[0].target.attname for column in select[first:last]]
        # The stubs are those of a later Django.
        self._related = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]
        columns = [column[0] for column in select]
        self._converters = [
            (index, [_bound(convert, expression) for convert in converters])
            for index, (converters, expression) in compiler.get_converters(columns).items()
        ]

    def run(self, connection: BaseDatabaseWrapper, values: Mapping[str, Any]) -> list[M]:
        params = [
            param.kind.get_db_prep_value(values[param.name], connection, prepared=False)
            if isinstance(param, Given)
            else param
            for param in self._params
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, params)
            rows = cursor.fetchall()
        return [self._instance(row, connection) for row in rows]

    def _instance(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> M:
        values = list(row)
        for index, converters in self._converters:
            value = values[index]
            for convert in converters:
                value = convert(value, connection)
            values[index] = value
        instance = self._model.from_db(connection.alias, self._names, values[self._fields])
        for populator in self._related:
            populator.populate(values, instance)
        return instance


def _bound(convert: Any, expression: Any) -> Callable[[Any, BaseDatabaseWrapper], Any]:
    return lambda value, connection: convert(value, expression, connection)


_INSERTS: WeakKeyDictionary[BaseDatabaseWrapper, dict[Any, str]] = WeakKeyDictionary()
_UPDATES: WeakKeyDictionary[BaseDatabaseWrapper, dict[Any, str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a model's saves need to know of it."""

    fields: tuple[Field[Any, Any], ...]  # all that are inserted
    by_name: Mapping[str, Field[Any, Any]]  # by name and by attribute
    relations: tuple[ForeignKey[Any, Any], ...]


@cache
def _shape(model: type[Model]) -> _Shape:
    meta = model._meta
    fields = tuple(f for f in meta.local_concrete_fields if f is not meta.auto_field)
    by_name = {name: f for f in fields for name in (f.name, f.attname)}
    return _Shape(fields, by_name, tuple(f for f in fields if isinstance(f, ForeignKey)))


class Quick(Model):
    """Makes ``save`` and ``create`` use kept statements.

    New rows and saves of named fields go straight to their statement: there are no parents, no
    deferred fields and no signals here to look after. Everything else is left to Django.
    """

    class Meta:
        abstract = True

    def save(self, **options: Any) -> None:
        names = options.pop("update_fields", None)
        force_insert = options.pop("force_insert", False)
        shape, state = _shape(type(self)), self._state
        if (
            options.get("using") in {None, DEFAULT_DB_ALIAS}
            and not options.get("force_update")
            and (names or (names is None and state.adding and self.pk is None))
            and (not names or (self.pk is not None and not force_insert))
            and (not names or all(name in shape.by_name for name in names))
            and self._relations_are_saved(shape)
        ):
            with transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS):
                if not names:
                    (row,) = self._do_insert(
                        None, DEFAULT_DB_ALIAS, shape.fields, (self._meta.pk,), raw=False
                    )
                    setattr(self, self._meta.pk.attname, row[0])
                else:
                    fields = {shape.by_name[name] for name in names}
                    values = [
                        (field, None, field.pre_save(self, False))
                        for field in shape.fields
                        if field in fields
                    ]
                    if not self._do_update(None, DEFAULT_DB_ALIAS, self.pk, values, names, True):
                        raise DatabaseError("Save with update_fields did not affect any rows.")
            state.db, state.adding = DEFAULT_DB_ALIAS, False
            return
        super().save(force_insert=force_insert, update_fields=names, **options)

    def insert_unless_known(self) -> bool:
        """Add this new row; False, and nothing done, if a unique constraint holds one like it.

        One statement where ``get_or_create`` takes a savepoint and a failure inside.
        """
        shape = _shape(type(self))
        connection = connections[DEFAULT_DB_ALIAS]
        values = [field.pre_save(self, True) for field in shape.fields]
        known = _INSERTS.setdefault(connection, {})
        sql = known.get((type(self), "unless known"))
        if sql is None:
            plain = _insert_sql(self, connection, shape.fields, (self._meta.pk,))
            sql = plain.replace(" RETURNING ", " ON CONFLICT DO NOTHING RETURNING ")
            known[type(self), "unless known"] = sql
        with (
            transaction.mark_for_rollback_on_error(using=DEFAULT_DB_ALIAS),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, _prepared(shape.fields, values, connection))
            row = cursor.fetchone()
        if row is None:
            return False
        setattr(self, self._meta.pk.attname, row[0])
        self._state.db, self._state.adding = DEFAULT_DB_ALIAS, False
        return True

    def _relations_are_saved(self, shape: _Shape) -> bool:
        """Whether each related row has a key, and this one holds it; else it is Django's matter."""
        for field in shape.relations:
            if field.is_cached(self):
                related = getattr(self, field.name)
                if related is not None and related.pk != getattr(self, field.attname):
                    return False
        return True

    def _do_insert(
        self,
        manager: Any,
        using: str,
        fields: Sequence[Field[Any, Any]],
        returning_fields: Sequence[Field[Any, Any]],
        raw: bool,
    ) -> list[Any]:
        connection = connections[using]
        values = [getattr(self, f.attname) if raw else f.pre_save(self, True) for f in fields]
        if any(hasattr(value, "resolve_expression") for value in values):
            above: Any = super()
            if manager is None:
                manager = type(self)._base_manager
            return list(above._do_insert(manager, using, fields, returning_fields, raw))
        known = _INSERTS.setdefault(connection, {})
        key = (type(self), len(fields))
        sql = known.get(key)
        if sql is None:
            sql = known[key] = _insert_sql(self, connection, fields, returning_fields)
        with connection.cursor() as cursor:
            cursor.execute(sql, _prepared(fields, values, connection))
            return [cursor.fetchone()]

    def _do_update(  # type: ignore[override]  # the stubs are those of a later Django
        self,
        base_qs: Any,
        using: str,
        pk_val: Any,
        values: Sequence[tuple[Field[Any, Any], Any, Any]],
        update_fields: Any,
        forced_update: Any,
    ) -> bool:
        if not values or any(hasattr(value, "resolve_expression") for _, _, value in values):
            above: Any = super()
            if base_qs is None:
                base_qs = type(self)._base_manager.using(using)
            return bool(
                above._do_update(base_qs, using, pk_val, values, update_fields, forced_update)
            )
        connection = connections[using]
        known = _UPDATES.setdefault(connection, {})
        key = (type(self), *(field.attname for field, _, _ in values))
        sql = known.get(key)
        if sql is None:
            sql = known[key] = _update_sql(type(self), connection, [row[0] for row in values])
        params = [field.get_db_prep_save(value, connection) for field, _, value in values]
        with connection.cursor() as cursor:
            cursor.execute(sql, [*params, pk_val])
            return bool(cursor.rowcount > 0)


def _prepared(
    fields: Sequence[Field[Any, Any]], values: Sequence[Any], connection: BaseDatabaseWrapper
) -> list[Any]:
    return [
        field.get_db_prep_save(value, connection)
        for field, value in zip(fields, values, strict=True)
    ]


def _insert_sql(
    instance: Model,
    connection: BaseDatabaseWrapper,
    fields: Sequence[Field[Any, Any]],
    returning_fields: Sequence[Field[Any, Any]],
) -> str:
    query = InsertQuery(type(instance))
    query.insert_values(fields, [instance], raw=True)
    compiler = query.get_compiler(connection=connection)
    compiler.returning_fields = returning_fields
    ((sql, _),) = compiler.as_sql()
    return str(sql)


def _update_sql(
    model: type[Model], connection: BaseDatabaseWrapper, fields: Sequence[Field[Any, Any]]
) -> str:
    quote = connection.ops.quote_name
    sets = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    key = quote(str(model._meta.pk.column))
    return f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {key} = %s"  # noqa: S608

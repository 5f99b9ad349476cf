"""Statements that are worked out once and run many times.

Building SQL from a queryset takes Django several times as long as the database takes to run it, and
a message in makes forty statements. Here the text of a statement is kept, what its values need on
their way in and out, and how a row becomes an instance. What a field makes of a value stays
Django's word; the quick ways are for what needs nothing done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, ForeignKey, Manager, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable
from django.db.models.sql import InsertQuery

from ris.models import driver
from ris.models.columns import (
    Column,
    ExpressedError,
    Prepare,
    Read,
    columns,
    preparing,
    readers,
    stored,
)
from ris.models.driver import Rows, Text

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

    ``build`` makes the queryset and is called once per kind of database; ``select_related``,
    ``annotate`` and ``select_for_update`` count, ``prefetch_related`` does not. None as a value
    finds nothing.
    """

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build
        self._known: dict[str, _Statement[M]] = {}

    def all(self, **values: Any) -> list[M]:
        """The instances the statement finds."""
        connection = driver.here()
        statement = self._statement(connection)
        return statement.instances(connection, statement.rows(connection, values))

    def rows(self, **values: Any) -> tuple[Rows, Callable[[], list[M]]]:
        """The rows as the driver gives them, to be compared; and what makes instances of them."""
        connection = driver.here()
        statement = self._statement(connection)
        rows = statement.rows(connection, values)
        return rows, lambda: statement.instances(connection, rows)

    def lazily(self, **values: Any) -> list[LazyRow[M]]:
        """The rows, each with what makes an instance of it: whoever knows a row needs none."""
        connection = driver.here()
        statement = self._statement(connection)
        return [LazyRow(row, statement, connection) for row in statement.rows(connection, values)]

    def _statement(self, connection: BaseDatabaseWrapper) -> _Statement[M]:
        statement = self._known.get(connection.vendor)
        if statement is None:
            statement = _Statement(self._build(), connection)
            self._known[connection.vendor] = statement
        return statement

    def first(self, **values: Any) -> M | None:
        """The first instance the statement finds; say ``[:1]`` in the queryset if many would."""
        found = self.all(**values)
        return found[0] if found else None


class Listed:
    """A SELECT of values with all it asks for, to be run again: Django works it out once.

    Raises EmptyResultSet if it can find nothing.
    """

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        connection = driver.here()
        compiler = queryset.query.get_compiler(connection=connection)
        sql, self._params = compiler.as_sql()
        self.vendor = connection.vendor
        self._text = Text(sql, connection.vendor)
        self._readers = _readers(compiler, connection.vendor)

    def rows(self) -> list[list[Any]]:
        connection = driver.here()
        found = [list(row) for row in driver.rows(connection, self._text, self._params)]
        for row in found:
            _convert(row, self._readers, connection)
        return found


def _readers(compiler: Any, vendor: str) -> list[tuple[int, Read]]:
    """The places of a row whose values need something done, and what."""
    columns = [column[0] for column in compiler.select]
    return [
        (place, read)
        for place, (converters, expression) in compiler.get_converters(columns).items()
        for read in readers(converters, expression, vendor)
    ]


def _convert(
    row: list[Any], wanted: Sequence[tuple[int, Read]], connection: BaseDatabaseWrapper
) -> None:
    for place, read in wanted:
        value = row[place]
        # NULL is None in every field: whole joined rows are, where nothing joins
        if value is not None:
            row[place] = read(value, connection)


class LazyRow(Generic[M]):
    """A row as the driver gives it, to be compared with one of before."""

    __slots__ = ("_connection", "_statement", "row")

    def __init__(
        self, row: tuple[Any, ...], statement: _Statement[M], connection: BaseDatabaseWrapper
    ) -> None:
        self.row = row
        self._statement = statement
        self._connection = connection

    def number(self, name: str) -> int:
        """A column that is a primary key, its own or a related one, by attribute."""
        return int(self.row[self._statement.place(name)])

    def instance(self) -> M:
        return self._statement.instances(self._connection, [self.row])[0]


class _Statement(Generic[M]):
    """The text of a SELECT and how its rows become instances."""

    def __init__(self, queryset: QuerySet[M], connection: BaseDatabaseWrapper) -> None:
        if queryset._iterable_class is not ModelIterable:
            raise TypeError("only instances can be selected")
        compiler = queryset.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        self._text = Text(sql, connection.vendor)
        self._params: list[tuple[str, Prepare] | tuple[None, Any]] = [
            (param.name, preparing(param.kind, connection.vendor))
            if isinstance(param, Given)
            else (None, param)
            for param in params
        ]
        select, info = compiler.select, compiler.klass_info
        self._make = _Making(info, select)
        self._beside = list((compiler.annotation_col_map or {}).items())
        self._readers = _readers(compiler, connection.vendor)

    def rows(self, connection: BaseDatabaseWrapper, values: Mapping[str, Any]) -> Rows:
        params = [
            value if name is None else value(values[name], connection)
            for name, value in self._params
        ]
        return driver.rows(connection, self._text, params)

    def place(self, name: str) -> int:
        return self._make.place(name)

    def instances(self, connection: BaseDatabaseWrapper, rows: Rows) -> list[M]:
        return [self._instance(row, connection) for row in rows]

    def _instance(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> M:
        values = list(row)
        _convert(values, self._readers, connection)
        made: M = self._make(values, connection.alias)
        for name, place in self._beside:
            made.__dict__[name] = values[place]
        return made


class _Making:
    """How the columns of a row become an instance, with those it is related to."""

    def __init__(self, info: Mapping[str, Any], select: Sequence[Any]) -> None:
        if info.get("from_parent"):
            raise TypeError("no table here has a parent")
        first, last = info["select_fields"][0], info["select_fields"][-1] + 1
        self._model: Any = info["model"]
        self._slice = slice(first, last)
        self._names = [column[0].target.attname for column in select[first:last]]
        self._places: dict[str, int] = {
            name: first + index for index, name in enumerate(self._names)
        }
        self._key = self._places[self._model._meta.pk.attname]
        # A model with an __init__ of its own would expect it to be called.
        self._plain = self._model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]
        self._related = [
            (_Making(other, select), other["local_setter"], other["remote_setter"])
            for other in info.get("related_klass_infos", ())
        ]

    def place(self, name: str) -> int:
        """Where in a row an attribute of the model itself stands."""
        return self._places[name]

    def __call__(self, values: list[Any], alias: str) -> Any:
        if self._plain:
            instance = self._model.__new__(self._model)
            state = ModelState()
            state.db, state.adding = alias, False
            instance.__dict__["_state"] = state
            instance.__dict__.update(zip(self._names, values[self._slice], strict=True))
        else:
            instance = self._model.from_db(alias, self._names, values[self._slice])
        for make, set_here, set_there in self._related:
            other = make(values, alias) if values[make._key] is not None else None
            set_here(instance, other)
            if other is not None:
                set_there(other, instance)
        return instance


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a model's new rows and saves need to know of it."""

    by_name: Mapping[str, Field[Any, Any]]  # by name and by attribute
    relations: Mapping[str, ForeignKey[Any, Any]]
    constants: Mapping[str, Any]  # what a new instance holds if nothing else is said
    makers: Mapping[str, Callable[[], Any]]  # the same, made for each


@cache
def _shape(model: type[Model]) -> _Shape:
    meta = model._meta
    fields = tuple(f for f in meta.local_concrete_fields if f is not meta.auto_field)
    by_name = {name: f for f in fields for name in (f.name, f.attname)}
    constants: dict[str, Any] = {meta.pk.attname: None}
    makers: dict[str, Callable[[], Any]] = {}
    for field in fields:
        value = field.get_default()
        if field.has_default() and callable(field.default):
            makers[field.attname] = field.default
        elif hasattr(value, "resolve_expression"):
            makers[field.attname] = field.get_default  # the database's default
        else:
            constants[field.attname] = value
    return _Shape(
        by_name,
        {f.name: f for f in fields if isinstance(f, ForeignKey)},
        constants,
        makers,
    )


_Texts = dict[Any, Text]
_INSERTS: _Texts = {}
_UPDATES: dict[Any, tuple[Text, tuple[Column, ...]]] = {}


class QuickManager(Manager[M]):
    """``create`` without a queryset in between."""

    def create(self, **values: Any) -> M:
        instance = self.model(**values)
        cast(Quick, instance)._store()
        return instance


class Quick(Model):
    """Makes new instances, ``save`` and ``create`` take short ways.

    New rows and saves of named fields go straight to their statement: there are no parents, no
    deferred fields and no signals here to look after. Everything else is left to Django.
    """

    objects = QuickManager()

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **values: Any) -> None:
        shape = _shape(type(self))
        if args or not values.keys() <= shape.by_name.keys():
            super().__init__(*args, **values)
            return
        held = self.__dict__
        self._state = ModelState()
        held.update(shape.constants)
        for name, make in shape.makers.items():
            if name not in values:
                held[name] = make()
        for name, value in values.items():
            if name in shape.relations:
                setattr(self, name, value)  # which checks and keeps the related instance
            else:
                held[name] = value

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
            try:
                self._update(tuple(names)) if names else self._insert()
            except ExpressedError:
                pass
            else:
                state.db, state.adding = DEFAULT_DB_ALIAS, False
                return
        super().save(force_insert=force_insert, update_fields=names, **options)

    def _store(self) -> None:
        """What ``create`` does with a new instance: it is added, never updated."""
        Quick.save(self, force_insert=True)

    def insert_unless_known(self) -> bool:
        """Add this new row; False, and nothing done, if a unique constraint holds one like it.

        One statement where ``get_or_create`` takes a savepoint and a failure inside.
        """
        if not self._insert(unless_known=True):
            return False
        self._state.db, self._state.adding = DEFAULT_DB_ALIAS, False
        return True

    def _relations_are_saved(self, shape: _Shape) -> bool:
        """Whether each related row has a key, and this one holds it; else it is Django's matter."""
        held = self.__dict__
        for name, related in self._state.fields_cache.items():
            field = shape.relations.get(name)
            if field is None or related is None:
                continue
            key = related.__dict__.get(field.target_field.attname)
            if key is None or key != held.get(field.attname):
                return False
        return True

    def _insert(self, *, unless_known: bool = False) -> bool:
        connection = driver.here()
        wanted = columns(type(self), connection.vendor)
        params = stored(self, connection, wanted)
        key = (type(self), connection.vendor, unless_known)
        text = _INSERTS.get(key)
        if text is None:
            text = _INSERTS[key] = _insert_text(self, connection, wanted, unless_known)
        try:
            found = driver.rows(connection, text, params)
        except Exception as error:
            _mark_for_rollback(connection, error)
            raise
        if not found:
            return False
        self.__dict__[self._meta.pk.attname] = found[0][0]
        return True

    def _update(self, names: tuple[str, ...]) -> None:
        connection = driver.here()
        key = (type(self), connection.vendor, names)
        known = _UPDATES.get(key)
        if known is None:
            known = _UPDATES[key] = _update_text(type(self), connection, names)
        text, wanted = known
        params = stored(self, connection, wanted)
        params.append(self.pk)
        try:
            if not driver.count(connection, text, params):
                raise DatabaseError("Save with update_fields did not affect any rows.")
        except Exception as error:
            _mark_for_rollback(connection, error)
            raise


_ROWS_AT_ONCE = 16


def add_all(instances: Sequence[Quick]) -> None:
    """Add new rows of one model, many in a statement; they do not learn their keys."""
    for start in range(0, len(instances), _ROWS_AT_ONCE):
        _add_some(instances[start : start + _ROWS_AT_ONCE])


def _add_some(instances: Sequence[Quick]) -> None:
    model = type(instances[0])
    connection = driver.here()
    wanted = columns(model, connection.vendor)
    params: list[Any] = []
    for instance in instances:
        params += stored(instance, connection, wanted)
    key = (model, connection.vendor, len(instances))
    text = _INSERTS.get(key)
    if text is None:
        one = _insert_text(instances[0], connection, wanted, False).marked
        head, _, tail = one.partition(" VALUES ")
        values = tail.rpartition(" RETURNING ")[0]
        sql = f"{head} VALUES {', '.join([values] * len(instances))}"
        text = _INSERTS[key] = Text(sql, connection.vendor)
    try:
        driver.count(connection, text, params)
    except Exception as error:
        _mark_for_rollback(connection, error)
        raise


def _mark_for_rollback(connection: BaseDatabaseWrapper, error: Exception) -> None:
    """As Django does where a write may have been done in part."""
    if connection.in_atomic_block:
        connection.needs_rollback = True
        connection.rollback_exc = error  # type: ignore[attr-defined]


def _insert_text(
    instance: Model,
    connection: BaseDatabaseWrapper,
    wanted: Sequence[Column],
    unless_known: bool,
) -> Text:
    query = InsertQuery(type(instance))
    query.insert_values([column.field for column in wanted], [instance], raw=True)
    compiler = query.get_compiler(connection=connection)
    compiler.returning_fields = (instance._meta.pk,)
    ((sql, _),) = compiler.as_sql()
    if unless_known:
        sql = sql.replace(" RETURNING ", " ON CONFLICT DO NOTHING RETURNING ")
    return Text(sql, connection.vendor)


def _update_text(
    model: type[Model], connection: BaseDatabaseWrapper, names: Sequence[str]
) -> tuple[Text, tuple[Column, ...]]:
    by_name = _shape(model).by_name
    fields = {by_name[name] for name in names}
    wanted = tuple(
        column._replace(now=getattr(column.field, "auto_now", False))
        for column in columns(model, connection.vendor)
        if column.field in fields
    )
    quote = connection.ops.quote_name
    sets = ", ".join(f"{quote(str(column.field.column))} = %s" for column in wanted)
    key = quote(str(model._meta.pk.column))
    sql = f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {key} = %s"  # noqa: S608
    return Text(sql, connection.vendor), wanted

"""The worklist: which scheduled steps match a query, as read models, quickly.

Two statements at most: one over indexes that names the matching steps with the versions of all
their answer is made of, and one that reads those steps that changed since they were last read. A
lookup by a number that few steps have is one statement, which does both. Three more if a physician
is asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from ris.domain.orders import OFFERED, OrderStatus, StepStatus
from ris.domain.values import Code, fold
from ris.models import (
    Order,
    Patient,
    PatientIdentifier,
    RequestedProcedure,
    ScheduledProcedureStep,
    Site,
    Visit,
)
from ris.selectors import name_keys, worklist_rows, worklist_shown
from ris.selectors.facility import site
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.statements import fetch
from ris.selectors.views import WorklistEntry, WorklistQuery
from ris.selectors.worklist_memory import (
    KnownAnswers,
    KnownEntries,
    Rows,
    WorklistAnswer,
)
from ris.selectors.worklist_rows import RANK
from ris.selectors.worklist_texts import is_pattern, issuers, like, one_text, texts

_LIVE = (OrderStatus.ACTIVE,)
# Asking for what is over also finds it in orders that are over.
_OVER = (OrderStatus.ACTIVE, OrderStatus.COMPLETED, OrderStatus.DISCONTINUED)


_known = KnownEntries()
_answers = KnownAnswers()


def entries(query: WorklistQuery) -> WorklistAnswer:
    """The steps that meet every condition of ``query``, at most ``query.limit``."""
    if _is_lookup(query):
        found_at_once = _looked_up(query)
        if found_at_once is not None:
            return found_at_once
    rows = _rows(query)
    answer = _answers.recall(query, rows)
    if answer is None:
        found = [_Row(_version_key(row), row[_INSTITUTION] or "") for row in rows[: query.limit]]
        answer = WorklistAnswer(tuple(_read(found)), truncated=len(rows) > query.limit)
        _answers.remember(query, rows, answer)
    return answer


def _is_lookup(query: WorklistQuery) -> bool:
    """Whether it asks for a number that few steps have, and for nothing that takes a sieve."""
    number = (
        query.step_id
        or query.procedure_id
        or query.accession_number
        or query.placer_number
        or query.filler_number
    )
    if number is not None:
        is_exact = not (number.wildcard and is_pattern(number.pattern))
    else:
        is_exact = bool(query.study_instance_uids)
    return is_exact and not query.patient_name and _is_fixed(query)


def _looked_up(query: WorklistQuery) -> WorklistAnswer | None:
    """The same by one statement, which reads the steps as well; None if there are too many."""
    statement, params = _fixed_statement(query, connection.vendor, whole=True)
    found = fetch(statement, (*params, query.limit + 1, 0), as_text=True)
    if len(found) > query.limit:
        return None
    if len(found) > 1:
        found = worklist_rows.in_order(found, _VERSIONS)
    # A row for each number of a step's patient; they are told apart behind the versions.
    versions = list(dict.fromkeys(row[:_VERSIONS] for row in found))
    answer = _answers.recall(query, versions)
    if answer is None:
        institution = (found[0][_INSTITUTION] or "") if found else ""
        read = _known.get(
            [_version_key(row) for row in versions],
            lambda keys: worklist_rows.made_of(
                [row[_VERSIONS:] for row in found if row[0] in keys], institution, keys
            ),
        )
        answer = WorklistAnswer(tuple(read))
        _answers.remember(query, versions, answer)
    return answer


def unremembered(query: WorklistQuery) -> tuple[WorklistEntry, ...]:
    """As ``entries``, and nothing of it kept: for what is not committed and may be undone."""
    rows = _rows(query)[: query.limit]
    institution = (rows[0][_INSTITUTION] or "") if rows else ""
    read = worklist_rows.read({row[0]: () for row in rows}, institution)
    return tuple(read[row[0]] for row in rows if row[0] in read)


# --- the statement


@dataclass(slots=True)
class _Where:
    """Conditions, joined by AND."""

    clauses: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, clause: str, *params: Any) -> None:
        self.clauses.append(clause)
        self.params += params

    def any_of(self, alternatives: Iterable[tuple[str, Sequence[Any]]]) -> None:
        listed = list(alternatives)
        self.clauses.append(f"({' OR '.join(clause for clause, _ in listed) or '1 = 0'})")
        for _, params in listed:
            self.params += params

    def within(self, column: str, values: Iterable[Any]) -> None:
        listed = list(values)
        if len(listed) == 1:
            self.add(f"{column} = %s", listed[0])
        else:
            marks = ", ".join(["%s"] * len(listed))
            self.add(f"{column} IN ({marks})" if listed else "1 = 0", *listed)


class _Row(NamedTuple):
    """A match: the primary key of the step leads the version key of its entry."""

    key: tuple[int, ...]
    institution: str


def _rows(query: WorklistQuery) -> Rows:
    """The matching steps in order with the versions of their answers, one more than the limit."""
    statement, params = _statement(query)
    wanted = query.limit + 1
    found: Rows = []
    offset = 0
    while True:
        rows = fetch(statement, (*params, wanted, offset))
        if query.patient_name:
            # The sieve lets a "*" run from one group of a name into the next.
            found += [row for row in rows if name_keys.matches(query.patient_name, row[-1])]
        else:
            found += rows
        if len(rows) < wanted or len(found) >= wanted:
            return found[:wanted]
        offset += wanted


def _physicians(query: WorklistQuery) -> tuple[tuple[str, str], ...]:
    return (
        ("s.performing_physician", query.performing_physician),
        ("o.requester", query.requesting_physician),
        ("o.referring", query.referring_physician),
    )


def _is_fixed(query: WorklistQuery) -> bool:
    """Whether its statement follows from the query alone, without the site's zone or names."""
    is_timed = query.time_from or query.time_to
    return not (is_timed or any(name for _, name in _physicians(query)))


def _statement(query: WorklistQuery) -> tuple[str, tuple[Any, ...]]:
    if _is_fixed(query):
        return _fixed_statement(query, connection.vendor)
    physicians = _physicians(query)
    where = _conditions(query)
    for column, name in physicians:
        if name_keys.name_keys(name):
            where.within(column, _spellings(query, column, name, where))
    return _select(query, where, connection.vendor), tuple(where.params)


@lru_cache(maxsize=512)
def _fixed_statement(
    query: WorklistQuery, vendor: str, *, whole: bool = False
) -> tuple[str, tuple[Any, ...]]:
    where = _conditions(query)
    return _select(query, where, vendor, whole=whole), tuple(where.params)


def _version_key(row: tuple[Any, ...]) -> tuple[int, ...]:
    """Changes whenever anything in the answer does; valid within this process."""
    step, step_version, procedure_at, order_version, patient, patient_version, *rest = row
    visit, visit_at, study_at, institution, _ = rest
    return (
        step,
        step_version,
        hash(procedure_at),
        order_version,
        patient,
        patient_version,
        visit or 0,
        hash(visit_at),
        hash(study_at),
        zlib.crc32((institution or "").encode()),
    )


@lru_cache(maxsize=64)
def _table(model: Any) -> str:
    return connection.ops.quote_name(model._meta.db_table)


_JOINS = {
    # what to begin with: the order of the tables, each with what ties it to the ones before
    "s": (("s", ""), ("r", "r.id = s.procedure_id"), ("o", "o.id = r.order_id"),
          ("p", "p.id = o.patient_id")),
    "r": (("r", ""), ("s", "s.procedure_id = r.id"), ("o", "o.id = r.order_id"),
          ("p", "p.id = o.patient_id")),
    "o": (("o", ""), ("r", "r.order_id = o.id"), ("s", "s.procedure_id = r.id"),
          ("p", "p.id = o.patient_id")),
    "p": (("p", ""), ("o", "o.patient_id = p.id"), ("r", "r.order_id = o.id"),
          ("s", "s.procedure_id = r.id")),
}  # fmt: skip
_MODELS = {"s": ScheduledProcedureStep, "r": RequestedProcedure, "o": Order, "p": Patient}


def _driver(query: WorklistQuery) -> str:
    """The table to begin with: the one whose condition leaves the fewest rows."""
    if query.step_id:
        return "s"
    if query.study_instance_uids or query.procedure_id:
        return "r"
    if query.accession_number or query.placer_number or query.filler_number:
        return "o"
    if query.patient_id:
        return "p"
    # A name may be common, a few days are few rows.
    if query.patient_name and not (query.start_from and query.start_before):
        return "p"
    return "s"


def _from(driver: str, vendor: str) -> str:
    # SQLite has no statistics to choose by and keeps the order of a CROSS JOIN; PostgreSQL has
    # them and does better on its own.
    join = "CROSS JOIN" if vendor == "sqlite" else "JOIN"
    first, *others = _JOINS[driver]
    return (
        f" FROM {_table(_MODELS[first[0]])} {first[0]}"
        + "".join(f" {join} {_table(_MODELS[name])} {name} ON {tie}" for name, tie in others)
        + f" LEFT JOIN {_table(Visit)} v ON v.id = o.visit_id"
    )


_PRIORITY_RANK = (
    "CASE o.priority "
    + " ".join(f"WHEN '{priority.value}' THEN {rank}" for priority, rank in RANK.items())
    + f" ELSE {len(RANK)} END"
)


# The columns that _select begins with, and which of them is the site's institution.
_VERSIONS = 11
_INSTITUTION = 9


def _select(query: WorklistQuery, where: _Where, vendor: str, *, whole: bool = False) -> str:
    named = bool(query.patient_name)
    return _text(tuple(where.clauses), _driver(query), vendor, named=named, whole=whole)


@lru_cache(maxsize=512)
def _text(clauses: tuple[str, ...], driver: str, vendor: str, *, named: bool, whole: bool) -> str:
    """The versions of what each answer is made of; with ``whole`` all of it too, unsorted."""
    name = "p.name_key" if named else "''"
    order = "" if whole else f" ORDER BY s.start_at, {_PRIORITY_RANK}, s.step_id"
    more, numbers = worklist_rows.columns_with_numbers() if whole else ("", "")
    # Only names of tables and the fixed clauses of this module go into the text.
    return (
        "SELECT s.id, s.version, r.updated_at, o.version, p.id, p.version, v.id, v.updated_at,"  # noqa: S608
        f" {worklist_shown.study_start(vendor)},"
        f" (SELECT institution FROM {_table(Site)} ORDER BY id LIMIT 1), {name}"
        f"{more}{_from(driver, vendor)}{numbers} WHERE {' AND '.join(clauses)}"
        f"{order} LIMIT %s OFFSET %s"
    )


def _conditions(query: WorklistQuery) -> _Where:
    """Everything but the physicians, whose names have no folded column."""
    where = _Where()
    statuses = query.statuses or OFFERED
    over = statuses & {StepStatus.COMPLETED, StepStatus.DISCONTINUED}
    # A sign keeps SQLite from an index: that of the status is for lists without a first day, where
    # it leaves out all that is over.
    no_index = "+" if connection.vendor == "sqlite" else ""
    by_status = _driver(query) == "s" and not (query.step_id or query.start_from)
    where.within(
        f"{'' if by_status else no_index}s.status", sorted(status.value for status in statuses)
    )
    where.within(f"{no_index}o.status", [status.value for status in (_OVER if over else _LIVE)])
    _add_start(where, query)
    # A station's day is fewer steps than a modality's, which SQLite cannot know.
    titles = query.station_ae_titles
    by_station = bool(titles) and not any(is_pattern(title) for title in titles)
    for column, values in (
        ("s.station_ae_title", titles),
        (f"{no_index if by_station else ''}s.modality", query.modalities),
    ):
        if values:
            where.any_of(one_text(column, value, wildcard=True) for value in values)
    for column, views in (
        ("s.station_ae_title", query.view_stations),
        (f"{no_index}s.modality", query.view_modalities),
    ):
        for values in views:
            where.any_of(one_text(column, value, wildcard=True) for value in values)
    for column, match in (
        ("s.step_id", query.step_id),
        ("s.station_name", query.station_name),
        ("s.location", query.location),
        ("r.procedure_id", query.procedure_id),
        ("o.accession_number", query.accession_number),
        ("o.placer_order_number", query.placer_number),
        ("o.filler_order_number", query.filler_number),
        ("v.number", query.admission_id),
    ):
        if match is not None:
            where.any_of(texts(column, match))
    for name, expression in worklist_shown.text_columns(connection.vendor).items():
        match = getattr(query, name)
        if match is not None:
            where.any_of(texts(expression, match))
    for column, asked in (
        ("o.accession_issuer", query.accession_issuers),
        ("v.issuer", query.admission_issuers),
    ):
        if asked:
            where.any_of(_issuer(column, asked))
    if query.study_instance_uids:
        where.within("r.study_instance_uid", query.study_instance_uids)
    if query.priorities:
        where.within("o.priority", [priority.value for priority in query.priorities])
    if query.procedure_codes:
        where.any_of(_code(code) for code in query.procedure_codes)
    if query.protocol_codes:
        where.any_of(_protocol_code(code) for code in query.protocol_codes)
    _add_patient(where, query)
    return where


def _add_start(where: _Where, query: WorklistQuery) -> None:
    if query.start_from is not None:
        where.add("s.start_at >= %s", _instant(query.start_from))
    if query.start_before is not None:
        where.add("s.start_at < %s", _instant(query.start_before))
    if query.time_from or query.time_to:
        zone = query.time_zone or site().time_zone
        clock, params = connection.ops.datetime_cast_time_sql("s.start_at", (), zone)
        if query.time_from:
            where.add(f"{clock} >= {_TIME_MARK[connection.vendor]}", *params,
                      _clock(query.time_from))  # fmt: skip
        if query.time_to:
            where.add(f"{clock} <= {_TIME_MARK[connection.vendor]}", *params,
                      _clock(query.time_to))  # fmt: skip


_TIME_MARK = {"sqlite": "%s", "postgresql": "%s::time"}


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _clock(text: str) -> str:
    """HHMMSS.FFFFFF as both databases print a time: SQLite compares texts."""
    time = f"{text[:2]}:{text[2:4]}:{text[4:6]}"
    return time if text[7:] in {"", "000000"} else f"{time}.{text[7:]}"


def _add_patient(where: _Where, query: WorklistQuery) -> None:
    if name_keys.name_keys(query.patient_name):
        where.any_of(_names(query.patient_name))
    if query.patient_id is not None or query.patient_id_issuer:
        inner = _Where()
        if query.patient_id is not None:
            inner.any_of(texts("i.value", query.patient_id))
        else:
            inner.add(f"i.{connection.ops.quote_name('primary')} = %s", True)
        if query.patient_id_issuer:
            said = query.patient_id_issuer.split("\\")
            inner.any_of(one_text("i.issuer", one, wildcard=True) for one in said)
        # Any number of the patient: after a merge the wristband still shows the old one.
        where.add(
            f"p.id IN (SELECT i.patient_id FROM {_table(PatientIdentifier)} i"  # noqa: S608
            f" WHERE {' AND '.join(inner.clauses)})",
            *inner.params,
        )
    if query.patient_birth_date is not None:
        first, last = (as_stored(day) for day in query.patient_birth_date)
        where.add("LENGTH(p.birth_date) = 10")
        if first == last:
            where.add("p.birth_date = %s", first)
        else:
            if first:
                where.add("p.birth_date >= %s", first)
            if last:
                where.add("p.birth_date <= %s", last)
    if query.patient_sex:
        where.within("p.sex", query.patient_sex.split("\\"))


def as_stored(day: str) -> str:
    """A day of a query (PS3.5 6.2 DA) as birth dates are kept; empty for an open end."""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _names(text: str) -> list[tuple[str, Sequence[Any]]]:
    """The sieve for a person name: alternatives, each with one condition for a group."""
    found = []
    for key in name_keys.name_keys(text):
        where = _Where()
        for variants in key.sieve():
            where.any_of(like("p.name_key", variant) for variant in variants)
        found.append((" AND ".join(where.clauses) or "1 = 1", where.params))
    return [(f"({clause})", params) for clause, params in found]


def _issuer(
    column: str, asked: Sequence[str | IssuerPattern]
) -> Iterator[tuple[str, Sequence[Any]]]:
    for one in asked:
        if isinstance(one, str):
            yield f"{column} = %s", [one]
        else:
            yield from issuers(column, one)


def _code(code: Code) -> tuple[str, Sequence[Any]]:
    return _parts_of(code, "r.code_value", worklist_shown.designator("r.code_scheme"))


def _protocol_code(code: Code) -> tuple[str, Sequence[Any]]:
    """One of the step's protocol codes is ``code``."""
    each, value, scheme = worklist_shown.protocol_columns(connection.vendor)
    clause, params = _parts_of(code, value, worklist_shown.designator(scheme))
    return f"EXISTS (SELECT 1 FROM {each} WHERE {clause})", params  # noqa: S608 - fixed text


def _parts_of(code: Code, value: str, scheme: str) -> tuple[str, Sequence[Any]]:
    """An empty part of a code is any."""
    where = _Where()
    for column, wanted in ((value, code.value), (scheme, code.scheme)):
        if wanted:
            where.any_of([one_text(column, wanted, wildcard=True)])
    return f"({' AND '.join(where.clauses) or '1 = 1'})", where.params


def _spellings(query: WorklistQuery, column: str, name: str, where: _Where) -> list[str]:
    """The stored physicians that meet the key, among the steps that meet everything else."""
    tables = _from(_driver(query), connection.vendor)
    rows = fetch(
        f"SELECT DISTINCT {column}{tables} WHERE {' AND '.join(where.clauses)}",
        where.params,
    )
    return [stored for (stored,) in rows if stored and name_keys.matches(name, fold(stored))]


# --- reading


def _read(found: Sequence[_Row]) -> list[WorklistEntry]:
    institution = found[0].institution if found else ""
    return _known.get(
        [row.key for row in found], lambda keys: worklist_rows.read(keys, institution)
    )

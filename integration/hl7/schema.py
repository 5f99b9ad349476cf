"""The standard's own tables: which structure, which fields, which types, which codes.

Compiled from hl7apy's tables into small tuples, once per version and segment; hl7apy's parser is
not used (14 ms for an order, drops segments its structures do not name). What its tables get wrong
or leave out is corrected here: fields are taken by their number, not by their place in the table
(EVN of 2.8 lacks EVN-1), triggers find their structure without MSH-9.3, ZDS exists, segments of
later versions are known in older ones, table 0211 has all its names in all versions.

:func:`check` compares a message with them for endpoints that want that; tolerant endpoints do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from hl7apy import load_library

from integration.hl7 import charset, times, versions
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Repetition, Segment
from ris.domain.errors import InvalidValueError, MissingValueError, RisError

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
_OLDER = ("2.1", "2.2")  # read by the tables of 2.3
# What an endpoint may be said to speak; 2.7.1 and 2.9 are read by the tables before them.
NAMED_VERSIONS = tuple(sorted((*_OLDER, *VERSIONS, "2.7.1", "2.9", "2.9.1")))


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a segment."""

    number: int
    name: str
    data_type: str
    required: bool
    repeats: bool
    table: str = ""  # "0001", if the standard names one


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component of a data type."""

    number: int
    name: str
    data_type: str
    required: bool
    table: str = ""


@dataclass(frozen=True, slots=True)
class StructureSpec:
    """A message structure, flattened: what must occur, and what may."""

    name: str
    required: tuple[tuple[str, ...], ...]  # each: one of these
    segments: frozenset[str]


# --- versions and triggers ----------------------------------------------------------------------


def known_version(text: str) -> str:
    """The version whose tables to use for MSH-12: itself, or the nearest older one.

    Raises InvalidValueError for what is no version 2.
    """
    return _nearest(versions.numbers(text) if versions.is_version(text) else ())


def _nearest(wanted: tuple[int, ...]) -> str:
    if wanted[:1] != (2,):
        raise InvalidValueError("not a version 2 of HL7", path="MSH-12.1")
    older = [version for version in VERSIONS if versions.numbers(version) <= wanted]
    return older[-1] if older else VERSIONS[0]


def _shared(code: str, **structures: str) -> dict[tuple[str, str], str]:
    return {
        (code, trigger): f"{code}_{structure}"
        for structure, triggers in structures.items()
        for trigger in triggers.split()
    }


# Triggers that use the structure of another one (table 0354).
_STRUCTURES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **_shared(
            "ADT",
            A01="A01 A04 A08 A13",
            A05="A05 A14 A28 A31",
            A06="A06 A07",
            A09="A09 A10 A11",
            A21="A21 A22 A23 A25 A26 A27 A29 A32 A33",
            A30="A30 A34 A35 A36 A46 A47 A48 A49",
            A39="A39 A40 A41 A42",
            A43="A43 A44",
            A50="A50 A51",
            A52="A52 A53",
            A54="A54 A55",
            A61="A61 A62",
        ),
        **_shared("SIU", S12="S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26 S27"),
        **_shared("SRM", S01="S01 S02 S03 S04 S05 S06 S07 S08 S09 S10 S11"),
        **_shared("SRR", S01="S01 S02 S03 S04 S05 S06 S07 S08 S09 S10 S11"),
        **_shared("MDM", T01="T01 T03 T05 T07 T09 T11", T02="T02 T04 T06 T08 T10"),
        **_shared("QBP", Q21="Q21 Q22 Q23 Q24"),
        **_shared("RSP", K21="K21 K22 K24"),
    }
)
# Where an older version has no such structure yet, its messages had this one.
_BEFORE: Mapping[str, str] = MappingProxyType(
    {"ADT_A05": "ADT_A01", "ADT_A21": "ADT_A09", "ADT_A15": "ADT_A01", "ADT_A12": "ADT_A09"}
)


@lru_cache(maxsize=512)
def structure(version: str, code: str, trigger: str, declared: str = "") -> str | None:
    """The structure for MSH-9, whether or not the sender named it in MSH-9.3.

    A declared structure counts if the version has it: senders put the trigger there (ADT_A08).
    """
    known = _library(known_version(version)).MESSAGES
    shared = _STRUCTURES.get((code, trigger), f"{code}_{trigger}")
    for name in (shared, declared, _BEFORE.get(shared, ""), code):
        if name and name in known:
            return name
    return None


@lru_cache(maxsize=512)
def described(version: str, code: str, trigger: str, declared: str = "") -> StructureSpec | None:
    """What a message of this type must hold.

    A type that its version does not have yet, or no longer (ORM from 2.7 on), is described as in
    the nearest older version that has it, else in the next one.
    """
    known = VERSIONS.index(known_version(version))
    for candidate in (*reversed(VERSIONS[: known + 1]), *VERSIONS[known + 1 :]):
        name = structure(candidate, code, trigger, declared)
        if name:
            return message(candidate, name)
    return None


# --- segments, types, tables --------------------------------------------------------------------

_ZDS = {1: FieldSpec(1, "STUDY INSTANCE UID", "RP", required=True, repeats=False)}
# Fields that the standard requires on a condition only, and one that the tables of 2.3.1 forget.
_REQUIRED: Mapping[tuple[str, int], bool] = MappingProxyType(
    {("OBX", 2): False, ("OBX", 4): False, ("ORC", 7): False, ("OBR", 27): False, ("ORC", 1): True}
)
_MSH_18 = FieldSpec(18, "CHARACTER SET", "ID", required=False, repeats=True, table="0211")


@lru_cache(maxsize=1024)
def segment(version: str, name: str) -> Mapping[int, FieldSpec] | None:
    """The fields of a segment by number; None for a segment that no version has.

    A segment of a later version than the message's is described as it first appeared.
    """
    if name == "ZDS":
        return MappingProxyType(_ZDS)
    known = known_version(version)
    for candidate in VERSIONS[VERSIONS.index(known) :]:
        rows = _library(candidate).SEGMENTS.get(name)
        if rows is not None:
            specs = {spec.number: spec for spec in map(_field, rows[1])}
            for (of, number), required in _REQUIRED.items():
                if of == name and number in specs:
                    specs[number] = replace(specs[number], required=required)
            if name == "MSH":
                specs[18] = _MSH_18
            return MappingProxyType(specs)
    return None


@lru_cache(maxsize=2048)
def data_type(version: str, name: str) -> Mapping[int, ComponentSpec]:
    """The components of a data type by number; none for a primitive type."""
    rows = _library(known_version(version)).DATATYPES_STRUCTS.get(name, ())
    specs = (
        ComponentSpec(_number(key), _words(ref[3]), ref[2], cardinality[0] > 0, _table(ref[4]))
        for key, ref, cardinality, _ in rows
    )
    return MappingProxyType({spec.number: spec for spec in specs})


@lru_cache(maxsize=1024)
def table(version: str, number: str) -> frozenset[str]:
    """The codes of a table; none if the standard leaves them to the site."""
    tables = getattr(_library(known_version(version)), "TABLES", {})  # 2.3 has none
    _, codes = tables.get(f"HL7{number}", ("", ()))
    return frozenset(codes)


@lru_cache(maxsize=256)
def message(version: str, name: str) -> StructureSpec | None:
    """A structure by name; None if the version has none of that name."""
    root = _library(known_version(version)).MESSAGES.get(name)
    if root is None:
        return None
    required = tuple(_required(root))
    return StructureSpec(name, required, frozenset(_names(root)))


def _library(version: str) -> Any:
    return load_library(version)


def _number(key: str) -> int:
    return int(key.rpartition("_")[2])


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")


def _table(name: str | None) -> str:
    return (name or "").removeprefix("HL7")


def _field(row: Any) -> FieldSpec:
    key, ref, (least, most), _ = row
    return FieldSpec(
        _number(key), _words(ref[3]), ref[2], least > 0, most not in (0, 1), _table(ref[4])
    )


def _names(node: Any) -> Iterator[str]:
    for name, child, _, kind in node[1]:
        if kind == "SEG":
            yield name
        elif child is not None:
            yield from _names(child)


def _required(node: Any) -> Iterator[tuple[str, ...]]:
    """Segments that every message of the structure has, within groups that every one has.

    Of a choice one suffices; hl7apy's own validator asks for all of them.
    """
    kind, children = node[0], node[1]
    if kind == "choice":
        yield tuple(_names(node))
        return
    for name, child, (least, _), child_kind in children:
        if least == 0:
            continue
        if child_kind == "SEG":
            yield (name,)
        elif child is not None:
            yield from _required(child)


# --- checking a message -------------------------------------------------------------------------

_MAX_FAULTS = 50
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+")
_TIME_OF_DAY = re.compile(
    r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,4})?)?)?(?:[+-][0-9]{4})?"
)
# Tables that sites extend in practice, although the standard calls them its own.
_OPEN_TABLES = frozenset({"0104", "0399", "0396", "0203", "0191", "0291"})


def check(received: Message, *, tables: bool = True) -> list[RisError]:
    """All that is missing or malformed by the standard's tables, each with its place.

    Unknown segments and fields beyond the version are no faults. Deleted values are never
    malformed. At most 50 faults are told.
    """
    header = received.header
    faults: list[RisError] = []
    if misread := versions.fault(header.version):
        faults.append(misread)
    try:
        version = _nearest(versions.numbers(header.version))
    except InvalidValueError as error:
        return faults or [error]
    spec = described(version, header.code, header.trigger, header.structure)
    if spec is not None:
        for choice in spec.required:
            if not any(each in received for each in choice):
                text = f"{' or '.join(choice)} is required in {spec.name}"
                faults.append(MissingValueError(text, path=choice[0]))
    for each in received.segments():
        for fault in _check_segment(each, version, tables):
            faults.append(fault)
            if len(faults) >= _MAX_FAULTS:
                return faults
    return faults


def _check_segment(received: Segment, version: str, tables: bool) -> Iterator[RisError]:
    specs = segment(version, received.name)
    if specs is None:
        return
    for number, spec in specs.items():
        if received.name == "MSH" and number <= 2:
            continue
        try:
            repeats = received.repeats(str(number))
        except InvalidValueError as error:
            yield error
            continue
        place = received.at(str(number))
        if not repeats:
            if spec.required:
                yield MissingValueError(f"{spec.name.lower()} is required", path=place)
            continue
        if len(repeats) > 1 and not spec.repeats and spec.data_type not in ("TX", "FT", "ST", "WD"):
            yield InvalidValueError(f"{spec.name.lower()} does not repeat", path=place)
        for repeat in repeats:
            yield from _check_repetition(repeat, spec, version, tables)


def _check_repetition(
    repeat: Repetition, spec: FieldSpec, version: str, tables: bool
) -> Iterator[RisError]:
    components = data_type(version, spec.data_type)
    if not components:
        value = repeat.get()
        fault = _fault(value, spec.data_type, spec.table if tables else "", version)
        if fault:
            yield _located(fault, repeat.at())
        return
    for number, component in components.items():
        value = repeat.get(number)
        # Of a composite component only time stamps are looked into. The tables before 2.5 call the
        # time within a time stamp a string.
        is_time = component.data_type == "TS" or (spec.data_type == "TS" and number == 1)
        kind = "DTM" if is_time else component.data_type
        codes = component.table if tables and component.data_type == "ID" else ""
        fault = _fault(value, kind, codes, version)
        if fault:
            yield _located(fault, repeat.at(str(number)))


def _located(fault: tuple[str, str], path: str) -> RisError:
    text, codes = fault
    return InvalidValueError(text, path=path, details={"table": codes} if codes else None)


def _fault(value: str | None, kind: str, codes: str, version: str) -> tuple[str, str] | None:
    """What is wrong with a value: the text, and the table it is not in."""
    if not value:
        return None
    match kind:
        case "NM" | "SI" if not _NUMBER.fullmatch(value.strip()):
            return "not a number", ""
        case "TM" if not _TIME_OF_DAY.fullmatch(value.strip()):
            return "not a time of day (HHMM)", ""
        case "DT" | "DTM" | "TS":
            try:
                times.read_date(value)
                times.read(value, UTC)
            except InvalidValueError as error:
                return error.message, ""
        case "ID" if codes and codes not in _OPEN_TABLES:
            allowed = table(version, codes)
            known = _is_character_set(value) if codes == "0211" else value in allowed
            if codes == "0354":  # which lacks ADT_A12, though chapter 3 has it
                known = known or value in getattr(_library(known_version(version)), "MESSAGES", {})
            if allowed and not known:
                return f"not in table {codes}", codes
    return None


def _is_character_set(name: str) -> bool:
    try:
        charset.find(name)
    except InvalidValueError:
        return False
    return True

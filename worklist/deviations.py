"""What in a query the standard does not allow: noted for people, hardly ever refused (MWL-33).

Modalities live for fifteen years and none is changed for us, so a query is read as it was meant.
But whoever looks for a missing patient must see that a device asks in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import structlog
from pydicom.datadict import dictionary_is_retired

from ris.domain.errors import InvalidValueError
from worklist import charset
from worklist.attributes import SPS, WORKLIST_TREE, Matching, Node
from worklist.elements import (
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    Element,
    Elements,
    character_set_terms,
    keyword_of,
    tag_of,
    tag_path,
    vr_of,
)
from worklist.rules import DEVIATIONS, REFUSED, Deviation, Rules

QUERY_RETRIEVE_LEVEL = 0x00080052
_STEP = WORKLIST_TREE[tag_of(SPS)].children
# Matched as a single value only (PS3.4 Table K.6-1), though devices send wildcards.
_SINGLE_ONLY = frozenset(map(tag_of, ("ScheduledStationAETitle", "Modality", "PatientID")))
_KNOWN_LIMIT = 4_096
log = structlog.get_logger(__name__)
_MANY = {Matching.UID, Matching.SEQUENCE}


def found(elements: Elements, rules: Rules) -> tuple[Deviation, ...]:
    """The deviations of a query; raises InvalidValueError for a device that is strict."""
    noted = dict.fromkeys(
        [*_character_set(elements), *_of_level(elements, WORKLIST_TREE, at_root=True)]
    )
    if rules.strict:
        for tag, deviation in noted:
            if deviation.kind in REFUSED:
                raise InvalidValueError("not allowed by PS3.4 K", path=tag_path(tag))
    return tuple(dict.fromkeys(deviation for _, deviation in noted))


class Noticed:
    """Says in the log what a device does in its own way: once for each device and way."""

    def __init__(self) -> None:
        self._known: set[tuple[str, Deviation]] = set()

    def notice(self, ae_title: str, deviations: tuple[Deviation, ...]) -> None:
        for one in deviations:
            if (ae_title, one) in self._known:
                continue
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            self._known.add((ae_title, one))
            log.info(
                "a query is not as the standard has it",
                ae_title=ae_title,
                element=one.element,
                deviation=DEVIATIONS[one.kind],
            )


_Noted = Iterator[tuple[int, Deviation]]


def _character_set(elements: Elements) -> _Noted:
    if SPECIFIC_CHARACTER_SET not in elements:
        return
    terms = character_set_terms(elements)
    try:
        charset.character_set(terms)
    except charset.UnknownCharacterSetError:
        terms = ()
    if not terms:
        yield SPECIFIC_CHARACTER_SET, Deviation("character-set", "SpecificCharacterSet")


def _of_level(elements: Elements, nodes: Mapping[int, Node], *, at_root: bool) -> _Noted:
    for tag, element in elements.items():
        node = nodes.get(tag)
        kind = _of_tag(tag, at_root=at_root, is_known=node is not None)
        if kind:
            yield tag, Deviation(kind, keyword_of(tag) or tag_path(tag))
        if element.value or element.items:  # most keys are empty
            for kind in _of_value(tag, element, node, at_root=at_root):
                yield tag, Deviation(kind, keyword_of(tag) or tag_path(tag))
        if element.items and node is not None:
            yield from _of_level(element.items[0], node.children, at_root=False)


@lru_cache(maxsize=4096)
def _of_tag(tag: int, *, at_root: bool, is_known: bool) -> str:
    if tag & 0xFFFF == 0:
        return "group-length"
    if tag >> 16 & 1:
        return "private"
    if tag == QUERY_RETRIEVE_LEVEL:
        return "retrieve-level"
    if at_root and tag in _STEP and not is_known:
        return "step-keys-at-root"
    return "retired" if _is_retired(tag) else ""


def _of_value(tag: int, element: Element, node: Node | None, *, at_root: bool) -> Iterator[str]:
    if element.items is not None:
        if len(element.items) > 1:
            yield "several-items"
        return
    if len(element.value) & 1:
        yield "odd-length"
    node = node or (_STEP.get(tag) if at_root else None)
    if node is None or not node.attribute.query:
        return
    value = element.value.rstrip(b" \0")
    if b"\\" in value and node.attribute.matching not in _MANY and not _is_escaped(tag, value):
        yield "several-values"
    if tag in _SINGLE_ONLY and value.strip(b"*") and (b"*" in value or b"?" in value):
        yield "wildcard"
    if vr_of(tag) == "DA" and (b"." in value or b" " in value.strip()):
        yield "old-date"


def _is_escaped(tag: int, value: bytes) -> bool:
    """Whether the backslash may be half of a character."""
    return vr_of(tag) in TEXT_VRS and any(byte > 0x7F or byte == 0x1B for byte in value)


def _is_retired(tag: int) -> bool:
    try:
        return dictionary_is_retired(tag)
    except KeyError:
        return False

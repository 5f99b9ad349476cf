"""The content tree of a structured report (PS3.3 C.17.3), read without recursion.

Only what a dose report holds is read: codes, numbers, texts, UIDs and times. References from one
item to another (0040,DB73) are not followed, so a loop of them is no loop here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from ris.domain.errors import InvalidValueError
from worklist.elements import Texts

DCM = "DCM"
_LONGEST_TEXT = 500


class Coded(NamedTuple):
    """A code with its scheme; compared by both, shown by its meaning."""

    value: str = ""
    scheme: str = ""
    meaning: str = ""

    @property
    def words(self) -> str:
        return self.meaning or self.value


NOTHING = Coded()


@dataclass(slots=True)
class Item:
    """One content item; which of the values is set follows from ``value_type``."""

    value_type: str
    name: Coded
    code: Coded = NOTHING
    text: str = ""
    uid: str = ""
    number: str = ""
    unit: Coded = NOTHING
    moment: str = ""
    children: list[Item] = field(default_factory=list)

    def is_named(self, *codes: str) -> bool:
        """Whether its concept is one of these codes of DICOM's own scheme."""
        return self.name.scheme == DCM and self.name.value in codes

    def own(self, *codes: str) -> Iterator[Item]:
        """The items directly below with one of these concepts."""
        return (item for item in self.children if item.is_named(*codes))

    def first(self, *codes: str) -> Item | None:
        return next(self.own(*codes), None)

    def below(self) -> Iterator[Item]:
        """Every item below, in the order of the document."""
        waiting = list(reversed(self.children))
        while waiting:
            item = waiting.pop()
            yield item
            waiting += reversed(item.children)

    def outermost(self, *codes: str) -> Iterator[Item]:
        """The items with one of these concepts that lie in no other such item."""
        waiting = list(reversed(self.children))
        while waiting:
            item = waiting.pop()
            if item.is_named(*codes):
                yield item
            else:
                waiting += reversed(item.children)

    def within(self, *codes: str) -> Iterator[Item]:
        """The items with one of these concepts at any depth."""
        return (item for item in self.below() if item.is_named(*codes))

    def some(self, *codes: str) -> Item | None:
        return next(self.within(*codes), None)


def tree(root: Texts) -> Item:
    """The whole document as content items."""
    top = _item(root)
    waiting = [(root, top)]
    while waiting:
        texts, item = waiting.pop()
        for below in texts.items("ContentSequence"):
            if "ReferencedContentItemIdentifier" in below:
                continue  # an item by reference has no content of its own
            child = _item(below)
            item.children.append(child)
            waiting.append((below, child))
    return top


def _item(texts: Texts) -> Item:
    item = Item(texts.text("ValueType"), coded(texts, "ConceptNameCodeSequence"))
    kind = item.value_type
    if kind == "CODE":
        item.code = coded(texts, "ConceptCodeSequence")
    elif kind == "NUM":
        _measure(item, texts)
    elif kind == "UIDREF":
        item.uid = texts.text("UID")[:64]
    elif kind == "DATETIME":
        item.moment = texts.text("DateTime")
    elif kind in {"TEXT", "PNAME"}:
        item.text = texts.text("TextValue" if kind == "TEXT" else "PersonName")[:_LONGEST_TEXT]
    return item


def _measure(item: Item, texts: Texts) -> None:
    """The number as text, exactly as sent: (0040,A30A) is decimal and stays so."""
    measured = texts.items("MeasuredValueSequence")
    if len(measured) > 1:
        item.number = "\\"  # more than one: told as such, and not counted
    elif measured:
        item.number = measured[0].text("NumericValue")
        item.unit = coded(measured[0], "MeasurementUnitsCodeSequence")


def coded(texts: Texts, keyword: str) -> Coded:
    """The code in the first item of a sequence."""
    items = texts.items(keyword)
    if not items:
        return NOTHING
    one = items[0]
    value = one.text("CodeValue") or one.text("LongCodeValue") or one.text("URNCodeValue")
    return Coded(value[:64], one.text("CodingSchemeDesignator"), one.text("CodeMeaning")[:200])


_MOMENT = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?"
    r"(?:([+-])(\d{2})(\d{2}))?"
)


def moment(text: str, zone: tzinfo) -> datetime | None:
    """A DT value (PS3.5 6.2) as an instant; None for what names no day."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset > timedelta(hours=14):
            return None
        zone = timezone(-offset if sign == "-" else offset)
    try:
        on = date(int(year), int(month), int(day))
        return datetime(
            on.year,
            on.month,
            on.day,
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),
            int((fraction or "").ljust(6, "0")),
            zone,
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def require_container(root: Texts) -> None:
    """Raise InvalidValueError unless the dataset begins a content tree."""
    if root.text("ValueType") != "CONTAINER":
        raise InvalidValueError("not a structured report", path="(0040,A040)")


def time_of(item: Item, code: str, zone: tzinfo) -> datetime | None:
    """The first time below an item that has this concept."""
    found = item.some(code)
    return moment(found.moment, zone) if found else None

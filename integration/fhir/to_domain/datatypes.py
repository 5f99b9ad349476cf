"""FHIR datatypes → domain values (FHIR R4 2.24). Pure; every fault names its FHIRPath.

The structural gate has passed already, but it accepts what it can coerce (a number for a text,
``"yes"`` for a boolean), so types are checked again where a value is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from integration.fhir import bindings, systems
from integration.fhir.systems import Systems
from ris.domain.errors import InvalidValueError, UnsupportedError
from ris.domain.values import Code, Identifier, NameGroup, PersonName, require_text

Json = Mapping[str, Any]

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
VALUE_LIMIT = 64  # of identifiers and codes, as DICOM and the tables keep them
MEANING_LIMIT = 200
VERSION_LIMIT = 16
YEARS = range(1800, 3000)
GROUP_LIMIT = 64  # a writing of a name (PS3.5 6.2, PN)

_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_DATE_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"(Z|[+-](0\d|1[0-4]):[0-5]\d)"
)


# --- elements


def text(parent: Json, name: str, path: str) -> str:
    """A string, code, uri or id; empty if absent."""
    value = parent.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise InvalidValueError("must be a text that is not empty", path=f"{path}.{name}")
    return value


def boolean(parent: Json, name: str, path: str) -> bool | None:
    value = parent.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidValueError("must be true or false", path=f"{path}.{name}")
    return value


def single(parent: Json, name: str, path: str) -> Json | None:
    """A complex element that does not repeat."""
    value = parent.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidValueError("must be an object", path=f"{path}.{name}")
    return value


def several(parent: Json, name: str, path: str) -> list[tuple[Json, str]]:
    """A complex element that repeats, each with its path."""
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not value:
        raise InvalidValueError("must be a list that is not empty", path=f"{path}.{name}")
    found: list[tuple[Json, str]] = []
    for index, item in enumerate(value):
        where = f"{path}.{name}[{index}]"
        if not isinstance(item, dict):
            raise InvalidValueError("must be an object", path=where)
        found.append((item, where))
    return found


def refuse_modifiers(element: Json, path: str) -> None:
    """What changes the meaning of an element must be understood or refused (FHIR R4 2.1.0.4)."""
    for name in ("modifierExtension", "implicitRules"):
        if element.get(name):
            raise UnsupportedError("not understood, so it cannot be ignored", path=f"{path}.{name}")


# --- codes and identifiers


def identifier(element: Json, path: str, known: Systems) -> Identifier:
    """An Identifier with value; its type is the code of table v2-0203, if it has one."""
    refuse_modifiers(element, path)
    use = text(element, "use", path)
    if use:
        bindings.require(use, bindings.IDENTIFIER_USE, f"{path}.use", "identifier-use")
    value = require_text(
        text(element, "value", path), path=f"{path}.value", limit=VALUE_LIMIT, name="identifier"
    )
    if not value:
        raise InvalidValueError("an identifier needs a value", path=f"{path}.value")
    system = text(element, "system", path)
    return Identifier(
        value,
        known.issuer(system, f"{path}.system") if system else "",
        identifier_type(element, path),
    )


def identifier_type(element: Json, path: str) -> str:
    concept = single(element, "type", path)
    for coding, where in several(concept, "coding", f"{path}.type") if concept else []:
        if text(coding, "system", where) == systems.IDENTIFIER_TYPE:
            return text(coding, "code", where)[:10]
    return ""


def code(concept: Json, path: str) -> Code:
    """The code of a CodeableConcept: what the user selected, else the first; text alone is kept."""
    found = codes(concept, path)
    return found[0] if found else Code("", "", one_line(concept, "text", path))


def codes(concept: Json, path: str) -> list[Code]:
    """All its codes, what the user selected first."""
    words = one_line(concept, "text", path)
    codings = [
        (coding, where)
        for coding, where in several(concept, "coding", path)
        if text(coding, "code", where)
    ]
    codings.sort(key=lambda each: each[0].get("userSelected") is not True)
    return [coding_code(coding, where, words) for coding, where in codings]


def coding_code(coding: Json, path: str, words: str = "") -> Code:
    value = text(coding, "code", path)
    if len(value) > VALUE_LIMIT:
        raise InvalidValueError(f"longer than {VALUE_LIMIT} characters", path=f"{path}.code")
    system = text(coding, "system", path)
    return Code(
        value,
        systems.scheme(system, f"{path}.system") if system else "",
        one_line(coding, "display", path) or words,
        text(coding, "version", path)[:VERSION_LIMIT],
    )


def one_line(parent: Json, name: str, path: str, limit: int = MEANING_LIMIT) -> str:
    """A text that is shown on one line; line breaks and tabs become spaces."""
    value = " ".join(text(parent, name, path).split())
    if len(value) > limit:
        raise InvalidValueError(f"longer than {limit} characters", path=f"{path}.{name}")
    return value


def has_coding(concept: Json, path: str, system: str, codes: frozenset[str]) -> bool:
    return any(
        text(coding, "system", where) == system and text(coding, "code", where) in codes
        for coding, where in several(concept, "coding", path)
    )


def words_of(concept: Json, path: str) -> str:
    """A CodeableConcept for people to read."""
    found = code(concept, path)
    return one_line(concept, "text", path) or found.meaning or found.value


# --- names and addresses

_NAME_ORDER = ("official", "usual", "", "temp", "nickname", "anonymous", "maiden", "old")


def person_name(names: Sequence[tuple[Json, str]]) -> PersonName:
    """The name to use, in up to three writings (extension iso21090-EN-representation)."""
    ranked = []
    for name, path in names:
        use = text(name, "use", path)
        if use:
            bindings.require(use, bindings.NAME_USE, f"{path}.use", "name-use")
        ranked.append((_NAME_ORDER.index(use), name, path))
    groups: dict[str, NameGroup] = {}
    chosen = ""
    for _, name, path in sorted(ranked, key=lambda each: each[0]):
        use = text(name, "use", path)
        if groups and use != chosen:
            break  # the writings of one name have one use; another use is another name
        chosen = use
        groups.setdefault(_representation(name), _name_group(name, path))
    return PersonName(
        groups.get("ABC", NameGroup()),
        groups.get("IDE", NameGroup()),
        groups.get("SYL", NameGroup()),
    )


def _representation(name: Json) -> str:
    for extension in name.get("extension") or []:
        if extension.get("url") == REPRESENTATION and extension.get("valueCode") in {"IDE", "SYL"}:
            return str(extension["valueCode"])
    return "ABC"


def _name_group(name: Json, path: str) -> NameGroup:
    given = _texts(name, "given", path)
    family = text(name, "family", path)
    if not family and not given:
        family = text(name, "text", path)
    group = _fitting(
        NameGroup(
            family,
            given[0] if given else "",
            " ".join(given[1:]),
            " ".join(_texts(name, "prefix", path)),
            " ".join(_texts(name, "suffix", path)),
        )
    )
    for part in (group.family, group.given, group.middle, group.prefix, group.suffix):
        require_text(part, path=path, limit=GROUP_LIMIT, name="a part of the name")
        if "^" in part or "=" in part:
            raise InvalidValueError("a name cannot hold ^ or =", path=path)
    if len(str(group)) > GROUP_LIMIT:
        raise InvalidValueError(f"the name is longer than {GROUP_LIMIT} characters", path=path)
    return group


def _fitting(group: NameGroup) -> NameGroup:
    """Without the last of many given names where DICOM has no room for them: that they are long is
    no reason to send somebody away. What was sent is given back whole."""
    while len(str(group)) > GROUP_LIMIT and group.middle:
        group = replace(group, middle=group.middle.rpartition(" ")[0])
    return group


def name_from_display(display: str, path: str) -> PersonName:
    """A person known only by ``Reference.display``: kept whole in the family name."""
    clean = display.replace("^", " ").replace("=", " ").strip()
    return PersonName.of(require_text(clean, path=path, limit=GROUP_LIMIT, name="display"))


def _texts(parent: Json, name: str, path: str) -> list[str]:
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str | None) for each in value):
        raise InvalidValueError("must be a list of texts", path=f"{path}.{name}")
    return [each for each in value if each]


def telecom(contacts: Sequence[tuple[Json, str]], system: str) -> str:
    """The first phone number or mail address that is not old."""
    for contact, path in contacts:
        kind = text(contact, "system", path)
        if kind:
            bindings.require(
                kind, bindings.CONTACT_SYSTEM, f"{path}.system", "contact-point-system"
            )
        if kind == system and text(contact, "use", path) != "old":
            return text(contact, "value", path)
    return ""


def address(addresses: Sequence[tuple[Json, str]]) -> str:
    """The first address that is not old, on one line."""
    for element, path in addresses:
        if text(element, "use", path) == "old":
            continue
        words = text(element, "text", path)
        if words:
            return " ".join(words.split())
        town = " ".join(
            part for part in (text(element, n, path) for n in ("postalCode", "city")) if part
        )
        parts = [
            *_texts(element, "line", path),
            town,
            text(element, "state", path),
            text(element, "country", path),
        ]
        return ", ".join(part for part in parts if part)
    return ""


# --- times


def date_text(parent: Json, name: str, path: str) -> str:
    """A FHIR date to its precision."""
    value = text(parent, name, path)
    if value and not _DATE.fullmatch(value):
        raise InvalidValueError("not a date (YYYY, YYYY-MM or YYYY-MM-DD)", path=f"{path}.{name}")
    return value


@dataclass(frozen=True, slots=True)
class When:
    """A FHIR dateTime: an instant, or only a day, month or year."""

    at: datetime | None = None
    day: str = ""

    def __bool__(self) -> bool:
        return self.at is not None or bool(self.day)

    @property
    def words(self) -> str:
        return self.at.isoformat(timespec="minutes") if self.at else self.day


def when(parent: Json, name: str, path: str) -> When:
    value = text(parent, name, path)
    where = f"{path}.{name}"
    if not value:
        return When()
    if _DATE_TIME.fullmatch(value):
        # A leap second has no place in Python's clock; it is the second before it.
        clean = re.sub(r"(T\d\d:\d\d):60", r"\1:59", value)
        # Python 3.11 reads at most six decimals.
        clean = re.sub(r"(\.\d{6})\d+", r"\1", clean)
        try:
            at = datetime.fromisoformat(clean)
        except ValueError:
            raise InvalidValueError("no such day", path=where) from None
        if at.year not in YEARS:
            raise InvalidValueError("no year that anything here happens in", path=where)
        return When(at)
    if _DATE.fullmatch(value):
        try:
            date.fromisoformat((value + "-01-01")[:10])
        except ValueError:
            raise InvalidValueError("no such day", path=where) from None
        return When(day=value)
    raise InvalidValueError("not a dateTime (a time needs seconds and a zone)", path=where)

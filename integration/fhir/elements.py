"""The R4 4.0.1 element table (spec/fhir.md D4): made by scripts/elements.py, read on first use.

One table says what FHIR R4 knows of every resource and data type: elements with their order,
cardinality, types, required codes and reference targets, what belongs to a summary, and the search
parameters. The gate, the XML codec, ``_summary`` and the search index all ask here.

The file keeps a structure as lines. The first has one letter: D a DomainResource, R another
resource, B a backbone element, E an element or data type. Each further line is one element:
``name min+flags-max types binding``, where flag s is isSummary and m isModifier, no max means
``*``, types are parted by ``|`` and carry reference targets in parentheses; ``*`` is any type.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("elements.json.gz")

PRIMITIVES = frozenset(
    {
        "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id",
        "instant", "integer", "markdown", "oid", "positiveInt", "string", "time", "unsignedInt",
        "uri", "url", "uuid", "xhtml",
    }
)  # fmt: skip

# What every element, backbone element and resource begins with (FHIR R4 2.26, 2.27).
_ELEMENT = "id 0-1 string\nextension 0 Extension"
_BACKBONE = f"{_ELEMENT}\nmodifierExtension 0sm Extension"
_RESOURCE = "id 0s-1 id\nmeta 0s-1 Meta\nimplicitRules 0sm-1 uri\nlanguage 0-1 code"
_DOMAIN = (
    f"{_RESOURCE}\ntext 0-1 Narrative\ncontained 0 Resource\nextension 0 Extension\n"
    "modifierExtension 0m Extension"
)
_HEADS = {"D": _DOMAIN, "R": _RESOURCE, "B": _BACKBONE, "E": _ELEMENT}
_ROW = re.compile(r"(\S+) (\d+)(s?)(m?)(?:-(\d+))? (\S+)(?: (\S+))?")


@dataclass(frozen=True, slots=True)
class Element:
    """One element under the name it has in JSON; each type of a choice is an element."""

    name: str
    type: str  # "code", "Quantity", "Resource", or a structure such as "Appointment.participant"
    minimum: int  # of a choice: of all its names together
    maximum: int | None  # None is any number
    choice: str  # "value" for the types of value[x], else empty
    targets: frozenset[str]  # of Reference and canonical; empty means any type
    binding: str  # a required value set that can be listed, see codes()
    summary: bool
    modifier: bool
    order: int

    @property
    def many(self) -> bool:
        """Whether JSON has a list here."""
        return self.maximum != 1

    @property
    def primitive(self) -> bool:
        return self.type in PRIMITIVES


@dataclass(frozen=True)
class Structure:
    """A resource type, a data type or a backbone element."""

    name: str
    form: str  # D, R, B or E, see the module
    elements: Mapping[str, Element]  # in the order of XML

    @property
    def resource(self) -> bool:
        return self.form in "DR"

    @cached_property
    def choices(self) -> Mapping[str, tuple[Element, ...]]:
        """``value`` → the elements valueQuantity, valueString ..."""
        found: dict[str, tuple[Element, ...]] = {}
        for each in self.elements.values():
            if each.choice:
                found[each.choice] = (*found.get(each.choice, ()), each)
        return found

    @cached_property
    def required(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(name in FHIRPath, the JSON names of which one must be there) of obligatory elements."""
        found: dict[str, tuple[str, ...]] = {}
        for each in self.elements.values():
            if each.minimum:
                name = each.choice or each.name
                found[name] = (*found.get(name, ()), each.name)
        return tuple(found.items())


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite search parameter."""

    parameter: str
    expression: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter of R4; ``expression`` is FHIRPath and about this type only."""

    name: str
    type: str  # number, date, string, token, reference, composite, quantity, uri, special
    id: str
    targets: frozenset[str]  # of references; empty means any type
    expression: str  # empty for _content, _query and _text
    components: tuple[Component, ...] = ()

    @property
    def url(self) -> str:
        return f"http://hl7.org/fhir/SearchParameter/{self.id}"


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return found


@cache
def of(name: str) -> Structure:
    """The structure of that name; KeyError if R4 has none."""
    form, _, rows = _table()["structures"][name].partition("\n")
    elements: dict[str, Element] = {}
    for row in (*_HEADS[form].split("\n"), *rows.split("\n")):
        if row:
            for each in _elements(row, len(elements)):
                elements[each.name] = each
    return Structure(name, form, elements)


def _elements(row: str, order: int) -> list[Element]:
    match = _ROW.fullmatch(row)
    if match is None:
        raise ValueError(f"the element table has a broken row: {row}")
    name, minimum, summary, modifier, maximum, types, binding = match.groups()
    choice = name.removesuffix("[x]") if name.endswith("[x]") else ""
    said = _table()["any"] if types == "*" else types.split("|")
    found = []
    for each in said:
        kind, _, targets = each.rstrip(")").partition("(")
        suffix = "Quantity" if kind == "SimpleQuantity" else kind[:1].upper() + kind[1:]
        found.append(
            Element(
                name=choice + suffix if choice else name,
                type=kind,
                minimum=int(minimum),
                maximum=int(maximum) if maximum else None,
                choice=choice,
                targets=frozenset(targets.split(",")) if targets else frozenset(),
                binding=binding or "" if (binding or "") in _table()["codes"] else "",
                summary=bool(summary),
                modifier=bool(modifier),
                order=order,
            )
        )
    return found


@cache
def resource_types() -> frozenset[str]:
    """Every resource type of R4."""
    return frozenset(
        name for name, rows in _table()["structures"].items() if rows[0] in "DR" and "." not in name
    )


@cache
def codes(binding: str) -> Mapping[str, frozenset[str]]:
    """System → codes of a required value set."""
    listed: dict[str, str] = _table()["codes"][binding]
    return {system: frozenset(some.split(" ")) for system, some in listed.items()}


@cache
def bare_codes(binding: str) -> frozenset[str]:
    """The codes of a required value set, for an element of type code."""
    return frozenset(code for some in codes(binding).values() for code in some)


@cache
def search_parameters(name: str) -> Mapping[str, SearchParameter]:
    """Name → search parameter of a resource type, those of every resource included."""
    bases = ["Resource", *(["DomainResource"] if of(name).form == "D" else []), name]
    found: dict[str, SearchParameter] = {}
    for base in bases:
        for row in _table()["parameters"].get(base, ()):
            code, kind, own_id, targets, expression, *components = row
            found[code] = SearchParameter(
                code,
                kind,
                own_id,
                frozenset(targets.split(",")) if targets not in {"", "*"} else frozenset(),
                expression,
                tuple(Component(*part.split(" ", 1)) for part in components),
            )
    return found


@cache
def summary(name: str) -> frozenset[str]:
    """The JSON names of a type's top elements that ``_summary=true`` shows (FHIR R4 3.1.1.5.9)."""
    return frozenset(each.name for each in of(name).elements.values() if each.summary)


@cache
def mandatory(name: str) -> frozenset[str]:
    """The JSON names of top elements that may not be left out, also by ``_elements``."""
    return frozenset(each.name for each in of(name).elements.values() if each.minimum)


def fhirpath(path: str) -> str:
    """A path in the names of JSON as FHIRPath has it: a choice has one name there, without type."""
    names = path.split(".")
    kind = names[0].partition("[")[0]
    for index, name in enumerate(names[1:], start=1):
        if kind not in _table()["structures"]:
            break
        bare, bracket, rest = name.partition("[")
        element = of(kind).elements.get(bare)
        if element is None:
            break
        names[index] = (element.choice or bare) + bracket + rest
        kind = element.type
    return ".".join(names)


def second_type(kind: str, composite: SearchParameter) -> str:
    """The type of the part of a composite that stands beside its token.

    R4 names the parts of DocumentReference's ``relationship`` in one order, relatesto and relation,
    and their elements, code and target, in the other.
    """
    known = search_parameters(kind)
    first, second = (known[each.parameter].type for each in composite.components)
    return second if first == "token" else first

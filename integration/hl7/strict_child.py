"""The process that runs hl7apy's validator: standard input to standard output, nothing else.

hl7apy builds an object for every part of a message (about 14 ms for an order, a minute for a
hostile one) and its validator has no limits, so it works here, where time and memory are bounded
and a death takes nobody along. Its known mistakes are set right: of a choice one suffices (#151),
a trigger finds its structure without MSH-9.3, ``""`` is no date, texts may be long (#71).
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from integration.hl7 import schema

CPU_SECONDS = 10
MEMORY_BYTES = 1 << 30
MAX_FIELDS = 3_000
MAX_FINDINGS = 200

Finding = tuple[str, str, str]  # place, "error" or "warning", text

_NULL = '""'
_HEADERS = frozenset({"MSH", "FHS", "BHS"})


def main() -> int:
    """Read ``{"version", "structure", "lines"}``; write ``[[place, level, text], …]``."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    asked = json.loads(sys.stdin.buffer.read())
    found: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        for finding in _findings(asked["version"], asked["structure"], asked["lines"], report):
            found.append(finding)
            if len(found) >= MAX_FINDINGS:
                break
    sys.stdout.write(json.dumps(found))
    return 0


def _findings(
    version: str, structure: str, lines: Sequence[str], report: Path
) -> Iterator[Finding]:
    yield from _structure(version, structure, lines, report)
    seen: dict[str, int] = {}
    left = MAX_FIELDS
    for line in lines:
        name = line[:3]
        seen[name] = seen.get(name, 0) + 1
        place = name if seen[name] == 1 else f"{name}[{seen[name]}]"
        fields = line.split("|")
        if not name.startswith("Z") and left > 0:
            yield from _segment(version, line, place, report)
        numbered = enumerate(fields[1:], start=2 if name in _HEADERS else 1)
        for number, text in numbered:
            # Table 0211 is short of names in some versions; the reader has looked at MSH-18.
            if not text or name.startswith("Z") or (name in _HEADERS and number in (2, 18)):
                continue
            left -= 1
            if left < 0:
                yield "", "warning", f"only the first {MAX_FIELDS} fields were looked at"
                return
            yield from _field(version, name, number, text, f"{place}-{number}", fields, report)


def _segment(version: str, line: str, place: str, report: Path) -> Iterator[Finding]:
    """Fields missing, or repeated that do not repeat."""
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_segment

    try:
        segment = parse_segment(line.replace(_NULL, "0"), version=version)
    except HL7apyException:
        return  # a segment of another version; the structure tells of it
    except Exception as error:
        yield place, "warning", f"hl7apy could not read it ({type(error).__name__})"
        return
    for _, told in _validated(segment, report):
        match = re.fullmatch(r"(Missing|Child limit).* (\w{3})\.\2_(\d+)", told)
        if match is not None:
            # Some are required on a condition only, which hl7apy's tables cannot say.
            specs = schema.segment(version, match[2]) or {}
            spec = specs.get(int(match[3]))
            if match[1] == "Missing" and spec is not None and not spec.required:
                continue
            words = "is required" if match[1] == "Missing" else "does not repeat"
            yield f"{place}-{match[3]}", "error", words


def _observation(version: str, kind: str, text: str) -> str:
    """What is wrong with a simple OBX-5 of the type that OBX-2 names."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.core import is_base_datatype
    from hl7apy.factories import datatype_factory

    if kind in ("TX", "FT", "ST") or not is_base_datatype(kind, version):
        return ""
    try:
        datatype_factory(kind, text, version, VALIDATION_LEVEL.STRICT)
    except Exception as error:
        return _words(error)
    return ""


def _field(
    version: str, name: str, number: int, text: str, place: str, fields: list[str], report: Path
) -> Iterator[Finding]:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.core import Segment
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_field

    is_observation = name == "OBX" and number == 5
    for at, repetition in enumerate(text.split("~"), start=1):
        if not repetition or _NULL in repetition:
            continue
        where = place if at == 1 else f"{place}[{at}]"
        if is_observation:
            told = _observation(version, fields[2], repetition)
            if told:
                yield where, "error", told
            continue
        try:
            field = parse_field(
                repetition,
                name=f"{name}_{number}",
                version=version,
                validation_level=VALIDATION_LEVEL.STRICT,
            )
            # Its validator asks for the parent, which it does not hold itself.
            parent = Segment(name, version=version, validation_level=VALIDATION_LEVEL.STRICT)
            parent.add(field)
        except (HL7apyException, ValueError) as error:
            yield where, "error", _words(error)
            continue
        except Exception as error:
            # hl7apy stumbles over some values with errors of its own programming.
            yield where, "warning", f"hl7apy could not look at it ({type(error).__name__})"
            continue
        for level, told in _validated(field, report):
            component = re.search(r"_(\d+)$", told.split(" ")[-1].rpartition(".")[2])
            inside = component and f".{name}_{number}" not in told
            yield f"{where}.{component[1]}" if component and inside else where, level, _plain(told)


def _validated(element: Any, report: Path) -> Iterator[tuple[str, str]]:
    from hl7apy.exceptions import HL7apyException
    from hl7apy.validation import Validator

    try:
        Validator.validate(element, report_file=str(report))
    except HL7apyException:
        pass  # the first of the report
    except Exception as error:
        yield "warning", f"hl7apy could not validate it ({type(error).__name__})"
        return
    for line in report.read_text().splitlines():
        level, _, told = line.partition(": ")
        yield level.lower(), told


_TABLE = re.compile(r"Value (.*) not in table HL7(\d{4}) in element \S+")
_LENGTH = re.compile(r"Exceeded max length \((\d+)\) of \S+")


def _plain(told: str) -> str:
    """hl7apy's words, without its names of places."""
    match = _TABLE.fullmatch(told)
    if match is not None:
        return f"{match[1]} is not in table {match[2]}"
    match = _LENGTH.fullmatch(told)
    return f"longer than {match[1]} characters" if match is not None else told


def _structure(
    version: str, structure: str, lines: Sequence[str], report: Path
) -> Iterator[Finding]:
    """Segments missing, too often, or of no place in the structure."""
    from hl7apy import load_library
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    reference = load_library(version).MESSAGES.get(structure)
    if reference is None:
        yield "MSH-9", "warning", f"hl7apy knows no structure for this message in {version}"
        return
    choices, known = _names(reference)
    for name in dict.fromkeys(line[:3] for line in lines):
        if name not in known and not name.startswith("Z"):
            yield name, "error", f"{name} is no segment of {structure} in {version}"
    kept = [line for line in lines if line[:3] in known]
    if len(kept) > 300:
        yield "", "warning", "too many segments for hl7apy's look at the structure"
        return
    code, _, trigger = structure.partition("_")
    fields = kept[0].split("|")
    fields[8:9] = [f"{code}^{trigger}^{structure}"]
    fields[11:12] = [version]
    skeleton = "\r".join(["|".join(fields), *(line[:3] + "|1" for line in kept[1:])]) + "\r"
    try:
        message = parse_message(skeleton, validation_level=VALIDATION_LEVEL.TOLERANT)
    except HL7apyException as error:
        yield "MSH-9", "error", _words(error)
        return
    for level, told in _validated(message, report):
        match = re.fullmatch(r"(Missing required child|Child limit exceeded) (\S+)\.(\S+)", told)
        if match is None or level != "error":
            continue
        what, inside, name = match.groups()
        if inside in choices or re.search(r"_\d+$", name):
            continue
        words = "is required in" if what.startswith("Missing") else "comes too often in"
        yield name if len(name) == 3 else "", "error", f"{name} {words} {inside}"


def _names(reference: Any) -> tuple[set[str], set[str]]:
    """The groups that are choices, and every segment of a structure."""
    choices: set[str] = set()
    segments: set[str] = set()
    waiting = [("", reference)]
    while waiting:
        name, node = waiting.pop()
        if node[0] == "choice":
            choices.add(name)
        for child, inner, _, kind in node[1]:
            if kind == "SEG":
                segments.add(child)
            elif inner is not None:
                waiting.append((child, inner))
    return choices, segments


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())

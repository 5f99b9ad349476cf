"""The catalog as a CSV file; its key is code, scheme and version.

What is no longer offered is retired by its own column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from ris.domain.catalog import DefineProcedure, DeviceRuleDetails, StepTemplateDetails
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code
from ris.selectors.catalog import ProcedureLine
from ris.web.sheets import Column, Kind, Sheet, Values, listing, text, whole, yes_no

# --- steps, a line each


def write_steps(steps: Iterable[StepTemplateDetails]) -> str:
    """``CT; Head without contrast; 20; CODE^SCHEME^Meaning`` for each step."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    for step in steps:
        codes = [_code_text(code) for code in step.protocol_codes]
        writer.writerow([step.modality, step.description, step.duration_minutes, *codes])
    return out.getvalue().rstrip("\n")


def read_steps(text: str) -> tuple[StepTemplateDetails, ...]:
    """The steps of :func:`write_steps`; raises InvalidValueError that names the line."""
    found = []
    for number, parts in enumerate(
        csv.reader(io.StringIO(text), delimiter=";", skipinitialspace=True), start=1
    ):
        values = [part.strip() for part in parts]
        if not any(values):
            continue
        modality, description, minutes, *codes = [*values, "", ""][: max(3, len(values))]
        if not modality or len(modality) > 16:
            raise InvalidValueError(f"step {number} needs a modality", path="steps")
        if len(description) > 64:
            raise InvalidValueError(
                f"step {number}: the description has more than 64 characters", path="steps"
            )
        found.append(
            StepTemplateDetails(
                modality=modality.upper(),
                description=description,
                duration_minutes=_minutes(minutes or "30", f"step {number}"),
                protocol_codes=tuple(_code(each) for each in codes if each),
            )
        )
    return tuple(found)


def _code_text(code: Code) -> str:
    parts = (code.value, code.scheme, code.meaning, code.version)
    return "^".join(part.replace("^", " ") for part in parts).rstrip("^")


def _code(text: str) -> Code:
    return Code(*(part.strip() for part in text.split("^", 3)))


def _minutes(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 24 * 60):
        raise InvalidValueError(f"{what}: a duration is 1 to 1440 minutes", path="duration_minutes")
    return int(text)


# --- single devices


def write_devices(rules: Iterable[DeviceRuleDetails]) -> str:
    """``CT1: 25; CT2: no``."""
    return "; ".join(f"{rule.device}: {rule.minutes if rule.allowed else 'no'}" for rule in rules)


_RULE = re.compile(r"(.+?)\s*:\s*(\w+)$")


def read_devices(text: str) -> tuple[DeviceRuleDetails, ...]:
    """The rules of :func:`write_devices`; raises InvalidValueError."""
    found = []
    for part in re.split(r"[;\n]", text):
        if not part.strip():
            continue
        match = _RULE.match(part.strip())
        if match is None:
            raise InvalidValueError(
                "devices are written like “CT1: 25; CT2: no”", path="device_rules"
            )
        device, word = match.groups()
        allowed = word.lower() != "no"
        minutes = _minutes(word, f"device {device}") if allowed else None
        found.append(DeviceRuleDetails(device=device, allowed=allowed, minutes=minutes))
    if len({rule.device for rule in found}) != len(found):
        raise InvalidValueError("a device is named twice", path="device_rules")
    return tuple(sorted(found, key=lambda rule: rule.device))


# --- the whole file

KIND = Kind(
    columns=(
        text("code", limit=64, required=True),
        text("scheme", limit=64),
        text("version", limit=16),
        text("name", limit=200, required=True),
        Column(name="modality", read=str.upper, limit=16, required=True),
        Column(
            name="duration_minutes",
            read=lambda word: _minutes(word or "30", "duration_minutes"),
            default=30,
        ),
        text("preparation", limit=4000),
        text("body_part", limit=64),
        text("contrast", limit=64),
        yes_no("laterality_required", default=False),
        Column(name="steps", read=read_steps, write=write_steps, default=()),
        whole("buffer_before_minutes", most=240),
        whole("buffer_after_minutes", most=240),
        whole("lead_hours", most=24 * 90),
        yes_no("radiologist_present", default=False),
        listing("required_skills"),
        whole("staff_required", most=10),
        Column(name="device_rules", read=read_devices, write=write_devices, default=()),
        text("subspecialty", limit=64),
        yes_no("offered", default=True),
    ),
    key=("code", "scheme", "version"),
    noun="procedure",
    title=("name", "code"),
    in_use="offered",
)


def values_of(line: ProcedureLine) -> Values:
    """A procedure as a row."""
    code = line.code
    known = {"code": code.value, "scheme": code.scheme, "version": code.version}
    return {
        name: known[name] if name in known else getattr(line, name)
        for name in KIND.names
        if name != "name"
    } | {"name": code.meaning}


def command(values: Values) -> DefineProcedure:
    """What a row asks for."""
    said = dict(values)
    code = Code(said.pop("code"), said.pop("scheme"), said.pop("name"), said.pop("version"))
    said.pop("offered")
    return DefineProcedure(code=code, **said)


def write(lines: Iterable[ProcedureLine]) -> str:
    return KIND.write(values_of(line) for line in lines)


def read(raw: bytes, present: Sequence[ProcedureLine]) -> Sheet:
    return KIND.read(raw, [values_of(line) for line in present])

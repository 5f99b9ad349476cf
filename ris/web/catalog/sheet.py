"""The catalog as a CSV file: written, read, and what reading it would change.

A row is a procedure; its key is code, scheme and version. A file that was written here and is read
again changes nothing. Rows that are not in a file stay as they are: what is no longer offered is
retired by its own column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ris.domain.catalog import DefineProcedure, StepTemplateDetails
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code
from ris.selectors.catalog import ProcedureLine

COLUMNS = (
    "code",
    "scheme",
    "version",
    "name",
    "modality",
    "duration_minutes",
    "preparation",
    "body_part",
    "contrast",
    "laterality_required",
    "steps",
    "offered",
)
REQUIRED = ("code", "name", "modality")
MAX_BYTES = 2_000_000
MAX_ROWS = 5_000
YES = {"yes": True, "true": True, "1": True, "x": True, "no": False, "false": False, "0": False}
# A spreadsheet runs what begins with these as a formula; it is told that they are text.
_FORMULA = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is read: what it asks for, or what is wrong with it."""

    number: int  # as a spreadsheet counts, the heading is row 1
    command: DefineProcedure | None = None
    offered: bool = True
    errors: tuple[str, ...] = ()
    change: str = ""  # "new", "changed", "retired", "same"
    changed: tuple[str, ...] = ()  # names of columns
    title: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read, against the catalog as it is."""

    rows: tuple[Row, ...] = ()
    errors: tuple[str, ...] = field(default=())

    @property
    def is_good(self) -> bool:
        return not self.errors and not any(row.errors for row in self.rows)

    def count(self, change: str) -> int:
        return sum(row.change == change for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        words = ("new", "changed", "retired", "same")
        found = {word: self.count(word) for word in words}
        found["wrong"] = sum(bool(row.errors) for row in self.rows)
        return found

    @property
    def shown(self) -> list[Row]:
        """What is worth looking at: the wrong ones first."""
        return sorted(
            (row for row in self.rows if row.change != "same"), key=lambda row: not row.errors
        )


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


# --- the whole file


def write(lines: Iterable[ProcedureLine]) -> str:
    """The catalog as CSV (RFC 4180) with a byte order mark, which spreadsheets need for UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([_guarded(text) for text in _texts(line)])
    return "\ufeff" + out.getvalue()


def _texts(line: ProcedureLine) -> list[str]:
    return [
        line.code.value,
        line.code.scheme,
        line.code.version,
        line.code.meaning,
        line.modality,
        str(line.duration_minutes),
        line.preparation,
        line.body_part,
        line.contrast,
        "yes" if line.laterality_required else "no",
        write_steps(line.steps),
        "yes" if line.offered else "no",
    ]


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _bare(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def read(raw: bytes, present: Sequence[ProcedureLine]) -> Sheet:
    """What the file asks for, row by row; every fault is told, nothing is changed."""
    if len(raw) > MAX_BYTES:
        return Sheet(errors=(f"The file is longer than {MAX_BYTES // 1_000_000} MB.",))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Sheet(errors=("The file is not UTF-8. Save it as “CSV UTF-8”.",))
    if "\0" in text:
        return Sheet(errors=("The file is no text.",))
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return Sheet(errors=(f"The file is no CSV: {error}.",))
    if not table:
        return Sheet(errors=("The file is empty.",))
    heading = [name.strip().lower() for name in table[0]]
    faults = [f"The column “{name}” is missing." for name in REQUIRED if name not in heading]
    faults += [f"There is no column “{name}”." for name in heading if name not in COLUMNS]
    faults += [
        f"The column “{name}” is there twice."
        for name in dict.fromkeys(heading)
        if heading.count(name) > 1
    ]
    if len(table) > MAX_ROWS:
        faults.append(f"More than {MAX_ROWS} rows.")
    if faults:
        return Sheet(errors=tuple(faults))
    known = {_key(line.code): line for line in present}
    rows: list[Row] = []
    seen: dict[tuple[str, str, str], int] = {}
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        row = _row(number, heading, cells, known)
        if row.command is not None:
            key = _key(row.command.code)
            if key in seen:
                row = Row(
                    number, errors=(f"The same procedure is in row {seen[key]}.",), title=row.title
                )
            seen.setdefault(key, number)
        rows.append(row)
    return Sheet(tuple(rows))


def _key(code: Code) -> tuple[str, str, str]:
    return code.value, code.scheme, code.version


_LIMITS = {
    "code": 64,
    "scheme": 64,
    "version": 16,
    "name": 200,
    "modality": 16,
    "body_part": 64,
    "contrast": 64,
    "preparation": 4000,
}


def _row(
    number: int,
    heading: Sequence[str],
    cells: Sequence[str],
    known: dict[tuple[str, str, str], ProcedureLine],
) -> Row:
    if len(cells) > len(heading):
        return Row(number, errors=("The row has more cells than the heading.",))
    said = {name: _bare(cell.strip()) for name, cell in zip(heading, cells, strict=False)}
    title = said.get("name", "") or said.get("code", "")
    code = Code(
        said.get("code", ""), said.get("scheme", ""), said.get("name", ""), said.get("version", "")
    )
    before = known.get(_key(code))
    errors = [f"{name} is empty." for name in REQUIRED if not said.get(name)]
    errors += [
        f"{name} has more than {limit} characters."
        for name, limit in _LIMITS.items()
        if len(said.get(name, "")) > limit
    ]
    values = _as_it_was(before)
    for name, text in said.items():
        if name in _READERS:
            try:
                values[name] = _READERS[name](text)
            except (InvalidValueError, csv.Error) as error:
                errors.append(f"{error}.")
    if errors:
        return Row(number, errors=tuple(errors), title=title)
    offered = bool(values.pop("offered"))
    return _compared(
        Row(number, DefineProcedure(code=code, **values), offered, title=title), before
    )


def _as_it_was(before: ProcedureLine | None) -> dict[str, Any]:
    """What counts for columns that the file does not have."""
    if before is None:
        return {"modality": "", "offered": True}
    return {name: getattr(before, name) for name in _READERS}


def _yes(name: str, default: bool) -> Callable[[str], bool]:
    def read_word(text: str) -> bool:
        if text and text.lower() not in YES:
            raise InvalidValueError(f"{name} is yes or no", path=name)
        return YES.get(text.lower(), default)

    return read_word


_READERS: Mapping[str, Callable[[str], Any]] = {
    "modality": str.upper,
    "duration_minutes": lambda text: _minutes(text or "30", "duration_minutes"),
    "preparation": str,
    "body_part": str,
    "contrast": str,
    "laterality_required": _yes("laterality_required", default=False),
    "steps": read_steps,
    "offered": _yes("offered", default=True),
}


def _compared(row: Row, before: ProcedureLine | None) -> Row:
    command = row.command
    assert command is not None  # noqa: S101 - asked for a row without faults only
    if before is None:
        # One that is neither here nor offered is nothing to do.
        return replace(row, change="new" if row.offered else "same")
    pairs = {
        "name": (command.code.meaning, before.code.meaning),
        "modality": (command.modality, before.modality),
        "duration_minutes": (command.duration_minutes, before.duration_minutes),
        "preparation": (command.preparation, before.preparation),
        "body_part": (command.body_part, before.body_part),
        "contrast": (command.contrast, before.contrast),
        "laterality_required": (command.laterality_required, before.laterality_required),
        "steps": (command.steps, before.steps),
        "offered": (row.offered, before.offered),
    }
    changed = tuple(name for name, (now, was) in pairs.items() if now != was)
    change = "same"
    if changed:
        change = "retired" if changed == ("offered",) and not row.offered else "changed"
    return replace(row, change=change, changed=changed)

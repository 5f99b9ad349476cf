"""Tables of ours as CSV files: written, read, and what reading one would change.

A :class:`Kind` says what a row is of. A file that was written here and is read again changes
nothing; what stands in no row, or has no column, stays as it is. Every fault of every row is told,
and a file with a fault changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from ris.domain.errors import InvalidValueError
from ris.web.asking import said

MAX_BYTES = 2_000_000
MAX_ROWS = 5_000
YES = {"yes": True, "true": True, "1": True, "x": True, "no": False, "false": False, "0": False}
# A spreadsheet runs what begins with these as a formula; it is told that they are text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``read`` raises InvalidValueError; ``default`` is what a new row has without the column."""

    name: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str
    default: Any = ""
    required: bool = False
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is read: what it says, what that changes, or what is wrong with it."""

    number: int  # as a spreadsheet counts, the heading is row 1
    values: Values = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    change: str = ""  # "new", "changed", "retired", "same"
    changed: tuple[str, ...] = ()  # names of columns
    title: str = ""
    before: Values | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read, against what is there."""

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

    @property
    def wanted(self) -> list[Row]:
        """The rows that change something."""
        return [row for row in self.rows if row.change != "same" and not row.errors]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a row is of: found by ``key``, taken out by saying no in the column ``in_use``."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    noun: str
    title: tuple[str, ...]  # the first of these columns that says something names the row
    in_use: str = ""
    check: Callable[[Values, Values | None], Sequence[str]] = lambda values, before: ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    def write(self, records: Iterable[Values]) -> str:
        """As CSV (RFC 4180) with a byte order mark, which spreadsheets need for UTF-8."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.names)
        for record in records:
            writer.writerow([guarded(column.write(record[column.name])) for column in self.columns])
        return "\ufeff" + out.getvalue()

    def read(self, raw: bytes, present: Iterable[Values]) -> Sheet:
        """What the file asks for, row by row; nothing is changed."""
        table = _table(raw)
        if isinstance(table, str):
            return Sheet(errors=(table,))
        heading = [name.strip().lower() for name in table[0]]
        faults = self._faults(heading)
        if len(table) > MAX_ROWS:
            faults.append(f"More than {MAX_ROWS} rows.")
        if faults:
            return Sheet(errors=tuple(faults))
        known = {self._key(record): record for record in present}
        rows: list[Row] = []
        seen: dict[tuple[Any, ...], int] = {}
        for number, cells in enumerate(table[1:], start=2):
            if not any(cell.strip() for cell in cells):
                continue
            row = self._row(number, heading, cells, known)
            if not row.errors:
                key = self._key(row.values)
                if key in seen:
                    told = f"The same {self.noun} is in row {seen[key]}."
                    row = Row(number, errors=(told,), title=row.title)
                seen.setdefault(key, number)
            rows.append(row)
        return Sheet(tuple(rows))

    def _key(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[name] for name in self.key)

    def _faults(self, heading: Sequence[str]) -> list[str]:
        faults = [
            f"The column “{name}” is missing." for name in self.required if name not in heading
        ]
        faults += [f"There is no column “{name}”." for name in heading if name not in self.names]
        faults += [
            f"The column “{name}” is there twice."
            for name in dict.fromkeys(heading)
            if heading.count(name) > 1
        ]
        return faults

    def _row(
        self,
        number: int,
        heading: Sequence[str],
        cells: Sequence[str],
        known: Mapping[tuple[Any, ...], Values],
    ) -> Row:
        if len(cells) > len(heading):
            return Row(number, errors=("The row has more cells than the heading.",))
        texts = {name: _bare(cell.strip()) for name, cell in zip(heading, cells, strict=False)}
        title = next((texts[name] for name in self.title if texts.get(name)), "")
        errors = [f"{name} is empty." for name in self.required if not texts.get(name)]
        read: dict[str, Any] = {}
        for column in self.columns:
            text = texts.get(column.name)
            if column.limit and len(text or "") > column.limit:
                errors.append(f"{column.name} has more than {column.limit} characters.")
            elif text is not None:
                try:
                    read[column.name] = column.read(text)
                except (InvalidValueError, csv.Error) as error:
                    errors.append(f"{error}.")
        if errors:
            return Row(number, errors=tuple(errors), title=title)
        default = {column.name: column.default for column in self.columns}
        before = known.get(self._key(default | read))
        values = {**default, **(before or {}), **read}
        errors += self.check(values, before)
        if errors:
            return Row(number, errors=tuple(errors), title=title)
        return self._compared(Row(number, values, title=title, before=before))

    def _compared(self, row: Row) -> Row:
        values, before = row.values, row.before
        in_use = bool(values[self.in_use]) if self.in_use else True
        if before is None:
            # One that is neither here nor in use is nothing to do.
            return _changed(row, "new" if in_use else "same")
        changed = tuple(name for name in self.names if values[name] != before[name])
        if self.in_use in changed and not in_use:
            return _changed(row, "retired", changed)
        return _changed(row, "changed" if changed else "same", changed)


def _changed(row: Row, change: str, changed: tuple[str, ...] = ()) -> Row:
    return Row(row.number, row.values, (), change, changed, row.title, row.before)


def _table(raw: bytes) -> list[list[str]] | str:
    """The cells of the file, or why it has none."""
    if len(raw) > MAX_BYTES:
        return f"The file is longer than {MAX_BYTES // 1_000_000} MB."
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "The file is not UTF-8. Save it as “CSV UTF-8”."
    if "\0" in text:
        return "The file is no text."
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return f"The file is no CSV: {error}."
    return table or "The file is empty."


def guarded(value: object) -> object:
    """A text that a spreadsheet would run as a formula, marked as text; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _bare(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


# --- kinds of columns


def text(name: str, *, limit: int = 0, required: bool = False) -> Column:
    return Column(name=name, limit=limit, required=required)


def yes_no(name: str, *, default: bool) -> Column:
    def read(word: str) -> bool:
        if word and word.lower() not in YES:
            raise InvalidValueError(f"{name} is yes or no", path=name)
        return YES.get(word.lower(), default)

    return Column(
        name=name, read=read, write=lambda value: "yes" if value else "no", default=default
    )


def whole(name: str, *, most: int, default: int = 0) -> Column:
    def read(word: str) -> int:
        if not word:
            return default
        if not (word.isascii() and word.isdigit() and int(word[:9]) <= most):
            raise InvalidValueError(f"{name} is a number from 0 to {most}", path=name)
        return int(word)

    return Column(name=name, read=read, default=default)


def listing(name: str, *, upper: bool = False) -> Column:
    """Words with semicolons between them, or commas where there is no semicolon."""
    return Column(
        name=name,
        read=lambda words: split(words.upper() if upper else words),
        write=lambda value: "; ".join(value),
        default=(),
    )


def split(words: str) -> tuple[str, ...]:
    """The words of a list as people write one, each once."""
    parts = words.replace("\n", ";").split(";" if ";" in words or "\n" in words else ",")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


# --- on its way in and out


def attachment(content: str, name: str) -> HttpResponse:
    """A file to keep."""
    return HttpResponse(
        content.encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def uploaded(request: HttpRequest) -> bytes:
    """The file that was chosen, or the one that was shown a moment ago."""
    file = request.FILES.get("file")
    if file is not None:
        return bytes(file.read(MAX_BYTES + 1))
    try:
        return base64.b64decode(said(request, "content", 4 * MAX_BYTES), validate=True)
    except (ValueError, binascii.Error):
        raise InvalidValueError("choose a file", path="file") from None


def carried(raw: bytes) -> str:
    """The file as a form carries it from what is shown to what is applied."""
    return base64.b64encode(raw).decode()

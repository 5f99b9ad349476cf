"""How the conformance statement is written: numbered headings, tables, values of settings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic.fields import FieldInfo

from ris.markdown import table

_DEEPEST = 6  # Markdown has no more levels


def heading(number: str, title: str) -> list[str]:
    """A heading as deep as its number."""
    return [f"{'#' * min(number.count('.') + 2, _DEEPEST)} {number} {title}", ""]


def absent(number: str, title: str, words: str = "Not supported.") -> list[str]:
    """A heading of the template that has nothing here."""
    return [*heading(number, title), words, ""]


def settings(fields: Mapping[str, FieldInfo]) -> list[str]:
    """The settings of an application, with what holds if they are not said."""
    return table(
        ("setting", "default", "meaning"),
        (
            (f"`{name}`", shown(field.default), field.description or "")
            for name, field in fields.items()
        ),
    )


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)

"""Reference pages made from the code (docs/generate.py)."""

from __future__ import annotations

import types
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from ris import cli, config, domain
from ris.domain.states import StateMachine

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"


def settings() -> str:
    """Every setting with type, default and meaning."""
    lines = [
        "# Settings",
        "",
        _NOTE,
        "",
        "Read from `ris.toml` in the working directory (`RIS_CONFIG_FILE` names another file),",
        "then from the environment, then from files in the folder `RIS_SECRETS_DIR`, each named",
        "like the variable. Later sources win; an unknown name is refused. In `ris.toml` a name",
        "with two underscores is a key in a table: `RIS_DICOM__PORT` is `port` in `[dicom]`.",
        "`ris show-config` prints what is in force and where it comes from.",
        "",
        "| setting | value | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for path, field in config.leaves():
        lines.append(
            f"| `{config.env_name(path)}` | {_kind(field)} | {_default(field)} "
            f"| {field.description} |"
        )
    return "\n".join(lines) + "\n"


def _kind(field: Any) -> str:
    annotation = field.annotation
    if get_origin(annotation) in {Union, types.UnionType}:
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    limits = list(field.metadata)
    while hasattr(annotation, "__metadata__"):
        limits += annotation.__metadata__
        annotation = get_args(annotation)[0]
    for limit in list(limits):
        limits += list(getattr(limit, "metadata", ()))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    word = {
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        SecretStr: "secret text",
        str: "text",
    }.get(annotation, {tuple: "list", dict: "table"}.get(get_origin(annotation), "path"))
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    above = next((limit.gt for limit in limits if isinstance(limit, Gt)), None)
    longest = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), None)
    if low is not None and high is not None:
        return f"{word}, {low} to {high}"
    if low is not None:
        return f"{word}, at least {low}"
    if above is not None:
        return f"{word} above {above}"
    return f"{word}, at most {longest} characters" if longest else word


def _default(field: Any) -> str:
    value = field.default
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    shown = config.masked(value)
    return f"`{shown}`" if shown else ""


def commands() -> str:
    """Every command of the ``ris`` program."""
    lines = [
        "# Commands",
        "",
        _NOTE,
        "",
        "`ris` and `manage.py` are the same program. Every command has `--help` and exits with 0",
        "(done), 1 (failed) or 2 (used wrongly).",
        "",
        "| command | does |",
        "| --- | --- |",
    ]
    rows = {name: command.summary for name, command in cli.COMMANDS.items()}
    for name, summary in {**rows, **cli.FROM_DJANGO}.items():
        lines.append(f"| `ris {name}` | {summary} |")
    return "\n".join(lines) + "\n"


def states() -> str:
    """Every state machine of the domain, row by row."""
    lines = [
        "# States",
        "",
        _NOTE,
        "",
        "Each machine is a table in `ris/domain`; what is not in its table is refused as",
        "`state-conflict`. A state without a row of its own is final.",
    ]
    for machine in machines():
        rows: dict[tuple[str, str], list[str]] = {}
        for (state, trigger), target in machine.table.items():
            rows.setdefault((trigger.value, target.value), []).append(state.value)
        lines += ["", f"## {machine.name}", "", f"Begins as {machine.initial.value}.", ""]
        lines += ["| trigger | from | to |", "| --- | --- | --- |"]
        for (trigger, target), sources in rows.items():
            lines.append(f"| {trigger} | {', '.join(sources)} | {target} |")
    return "\n".join(lines) + "\n"


def machines() -> list[StateMachine[Any, Any]]:
    """The state machines, in the order of their modules."""
    found: dict[str, StateMachine[Any, Any]] = {}
    for module in iter_modules(domain.__path__):
        for value in vars(import_module(f"ris.domain.{module.name}")).values():
            if isinstance(value, StateMachine):
                found.setdefault(value.name, value)
    return [found[name] for name in sorted(found)]

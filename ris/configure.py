"""``ris configure``: a site file against what is stored."""

from __future__ import annotations

import argparse
from pathlib import Path

from ris import config
from ris.checks import other_clocks
from ris.domain.actors import OPERATOR
from ris.domain.commands import Command
from ris.domain.configuration import (
    ApplyConfiguration,
    Plan,
    RollBackConfiguration,
    plan,
)
from ris.domain.configuration_file import parse, render
from ris.domain.errors import InvalidValueError
from ris.selectors import configuration
from ris.services import execute
from ris.services.configuration import check
from ris.terminal import complain, confirmed, say


def main(argv: list[str]) -> int:
    """Show what a site file changes, ask, and change it in one transaction."""
    parser = argparse.ArgumentParser(
        prog="ris configure",
        description="Bring endpoints, devices, rooms, procedures and logins to what a site file "
        "says. Shows the difference, asks, and applies it in one transaction. Records that the "
        "file does not name stay.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE.toml")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="show the difference only")
    what.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--rollback",
        action="store_true",
        help="put back what was stored before the last file; a second time undoes that",
    )
    parser.add_argument(
        "--export", action="store_true", help="print what is stored as a site file and stop"
    )
    arguments = parser.parse_args(argv)
    if sum(map(bool, (arguments.file, arguments.rollback, arguments.export))) != 1:
        parser.error("name a file, or --rollback, or --export")
    if arguments.export:
        say(render(configuration.stored()).rstrip())
        return 0
    stored = configuration.stored()
    expected = configuration.digest(stored)
    command: Command[Plan]
    if arguments.rollback:
        content = configuration.previous()
        if content is None:
            complain("ris: no file was applied yet: there is nothing to go back to")
            return 1
        found = plan(parse(content), stored, whole=True)
        command = RollBackConfiguration(expected=expected)
    else:
        try:
            content = Path(arguments.file).read_text(encoding="utf-8")
            found = plan(parse(content, stored), stored)
            check(found)
        except UnicodeDecodeError:
            complain(f"ris: {arguments.file} is not UTF-8 text")
            return 1
        except InvalidValueError as error:
            where = f" {error.path}" if error.path else ""
            complain(f"ris: {arguments.file}{where}: {error.message}")
            return 1
        command = ApplyConfiguration(content=content, expected=expected)
    _show(found)
    if not found or arguments.dry_run:
        return 0
    if not arguments.yes and not confirmed("Apply?"):
        complain("ris: nothing was changed (--yes applies without asking)")
        return 1
    execute(command, actor=OPERATOR)
    for message in other_clocks(config.load()):
        complain(f"note: {message.msg}; {message.hint}")
    say("applied; `ris configure --rollback` puts back what was before")
    return 0


def _show(found: Plan) -> None:
    for change in found.changes:
        for line in change.lines():
            say(line)
    for note in found.notes:
        complain(f"note: {note}")
    new = sum(change.before is None for change in found.changes)
    say(f"{new} new, {len(found.changes) - new} changed, {found.same} as stored")

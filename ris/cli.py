"""The ``ris`` command; ``manage.py`` is the same command.

A command is a row here and a function elsewhere, imported when it is asked for: it takes the
remaining arguments and returns 0 (done), 1 (failed) or 2 (used wrongly). What is not in the table
is a command of Django's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple


class Command(NamedTuple):
    target: str  # module:function taking the arguments and returning the exit code
    summary: str
    django: bool = True  # whether Django must be set up first
    pages: bool = True  # whether it needs the apps of pages and of the other edge, too


COMMANDS: dict[str, Command] = {
    "up": Command("ris.supervisor:main", "start every part on this machine", django=False),
    "run web": Command("ris.parts:web", "pages, REST and FHIR", django=False),
    "run dicom": Command("worklist.listener:run", "DICOM listener: worklist and MPPS", pages=False),
    "run mllp": Command("integration.hl7.commands:run_mllp", "HL7 v2 listener"),
    "run worker": Command("ris.parts:worker", "deliveries to other systems"),
    "run beat": Command("ris.parts:beat", "clock of the worker", django=False),
    "prepare": Command("ris.prepare:main", "check, migrate and, for the demo, load data"),
    "doctor": Command("ris.doctor:main", "find out what is wrong, part by part"),
    "configure": Command("ris.configure:main", "apply a site file: endpoints and devices"),
    "show-config": Command(
        "ris.show_config:main", "every setting, its value and where it comes from", django=False
    ),
    "user add": Command("ris.users:add", "make a login"),
    "token add": Command("ris.tokens:add", "make an API token; it is shown once"),
    "token list": Command("ris.tokens:show", "list API tokens"),
    "token revoke": Command("ris.tokens:revoke", "end an API token"),
    "client add": Command("ris.api_clients:add", "register an API client with its key"),
    "client list": Command("ris.api_clients:show", "list API clients"),
    "client keys": Command("ris.api_clients:keys", "replace the keys of an API client"),
    "client disable": Command("ris.api_clients:disable", "end an API client and its tokens"),
    "client enable": Command("ris.api_clients:enable", "let an API client in again"),
    "hl7 send": Command("integration.hl7.commands:send", "send a message file over MLLP"),
    "hl7 check": Command("integration.hl7.commands:check", "say what is wrong with a message"),
    "hl7 try": Command(
        "integration.hl7.mapping.commands:try_messages", "show what a message would do, undone"
    ),
    "hl7 dry-run": Command(
        "integration.hl7.mapping.commands:dry_run", "run other rules over what came"
    ),
    "passcode": Command("worklist.passcodes:main", "hash the passcode of a device"),
    "mwl find": Command("worklist.commands:find", "ask a worklist, as a scanner does"),
    "mwl import": Command(
        "worklist.takeover_commands:main", "take over what another system's worklist has booked"
    ),
    "mwl explain": Command(
        "worklist.explain_commands:explain", "why a worklist shows a step, or does not"
    ),
    "mwl queries": Command("worklist.explain_commands:list_queries", "what devices asked"),
    "echo": Command("worklist.commands:echo", "C-ECHO to a peer"),
    "simulate ehr": Command("integration.commands:simulate_ehr", "play the ordering system"),
    "simulate modality": Command("worklist.commands:simulate_modality", "play a scanner"),
    "simulate pacs": Command("integration.commands:simulate_pacs", "play the archive"),
    "replay": Command("ris.replay:main", "apply a stored message again"),
    "backup": Command("ris.backup:backup", "copy the database while it runs"),
    "restore": Command("ris.backup:restore", "put a copy back"),
    "conformance dicom": Command("worklist.commands:conformance", "DICOM conformance statement"),
    "conformance hl7": Command("integration.hl7.commands:conformance", "HL7 v2 profile"),
    "conformance fhir": Command(
        "integration.fhir.commands:conformance", "FHIR CapabilityStatement"
    ),
    "fhir reindex": Command(
        "integration.fhir.commands:reindex", "write again what FHIR resources are found by"
    ),
    "reports verify": Command("ris.reports:verify", "find signed reports that were changed"),
    "analytics rebuild": Command("ris.analytics:rebuild", "count the daily facts again"),
    "demo load": Command("ris.demo:load", "load the demo site"),
    "demo reset": Command("ris.demo:reset", "put the demo site back to its beginning"),
}
FROM_DJANGO = {"migrate": "bring the database to this release"}
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        # The reader of our output went away, as `ris … | head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 1
    except Exception as error:
        known = _expected(error)
        if known is None:
            raise
        print(f"ris: {known}", file=sys.stderr)
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_overview())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from ris.version import version

        print(f"ris {version()}")
        return 0
    if arguments[0] in GROUPS:
        name = " ".join(arguments[:2])
        if name not in COMMANDS:
            asked = len(arguments) > 1 and arguments[1] in {"-h", "--help"}
            print(_overview(arguments[0]), file=sys.stdout if asked else sys.stderr)
            return 0 if asked else 2
        return run(name, arguments[2:])
    if arguments[0] in COMMANDS:
        return run(arguments[0], arguments[1:])
    return _django(arguments)


def run(name: str, arguments: list[str]) -> int:
    """Run a command of the table, as ``main`` does, without its error handling."""
    function = _loaded(name)
    if name.startswith("run "):
        from ris.parent import watch_parent

        watch_parent()
    return function(arguments)


def _loaded(name: str) -> Callable[[list[str]], int]:
    """The function of a command, with Django set up where it needs that."""
    command = COMMANDS[name]
    if not command.django:
        return _function(name, command.target)
    import django
    from django.apps import apps

    if apps.ready:
        return _function(name, command.target)
    from ris import lean
    from ris.loading import kept

    lean.is_lean = not command.pages
    with kept():
        django.setup()
        return _function(name, command.target)


def _function(name: str, target: str) -> Callable[[list[str]], int]:
    module_name, _, function_name = target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise NotServedError(f"`ris {name}` is not part of this installation") from None
    function: Callable[[list[str]], int] = getattr(module, function_name)
    return function


class NotServedError(Exception):
    """The module behind a command is not installed."""


def _django(arguments: list[str]) -> int:
    import django
    from django.core.management import execute_from_command_line, get_commands

    from ris.loading import kept

    with kept():
        django.setup()
    if arguments[0] not in get_commands():
        print(f"ris: no such command: {arguments[0]}; see `ris --help`", file=sys.stderr)
        return 2
    execute_from_command_line(["ris", *arguments])
    return 0


def _expected(error: Exception) -> str | None:
    """The one line for errors a user can do something about; None for our own bugs."""
    from ris.config import ConfigurationError
    from ris.domain.errors import RisError

    if isinstance(error, NotServedError | ConfigurationError):
        return str(error)
    if isinstance(error, RisError):
        return f"{error.path}: {error.message}" if error.path else error.message
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError, ProgrammingError

    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, OperationalError | ProgrammingError):
        text = str(error).splitlines()[0]
        old = any(words in text for words in ("no such table", "no such column", "does not exist"))
        hint = "; run `ris migrate`" if old else ""
        return f"database: {text}{hint}"
    return None


def _overview(group: str = "") -> str:
    names = [
        (name, command.summary)
        for name, command in COMMANDS.items()
        if not group or name.split()[0] == group
    ]
    if not group:
        names += FROM_DJANGO.items()
    width = max(len(name) for name, _ in names)
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in names]
    usage = f"usage: ris {group or 'COMMAND'} …    (each with --help)"
    tail = [] if group else ["", "Django's own commands work too: `ris shell`, `ris check`, …"]
    return "\n".join([usage, "", *lines, *tail])

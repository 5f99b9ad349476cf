"""``ris hl7 try`` and ``ris hl7 dry-run``: the test bench without a browser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils.timezone import localtime

from integration.hl7.commands import messages_of, read_bytes
from ris.domain.actors import OPERATOR
from ris.domain.configuration_file import parse_mapping
from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.exchange import Direction, Protocol
from ris.domain.mapping import differences
from ris.selectors.mapping import MappedEndpoint, mapped_endpoints
from ris.services import dry_runs, rehearsal
from ris.services.dry_runs import DryRun
from ris.services.rehearsal import Trial
from ris.terminal import complain, say


def _peer(name: str, way: Direction = Direction.IN) -> MappedEndpoint:
    """The interface of that name, or that goes by it in MSH-3^MSH-4."""
    known = mapped_endpoints(Protocol.HL7, way)
    for each in known:
        if name in (each.name, each.info.protocol_name, each.public_id):
            return each
    names = ", ".join(each.name for each in known) or "none yet"
    does = "sends HL7 here" if way is Direction.IN else "is sent HL7"
    raise UnknownKeyError(f"no interface {name} {does}; there are: {names}", path="--peer")


def _mapping(name: str | None) -> dict[str, Any] | None:
    if not name:
        return None
    try:
        return parse_mapping(Path(name).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InvalidValueError(f"{name} is not UTF-8 text") from None


def try_messages(argv: list[str]) -> int:
    """Show what the messages of files would do, and undo it; 1 if any would not be taken."""
    parser = argparse.ArgumentParser(
        prog="ris hl7 try",
        description="Apply HL7 v2 messages as if they had come, show what they would do, and undo "
        "it: no order, number or message to anybody is left. That it was tried is audited.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
    parser.add_argument(
        "--peer", metavar="NAME", help="as if it came from this interface; else from MSH-3, MSH-4"
    )
    parser.add_argument(
        "--rules", metavar="FILE.toml", help="with this mapping instead of the one in force"
    )
    parser.add_argument("--show", action="store_true", help="print the rewritten message as well")
    arguments = parser.parse_args(argv)
    if arguments.rules and not arguments.peer:
        parser.error("--rules needs --peer")
    endpoint = _peer(arguments.peer).public_id if arguments.peer else ""
    content = _mapping(arguments.rules)
    good = True
    for name in arguments.files:
        for raw in messages_of(read_bytes(name)):
            trial = rehearsal.try_message(OPERATOR, raw, endpoint=endpoint, content=content)
            _say_trial(trial, show=arguments.show)
            good &= trial.state == "APPLIED"
    return 0 if good else 1


def _say_trial(trial: Trial, *, show: bool) -> None:
    words = "would be taken" if trial.state == "APPLIED" else "would be refused"
    tell: Callable[[str], None] = say if trial.state == "APPLIED" else complain
    tell(f"{trial.outcome}: {words}")
    if trial.note:
        complain(f"  note: {trial.note}")
    faults = trial.understanding.faults
    for fault in faults:
        complain(f"  {fault.code} {fault.path}: {fault.text}")
    if trial.error and not faults:
        place = f"{trial.error_path}: " if trial.error_path else ""
        complain(f"  {place}{trial.error}")
    for change in trial.explanation.changes:
        before, after = change.before or "nothing", change.after or "nothing"
        say(f"  {change.source} ({change.text}): {change.place} {before} → {after}")
    for order in trial.orders:
        steps = [step for procedure in order.procedures for step in procedure.steps]
        codes = ", ".join(procedure.code.value for procedure in order.procedures)
        say(f"  order {order.accession.value}: {codes}, {len(steps)} step(s), {order.status.value}")
    for each in trial.worklist:
        step = each.entry.step
        at = f"{localtime(step.start_at):%Y-%m-%d %H:%M}" if step.start_at else ""
        say(f"  worklist: {step.step_id} {step.modality} {step.station_ae_title} {at}")
    if trial.events:
        say(f"  changes: {', '.join(trial.events)}")
    if show:
        for line in trial.explanation.raw.decode("utf-8", "replace").split("\r"):
            if line:
                say(f"    {line}")


def dry_run(argv: list[str]) -> int:
    """Show which stored messages another mapping would read otherwise; 1 if any would fail."""
    parser = argparse.ArgumentParser(
        prog="ris hl7 dry-run",
        description="Read the newest messages of an interface with the mapping in force and with "
        "another one, and show which would be read otherwise. Nothing is changed.",
    )
    parser.add_argument("--peer", required=True, metavar="NAME", help="the interface")
    parser.add_argument(
        "--rules", required=True, metavar="FILE.toml", help="the mapping to try; - : none at all"
    )
    parser.add_argument(
        "--out", action="store_true", help="over what it was sent, written anew, instead"
    )
    parser.add_argument("--messages", type=int, default=1000, metavar="N", help="default: 1000")
    parser.add_argument(
        "--seconds", type=float, default=120.0, metavar="N", help="at most; default: 120"
    )
    arguments = parser.parse_args(argv)
    endpoint = _peer(arguments.peer, Direction.OUT if arguments.out else Direction.IN)
    content = {} if arguments.rules == "-" else _mapping(arguments.rules) or {}
    for line in differences(endpoint.content, content):
        say(line)
    found = dry_runs.dry_run(
        OPERATOR,
        endpoint.public_id,
        content,
        limit=arguments.messages,
        seconds=arguments.seconds,
        progress=lambda count: complain(f"{count} read") if count % 250 == 0 else None,
    )
    _say_dry_run(found)
    return 1 if found.failing else 0


def _say_dry_run(found: DryRun) -> None:
    for each in found.differing:
        say(f"{each.received_at:%Y-%m-%d %H:%M} {each.message_type} {each.key}: {each.kind}")
        for line in each.lines:
            say(f"  {line}")
    rest = "; the time is over, there are older ones" if found.before else ""
    say(
        f"{found.checked} messages: {found.same} as before, {found.failing} would fail, "
        f"{found.passing} would be taken that were not ({found.seconds} s){rest}"
    )

"""``ris mwl import``: what another system has booked becomes ours."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo
from pathlib import Path

from ris import config
from ris.client_tls import ClientTls
from ris.terminal import complain, confirmed, say, table
from worklist import charset, takeover
from worklist.charset import CharacterSet, UnknownCharacterSetError
from worklist.foreign import Circumstances
from worklist.registry import present
from worklist.requestor import Target
from worklist.takeover import Found, Outcome, Result

_TAKEN = (Outcome.NEW, Outcome.ADDED)


def main(argv: list[str]) -> int:
    """Show what a worklist offers and what would become of it, ask, and take it over."""
    settings = config.load()
    parser = _parser(settings.dicom.ae_title)
    arguments = parser.parse_args(argv)
    zone = present().zone
    found = takeover.ask(
        _target(arguments),
        _keys(arguments, zone),
        Circumstances(
            zone=zone,
            issuer=arguments.issuer,
            placer=arguments.placer,
            default=_character_set(parser, arguments.character_set),
        ),
    )
    expected = _told(found, takeover.rehearse(found.entries), zone)
    counted = Counter(result.outcome for result in expected)
    _sum_up(counted)
    wanted = sum(counted[outcome] for outcome in _TAKEN)
    if arguments.dry_run or not wanted:
        return _code(counted)
    if not arguments.yes and not confirmed(f"Take over {wanted}?"):
        complain("ris: nothing was taken over (--yes does it without asking)")
        return 1
    done = Counter[Outcome]()
    for result in takeover.take_over(found.entries, arguments.called):
        done[result.outcome] += 1
        if result.outcome is Outcome.REFUSED and result not in expected:
            table([_row(result, zone)])  # somebody changed something meanwhile
    say(f"{sum(done[outcome] for outcome in _TAKEN)} taken over")
    return _code(counted + done)


def _parser(title: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ris mwl import",
        description="Ask the worklist of another system and take over the exams that are booked "
        "there, with their numbers and UIDs. Shows what would become of each, asks, and does it. "
        "What is here already is left alone, so it can be repeated.",
    )
    parser.add_argument("--host", required=True, help="of the other system")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--called", required=True, metavar="AE", help="its AE title")
    parser.add_argument("--calling", default=title, metavar="AE", help=f"ours; default: {title}")
    parser.add_argument(
        "--date", default="", help="YYYYMMDD, or a range with a hyphen; default: from today on"
    )
    parser.add_argument("--station", default="", metavar="AE", help="of this station only")
    parser.add_argument("--modality", default="", help="of this modality only")
    parser.add_argument(
        "--issuer", default="", metavar="NAME",
        help="who gave out the patients' numbers, where the entries do not say so",
    )  # fmt: skip
    parser.add_argument(
        "--placer", default="", metavar="NAME",
        help="who gave out the placer order numbers, as the EHR will name it (ORC-2.2)",
    )  # fmt: skip
    parser.add_argument(
        "--character-set", default="", metavar="TERM",
        help="of entries that name none, such as ISO_IR 100",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--tls", action="store_true", help="call with TLS")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="verify the peer with this CA")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="our certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="show what would become of them only")
    what.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _target(arguments: argparse.Namespace) -> Target:
    tls = None
    if arguments.tls:
        tls = ClientTls(ca=arguments.tls_ca, certificate=arguments.tls_cert, key=arguments.tls_key)
    return Target(
        host=arguments.host,
        port=arguments.port,
        called=arguments.called,
        calling=arguments.calling,
        tls=tls,
        answer_seconds=arguments.timeout,
    )


def _keys(arguments: argparse.Namespace, zone: tzinfo) -> dict[str, str]:
    return {
        "ScheduledProcedureStepStartDate": arguments.date or f"{datetime.now(zone):%Y%m%d}-",
        "ScheduledStationAETitle": arguments.station,
        "Modality": arguments.modality,
    }


def _character_set(parser: argparse.ArgumentParser, terms: str) -> CharacterSet:
    try:
        return charset.character_set(tuple(terms.split("\\"))) if terms else charset.ASCII
    except UnknownCharacterSetError:
        parser.error(f"--character-set: {terms} is no defined term of (0008,0005)")


# --- what is shown


def _told(found: Found, results: Iterable[Result], zone: tzinfo) -> list[Result]:
    everything = [*sorted(results, key=_start), *found.unread]
    table([_row(result, zone) for result in everything])
    return everything


def _start(result: Result) -> str:
    start = result.entry.step.start_at if result.entry is not None else None
    return start.isoformat() if start is not None else ""


def _row(result: Result, zone: tzinfo) -> tuple[str, ...]:
    outcome = f"{result.outcome.value}: {result.words}" if result.words else result.outcome.value
    entry = result.entry
    if entry is None:
        return ("", "", "", "", "", outcome)
    start = entry.step.start_at
    return (
        f"{start.astimezone(zone):%Y-%m-%d %H:%M}" if start is not None else "",
        entry.step.modality,
        entry.accession.value,
        str(entry.patient.identifiers[0].value),
        str(entry.patient.demographics.name or ""),
        outcome,
    )


def _sum_up(counted: Counter[Outcome]) -> None:
    told = [f"{counted[outcome]} {outcome.value}" for outcome in Outcome if counted[outcome]]
    say(", ".join(told) or "nothing is booked there that matches")


def _code(counted: Counter[Outcome]) -> int:
    return 1 if counted[Outcome.REFUSED] else 0

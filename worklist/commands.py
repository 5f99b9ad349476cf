"""Commands of the DICOM edge: a scanner to try it with, and the conformance statement."""

from __future__ import annotations

import argparse
import json
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from ris import config
from ris.domain.identifiers import new_uid
from ris.terminal import complain, say, table
from worklist.conformance import statement
from worklist.modality import Answers, Modality, begun, client_tls, ended, query


def _peer_parser(name: str, text: str) -> argparse.ArgumentParser:
    """Options of every command that calls a peer; our own listener is the default one."""
    dicom = config.load().dicom
    parser = argparse.ArgumentParser(prog=f"ris {name}", description=text)
    host = "127.0.0.1" if dicom.host in {"0.0.0.0", "::", ""} else dicom.host  # noqa: S104
    parser.add_argument("--host", default=host, help="default: our own listener")
    parser.add_argument("--port", type=int, default=dicom.port, help=f"default: {dicom.port}")
    parser.add_argument("--calling", default="CT1", metavar="AE", help="our AE title; default: CT1")
    parser.add_argument(
        "--called", default=dicom.ae_title, metavar="AE", help=f"default: {dicom.ae_title}"
    )
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--tls", action="store_true", help="call with TLS")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="verify the peer with this CA")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="our certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    return parser


def _modality(arguments: argparse.Namespace) -> Modality:
    tls = None
    if arguments.tls:
        tls = client_tls(arguments.tls_ca, arguments.tls_cert, arguments.tls_key)
    return Modality(
        host=arguments.host,
        port=arguments.port,
        calling=arguments.calling,
        called=arguments.called,
        seconds=arguments.timeout,
        tls=tls,
    )


def echo(argv: list[str]) -> int:
    """C-ECHO to a peer."""
    arguments = _peer_parser("echo", "Ask a DICOM peer whether it answers.").parse_args(argv)
    started = time.perf_counter()
    _modality(arguments).echo()
    milliseconds = (time.perf_counter() - started) * 1000
    say(f"{arguments.called} at {arguments.host}:{arguments.port} answers ({milliseconds:.0f} ms)")
    return 0


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--station", default="", metavar="AE", help="scheduled station AE title")
    parser.add_argument("--modality", default="", help="CT, MR, …")
    parser.add_argument("--date", default="", help="YYYYMMDD, a range with a hyphen, or today")
    parser.add_argument("--name", default="", help="patient name, wildcards * and ?")
    parser.add_argument("--patient", default="", metavar="ID", help="patient ID")
    parser.add_argument("--accession", default="", metavar="NUMBER", help="accession number")
    parser.add_argument(
        "-k", "--key", action="append", default=[], metavar="KEYWORD=VALUE",
        help="any other key by its DICOM keyword; may repeat",
    )  # fmt: skip


def _query(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Dataset:
    date = arguments.date
    if date == "today":
        date = f"{_now():%Y%m%d}"
    keys = {
        "ScheduledStationAETitle": arguments.station,
        "Modality": arguments.modality,
        "ScheduledProcedureStepStartDate": date,
        "PatientName": arguments.name,
        "PatientID": arguments.patient,
        "AccessionNumber": arguments.accession,
    }
    for one in arguments.key:
        keyword, equals, value = one.partition("=")
        if not equals or tag_for_keyword(keyword) is None:
            parser.error(f"--key: {one} is not KEYWORD=VALUE with a DICOM keyword")
        keys[keyword] = value
    return query(**keys)


def _now() -> datetime:
    return datetime.now(ZoneInfo(config.load().time_zone))


def find(argv: list[str]) -> int:
    """Ask a worklist and show what it answers."""
    parser = _peer_parser("mwl find", "Ask a worklist, as a scanner does.")
    _add_conditions(parser)
    parser.add_argument("--json", action="store_true", help="print the answers as DICOM JSON")
    arguments = parser.parse_args(argv)
    answers = _modality(arguments).find(_query(parser, arguments))
    if arguments.json:
        say(json.dumps([one.to_json_dict() for one in answers.identifiers], ensure_ascii=False))
    else:
        table([_row(one) for one in answers.identifiers])
    return _complain_of(answers)


def _complain_of(answers: Answers) -> int:
    """An exit code; a query that was refused is not one that found nothing."""
    if answers.status == 0:
        return 0
    complain(f"ris: the query ended with {answers.status:04X} {answers.comment}".rstrip())
    return 1


def _row(entry: Dataset) -> tuple[str, ...]:
    step = entry.ScheduledProcedureStepSequence[0]
    day, clock = (
        str(step.ScheduledProcedureStepStartDate),
        str(step.ScheduledProcedureStepStartTime),
    )
    return (
        f"{day[:4]}-{day[4:6]}-{day[6:]} {clock[:2]}:{clock[2:4]}",
        str(step.ScheduledStationAETitle),
        str(step.Modality),
        str(entry.get("AccessionNumber", "")),
        str(entry.get("PatientID", "")),
        str(entry.get("PatientName", "")),
        str(step.get("ScheduledProcedureStepDescription", "")),
    )


def simulate_modality(argv: list[str]) -> int:
    """Play a scanner: ask for the worklist, then perform what it offers first."""
    parser = _peer_parser(
        "simulate modality",
        "Play a scanner: ask the worklist, begin the first step it offers (MPPS N-CREATE), and end "
        "it (N-SET).",
    )
    _add_conditions(parser)
    parser.add_argument(
        "--all", action="store_true", help="perform every step offered, not only the first"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="how long an exam takes")
    parser.add_argument("--images", type=int, default=4, help="images in its series; default: 4")
    parser.add_argument(
        "--discontinue", metavar="CODE", help="end it so, for a DICOM reason such as 110514"
    )
    arguments = parser.parse_args(argv)
    modality = _modality(arguments)
    answers = modality.find(_query(parser, arguments))
    if _complain_of(answers):
        return 1
    offered = answers.identifiers if arguments.all else answers.identifiers[:1]
    if not offered:
        complain("ris: the worklist offers nothing that matches")
        return 1
    reason = (arguments.discontinue, "Discontinued") if arguments.discontinue else None
    for entry in offered:
        uid = new_uid()
        name = "  ".join(_row(entry)[3:6])
        modality.create(begun(entry, station=arguments.calling, at=_now()), uid)
        say(f"begun      {name}")
        time.sleep(arguments.seconds)
        last = ended(entry, at=_now(), images=arguments.images, reason=reason)
        modality.set(last, uid)
        say(f"{'stopped' if reason else 'completed'}  {name}")
    return 0


def conformance(argv: list[str]) -> int:
    """Print the conformance statement."""
    argparse.ArgumentParser(
        prog="ris conformance dicom", description="Print the DICOM conformance statement."
    ).parse_args(argv)
    say(statement().rstrip())
    return 0

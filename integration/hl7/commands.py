"""Commands of the HL7 edge: the listener, a sender, a checker, the conformance statement."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from integration.hl7 import acks, folder, refusals, schema
from integration.hl7 import conformance as statements
from integration.hl7.er7 import Header, Message
from integration.hl7.full_check import check_fully
from integration.hl7.inbound import handle
from integration.hl7.mllp_client import Connections, Target
from integration.hl7.profiles import Profile, for_unknown_sender
from integration.hl7.routes import ROUTES
from integration.hl7.server import Listener, ListenerConfig, serve
from integration.hl7.times import message_zone
from integration.hl7.tls import ServerTls
from ris import config
from ris.client_tls import ClientTls
from ris.config_sections import Mllp
from ris.descriptors import raise_descriptor_limit
from ris.domain.errors import InvalidValueError, RisError, SeveralErrors
from ris.parent import watch_parent
from ris.selectors.facility import SiteView
from ris.terminal import complain, say

# --- the listener -------------------------------------------------------------------------------


def run_mllp(argv: list[str]) -> int:
    """Receive HL7 v2 until SIGTERM or SIGINT, then finish what has begun."""
    argparse.ArgumentParser(
        prog="ris run mllp", description="Receive HL7 v2 over MLLP as the settings say."
    ).parse_args(argv)
    watch_parent()
    settings = config.load()
    raise_descriptor_limit(settings.mllp.connections)
    root = settings.mllp.pickup_dir or settings.home / "hl7"
    with folder.running(root, handle):
        asyncio.run(_listen(listener_config(settings.mllp)))
    return 0


async def _listen(listening: ListenerConfig) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(listening, handle, stopping, _say_where, refusals.note)


def _say_where(listener: Listener) -> None:
    tls = f", TLS at port {listener.tls_port}" if listener.tls_port else ""
    say(f"HL7 listener ready at port {listener.port}{tls}")


def listener_config(mllp: Mllp) -> ListenerConfig:
    """The settings as the listener wants them."""
    tls = None
    if mllp.tls_port and mllp.tls_cert and mllp.tls_key:
        tls = ServerTls(
            certificate=mllp.tls_cert, key=mllp.tls_key, ca=mllp.tls_ca, crl=mllp.tls_crl
        )
    return ListenerConfig(
        host=mllp.host,
        port=mllp.port,
        tls_port=mllp.tls_port,
        tls=tls,
        threads=mllp.threads,
        connections=mllp.connections,
        frame_bytes=mllp.frame_bytes,
        frame_seconds=mllp.frame_seconds,
        idle_seconds=mllp.idle_seconds,
    )


# --- send ---------------------------------------------------------------------------------------


def add_peer(parser: argparse.ArgumentParser) -> None:
    """Options of every command that sends; our own listener is the default peer."""
    mllp = config.load().mllp
    host = "127.0.0.1" if mllp.host in {"0.0.0.0", "::", ""} else mllp.host  # noqa: S104
    parser.add_argument("--host", default=host, help="default: our own listener")
    parser.add_argument("--port", type=int, default=mllp.port, help=f"default: {mllp.port}")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--tls", action="store_true", help="connect with TLS")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="verify the peer with this CA")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="our certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")


def target(arguments: argparse.Namespace) -> Target:
    tls = None
    if arguments.tls:
        tls = ClientTls(ca=arguments.tls_ca, certificate=arguments.tls_cert, key=arguments.tls_key)
    return Target(
        host=arguments.host, port=arguments.port, tls=tls, reply_seconds=arguments.timeout
    )


def send(argv: list[str]) -> int:
    """Send the messages of files; 1 if any was not accepted."""
    parser = argparse.ArgumentParser(
        prog="ris hl7 send",
        description="Send HL7 v2 messages over MLLP, one after the other, and print the answers. "
        "A file may hold several messages; lines may end with CR, LF or CRLF.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
    add_peer(parser)
    parser.add_argument(
        "--new-ids", action="store_true", help="send each under a new MSH-10, as a new message"
    )
    parser.add_argument("--show", action="store_true", help="print the whole answers")
    arguments = parser.parse_args(argv)
    connections = Connections()
    accepted = True
    try:
        for name in arguments.files:
            for raw in messages_of(read_bytes(name)):
                message = _renumbered(raw) if arguments.new_ids else raw
                accepted &= _send_one(connections, target(arguments), message, arguments.show)
    finally:
        connections.close()
    return 0 if accepted else 1


def read_bytes(name: str) -> bytes:
    """A file, or standard input for ``-``."""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


_BEGIN = re.compile(rb"(?:^|(?<=[\r\n]))(?=MSH[^\sA-Za-z0-9])")


def messages_of(data: bytes) -> Iterator[bytes]:
    """The messages of a file, each with CR as the end of its segments."""
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\x0b", b"").replace(b"\x1c", b"")
    found = False
    for part in _BEGIN.split(data):
        if part.startswith(b"MSH"):
            found = True
            lines = [line for line in re.split(rb"[\r\n]+", part) if line.strip()]
            yield b"\r".join(lines) + b"\r"
    if not found:
        raise InvalidValueError("there is no message in it (no line begins with MSH)")


def _renumbered(raw: bytes) -> bytes:
    line, end, rest = raw.partition(b"\r")
    fields = line.split(line[3:4])
    if len(fields) < 10:
        raise InvalidValueError("the message has no control id", path="MSH-10")
    fields[9] = acks.new_control_id().encode()
    return line[3:4].join(fields) + end + rest


def _send_one(connections: Connections, peer: Target, message: bytes, show: bool) -> bool:
    header = Header.read(message)
    if header is None or not header.control_id:
        raise InvalidValueError("the message has no control id", path="MSH-10")
    exchange = connections.send(peer, message)
    name = f"{header.code}^{header.trigger} {header.control_id}"
    if exchange.ack is None:
        complain(f"{name}: {exchange.error}")
        return False
    text = exchange.ack.code if exchange.ack.accepted else exchange.ack.reason
    say(f"{name}: {text} ({exchange.seconds * 1000:.0f} ms)")
    if show:
        for segment in exchange.ack.message.segments():
            say(f"  {segment.raw}")
    return exchange.ack.accepted


# --- check --------------------------------------------------------------------------------------


def check(argv: list[str]) -> int:
    """Say what is wrong with the messages of files, without applying any; 1 if anything is."""
    parser = argparse.ArgumentParser(
        prog="ris hl7 check",
        description="Read HL7 v2 messages, compare them with the standard's tables and with what "
        "this system takes, and say what is wrong and where. Nothing is stored.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
    parser.add_argument(
        "--charset", default="UNICODE UTF-8", metavar="NAME", help="in force without MSH-18"
    )
    parser.add_argument("--show", action="store_true", help="print what the message asks for")
    parser.add_argument(
        "--full", action="store_true", help="have hl7apy validate them as well; takes a while"
    )
    arguments = parser.parse_args(argv)
    good = True
    for name in arguments.files:
        for raw in messages_of(read_bytes(name)):
            good &= _check_one(raw, arguments.charset, show=arguments.show)
            if arguments.full:
                good &= _check_fully(raw, arguments.charset)
    return 0 if good else 1


def _check_fully(raw: bytes, charset: str) -> bool:
    """What hl7apy says; its warnings alone do not make a message wrong."""
    try:
        findings = check_fully(raw, charset)
    except RisError as error:
        complain(f"hl7apy: {error.message}")
        return False
    for each in findings:
        complain(f"hl7apy: {each.level} {each.path}: {each.text}")
    if not findings:
        say("hl7apy: nothing wrong")
    return all(each.level != "error" for each in findings)


def _check_one(raw: bytes, charset: str, *, show: bool) -> bool:
    header = Header.read(raw, charset)
    name = f"{header.code}^{header.trigger} {header.control_id}" if header else "unreadable"
    try:
        message = Message.from_bytes(raw, default_charset=charset)
    except RisError as error:
        _complain_of(name, [error])
        return False
    faults = schema.check(message)
    header = message.header
    route = ROUTES.get((header.code, header.trigger))
    if route is None:
        say(f"{name}: this event is not served here")
    else:
        try:
            requests = route.translate(message, _profile(header))
        except SeveralErrors as several:
            faults += several.errors
        except RisError as error:
            faults.append(error)
        else:
            if show:
                for request in requests:
                    for command in request.commands:
                        say(f"{name}: {command}")
    if faults:
        _complain_of(name, list(reversed(faults)))
        return False
    say(f"{name}: version {header.version}, {len(message)} segments, nothing wrong")
    return route is not None


def _profile(header: Header) -> Profile:
    here = SiteView(
        name="", institution="", time_zone=config.load().time_zone, patient_id_issuer="RIS"
    )
    found = for_unknown_sender(here, (header.sending_application, header.sending_facility))
    return replace(found, zone=message_zone(header.get("7"), found.zone))


def _complain_of(name: str, faults: list[RisError]) -> None:
    told: dict[str, RisError] = {}
    for fault in faults:
        # The tables and the translator may find the same fault, one of them more exactly.
        told.setdefault(fault.path.removesuffix(".1"), fault)
    for fault in sorted(told.values(), key=lambda fault: fault.path):
        place = f"{fault.path}: " if fault.path else ""
        complain(f"{name}: {acks.table_code(fault)} {place}{fault.message}")


# --- conformance --------------------------------------------------------------------------------


def conformance(argv: list[str]) -> int:
    """Print the HL7 v2 profile of this system."""
    argparse.ArgumentParser(
        prog="ris conformance hl7",
        description="Print which HL7 v2 messages this system takes and sends, field by field.",
    ).parse_args(argv)
    say(statements.statement().rstrip())
    return 0

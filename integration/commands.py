"""Other systems to try this one with: ``ris simulate ehr`` and ``ris simulate pacs``."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from integration.hl7.commands import add_peer, target
from integration.hl7.mllp_client import Connections
from integration.hl7.server import ListenerConfig, running
from integration.hl7.simulate import Ehr, receiver
from ris import config
from ris.domain.errors import InvalidValueError
from ris.terminal import complain, say


def _add_receiver(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument(
        "--listen", type=int, default=port, metavar="PORT", help=f"receive here; default: {port}"
    )
    parser.add_argument(
        "--answer", choices=["AA", "AE", "AR", "none"], default="AA", help="default: AA"
    )
    parser.add_argument("--whole", action="store_true", help="print every segment")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="stop after this; default: at Ctrl-C"
    )


def simulate_ehr(argv: list[str]) -> int:
    """Order exams, then receive what is told of them."""
    parser = argparse.ArgumentParser(
        prog="ris simulate ehr",
        description="Play the ordering system: send orders of invented people to the HL7 listener, "
        "then receive order status, appointments and results, and print them.",
    )
    add_peer(parser)
    _add_receiver(parser, 2576)
    parser.add_argument("--orders", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--modality", default="", help="CT, MR, US, DX or MG; default: any")
    parser.add_argument(
        "--start", metavar="TIME", help="ask for this time (2030-03-01T09:00), else for none"
    )
    parser.add_argument("--cancel", metavar="PLACER", help="cancel this order instead")
    parser.add_argument("--reason", default="", help="of the cancellation")
    parser.add_argument("--no-listen", action="store_true", help="only send")
    arguments = parser.parse_args(argv)
    zone = ZoneInfo(config.load().time_zone)
    ehr = Ehr(zone=zone)
    now = datetime.now(UTC)
    if arguments.cancel:
        messages = [(arguments.cancel, ehr.cancellation(arguments.cancel, now, arguments.reason))]
    else:
        messages = list(
            ehr.orders(
                arguments.orders,
                now,
                first_at=_start(arguments.start, zone),
                modality=arguments.modality.upper(),
            )
        )
    if arguments.no_listen:
        return 0 if _order(arguments, messages) else 1
    with _receiving(arguments):
        accepted = _order(arguments, messages)
        _wait(arguments.seconds)
    return 0 if accepted else 1


def _start(text: str | None, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValueError("not a time such as 2030-03-01T09:00", path="--start") from None
    return start if start.tzinfo else start.replace(tzinfo=zone)


def _order(arguments: argparse.Namespace, messages: list[tuple[str, bytes]]) -> bool:
    connections = Connections()
    accepted = True
    try:
        for placer, message in messages:
            exchange = connections.send(target(arguments), message)
            if exchange.ack is None:
                complain(f"{placer}: {exchange.error}")
                return False
            text = exchange.ack.code if exchange.ack.accepted else exchange.ack.reason
            say(f"order {placer}: {text}")
            accepted &= exchange.ack.accepted
    finally:
        connections.close()
    return accepted


def simulate_pacs(argv: list[str]) -> int:
    """Receive what an archive is told and print it."""
    parser = argparse.ArgumentParser(
        prog="ris simulate pacs",
        description="Play the archive: receive scheduled procedures and patient updates over MLLP "
        "and print them.",
    )
    _add_receiver(parser, 2577)
    arguments = parser.parse_args(argv)
    with _receiving(arguments):
        _wait(arguments.seconds)
    return 0


@contextmanager
def _receiving(arguments: argparse.Namespace) -> Iterator[None]:
    handle = receiver(say, arguments.answer, whole=arguments.whole)
    with running(ListenerConfig(port=arguments.listen), handle) as listener:
        say(f"receiving at port {listener.port}")
        yield


def _wait(seconds: float | None) -> None:
    """Until the time is over, or Ctrl-C or SIGTERM comes."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    stopping.wait(seconds)

"""``python -m benchmarks.queued NAME PORT COUNT LANES SECONDS``: messages for a peer, in the queue.

Into the database of RIS_DATA_DIR. Without SECONDS all at once, in one transaction and without a
doorbell, as they are found when a peer comes back; else over so many seconds, each in a transaction
of its own that rings, as they come in a day's work. NTE-3 says lane, number and time.
"""

from __future__ import annotations

import sys
import time

_FILLING = "x" * 800  # about a kilobyte with its header


def main(argv: list[str]) -> int:
    import django

    from ris.loading import kept

    with kept():
        django.setup()
    name, port, count, lanes, seconds = argv[0], *map(int, argv[1:])
    _configure(name, port)
    if seconds:
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
            _queue(name, number % lanes, number)
    else:
        from ris.services._execute import together

        def all_of_them() -> None:
            for number in range(count):
                _queue(name, number % lanes, number)

        together(all_of_them)
    return 0


def _configure(name: str, port: int) -> None:
    from ris.domain.actors import OPERATOR
    from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
    from ris.services import execute

    execute(
        ConfigureEndpoint(
            name=name,
            protocol=Protocol.HL7,
            direction=Direction.OUT,
            protocol_name=f"{name}^BENCH",
            host="127.0.0.1",
            port=port,
            sends=(Subscription.ORDER_STATUS,),
        ),
        actor=OPERATOR,
    )


def _queue(name: str, lane: int, number: int) -> None:
    from ris.domain.exchange import Direction, Protocol
    from ris.domain.protocol import Outgoing
    from ris.selectors.exchange import endpoints
    from ris.services import outbox

    (endpoint,) = (each for each in endpoints(Protocol.HL7, Direction.OUT) if each.name == name)
    control_id = outbox.new_control_id(endpoint.id)
    payload = (
        f"MSH|^~\\&|RIS|RAD|{name}|BENCH|20290101||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r"
        f"NTE|2||{_FILLING}\rNTE|1||{lane} {number} {time.time():.6f}\r"
    )
    outbox.enqueue(
        endpoint,
        Outgoing(
            lane=f"lane:{lane}",
            control_id=control_id,
            message_type="ORU^R01",
            payload=payload.encode(),
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.kill.sender FILE``: empties the queue, begun anew whenever it is killed.

Code is loaded once; each sender is a fork that does what a worker does when it starts, and has
written its process id to FILE before. How the senders ended is printed, a line each.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

SECONDS = 60.0
MOST = 20


def main(argv: list[str]) -> int:
    import django

    django.setup()
    from ris.services import outbox

    assert outbox  # loaded before the first fork
    for _ in range(MOST):
        pid = os.fork()
        if pid == 0:
            os._exit(_send(Path(argv[0])))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()  # what a fork inherits it would write once more
        if status >= 0:
            return status
    return 1


def _send(file: Path) -> int:
    from ris.models import Delivery
    from ris.services import outbox

    file.write_text(str(os.getpid()))
    outbox.free_leases_of_this_machine()
    end = time.monotonic() + SECONDS
    while Delivery.objects.exclude(state="DELIVERED").exists():
        if time.monotonic() > end:
            return 1
        outbox.deliver_due()
        time.sleep(0.02)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.kill.sender``: empties the queue as a worker that was just started does."""

from __future__ import annotations

import sys
import time

SECONDS = 60.0


def main() -> int:
    import django

    django.setup()
    from ris.models import Delivery
    from ris.services import outbox

    outbox.free_leases_of_this_machine()
    end = time.monotonic() + SECONDS
    while Delivery.objects.exclude(state="DELIVERED").exists():
        if time.monotonic() > end:
            return 1
        outbox.deliver_due()
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())

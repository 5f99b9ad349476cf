"""``ris up`` with three changes: a part that was killed is started again at once, what a dead
worker had leased is free again soon, and what did not arrive is tried again soon.

The real supervisor waits longer after each death, which is right for a site and would make two
hundred deaths take hours; a real lease outlasts the slowest peer, and a real peer that does not
answer is left alone for minutes.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from ris import supervisor

DELAY = 0.05
LEASE = timedelta(seconds=15)
BACK_OFF_LIMIT_SECONDS = 2.0


class Impatient(supervisor.Supervisor):
    def __init__(self, settings: supervisor.config.Configuration) -> None:
        super().__init__(settings)
        for part in self.parts:
            part.delay = DELAY

    def load(self) -> None:
        super().load()
        from ris.services import outbox

        # Of every part: they are forks of this process.
        outbox.LEASE = LEASE
        outbox.BACK_OFF_LIMIT_SECONDS = BACK_OFF_LIMIT_SECONDS


if __name__ == "__main__":
    supervisor.LONGEST_DELAY = DELAY
    supervisor.Supervisor = Impatient  # type: ignore[misc]
    sys.exit(supervisor.main(sys.argv[1:]))

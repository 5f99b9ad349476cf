"""``ris up`` with one change: a part that was killed is started again at once.

The real supervisor waits longer after each death, which is right for a site and would make two
hundred deaths take hours.
"""

from __future__ import annotations

import sys

from ris import supervisor

DELAY = 0.05


class Impatient(supervisor.Supervisor):
    def __init__(self, settings: supervisor.config.Configuration) -> None:
        super().__init__(settings)
        for part in self.parts:
            part.delay = DELAY


if __name__ == "__main__":
    supervisor.LONGEST_DELAY = DELAY
    supervisor.Supervisor = Impatient  # type: ignore[misc]
    sys.exit(supervisor.main(sys.argv[1:]))

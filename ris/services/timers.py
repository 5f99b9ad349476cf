"""Work that is due by the clock, each piece a command like any other."""

from __future__ import annotations

from ris.domain.actors import TIMER
from ris.domain.scheduling import ExpireHolds
from ris.selectors.schedule_due import holds_due
from ris.services import execute


def run_due() -> None:
    """Called every half minute by the beat; each piece is idempotent."""
    if holds_due():
        execute(ExpireHolds(), actor=TIMER)

"""The demo site: invented people, and every state and exception that a department meets.

Everything is made by the commands of the core and by messages through the edges, at the moments at
which it would have happened, so that events, audit, bookings and timelines are true.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.core.management import call_command
from django.utils import timezone

from ris.checks import DEMO_KEY
from ris.models import Patient
from ris.selectors.accounts import token_for
from ris.services import together
from ris.terminal import complain, confirmed, say


def load(argv: list[str]) -> int:
    """Fill an empty database with the demo site."""
    parser = argparse.ArgumentParser(
        prog="ris demo load", description="Fill an empty database with the demo site."
    )
    parser.add_argument(
        "--if-empty", action="store_true", help="do nothing if the demo site is there already"
    )
    arguments = parser.parse_args(argv)
    if token_for(DEMO_KEY) is not None:
        if not arguments.if_empty:
            complain("ris: the demo site is loaded already; `ris demo reset` makes it anew")
        return 0 if arguments.if_empty else 1
    if Patient.objects.exists():
        complain("ris: this database holds patients; choose another one with RIS_DATA_DIR")
        return 1
    fill(timezone.now())
    return 0


def reset(argv: list[str]) -> int:
    """Empty the demo's database and fill it again."""
    parser = argparse.ArgumentParser(
        prog="ris demo reset",
        description="Delete everything in the demo site's database and load it again, around "
        "today. Refused where the database is not the demo's.",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    arguments = parser.parse_args(argv)
    if token_for(DEMO_KEY) is None and Patient.objects.exists():
        complain("ris: this database is not the demo's; nothing was deleted")
        return 1
    if not arguments.yes and not confirmed("Delete everything that was done in the demo?"):
        complain("ris: nothing was deleted (--yes does not ask)")
        return 1
    call_command("flush", verbosity=0, interactive=False)
    fill(timezone.now())
    say("the demo site is as at its beginning; log in again")
    return 0


def fill(now: datetime) -> None:
    """Make the demo site as it is at ``now``, all of it in one transaction."""
    from ris.demo.telling import tell

    now = now.astimezone(timezone.get_default_timezone())
    with _quiet():
        together(lambda: tell(now))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep a hundred invented messages out of the log."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)

"""``ris reports``: whether signed reports are what was signed."""

from __future__ import annotations

import argparse

from ris.models.guards import versions_are_guarded
from ris.selectors.report_seals import BATCH, Tally, faults
from ris.terminal import complain, say


def verify(argv: list[str]) -> int:
    """Make the hash and the seal of every signed version anew and say which differ."""
    parser = argparse.ArgumentParser(
        prog="ris reports verify",
        description=(
            "Make the hash and the seal of every signed version anew and say which differ. Reads "
            "only, a bounded number of reports at once; may run while the system works. Says 1 if "
            "any differs."
        ),
    )
    parser.add_argument(
        "--batch", type=_positive, default=BATCH, metavar="REPORTS", help="read at once"
    )
    said = parser.parse_args(argv)
    tally = Tally()
    differing = 0
    for fault in faults(tally, said.batch):
        differing += 1
        complain(f"ris: report {fault.report} version {fault.number}: {fault.what}")
    guarded = versions_are_guarded()
    if not guarded:
        complain("ris: the database does not refuse to change versions: run `ris migrate`")
    unsealed = f", {tally.unsealed} of them older than seals" if tally.unsealed else ""
    say(
        f"{tally.versions} versions of {tally.reports} reports{unsealed}: "
        + (f"{differing} differ" if differing else "all are what was signed")
    )
    return 1 if differing or not guarded else 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above zero")
    return int(text)

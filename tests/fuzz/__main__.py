"""``python -m tests.fuzz [TARGET ...] [--inputs N] [--start S]``: mutate proper messages.

Stops at the first fault with the input that shows it. The same start gives the same inputs.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import time
from collections import Counter
from itertools import islice

import django


def main(argv: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
    os.environ.setdefault("RIS_CONFIG_FILE", os.devnull)
    django.setup()
    import structlog

    from ris.terminal import complain, say
    from tests.fuzz.run import Budget, Fault, feed
    from tests.fuzz.seeds import SEEDS
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--start", type=int, default=1, help="another one gives other inputs")
    arguments = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    for name in arguments.targets or TARGETS:
        budget, began = Budget(), time.monotonic()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        became: Counter[str] = Counter()
        try:
            for result in islice(
                feed(name, SEEDS[name](), arguments.start, budget), arguments.inputs
            ):
                became[result] += 1
        except Fault as fault:
            complain(f"{name}: {fault}")
            return 1
        seconds = time.monotonic() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        say(
            f"{name}: {became.total():,} inputs, {became.total() / seconds:,.0f} a second, "
            f"slowest {budget.slowest * 1000:.1f} ms, peak memory +{grown:.0f} MiB"
        )
        for result, count in became.most_common():
            say(f"    {count:>9,}  {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

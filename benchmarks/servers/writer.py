"""Somebody who writes: commits a change that concerns no worklist, over and over.

``python -m benchmarks.servers.writer`` in the environment of a site.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.servers.ris import Site, process, wait_for

COMMITS_PER_SECOND = 200
_STARTED = "writing"


@contextmanager
def writing(site: Site) -> Iterator[None]:
    """As long as the block lasts."""
    log = site.folder / "writer.log"
    command = [sys.executable, "-m", "benchmarks.servers.writer"]
    with process(command, site.environment, log) as running:
        wait_for(lambda: _STARTED in log.read_text(), running, "the writer", log)
        yield


def main() -> int:
    import django

    from ris.loading import kept

    with kept():
        django.setup()
    from django.db import connection, transaction

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    said = False
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ris_counter (name, value) VALUES ('benchmark', 0) ON CONFLICT DO NOTHING"
        )
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE ris_counter SET value = value + 1 WHERE name = 'benchmark'")
        if not said:
            print(_STARTED, flush=True)
            said = True
        time.sleep(1 / COMMITS_PER_SECOND)


if __name__ == "__main__":
    sys.exit(main())

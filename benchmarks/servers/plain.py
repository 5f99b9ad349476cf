"""Plain Django on the web server the RIS uses: ``python -m benchmarks.servers.plain PORT ROWS``.

Runs in the environment of a site, on its database; see :mod:`benchmarks.servers.plain_views`.
"""

from __future__ import annotations

import sys


def main(port: int, rows: int) -> None:
    """One process with eight threads, as `ris run web` by default."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    from benchmarks.servers.plain_views import fill

    fill(rows)
    Granian(
        "benchmarks.servers.plain_views:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=8,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

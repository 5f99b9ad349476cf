"""Open files: each connection of a listener is one."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)

# Sockets that linger or shake hands, database connections, log files.
_SPARE = 1_024


def raise_descriptor_limit(connections: int) -> None:
    """Have room for so many connections; many systems start a process with 1,024 open files."""
    try:
        import resource
    except ImportError:  # not Unix
        return
    wanted = connections + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("fewer open files than connections allowed", wanted=wanted, allowed=allowed)

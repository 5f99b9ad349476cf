"""A part never outlives its supervisor, not even one that was killed with -9."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

PARENT_FD = "RIS_PARENT_FD"
GRACE_SECONDS = 8.0
LOOK_SECONDS = 0.5


def watch_parent() -> None:
    """Follow the pipe whose other end only the supervisor holds; its end is our SIGTERM.

    Without a supervisor (systemd, a container, a terminal) there is no pipe and nothing to follow.
    """
    text = os.environ.get(PARENT_FD, "")
    if text.isdigit():
        _in_background(lambda: _until_pipe_ends(int(text)))


def watch_process_above() -> None:
    """The same for a process below a part, such as those of the web server."""
    above = os.getppid()
    _in_background(lambda: _until_orphaned(above))


def _in_background(wait: Callable[[], bool]) -> None:
    threading.Thread(target=_end_after, args=(wait,), name="parent", daemon=True).start()


def _end_after(wait: Callable[[], bool]) -> None:
    if wait():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)


def _until_pipe_ends(handle: int) -> bool:
    try:
        while os.read(handle, 1):  # nothing is ever written; this returns at the end of the pipe
            pass
    except OSError:
        return False  # not our pipe: started from a shell that inherited the variable
    return True


def _until_orphaned(above: int) -> bool:
    while os.getppid() == above:
        time.sleep(LOOK_SECONDS)
    return True

"""A part never outlives its supervisor, not even one that was killed with -9."""

from __future__ import annotations

import os
import signal
import threading

PARENT_FD = "RIS_PARENT_FD"
GRACE_SECONDS = 8.0


def watch_parent() -> None:
    """Follow the pipe whose other end only the supervisor holds; its end is our SIGTERM.

    Without a supervisor (systemd, a container, a terminal) there is no pipe and nothing to follow.
    """
    text = os.environ.get(PARENT_FD, "")
    if text.isdigit():
        threading.Thread(target=_follow, args=(int(text),), name="parent", daemon=True).start()


def _follow(handle: int) -> None:
    try:
        while os.read(handle, 1):  # nothing is ever written; this returns at the end of the pipe
            pass
    except OSError:
        return  # the pipe is not ours: started from a shell that inherited the variable
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)

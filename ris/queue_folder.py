"""The embedded broker: a folder of small files, each of them whole from the moment it has its name.

kombu's own transport gives a message its name before its content, and a worker that reads in
between ends with a JSON error. Here it is written beside and renamed.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    # kombu's own two classes do not agree on the second name.
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        part = folder / f".{name}.part"  # a name that no reader takes for a message
        try:
            part.write_bytes(dumps(payload).encode())
            part.rename(folder / name)
        except OSError as error:
            raise ChannelError(f"cannot add a message to {folder}") from error


class Transport(filesystem.Transport):
    Channel = Channel

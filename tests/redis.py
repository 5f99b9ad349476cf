"""A private Redis on a free port."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import closing
from pathlib import Path

import redis

from tests.running import accepts, free_ports, wait_until


class Redis:
    """A broker that can be killed, started again and looked into."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [*command, "--dir", self._folder], stdout=subprocess.DEVNULL
        )
        wait_until(lambda: accepts(self._port), "Redis listens")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def waiting(self, queue: str) -> list[str]:
        """What lies in the queue, with the body in clear."""
        with closing(redis.Redis.from_url(self.url)) as client:
            found = [json.loads(each) for each in client.lrange(queue, 0, -1)]
        return [
            json.dumps({**each, "body": base64.b64decode(each["body"]).decode()}) for each in found
        ]

    def listeners(self, queue: str) -> int:
        """How many wait for the queue's next message; Redis does not say for which."""
        with closing(redis.Redis.from_url(self.url)) as client:
            return sum(each["cmd"] == "brpop" for each in client.client_list())

    def drop_connections(self) -> None:
        """End them from here, as a restart does that nobody saw."""
        with closing(redis.Redis.from_url(self.url)) as client:
            client.client_kill_filter(_type="normal", skipme=True)

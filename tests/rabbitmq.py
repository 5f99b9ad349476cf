"""A private RabbitMQ on free ports of loopback: without plugins, without Erlang's port mapper."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import amqp

from tests.programs import rabbitmq_folder
from tests.running import accepts, free_ports, wait_until
from tests.wire.mllp_certificates import Authority

START_SECONDS = 60.0  # an Erlang machine, perhaps beside much else


class RabbitMQ:
    """A broker that can be killed, started again and looked into; same shape as ``Redis``."""

    def __init__(self, folder: Path) -> None:
        self._port, self._tls_port, self._distribution_port = free_ports(3)
        self._folder = folder
        self.authority = Authority(folder)
        certificate, key = self.authority.certify("rabbitmq")
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"listeners.ssl.1 = 127.0.0.1:{self._tls_port}\n"
            f"listeners.ssl.2 = 127.0.0.2:{self._tls_port}\n"
            f"ssl_options.certfile = {certificate}\n"
            f"ssl_options.keyfile = {key}\n"
            f"ssl_options.cacertfile = {self.authority.pem}\n"
            "log.console = false\n"
        )
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        self.tls_url = f"amqps://guest:guest@127.0.0.1:{self._tls_port}//"
        # Its certificate does not name this address.
        self.wrong_tls_url = self.tls_url.replace("127.0.0.1", "127.0.0.2")
        self.start()

    def start(self) -> None:
        # A name without a machine's, and one thread for schedulers: it starts in half the time.
        arguments = f"-noinput -sname {self._name} +S 1:1 {self._distribution}"
        self.process = subprocess.Popen(
            [_program("rabbitmq-server")],
            cwd=self._folder,
            env={
                **self._environment,
                "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
                "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
                "RABBITMQ_LOG_BASE": str(self._folder / "log"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": arguments,
                # The shell gives way to Erlang: what is killed is the broker, not its watcher.
                "RABBITMQ_ALLOW_INPUT": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: accepts(self._port), "RabbitMQ listens", START_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def waiting(self, queue: str) -> list[str]:
        """What lies in the queue; taken out, not confirmed, and so given back at the end."""
        found = []
        with self._connection() as connection:
            channel = connection.channel()
            while _exists(channel, queue) and (message := channel.basic_get(queue)) is not None:
                found.append(json.dumps({**message.properties, "body": message.body}, default=str))
        return found

    def listeners(self, queue: str) -> int:
        """How many wait for the queue's next message."""
        with self._connection() as connection:
            channel = connection.channel()
            if not _exists(channel, queue):
                return 0
            return int(channel.queue_declare(queue, passive=True).consumer_count)

    def drop_connections(self) -> None:
        """End them from here, as a restart does that nobody saw."""
        self._control("close_all_connections", "dropped")

    def be_new(self, queue: str) -> None:
        """Running, and without that queue: for the next test."""
        if self.process.poll() is not None:
            self.start()
        with self._connection() as connection:
            connection.channel().queue_delete(queue)

    def run_short_of_memory(self) -> None:
        """Takes nothing from who sends, as far as RabbitMQ goes to save itself."""
        self._control("set_vm_memory_high_watermark", "0")

    def have_memory_again(self) -> None:
        self._control("set_vm_memory_high_watermark", "0.4")

    def _connection(self) -> amqp.Connection:
        return amqp.Connection(f"127.0.0.1:{self._port}", userid="guest", password="guest")

    def _control(self, *arguments: str) -> None:
        done = subprocess.run(
            [_program("rabbitmqctl"), "-n", self._name, *arguments],
            cwd=self._folder,
            env={
                **self._environment,
                "RABBITMQ_CTL_ERL_ARGS": f"-dist_listen false {self._distribution}",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def _name(self) -> str:
        return f"ris{self._port}@localhost"

    @property
    def _distribution(self) -> str:
        """How Erlang machines find each other: by a port both know, on loopback."""
        return (
            f"-start_epmd false -erl_epmd_port {self._distribution_port} "
            "-kernel inet_dist_use_interface {127,0,0,1}"
        )

    @property
    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")}
        return {
            **kept,
            # The cookie by which its own tools are let in is made here.
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            # Every minute it starts Erlang's port mapper anew if that is gone: not here, and if
            # it did, not for the whole network.
            "ERL_ZFLAGS": "-start_epmd false",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _exists(channel: amqp.Channel, queue: str) -> bool:
    """A question about a queue that is not there ends the channel, so one is spent on it."""
    try:
        with channel.connection.channel() as asking:
            asking.queue_declare(queue, passive=True)
    except amqp.NotFound:
        return False
    return True


def _program(name: str) -> str:
    folder = rabbitmq_folder()
    if folder is None:
        raise RuntimeError("RabbitMQ not installed")
    return str(folder / name)

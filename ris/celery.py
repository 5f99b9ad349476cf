"""The Celery app: it carries doorbells between processes; the rows in the database are the queue.

A message is a task name and the time it was sent, never patient data. Losing all of them costs at
most one sweep (docs/adr/0005-events-and-deliveries-are-rows.md).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from ris import config

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")

SWEEP_SECONDS = 1.0
TIMERS_SECONDS = 30.0


def _queue_folder(home: Path) -> Path:
    """The embedded broker: a folder of small files, readable by this user only."""
    folder = home / "queue"
    for part in (folder, folder / "messages", folder / "control"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def broker_settings(configuration: config.Configuration) -> dict[str, Any]:
    """What Celery is told of the broker: how to reach it, and when to give it up."""
    if not configuration.broker_is_embedded:
        url = configuration.broker_url.get_secret_value()
        return {
            "broker_url": url,
            # For Redis. The client of AMQP has a limit of its own for sending, one second.
            "broker_transport_options": {"socket_timeout": 5, "socket_connect_timeout": 2},
            # For AMQP: a worker leaves a broker that says nothing after 40 seconds.
            "broker_heartbeat": 20,
            # Otherwise the client of AMQP asks who signed a certificate and not whose it is.
            **({"broker_use_ssl": {"server_hostname": None}} if url.startswith("amqps:") else {}),
        }
    folder = _queue_folder(configuration.home)
    TRANSPORT_ALIASES["filesystem"] = "ris.queue_folder:Transport"
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "store_processed": False,
            "polling_interval": 0.1,
        },
    }


def purge_embedded_queue(configuration: config.Configuration) -> None:
    """Forget doorbells that nobody answered; the first sweep finds what they announced."""
    if configuration.broker_is_embedded:
        for message in (_queue_folder(configuration.home) / "messages").glob("*.msg"):
            message.unlink(missing_ok=True)


CONFIG = config.load()

app = Celery("ris", set_as_current=True)
app.conf.update(
    **broker_settings(CONFIG),
    include=["ris.tasks"],
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="ris",
    # A ring that a broker lost costs one sweep; writing each to disk would cost more.
    task_default_delivery_mode="transient",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    # Nobody asks workers through the broker: who can reach it could end them.
    worker_enable_remote_control=False,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=2,
    enable_utc=True,
    timezone="UTC",
    beat_schedule={
        "sweep": {
            "task": "ris.sweep",
            "schedule": SWEEP_SECONDS,
            "options": {"expires": 5, "ignore_result": True},
        },
        "timers": {
            "task": "ris.timers",
            "schedule": TIMERS_SECONDS,
            "options": {"expires": 60, "ignore_result": True},
        },
    },
)

"""Logs: one JSON object a line on standard error, with the correlation id, without patient data."""

from __future__ import annotations

import logging.config
import sys
from typing import Any, TextIO

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now, not to what it was when logging was set up."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute of the base class
        return sys.stderr


def settings(level: str) -> dict[str, Any]:
    """The standard library's configuration: every logger ends in the same formatter.

    pynetdicom, pydicom and hl7apy are held at WARNING because what they write at lower levels
    quotes datasets and messages.
    """
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {
            "stderr": {
                "class": "ris.logging.StandardError",
                "formatter": "json",
            }
        },
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "pynetdicom": quiet,
            "pydicom": quiet,
            "hl7apy": quiet,
            "celery": quiet,
            "kombu": {"level": "ERROR"},
            "amqp": quiet,
            "_granian": {"level": "ERROR"},  # its warnings are advice about threads and cores
            "granian.access": quiet,
            "asyncio": quiet,
            "django.request": {"level": "ERROR"},
            # Refused host names and the like come from scanners of the network, not from users.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Called by Django with ``LOGGING``; sets up structlog over the same handlers."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )

"""The core app."""

from __future__ import annotations

from django.apps import AppConfig


class RisConfig(AppConfig):
    name = "ris"
    verbose_name = "Radiology"

    def ready(self) -> None:
        from ris import checks  # noqa: F401 - registers the system checks
        from ris.services import outbox

        outbox.on_commit_ring = _ring


def _ring() -> None:
    """Celery is loaded with the first event: a listener at rest, or one that starts, needs none."""
    from ris.services import outbox
    from ris.tasks import ring

    outbox.on_commit_ring = ring
    ring()

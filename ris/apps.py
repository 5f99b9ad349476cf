"""The core app."""

from __future__ import annotations

from django.apps import AppConfig


class RisConfig(AppConfig):
    name = "ris"
    verbose_name = "Radiology"

    def ready(self) -> None:
        from ris import checks  # noqa: F401 - registers the system checks
        from ris.services import outbox
        from ris.tasks import ring

        outbox.on_commit_ring = ring

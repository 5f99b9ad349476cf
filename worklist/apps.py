"""The DICOM edge as a Django app."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig


class WorklistConfig(AppConfig):
    name = "worklist"
    verbose_name = "DICOM"

    def ready(self) -> None:
        # scu.py registers the dicom protocol with the outbox when it is imported.
        if find_spec("worklist.scu") is not None:
            import_module("worklist.scu")

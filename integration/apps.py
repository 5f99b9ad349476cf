"""The HL7 and FHIR edge as a Django app."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig


class IntegrationConfig(AppConfig):
    name = "integration"
    verbose_name = "HL7 and FHIR"

    def ready(self) -> None:
        # The senders register their protocols with the outbox when they are imported, the receiver
        # how a stored message is applied again.
        for module in (
            "integration.hl7.outbound",
            "integration.hl7.inbound",
            "integration.fhir.client",
        ):
            if find_spec(module) is not None:
                import_module(module)

"""The HL7 and FHIR edge as a Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class IntegrationConfig(AppConfig):
    name = "integration"
    verbose_name = "HL7 and FHIR"

    def ready(self) -> None:
        # The sender registers its protocol with the outbox when it is imported, the receivers how
        # a stored message is applied again.
        for module in (
            "integration.hl7.outbound",
            "integration.hl7.inbound",
            "integration.fhir.inbound",
            "integration.fhir.outbound",
            "integration.mail.outbound",
            "integration.hl7.desk",
            "integration.hl7.mapping.trial",
            "integration.hl7.full_check",
        ):
            import_module(module)

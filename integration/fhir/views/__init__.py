"""The HTTP side (FHIR R4 3.1.0); no rules."""

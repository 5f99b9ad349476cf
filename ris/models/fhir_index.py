"""What resources of FHIR clients are found by (FHIR R4 3.1.1.4)."""

from __future__ import annotations

from django.db import models

from ris.models.prepared import Quick


class FhirIndex(Quick):
    """One value of one search parameter of one resource.

    The columns that are used depend on the parameter's type: ``system`` and ``code`` of a token,
    ``text`` (folded) and ``code`` (as written) of a string, ``code`` of a URI, ``low`` and ``high``
    of a date (the interval it means), ``number`` with ``system`` and ``code`` of its unit,
    ``target`` of a reference to something here, with its type in ``system``. A composite has a
    token and one more of these.
    """

    type = models.CharField(max_length=64)
    public_id = models.UUIDField()
    parameter = models.CharField(max_length=80)
    system = models.CharField(max_length=255, blank=True, default="")
    code = models.CharField(max_length=255, blank=True, default="")
    text = models.CharField(max_length=255, blank=True, default="")
    low = models.DateTimeField(null=True, blank=True)
    high = models.DateTimeField(null=True, blank=True)
    number = models.FloatField(null=True, blank=True)
    target = models.UUIDField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["type", "public_id"], name="fhir_index_of_resource"),
            models.Index(fields=["type", "parameter", "code"], name="fhir_index_code"),
            models.Index(
                fields=["type", "parameter", "text"],
                name="fhir_index_text",
                opclasses=["varchar_pattern_ops"] * 3,
            ),
            models.Index(fields=["type", "parameter", "low"], name="fhir_index_date"),
            models.Index(
                fields=["target", "type", "parameter"],
                name="fhir_index_target",
                condition=models.Q(target__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type}/{self.public_id} {self.parameter}"


class FhirIndexState(Quick):
    """By which definitions the resources of a type are indexed (``fingerprint``).

    While they are read again that is not yet ``aim``: rows of the two tables up to these keys are.
    """

    type = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    aim = models.CharField(max_length=64)
    resources_after = models.BigIntegerField(default=0)
    overlays_after = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"index of {self.type}"

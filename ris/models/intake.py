"""What intake must remember between two messages of a peer: parts, and the number that is next."""

from __future__ import annotations

from django.db import models


class MessagePart(models.Model):
    """A message in parts (HL7 v2.5.1 2.10.2): one that came before its rest.

    The message is stored like any other and waits as RECEIVED. ``pointer`` is what the next part
    refers to (DSC-1), ``previous`` what this one referred to (MSH-14).
    """

    message = models.OneToOneField(
        "ris.InboundMessage", on_delete=models.CASCADE, related_name="part"
    )
    sender = models.CharField(max_length=200)
    pointer = models.CharField(max_length=180)
    previous = models.CharField(max_length=180, blank=True, default="")
    due_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["sender", "pointer"], name="part_pointer"),
            models.Index(fields=["due_at"], name="part_due"),
        ]

    def __str__(self) -> str:
        return f"part of {self.sender}"


class SequenceLink(models.Model):
    """The sequence number that a peer's next message must have (HL7 v2.5.1 2.10.1)."""

    endpoint = models.OneToOneField(
        "ris.Endpoint", on_delete=models.CASCADE, related_name="sequence_link"
    )
    expected = models.BigIntegerField(default=-1)

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.expected}"

"""Documents that came from elsewhere: what they are about, which of them counts, commands, events.

A document is kept as it came. It is never changed: an edit or a replacement stands beside it and it
is marked as replaced; one that is canceled stays readable as what was canceled (HL7 v2.5.1 9.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.states import StateMachine
from ris.domain.values import Identifier, PersonName

PDF = "application/pdf"
PDF_BEGINS = b"%PDF-"  # within the first kilobyte, as readers look for it


class DocumentStatus(StrEnum):
    CURRENT = "CURRENT"
    REPLACED = "REPLACED"
    CANCELED = "CANCELED"


class DocumentTrigger(StrEnum):
    REPLACE = "replace"
    CANCEL = "cancel"


DOCUMENT = StateMachine[DocumentStatus, DocumentTrigger](
    "Document",
    DocumentStatus.CURRENT,
    {
        (DocumentStatus.CURRENT, DocumentTrigger.REPLACE): DocumentStatus.REPLACED,
        (DocumentStatus.CURRENT, DocumentTrigger.CANCEL): DocumentStatus.CANCELED,
    },
)


class Completion(StrEnum):
    """How finished its writer says it is (table 0271, TXA-17)."""

    DICTATED = "DI"
    DOCUMENTED = "DO"
    IN_PROGRESS = "IP"
    INCOMPLETE = "IN"
    PRE_AUTHENTICATED = "PA"
    AUTHENTICATED = "AU"
    LEGALLY_AUTHENTICATED = "LA"


class Filing(StrEnum):
    """What is told of a document (MDM^T02 T04 T06 T08 T10)."""

    ORIGINAL = "original"
    STATUS = "status"
    ADDENDUM = "addendum"
    EDIT = "edit"
    REPLACEMENT = "replacement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A document's bytes with their type, or where they can be found."""

    media_type: str
    data: bytes = b""
    link: str = ""
    file_name: str = ""
    title: str = ""
    path: str = ""  # where in the message, for a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDocument(Command[str]):
    """Keep a document with its order, or with its patient if it names no order.

    Returns its public id. ``parent`` is the document that it adds to or replaces.
    """

    filing: Filing
    number: Identifier
    patient: PatientReference
    content: Content
    order: OrderReference | None = None
    parent: Identifier | None = None
    kind: str = ""
    title: str = ""
    completion: Completion | None = None
    author: PersonName = field(default_factory=PersonName)
    authored_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelDocument(Command[str]):
    """A document should not have been sent (MDM^T11)."""

    number: Identifier
    patient: PatientReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFiled(Event):
    document: str
    order: str
    filing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReplaced(Event):
    document: str
    order: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCanceled(Event):
    document: str
    order: str


def digest(content: Content) -> str:
    """SHA-256 of what a document says, to tell whether it is the same once more."""
    return hashlib.sha256(content.data or content.link.encode()).hexdigest()

"""Documents kept as they came: filed, replaced, canceled; never changed (HL7 v2.5.1 9.4)."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.documents import (
    DOCUMENT,
    PDF,
    PDF_BEGINS,
    CancelDocument,
    Content,
    DocumentCanceled,
    DocumentFiled,
    DocumentReplaced,
    DocumentStatus,
    DocumentTrigger,
    FileDocument,
    Filing,
    digest,
)
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.values import Identifier
from ris.models import Document, Order, Patient, Report
from ris.services._context import Context
from ris.services._references import require_order, require_patient, require_patient_of
from ris.services._transition import move


def file_document(command: FileDocument, context: Context) -> str:
    order: Order | None = None
    if command.order is not None:
        order = require_order(command.order)
        require_patient_of(order, command.patient)
        patient = order.patient
    else:
        patient = require_patient(command.patient)
    known = _current(command.number)
    if known is not None and known.patient_id != patient.pk:
        raise DuplicateKeyError("this document belongs to another patient", path="number")
    if known is not None and known.digest == digest(command.content):
        return _say_again(known, command, context)
    if known is not None and command.filing not in {Filing.EDIT, Filing.STATUS}:
        raise DuplicateKeyError(
            "a document with this number is known already, with other content", path="number"
        )
    parent = _parent(command, patient)
    document = keep(
        command.content,
        context,
        patient=patient,
        order=order or (known.order if known else None),
        command=command,
        parent=parent,
        revision=known.revision + 1 if known else 1,
    )
    _say_filed(document, command.filing, context)
    for replaced in (known, parent if command.filing is Filing.REPLACEMENT else None):
        if replaced is not None and replaced.status == DocumentStatus.CURRENT.value:
            replace(replaced, document, context)
    return str(document.public_id)


def _current(number: Identifier) -> Document | None:
    """What counts under a number; a canceled document keeps it from being used again."""
    rows = Document.objects.select_for_update(of=("self",)).select_related("order")
    return (
        rows.filter(number=number.value, issuer=number.issuer)
        .exclude(status=DocumentStatus.REPLACED.value)
        .order_by("-revision")
        .first()
    )


def _parent(command: FileDocument, patient: Patient) -> Document | None:
    if command.parent is None:
        if command.filing in {Filing.ADDENDUM, Filing.REPLACEMENT}:
            raise UnknownKeyError("the document that is meant is required", path="parent")
        return None
    parent = _current(command.parent)
    if parent is None:
        if command.filing in {Filing.ADDENDUM, Filing.REPLACEMENT}:
            raise UnknownKeyError("no such document", path="parent")
        return None
    if parent.patient_id != patient.pk:
        raise DuplicateKeyError("that document belongs to another patient", path="parent")
    return parent


def _say_again(known: Document, command: FileDocument, context: Context) -> str:
    """The same content once more: only how finished it is may be news."""
    if known.status == DocumentStatus.CANCELED.value:
        raise StateConflictError("this document was canceled", path="number")
    completion = command.completion.value if command.completion else ""
    if completion and completion != known.completion:
        known.completion = completion
        known.save(update_fields=["completion", "updated_at"])
        _say_filed(known, Filing.STATUS, context)
    else:
        context.about(known, known.order)
    return str(known.public_id)


def keep(
    content: Content,
    context: Context,
    *,
    patient: Patient,
    order: Order | None,
    report: Report | None = None,
    command: FileDocument | None = None,
    parent: Document | None = None,
    revision: int = 1,
) -> Document:
    """Store a document; one of a report belongs to the version that is signed next.

    Raises InvalidValueError for what is said to be a PDF and is none.
    """
    if content.data and content.media_type.lower() == PDF and PDF_BEGINS not in content.data[:1024]:
        # Nobody could open it, and its sender alone can send it whole.
        raise InvalidValueError("not a PDF", path=content.path)
    title = content.title or content.file_name
    return Document.objects.create(
        patient=patient,
        order=order,
        report=report,
        number=command.number.value if command else "",
        issuer=command.number.issuer if command else "",
        revision=revision,
        parent=parent,
        kind=command.kind[:60] if command else "",
        title=((command.title if command else "") or title)[:200],
        completion=command.completion.value if command and command.completion else "",
        author=str(command.author)[:324] if command else "",
        authored_at=command.authored_at if command else None,
        media_type=content.media_type,
        file_name=content.file_name[:200],
        content=content.data,
        link=content.link,
        size=len(content.data),
        digest=digest(content),
        source=context.actor.name[:200],
        received_at=context.now,
    )


def replace(document: Document, by: Document, context: Context) -> None:
    move(document, DOCUMENT, DocumentTrigger.REPLACE)
    context.emit(
        DocumentReplaced(
            document=str(document.public_id), order=_order(document), by=str(by.public_id)
        ),
        subject=document,
        order=document.order,
        patient=document.patient,
    )


def supersede(report: Report) -> None:
    """What came with a draft that another one takes the place of."""
    drafts = Document.objects.select_for_update(of=("self",)).filter(
        report=report, version=None, status=DocumentStatus.CURRENT.value
    )
    for document in drafts:
        move(document, DOCUMENT, DocumentTrigger.REPLACE)


def sign_with(report: Report, version: int) -> None:
    """What came with the draft belongs to the version that was made of it."""
    Document.objects.filter(
        report=report, version=None, status=DocumentStatus.CURRENT.value
    ).update(version=version)


def _say_filed(document: Document, filing: Filing, context: Context) -> None:
    context.emit(
        DocumentFiled(
            document=str(document.public_id), order=_order(document), filing=filing.value
        ),
        subject=document,
        order=document.order,
        patient=document.patient,
    )


def _order(document: Document) -> str:
    return str(document.order.public_id) if document.order else ""


def cancel_document(command: CancelDocument, context: Context) -> str:
    # The patient before the document, as when one is filed: two messages never wait for each other.
    said = require_patient(command.patient) if command.patient is not None else None
    document = _current(command.number)
    if document is None:
        raise UnknownKeyError("no such document", path="number")
    if said is not None and said.pk != document.patient_id:
        raise DuplicateKeyError("this document belongs to another patient", path="number")
    pieces = Document.objects.select_for_update(of=("self",)).filter(
        number__startswith=f"{command.number.value}#",
        issuer=command.number.issuer,
        status=DocumentStatus.CURRENT.value,
    )
    for each in (document, *pieces):
        if each.status == DocumentStatus.CANCELED.value:
            context.about(each, each.order)  # said twice
            continue
        move(each, DOCUMENT, DocumentTrigger.CANCEL)
        context.emit(
            DocumentCanceled(document=str(each.public_id), order=_order(each)),
            subject=each,
            order=each.order,
            patient=each.patient,
        )
    return str(document.public_id)


HANDLERS = {FileDocument: file_document, CancelDocument: cancel_document}

PERMISSIONS = {
    # People file papers that were scanned at the desk or in the room.
    FileDocument: {
        Role.FRONTDESK,
        Role.SCHEDULER,
        Role.TECHNOLOGIST,
        Role.INTERFACE,
        Role.SYSTEM,
    },
    CancelDocument: {Role.INTERFACE, Role.SYSTEM},
}

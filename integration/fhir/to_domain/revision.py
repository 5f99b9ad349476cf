"""A changed ServiceRequest → the commands that bring the order there (PUT and PATCH).

What the client sends is compared with what it was shown: an element that is equal is not said,
one that is gone is emptied, and only the rest is translated. So a client that reads, changes one
thing and writes back changes that one thing, also where the order has more than FHIR shows.
"""

from __future__ import annotations

from typing import Any

from integration.fhir import bindings
from integration.fhir.to_domain import datatypes, participants, servicerequest
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.references import Known, Reader
from integration.fhir.to_domain.servicerequest import PATH, Profile, Timing
from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, StateConflictError, UnsupportedError
from ris.domain.orders import (
    CancelOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    Priority,
    ProcedureRequest,
    ReleaseOrder,
    ReviseOrder,
    VoidOrder,
)
from ris.domain.values import Code, Identifier, PersonName
from ris.selectors.views import OrderView

STATUS_REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"

# Elements that one field of the order is read from.
_NOTED = ("note", "orderDetail", "bodySite", "occurrenceDateTime", "occurrencePeriod",
          "occurrenceTiming", "locationReference", "patientInstruction",
          "asNeededBoolean")  # fmt: skip
_PROCEDURE = ("code", "orderDetail", "performer", "locationReference", "occurrenceDateTime",
              "occurrencePeriod", "occurrenceTiming")  # fmt: skip


def revise(
    reader: Reader, order: OrderView, shown: Json, known: Known, profile: Profile
) -> list[Command[Any]]:
    """The commands, in the order they are to be carried out; none if nothing changes."""
    resource = reader.resource
    status = servicerequest.refuse_what_is_no_order(resource)
    if _differs(resource, shown, "subject"):
        _require_same_patient(reader, order, known)
    _require_same_numbers(reader, order, profile)
    if resource.get("replaces") and _differs(resource, shown, "replaces"):
        raise UnsupportedError("what a request replaces stays", path=f"{PATH}.replaces")
    reference = OrderReference(public_id=order.public_id)
    before = bindings.ORDER_STATUS[order.status]
    if status == before:
        return _changes(reader, order, shown, known)
    match status:
        case "revoked":
            return [CancelOrder(order=reference, reason=_reason(resource, shown))]
        case "entered-in-error":
            return [VoidOrder(order=reference, reason=_reason(resource, shown))]
        case "on-hold":
            hold = HoldOrder(order=reference, reason=_reason(resource, shown))
            return [*_changes(reader, order, shown, known), hold]
        case "active" if before == "on-hold":
            return [ReleaseOrder(order=reference), *_changes(reader, order, shown, known)]
        case "active":
            raise StateConflictError(
                f"a request that is {before} is not active again", path=f"{PATH}.status"
            )
        case _:
            raise InvalidValueError(
                f"a client cannot make a request {status}", path=f"{PATH}.status"
            )


def _differs(resource: Json, shown: Json, *names: str) -> bool:
    return any(resource.get(name) != shown.get(name) for name in names)


def _require_same_patient(reader: Reader, order: OrderView, known: Known) -> None:
    patient = servicerequest.read_patient(reader, known)
    own = {(each.issuer, each.value) for each in order.patient.identifiers}
    said = {(each.issuer, each.value) for each in patient.identifiers}
    if patient.public_id not in {"", order.patient.public_id} or (
        not patient.public_id and not own & said
    ):
        raise InvalidValueError(
            "a request stays with its patient; revoke it and place a new one",
            path=f"{PATH}.subject",
        )


def _require_same_numbers(reader: Reader, order: OrderView, profile: Profile) -> None:
    said = servicerequest.read_numbers(reader, profile)
    for name, number, own in (
        ("placer", said.placer, order.placer),
        ("filler", said.filler, order.filler),
        ("accession", said.accession, order.accession),
    ):
        if number is not None and number != Identifier(own.value, own.issuer):
            raise InvalidValueError(
                f"the {name} number of a request stays", path=f"{PATH}.identifier"
            )
    uids = {each.study_instance_uid for each in order.procedures}
    if said.study_instance_uid and said.study_instance_uid not in uids:
        raise InvalidValueError(
            "the Study Instance UID of a request stays", path=f"{PATH}.identifier"
        )


def _changes(reader: Reader, order: OrderView, shown: Json, known: Known) -> list[Command[Any]]:
    resource = reader.resource
    timing = servicerequest.read_timing(resource)
    if _differs(resource, shown, "requisition"):
        group = servicerequest.group_number(resource)
        if group and group != order.group_number:
            raise InvalidValueError("the requisition stays", path=f"{PATH}.requisition")
    details = _details(reader, shown, known, timing)
    procedures = _procedures(reader, order, shown, known, timing)
    visit = participants.visit(reader, known) if _differs(resource, shown, "encounter") else None
    if details == OrderDetails() and not procedures and visit is None:
        return []
    return [
        ReviseOrder(
            order=OrderReference(public_id=order.public_id),
            details=details,
            procedures=procedures,
            visit=visit,
            expected_version=order.version,
        )
    ]


def _details(reader: Reader, shown: Json, known: Known, timing: Timing) -> OrderDetails:
    resource = reader.resource
    said = servicerequest.read_details(reader, known, timing)
    reasons = _differs(resource, shown, "reasonCode")
    who = _differs(resource, shown, "requester")
    return OrderDetails(
        priority=(
            (said.priority or Priority.ROUTINE) if _differs(resource, shown, "priority") else None
        ),
        reason=(said.reason or "") if reasons else None,
        reason_code=(said.reason_code or Code("")) if reasons else None,
        comments=(said.comments or "") if _differs(resource, shown, *_NOTED) else None,
        requester=(said.requester or PersonName()) if who else None,
        requester_identifier=(said.requester_identifier or Identifier("")) if who else None,
        requesting_service=said.requesting_service if who else None,
        ordered_at=said.ordered_at if _differs(resource, shown, "authoredOn") else None,
        callback_phone=said.callback_phone if who else None,
    )


def _procedures(
    reader: Reader, order: OrderView, shown: Json, known: Known, timing: Timing
) -> tuple[ProcedureRequest, ...]:
    resource = reader.resource
    if not _differs(resource, shown, *_PROCEDURE, "bodySite"):
        return ()
    if len(order.procedures) != 1:
        raise UnsupportedError(
            "an order of several procedures is changed as a whole only in its details", path=PATH
        )
    procedure = order.procedures[0]
    if _differs(resource, shown, "bodySite"):
        side = servicerequest.laterality(resource)
        if side != procedure.laterality:
            raise InvalidValueError(
                "the side stays; revoke the request and place a new one", path=f"{PATH}.bodySite"
            )
    concept = datatypes.single(resource, "code", PATH)
    code = datatypes.code(concept, f"{PATH}.code") if concept else Code("")
    if not code:
        raise InvalidValueError("a request needs its code", path=f"{PATH}.code")
    changed = _differs(resource, shown, "code")
    return (
        ProcedureRequest(
            code=code if changed else procedure.code,
            also=servicerequest.other_codes(concept) if concept and changed else (),
            description=(
                datatypes.one_line(concept or {}, "text", f"{PATH}.code") if changed else ""
            ),
            study_instance_uid=procedure.study_instance_uid,
            steps=servicerequest.read_steps(reader, known, timing),
        ),
    )


def _reason(resource: Json, shown: Json) -> str:
    """Why the status changes: the extension for it, else a note that is new."""
    for extension, path in datatypes.several(resource, "extension", PATH):
        if extension.get("url") == STATUS_REASON:
            concept = datatypes.single(extension, "valueCodeableConcept", path)
            if concept:
                return datatypes.words_of(concept, f"{path}.valueCodeableConcept")
    known = [note.get("text") for note in shown.get("note", [])]
    for note, path in reversed(datatypes.several(resource, "note", PATH)):
        words = datatypes.one_line(note, "text", path)
        if note.get("text") not in known:
            return words
    return ""

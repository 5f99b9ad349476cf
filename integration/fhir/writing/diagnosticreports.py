"""DiagnosticReport: file what was written elsewhere, correct it, withdraw it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.systems import DICOM_UID
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain import diagnosticreport as translated
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.diagnosticreport import PATH, WITHDRAWN
from integration.fhir.to_domain.references import Named, Reader, Target
from integration.fhir.writing.booking import Desk
from integration.fhir.writing.documentreferences import fetch
from integration.fhir.writing.kept import target_of
from integration.fhir.writing.request import Writer
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    RisError,
    UnknownKeyError,
)
from ris.domain.identifiers import require_uid
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.places import Place
from ris.domain.results import FileResult, ResultLevel, ResultReference, WithdrawResult
from ris.domain.values import Identifier, PersonName
from ris.selectors.search import Page
from ris.selectors.search.criteria import ReportCriteria
from ris.selectors.search.terms import UID
from ris.selectors.search.views import AwaitedHit, KeptHit, PractitionerView, ReportHit
from ris.services.audit import record_access

REQUEST = frozenset({"ServiceRequest"})
_TRUST: Mapping[str, ResultLevel] = {level.name.lower(): level for level in ResultLevel}
# What the core calls the parts of a report.
_PLACES: Mapping[str, str] = {
    Place.ACCESSION: f"{PATH}.basedOn",
    Place.FILLER: f"{PATH}.basedOn",
    Place.PLACER: f"{PATH}.basedOn",
    Place.STUDY: f"{PATH}.imagingStudy",
    "status": f"{PATH}.status",
    "text": f"{PATH}.presentedForm",
    "sections.impression": f"{PATH}.conclusion",
    Place.PATIENT: f"{PATH}.subject",
}


class DiagnosticReports:
    """Writes of DiagnosticReport resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        before = {hit.report.public_id for hit in _reports(writer, resource)}
        public_id = self.file(writer, resource, exams(writer, resource))
        return public_id, public_id not in before

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        if _said(resource) == _said(before):
            record_access(
                writer.actor,
                action="FHIR update DiagnosticReport",
                subject=f"{PATH}/{writer.public_id}",
            )
            return
        references = exams(writer, resource) or _covered(writer)
        if resource["status"] in WITHDRAWN:
            public_id = self.withdraw(writer, resource, references)
        else:
            # What we made ourselves and is sent back with it is no document of the sender.
            own = {each.get("data") for each in before.get("presentedForm", ())}
            said = {**resource, "presentedForm": [
                each for each in resource.get("presentedForm", ())
                if each.get("data") not in own or _is_text(each)
            ]}  # fmt: skip
            if not said["presentedForm"]:
                del said["presentedForm"]
            public_id = self.file(writer, said, references)
        if public_id != writer.public_id:
            raise InvalidValueError("a report stays with its exams", path=f"{PATH}.basedOn")

    def file(
        self, writer: Writer, resource: Resource, references: tuple[ResultReference, ...]
    ) -> str:
        trusted = _TRUST.get(writer.profile.results)
        if trusted is None:
            raise DeniedError("reports are not taken from this sender", path=f"{PATH}.status")
        if not references:
            raise MissingValueError("the exam it is about is required", path=f"{PATH}.basedOn")
        told = translated.told(
            resource,
            lambda link: fetch(writer, link),
            lambda reference: _observation(writer, reference),
        )
        return _executed(
            writer,
            FileResult(
                references=references,
                level=told.level,
                trusted=trusted,
                sections=told.sections,
                correction=told.correction,
                patient=_patient(writer, resource),
                interpreter=_interpreter(writer, resource),
                said_at=told.said_at,
                observations=told.observations,
                attachments=told.attachments,
            ),
        )

    def withdraw(
        self, writer: Writer, resource: Resource, references: tuple[ResultReference, ...]
    ) -> str:
        return _executed(
            writer,
            WithdrawResult(
                references=references,
                reason="withdrawn by its sender",
                permitted=writer.profile.withdraw_results,
                patient=_patient(writer, resource),
            ),
        )


def _executed(writer: Writer, command: FileResult | WithdrawResult) -> str:
    try:
        return writer.execute(command)
    except UnknownKeyError as error:
        # The address is there; what the report is about is not.
        path = _PLACES.get(error.path, error.path)
        raise HttpError(422, "not-found", error.message, path=path) from None
    except RisError as error:
        error.path = _PLACES.get(error.path, error.path)
        raise


def _said(resource: Resource) -> bytes:
    """What the resource says, apart from which version it is."""
    return json.write({name: resource[name] for name in sorted(resource) if name != "meta"})


def _is_text(form: Mapping[str, Any]) -> bool:
    return str(form.get("contentType", "")).partition(";")[0].strip() in {"text/plain", "text/html"}


# --- which exams


def exams(writer: Writer, resource: Resource) -> tuple[ResultReference, ...]:
    """The exams it names: its studies, else its requests, else the numbers it has itself.

    All are looked for as requests, within what the client's scopes reach.
    """
    reader = Reader(resource, writer.message.base, writer.systems)
    desk = Desk(writer.message)
    code = translated.code(resource)
    studies = [
        found
        for element, path in datatypes.several(resource, "imagingStudy", PATH)
        if (found := _study(desk, element, path)) is not None
    ]
    named = {each.order.public_id for each in studies}
    requests = []
    for element, path in datatypes.several(resource, "basedOn", PATH):
        request = reader.named(element, path, REQUEST, "ServiceRequest")
        for hit in desk.requests(request):
            uid = hit.procedure.study_instance_uid if hit.procedure else ""
            if hit.order.public_id not in named or uid:
                requests.append(
                    ResultReference(
                        order=OrderReference(public_id=hit.order.public_id),
                        study_instance_uids=(uid,) if uid else (),
                        code=code,
                    )
                )
    if studies or requests:
        return (*studies, *requests)
    numbers = {
        found.type: found
        for element, path in datatypes.several(resource, "identifier", PATH)
        if "value" in element and element.get("system") != DICOM_UID
        for found in [datatypes.identifier(element, path, writer.systems)]
    }
    for kind in ("ACSN", "FILL", "PLAC"):
        if kind in numbers:
            order = OrderReference(
                public_id=_order(desk, f"{PATH}.identifier", identifier=numbers[kind]),
                accession=numbers.get("ACSN"),
                filler=numbers.get("FILL"),
                placer=numbers.get("PLAC"),
            )
            return (ResultReference(order=order, code=code),)
    return ()


def _order(desk: Desk, path: str, **named: Any) -> str:
    """The public id of the order that is named; raises an error for none that is reached."""
    target = Target("ServiceRequest", **named)
    return desk.requests(Named(path, "ServiceRequest", target))[0].order.public_id


def _study(desk: Desk, element: Json, path: str) -> ResultReference | None:
    """By our id or its UID; a study that is only elsewhere says nothing here."""
    inner = datatypes.single(element, "identifier", path) or {}
    if inner.get("system") == DICOM_UID and inner.get("value"):
        uid = require_uid(str(inner["value"]).removeprefix("urn:oid:"), f"{path}.identifier")
        order = _order(desk, path, identifier=Identifier(uid, UID))
        return ResultReference(order=OrderReference(public_id=order), study_instance_uids=(uid,))
    target = target_of(datatypes.text(element, "reference", path), desk.message.base)
    if target is None or target[0] != "ImagingStudy":
        return None
    for hit in KINDS["ImagingStudy"].finder.load([target[1]]):
        return ResultReference(
            order=OrderReference(public_id=_order(desk, path, id=hit.order.public_id)),
            study_instance_uids=(hit.procedure.study_instance_uid,),
        )
    raise HttpError(422, "not-found", f"there is no ImagingStudy/{target[1]}", path=path)


def _reports(writer: Writer, resource: Resource) -> list[ReportHit]:
    """The reports there are on the orders that it names."""
    orders = {each.order.public_id for each in exams(writer, resource)} - {""}
    if not orders:
        return []
    criteria = ReportCriteria(requests=(tuple(sorted(orders)),))
    hits = KINDS[PATH].finder.search(criteria, Page(100)).hits
    return [hit for hit in hits if isinstance(hit, ReportHit)]


def _covered(writer: Writer) -> tuple[ResultReference, ...]:
    """The exams that the report is about already."""
    found: list[ResultReference] = []
    for hit in KINDS[PATH].finder.load([writer.public_id]):
        covers = ((hit.order, hit.procedure),) if isinstance(hit, AwaitedHit) else hit.covers
        found += [
            ResultReference(
                order=OrderReference(public_id=order.public_id),
                study_instance_uids=(procedure.study_instance_uid,),
            )
            for order, procedure in covers
        ]
    return tuple(found)


# --- whose, by whom, with what


def _patient(writer: Writer, resource: Resource) -> PatientReference | None:
    element = datatypes.single(resource, "subject", PATH)
    if element is None:
        return None
    reader = Reader(resource, writer.message.base, writer.systems)
    named = reader.named(element, f"{PATH}.subject", frozenset({"Patient"}), "Patient")
    patient = Desk(writer.message).patient_of(named)
    return PatientReference(public_id=patient.public_id) if patient else None


def _interpreter(writer: Writer, resource: Resource) -> PersonName:
    for name in ("resultsInterpreter", "performer"):
        for element, path in datatypes.several(resource, name, PATH):
            found = translated.interpreter(element, _person(writer, resource, element), path)
            is_person = "Organization" not in str(element.get("reference", element.get("type", "")))
            if found and is_person:
                return found
    return PersonName()


def _person(writer: Writer, resource: Resource, element: Json) -> PersonName:
    """The name of a Practitioner that came along or is known."""
    text = str(element.get("reference", ""))
    for inner in resource.get("contained", ()):
        if text == f"#{inner.get('id')}" and inner.get("resourceType") == "Practitioner":
            return datatypes.person_name(datatypes.several(inner, "name", "Practitioner"))
    target = target_of(text, writer.message.base)
    if target is not None and target[0] == "Practitioner":
        hit = writer.message.load(*target)
        return hit.name if isinstance(hit, PractitionerView) else PersonName()
    return PersonName()


def _observation(writer: Writer, reference: str) -> Mapping[str, Any] | None:
    target = target_of(reference, writer.message.base)
    if target is None or target[0] != "Observation":
        return None
    hit = writer.message.load(*target)
    if not isinstance(hit, KeptHit):
        return None
    found: dict[str, Any] = json.read_stored(hit.content.encode())
    return found

"""A version of a report as structured report: Basic Text SR or Enhanced SR (PS3.3 A.35.1, A.35.2).

======================  ==============================================================
version                 Preliminary Flag, Verification Flag, Completion Flag
======================  ==============================================================
preliminary             PRELIMINARY, UNVERIFIED, PARTIAL
final                   FINAL, VERIFIED with its observer, COMPLETE
addendum, correction    as final; the version before is its predecessor document
withdrawn               as final; says so and nothing else
======================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ris.domain.reporting import VersionKind
from ris.domain.values import Code
from ris.selectors.views import OrderView, ProcedureView, ReportVersionView
from worklist import report_content
from worklist.building import code, codes, elements, moment, whole
from worklist.dicom_json import Json, items_of, text_of
from worklist.elements import tag_of
from worklist.report_header import Covered, Reference, Told, header, hierarchy

BASIC_TEXT_SR: Final = "1.2.840.10008.5.1.4.1.1.88.11"
ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"
SERIES_NUMBER: Final = 9901
ENHANCED_SERIES_NUMBER: Final = 9903
# A report does not become larger than the images of an exam are many.
MOST_EVIDENCE: Final = 20_000

COMPLETION: Final = {
    VersionKind.PRELIMINARY: "Preliminary report, not yet verified",
    VersionKind.FINAL: "",
    VersionKind.ADDENDUM: "With addendum",
    VersionKind.CORRECTION: "Corrected report",
    VersionKind.RETRACTION: "Withdrawn",
}


def dataset(told: Told, evidence: Sequence[Reference], language: Code) -> Json:
    """The object as DICOM JSON; ``evidence`` are the images it is about."""
    version = told.version
    said = report_content.Circumstances(
        language=language,
        observer=str(version.signer_name),
        organization=told.organization,
        study_instance_uid=told.identity.study_instance_uid,
        accession=told.order.accession.value,
        procedures=_procedures(told.covers),
    )
    is_preliminary = version.kind is VersionKind.PRELIMINARY
    numbers = told.identity.sop_class_uid == ENHANCED_SR
    return elements(
        {
            **header(told, "SR", "Report"),
            "ReferencedPerformedProcedureStepSequence": [],
            "PreliminaryFlag": "PRELIMINARY" if is_preliminary else "FINAL",
            "CompletionFlag": "PARTIAL" if is_preliminary else "COMPLETE",
            "CompletionFlagDescription": _completion(told) or None,
            "VerificationFlag": "VERIFIED" if told.is_verified else "UNVERIFIED",
            "VerifyingObserverSequence": [_verifier(told)] if told.is_verified else None,
            "AuthorObserverSequence": [_author(told, name) for name in _authors(version)] or None,
            "PredecessorDocumentsSequence": (
                hierarchy([told.predecessor]) if told.predecessor else None
            ),
            "IdenticalDocumentsSequence": hierarchy(told.identical) or None,
            "ReferencedRequestSequence": [_request(told, *each) for each in told.covers],
            "PerformedProcedureCodeSequence": codes(said.procedures),
            "CurrentRequestedProcedureEvidenceSequence": hierarchy(evidence) or None,
            **report_content.root(version, said, numbers=numbers),
        }
    )


def evidence_in(said: Iterable[Mapping[str, object]], study: str) -> list[Reference]:
    """The instances of a study that modalities named in their performed steps (DICOM JSON)."""
    found: dict[str, Reference] = {}
    for performed in said:
        for reference in _performed(performed, study):
            if len(found) == MOST_EVIDENCE:
                return list(found.values())
            found.setdefault(reference.sop_instance_uid, reference)
    return list(found.values())


def _performed(performed: Mapping[str, Any], study: str) -> Iterator[Reference]:
    scheduled = items_of(performed, tag_of("ScheduledStepAttributesSequence"))
    studies = {text_of(item, tag_of("StudyInstanceUID")) for item in scheduled}
    if studies and study not in studies:
        return
    for series in items_of(performed, tag_of("PerformedSeriesSequence")):
        for keyword in (
            "ReferencedImageSequence",
            "ReferencedNonImageCompositeSOPInstanceSequence",
        ):
            for item in items_of(series, tag_of(keyword)):
                reference = Reference(
                    study_instance_uid=study,
                    series_instance_uid=text_of(series, tag_of("SeriesInstanceUID")),
                    sop_class_uid=text_of(item, tag_of("ReferencedSOPClassUID")),
                    sop_instance_uid=text_of(item, tag_of("ReferencedSOPInstanceUID")),
                )
                if reference.sop_class_uid and reference.sop_instance_uid:
                    yield reference


def _completion(told: Told) -> str:
    words = COMPLETION[told.version.kind]
    return f"{words}: {told.version.reason}" if words and told.version.reason else words


def _verifier(told: Told) -> Json:
    """PS3.3 Table C.17-2: who stands for it, where and when."""
    return elements(
        {
            "VerifyingObserverName": str(told.version.signer_name),
            "VerifyingObserverIdentificationCodeSequence": [],
            "VerifyingOrganization": told.organization,
            "VerificationDateTime": moment(told.version.signed_at, told.zone),
        }
    )


def _authors(version: ReportVersionView) -> list[str]:
    """Who wrote it: the resident whose text it began from first."""
    names = (str(version.resident_name), str(version.author_name))
    return [name for name in dict.fromkeys(names) if name]


def _author(told: Told, name: str) -> Json:
    """Identified Person or Device (PS3.3 Table C.17-3b)."""
    return elements(
        {
            "ObserverType": "PSN",
            "PersonName": name,
            "PersonIdentificationCodeSequence": [],
            "InstitutionName": told.organization,
            "InstitutionCodeSequence": [],
        }
    )


def _request(told: Told, order: OrderView, procedure: ProcedureView) -> Json:
    """Referenced Request (PS3.3 Table C.17-3c)."""
    return elements(
        {
            "StudyInstanceUID": told.identity.study_instance_uid,
            "ReferencedStudySequence": [],
            "AccessionNumber": whole(order.accession.value, "SH", "(0008,0050)"),
            "PlacerOrderNumberImagingServiceRequest": whole(order.placer.value, "LO"),
            "FillerOrderNumberImagingServiceRequest": whole(order.filler.value, "LO"),
            "RequestedProcedureID": whole(procedure.procedure_id, "SH"),
            "RequestedProcedureDescription": procedure.description or procedure.code.meaning,
            "RequestedProcedureCodeSequence": [code(procedure.code)]
            if procedure.code.value
            else [],
        }
    )


def _procedures(covers: Sequence[Covered]) -> list[Code]:
    found = {(each.code.value, each.code.scheme): each.code for _, each in covers}
    return [each for each in found.values() if each.value]

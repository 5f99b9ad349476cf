"""The document of a signed report version → DocumentReference and Binary (FHIR R4 10.2, 2.40).

Each version is a document that replaces the one before; all but the newest are superseded, and all
of a withdrawn report are errors. What is no longer valid is handed out with a stamp, so size and
hash are those of what Binary gives now.
"""

from __future__ import annotations

import base64

from integration.fhir import kept
from integration.fhir.bindings import DOCUMENT_STATUS
from integration.fhir.from_domain import datatypes, diagnosticreport
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.domain.reporting import ReportStatus, VersionKind
from ris.selectors.report_documents import DocumentFile
from ris.selectors.search.documents import CONTENT, REPORT_CODE, TYPE, Hit
from ris.selectors.search.views import VersionHit
from ris.services import report_documents

_TYPE = datatypes.coded(*REPORT_CODE, "Diagnostic imaging study")


def document_reference(hit: Hit, shown: Shown) -> Resource:
    return _reference(hit, shown) if isinstance(hit, VersionHit) else kept.kept(hit, shown)


def binary(hit: Hit, shown: Shown) -> Resource:
    """The bytes; whoever may see the DocumentReference of this id may have them."""
    if not isinstance(hit, VersionHit):
        return kept.kept(hit, shown)
    found = _file(hit)
    return {
        "resourceType": CONTENT,
        "id": hit.public_id,
        # Another version of the report is what changes the stamp. Without a time: what has one is
        # kept for its history, and the bytes are kept already.
        "meta": {"versionId": str(len(hit.of.report.versions))},
        "contentType": found.media_type,
        "securityContext": datatypes.reference("Patient", hit.of.covers[0][0].patient.public_id),
        "data": base64.b64encode(found.content).decode(),
    }


def _file(hit: VersionHit) -> DocumentFile:
    report = hit.of.report
    kept_file = hit.printed or report_documents.report_document(report.public_id, hit.number)
    return report_documents.as_it_stands(report, kept_file)


def _reference(hit: VersionHit, shown: Shown) -> Resource:
    report, covers = hit.of.report, hit.of.covers
    version = report.version(hit.number)
    order, _ = covers[0]
    updated_at = datatypes.latest(
        report.updated_at,
        *(at for each, _ in covers for at in (each.updated_at, each.patient.updated_at)),
    )
    wrong = report.status is ReportStatus.RETRACTED
    newest = hit.number == len(report.versions)
    signer = diagnosticreport.interpreter(version, shown)
    site = shown.directory.site
    earlier = report.version(hit.number - 1) if hit.number > 1 else None
    return datatypes.resource(
        TYPE,
        hit.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        status="entered-in-error" if wrong else "current" if newest else "superseded",
        docStatus="entered-in-error" if wrong else DOCUMENT_STATUS[version.kind],
        type=_TYPE,
        category=[diagnosticreport.RADIOLOGY_LOINC],
        subject=datatypes.reference("Patient", order.patient.public_id),
        date=datatypes.instant(version.signed_at),
        author=datatypes.some(signer, diagnosticreport.resident(version, shown)),
        authenticator=signer if version.kind is not VersionKind.PRELIMINARY else None,
        custodian=(
            datatypes.reference("Organization", site, shown.directory.site_name) if site else None
        ),
        relatesTo=(
            [{"code": "replaces", "target": datatypes.reference(TYPE, earlier.public_id)}]
            if earlier
            else []
        ),
        content=[{"attachment": _attachment(hit)}],
        context=datatypes.compact(
            {
                "encounter": (
                    [datatypes.reference("Encounter", order.visit.public_id)] if order.visit else []
                ),
                "related": [
                    *diagnosticreport.based_on(covers),
                    datatypes.reference("DiagnosticReport", report.public_id),
                ],
            }
        ),
    )


def _attachment(hit: VersionHit) -> Resource:
    found = _file(hit)
    return datatypes.attachment(
        found.content,
        found.media_type,
        f"{diagnosticreport.title_of(hit.of.covers)}, version {hit.number}",
        hit.of.report.version(hit.number).signed_at,
        url=f"{CONTENT}/{hit.public_id}",
    )

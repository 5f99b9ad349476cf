"""ReportHit → DiagnosticReport (FHIR R4 10.3; shaped after IHE RAD IMR: no contained resources)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from ris.domain.reporting import SECTIONS, ReportStatus
from ris.domain.values import Identifier
from ris.selectors.search.views import ReportHit
from ris.selectors.views import OrderView, ProcedureView, ReportVersionView

RADIOLOGY = datatypes.coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")
RADIOLOGY_LOINC = datatypes.coded(systems.LOINC, "LP29684-5", "Radiology")
IMAGING_STUDY_REPORT = datatypes.coded(systems.LOINC, "18748-4", "Diagnostic imaging study")

# A login's practitioner is known by its name at this issuer (CreateUser).
LOGIN_ISSUER = "RIS"

# What nobody signed, and what was withdrawn, is not handed out.
_WITHOUT_CONTENT = frozenset({ReportStatus.DRAFT, ReportStatus.DISCARDED, ReportStatus.RETRACTED})


def diagnostic_report(hit: ReportHit, shown: Shown) -> Resource:
    report = hit.report
    current = report.current
    shows = current is not None and report.status not in _WITHOUT_CONTENT
    orders = list({order.public_id: order for order, _ in hit.covers}.values())
    order = orders[0]
    return datatypes.resource(
        "DiagnosticReport",
        report.public_id,
        datatypes.version_at(report.updated_at),
        report.updated_at,
        identifier=[
            found
            for each in orders
            for found in datatypes.some(
                datatypes.identifier(each.placer, shown.systems, "PLAC"),
                datatypes.identifier(each.filler, shown.systems, "FILL"),
                datatypes.identifier(each.accession, shown.systems, "ACSN"),
            )
        ],
        basedOn=_based_on(hit.covers),
        status=bindings.REPORT_STATUS[report.status, current.kind if current else None],
        category=[RADIOLOGY, RADIOLOGY_LOINC],
        code=_code([procedure for _, procedure in hit.covers]),
        subject=datatypes.reference("Patient", order.patient.public_id),
        encounter=(
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        effectiveDateTime=_effective(hit.covers),
        issued=datatypes.instant(current.signed_at) if current else None,
        performer=(
            [datatypes.reference("Organization", shown.directory.site, shown.directory.site_name)]
            if shown.directory.site
            else []
        ),
        resultsInterpreter=datatypes.some(_interpreter(current, shown) if current else None),
        imagingStudy=[
            datatypes.reference("ImagingStudy", procedure.public_id)
            for _, procedure in hit.covers
            if procedure.performed
        ],
        conclusion=current.sections.get("impression", "").strip() if current and shows else "",
        presentedForm=_presented(current, _title(hit.covers)) if current and shows else [],
    )


def _based_on(covers: tuple[tuple[OrderView, ProcedureView], ...]) -> list[Resource]:
    found: list[Resource] = []
    for order, procedure in covers:
        found.extend(ref for ref in requests_of(order, procedure) if ref not in found)
    return found


def _code(procedures: list[ProcedureView]) -> Resource:
    """The procedure reported on; several share the general code of an imaging report."""
    if len(procedures) == 1:
        return datatypes.concept(procedures[0].code, procedures[0].description)
    return {**IMAGING_STUDY_REPORT, "text": " + ".join(each.description for each in procedures)}


def _title(covers: tuple[tuple[OrderView, ProcedureView], ...]) -> str:
    return " + ".join(
        procedure.description or procedure.code.meaning or procedure.code.value
        for _, procedure in covers
    )


def _effective(covers: tuple[tuple[OrderView, ProcedureView], ...]) -> str | None:
    started: list[datetime] = [
        performed.started_at for _, procedure in covers for performed in procedure.performed
    ]
    return datatypes.instant(min(started)) if started else None


def _interpreter(version: ReportVersionView, shown: Shown) -> Resource | None:
    return datatypes.person(
        version.signer_name,
        Identifier(version.signer, LOGIN_ISSUER) if version.signer else Identifier(""),
        shown.systems,
        "Practitioner",
    )


def _presented(version: ReportVersionView, title: str) -> list[Resource]:
    return [
        datatypes.attachment(content, content_type, title, version.signed_at)
        for content, content_type in (
            (html(version.sections, title).encode(), "text/html; charset=utf-8"),
            (version.text.encode(), "text/plain; charset=utf-8"),
        )
    ]


def html(sections: Mapping[str, str], title: str) -> str:
    """The report as a page of headings and paragraphs; every text is escaped."""
    parts = []
    for key, heading in SECTIONS:
        text = sections.get(key, "").strip()
        if text:
            body = "<br>".join(escape(line) for line in text.splitlines())
            parts.append(f"<h2>{escape(heading)}</h2><p>{body}</p>")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(parts)}</body></html>"

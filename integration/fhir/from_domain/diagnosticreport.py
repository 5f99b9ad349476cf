"""A report, written or awaited → DiagnosticReport (FHIR R4 10.3).

Shaped after IHE RAD IMR 1.1.0: no contained resources, a page as HTML whose size and hash are those
of the bytes, the organization and the interpreter named, the studies listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from html import escape

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from integration.fhir.narrative import XHTML
from ris.domain.mammography_codes import OVERALL
from ris.domain.reporting import SECTIONS, ReportStatus
from ris.domain.values import Code, Identifier, PersonName
from ris.printing.report import notice_of
from ris.selectors.search.signed import IMR
from ris.selectors.search.views import AwaitedHit, ReportHit
from ris.selectors.views import OrderView, ProcedureView, ReportVersionView
from ris.services.report_documents import report_document

RADIOLOGY = datatypes.coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")
RADIOLOGY_LOINC = datatypes.coded(systems.LOINC, "LP29684-5", "Radiology")
IMAGING_STUDY_REPORT = datatypes.coded(systems.LOINC, "18748-4", "Diagnostic imaging study")

# The profile is declared where a report has all that it asks for (IHE RAD IMR 1.1.0, RAD-141).
_IMR_WANTS = (
    "basedOn",
    "subject",
    "issued",
    "performer",
    "resultsInterpreter",
    "imagingStudy",
    "presentedForm",
)

# What XML 1.0 (2.2) has no place for, and a sender may have written all the same.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Covers = tuple[tuple[OrderView, ProcedureView], ...]

# A login's practitioner is known by its name at this issuer (CreateUser).
LOGIN_ISSUER = "RIS"

# What nobody signed, and what was withdrawn, is not handed out.
WITHOUT_CONTENT = frozenset({ReportStatus.DRAFT, ReportStatus.DISCARDED, ReportStatus.RETRACTED})


def diagnostic_report(hit: ReportHit | AwaitedHit, shown: Shown) -> Resource:
    return _awaited(hit, shown) if isinstance(hit, AwaitedHit) else _written(hit, shown)


def _awaited(hit: AwaitedHit, shown: Shown) -> Resource:
    """The report that an exam waits for, or that will never be."""
    order, procedure = hit.order, hit.procedure
    updated_at = datatypes.latest(procedure.updated_at, order.updated_at)
    return datatypes.resource(
        "DiagnosticReport",
        procedure.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        status=bindings.AWAITED_STATUS[procedure.stage, order.status],
        **_about(((order, procedure),), shown),
    )


def _written(hit: ReportHit, shown: Shown) -> Resource:
    report = hit.report
    current = report.current
    shows = current is not None and report.status not in WITHOUT_CONTENT
    kind = current.kind if current else None
    # What is printed names the patient, and a merge or a correction makes it another's.
    updated_at = datatypes.latest(
        report.updated_at,
        *(order.updated_at for order, _ in hit.covers),
        *(order.patient.updated_at for order, _ in hit.covers),
    )
    about = _about(hit.covers, shown)
    about["performer"] += datatypes.some(resident(current, shown) if current else None)
    resource = datatypes.resource(
        "DiagnosticReport",
        report.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        status=bindings.REPORT_STATUS[report.status, kind, report.written],
        **about,
        issued=datatypes.instant(current.signed_at) if current else None,
        resultsInterpreter=datatypes.some(interpreter(current, shown) if current else None),
        result=[datatypes.reference("Observation", each) for each in hit.findings] if shows else [],
        conclusion=current.sections.get("impression", "").strip() if current and shows else "",
        conclusionCode=_conclusions(current) if current and shows else [],
        presentedForm=_presented(hit, current, shown) if current and shows else [],
    )
    if current and shows:
        resource["text"] = narrative(current)
    # The profile has one study (imagingStudy 1..1); of several the claim would be wrong.
    if all(name in resource for name in _IMR_WANTS) and len(resource["imagingStudy"]) == 1:
        resource["meta"]["profile"] = [IMR]
    return resource


def _conclusions(version: ReportVersionView) -> list[Resource]:
    """The overall assessment of a breast exam, where it was said in codes (DICOM CID 6026)."""
    return [
        datatypes.concept(Code(each["value_code"], each["value_scheme"], each["value_meaning"]))
        for each in version.coded
        if (each["code"], each["scheme"]) == (OVERALL.value, OVERALL.scheme)
        and each.get("value_code")
    ]


def _about(covers: Covers, shown: Shown) -> Resource:
    """Whom and what a report is about, whether there is one yet or not."""
    orders = list({order.public_id: order for order, _ in covers}.values())
    order = orders[0]
    return {
        "identifier": [
            found
            for each in orders
            for found in datatypes.some(
                datatypes.identifier(each.placer, shown.systems, "PLAC"),
                datatypes.identifier(each.filler, shown.systems, "FILL"),
                datatypes.identifier(each.accession, shown.systems, "ACSN"),
            )
        ],
        "basedOn": based_on(covers),
        "category": [RADIOLOGY, RADIOLOGY_LOINC],
        "code": _code([procedure for _, procedure in covers]),
        "subject": datatypes.reference("Patient", order.patient.public_id),
        "encounter": (
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        "effectiveDateTime": _effective(covers),
        "performer": (
            [datatypes.reference("Organization", shown.directory.site, shown.directory.site_name)]
            if shown.directory.site
            else []
        ),
        "imagingStudy": [
            datatypes.reference("ImagingStudy", procedure.public_id)
            for _, procedure in covers
            if procedure.performed
        ],
    }


def based_on(covers: Covers) -> list[Resource]:
    found: list[Resource] = []
    for order, procedure in covers:
        found.extend(ref for ref in requests_of(order, procedure) if ref not in found)
    return found


def _code(procedures: list[ProcedureView]) -> Resource:
    """The procedure reported on; several share the general code of an imaging report."""
    if len(procedures) == 1:
        return datatypes.concept(procedures[0].code, procedures[0].description)
    return {**IMAGING_STUDY_REPORT, "text": " + ".join(each.description for each in procedures)}


def title_of(covers: Covers) -> str:
    return " + ".join(
        procedure.description or procedure.code.meaning or procedure.code.value
        for _, procedure in covers
    )


def _effective(covers: Covers) -> str | None:
    started: list[datetime] = [
        performed.started_at for _, procedure in covers for performed in procedure.performed
    ]
    return datatypes.instant(min(started)) if started else None


def interpreter(version: ReportVersionView, shown: Shown) -> Resource | None:
    """Who answers for what it says."""
    return _person(version.signer_name, version.signer, version.signer_practitioner, shown)


def resident(version: ReportVersionView, shown: Shown) -> Resource | None:
    """Whose text it began from, if that is somebody else: one of those who made the report."""
    return _person(version.resident_name, version.resident, version.resident_practitioner, shown)


def _person(name: PersonName, login: str, practitioner: str, shown: Shown) -> Resource | None:
    found = datatypes.person(
        name,
        Identifier(login, LOGIN_ISSUER) if login else Identifier(""),
        shown.systems,
        "Practitioner",
    )
    if found and practitioner:
        return {"reference": f"Practitioner/{practitioner}", **found}
    return found


def _presented(hit: ReportHit, version: ReportVersionView, shown: Shown) -> list[Resource]:
    """As a page, as a document to print, and as plain text (IMR wants the page)."""
    title = title_of(hit.covers)
    notice = notice_of(version)
    forms = [(html(version.sections, title, notice).encode(), "text/html")]
    if shown.directory.letterhead is not None:
        printed = hit.printed or report_document(hit.report.public_id, version.number)
        forms.append((printed.content, printed.media_type))
    text = f"{notice}\n\n{version.text}" if notice else version.text
    forms.append((text.encode(), "text/plain; charset=utf-8"))
    return [
        datatypes.attachment(content, content_type, title, version.signed_at)
        for content, content_type in forms
    ]


def narrative(version: ReportVersionView) -> Resource:
    """The report as the resource's own text (FHIR R4 2.4): for who shows that and no more.

    ``bdi`` is younger than the HTML that a narrative may be made of.
    """
    body = _body(version.sections, notice_of(version))
    for html, xhtml in (
        ("<br>", "<br/>"),
        ("<bdi>", '<span dir="auto">'),
        ("</bdi>", "</span>"),
    ):
        body = body.replace(html, xhtml)
    said = _NOT_XML.sub("", body)
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{said}</div>'}


def html(sections: Mapping[str, str], title: str, notice: str = "") -> str:
    """The report as a page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    body = _body(sections, notice)
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


def _body(sections: Mapping[str, str], notice: str) -> str:
    """Headings and lines; every text is escaped.

    Each line is a block of its own, so that it runs in the direction of its own letters: beside
    Arabic a number stays with its unit, whatever the line before was written in (UAX 9, 3.3.1).
    The notice says what is not simply final: whoever shows the page alone shows that as well.
    """
    parts = []
    if notice:
        words, colon, reason = map(escape, notice.partition(": "))
        told = f"{words}{colon}<bdi>{reason}</bdi>" if reason else words
        parts.append(f"<p><strong>{told}</strong></p>")
    for key, heading in SECTIONS:
        text = sections.get(key, "").strip()
        if text:
            lines = (escape(line.rstrip()) or "<br>" for line in text.splitlines())
            body = "".join(f'<div dir="auto">{line}</div>' for line in lines)
            parts.append(f"<h2>{escape(heading)}</h2>{body}")
    return "".join(parts)

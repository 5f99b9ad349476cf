"""Sign, amend, withdraw, give back. A refusal shows the page again with all that was typed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.report_codes import codes
from ris.domain.report_differences import differences
from ris.domain.reporting import (
    SECTIONS,
    AmendReport,
    ChooseAttending,
    FinalizeReport,
    RetractReport,
    ReturnReport,
    SignPreliminary,
    VersionKind,
    unshown,
)
from ris.models import Report
from ris.selectors.reports import report_view
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import carried, said, whole
from ris.web.reporting.editor_views import (
    SECTION,
    answers_in,
    form_of,
    require_at_most,
    typed_in,
    written_in,
)
from ris.web.reporting.proof import proof_of
from ris.web.reporting.reading_views import after_signing
from ris.web.reporting.views import Amending, report_page

REASON = 500  # characters
NOTE = 1_000


@require_POST
@page()
def sign(request: PageRequest, key: UUID) -> HttpResponse:
    """Sign what is on the page, as preliminary or final."""
    revision = carried(request, "revision")
    try:
        how = said(request, "as")
        if how not in {"preliminary", "final"}:
            raise InvalidValueError("sign as preliminary or as final", path="as")
        sections = written_in(request)
        proof = proof_of(request, f"Report {key}")
        if how == "preliminary":
            do(
                request,
                SignPreliminary(
                    report=str(key),
                    sections=sections,
                    answers=answers_in(request),
                    expected_revision=revision,
                    without_codes=tuple(request.POST.getlist("without_codes")),
                    proof=proof,
                    patient=said(request, "patient"),
                    attending=said(request, "attending", 150)
                    if "attending" in request.POST
                    else None,
                ),
            )
            messages.success(
                request, _("Signed as preliminary. It is on its way to the receivers.")
            )
        else:
            do(
                request,
                FinalizeReport(
                    report=str(key),
                    sections=sections,
                    answers=answers_in(request),
                    expected_revision=revision,
                    without_codes=tuple(request.POST.getlist("without_codes")),
                    proof=proof,
                    patient=said(request, "patient"),
                ),
            )
            messages.success(request, _("Signed. The report is on its way to the receivers."))
    except RisError as error:
        if not may(request.actor, SignPreliminary):
            raise
        return report_page(request, key, error=error, typed=typed_in(request))
    return after_signing(request, f"/reports/{key}/")


@require_POST
@page()
def addendum(request: PageRequest, key: UUID) -> HttpResponse:
    text = whole(request, "addendum")
    return _amend(
        request,
        key,
        AmendReport(
            report=str(key),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": text},
            expected_version=carried(request, "version"),
        ),
        lambda: Amending(kind="addendum", text=text),
        _("The addendum is signed and on its way."),
    )


@require_POST
@page()
def correct(request: PageRequest, key: UUID) -> HttpResponse:
    """Sign a correction; or, asked for a preview, show what it would change."""
    sections = typed_in(request)
    reason = whole(request, "reason")

    def amending() -> Amending:
        current = report_view(str(key)).current
        before = dict(current.sections) if current else {}
        asked = form_of(Report.objects.get(public_id=key))
        coded = codes(*asked, sections)
        gone = tuple(row for row in codes(*asked, before) if row not in coded)
        changes = differences(before, {**unshown(before), **sections})
        return Amending(kind="correction", reason=reason, changes=changes, lost=gone)

    if said(request, "step") == "preview":
        return report_page(request, key, typed=sections, amending=amending())
    return _amend(
        request,
        key,
        AmendReport(
            report=str(key),
            kind=VersionKind.CORRECTION,
            sections=sections,
            reason=reason,
            expected_version=carried(request, "version"),
        ),
        amending,
        _("The correction is signed and on its way."),
    )


def _amend(
    request: PageRequest,
    key: UUID,
    command: AmendReport,
    amending: Callable[[], Amending],
    done: str,
) -> HttpResponse:
    try:
        if command.kind is VersionKind.CORRECTION and not command.reason:
            raise MissingValueError("a correction needs a reason", path="reason")
        for section, text in command.sections.items():
            require_at_most(SECTION, text, dict(SECTIONS)[section], f"sections.{section}")
        require_at_most(REASON, command.reason, "reason", "reason")
        proof = proof_of(request, f"Report {key}")
        do(request, dataclasses.replace(command, proof=proof, patient=said(request, "patient")))
    except RisError as error:
        if not may(request.actor, AmendReport):
            raise
        typed = command.sections if command.kind is VersionKind.CORRECTION else None
        return report_page(request, key, error=error, typed=typed, amending=amending())
    messages.success(request, done)
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def retract(request: PageRequest, key: UUID) -> HttpResponse:
    reason = whole(request, "reason")
    try:
        require_at_most(REASON, reason, "reason", "reason")
        proof = proof_of(request, f"Report {key}")
        do(
            request,
            RetractReport(
                report=str(key),
                reason=reason,
                expected_version=carried(request, "version"),
                proof=proof,
            ),
        )
    except RisError as error:
        if not may(request.actor, RetractReport):
            raise
        amending = Amending(kind="withdrawal", reason=reason)
        return report_page(request, key, error=error, amending=amending)
    messages.success(request, _("The report is withdrawn; the exam waits to be read again."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def give_back(request: PageRequest, key: UUID) -> HttpResponse:
    """Give a resident's report back with a note."""
    note = whole(request, "note")
    version = carried(request, "version")
    try:
        require_at_most(NOTE, note, "note", "note")
        do(request, ReturnReport(report=str(key), note=note, expected_version=version))
    except RisError as error:
        if not may(request.actor, ReturnReport):
            raise
        amending = Amending(kind="return", text=note)
        return report_page(request, key, error=error, amending=amending)
    messages.success(request, _("Given back to the resident with your note."))
    return redirect_back(request, "/reading/?pile=sent")


@require_POST
@page()
def choose(request: PageRequest, key: UUID) -> HttpResponse:
    """Ask another attending radiologist to sign with the resident."""
    do(request, ChooseAttending(report=str(key), attending=said(request, "attending", 150)))
    messages.success(request, _("Noted who is to sign it."))
    return redirect_back(request, f"/reports/{key}/")

"""What somebody reads, and the times in which reports are to be final."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, RisError, StateConflictError
from ris.domain.orders import Priority
from ris.domain.patients import PatientClass
from ris.domain.reading import (
    SUBSPECIALTIES,
    TARGETS,
    SetReadingScope,
    SetReadingTargets,
    Target,
)
from ris.domain.sets import version_of
from ris.selectors import catalog, order_lists, reading_filters
from ris.selectors.reading_targets import targets
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.navigation import READERS

_BLANK_ROWS = 2


def suggestions(known: list[str]) -> list[str]:
    """Subspecialties to choose from: those of the catalog, then the usual ones."""
    return list(dict.fromkeys([*known, *SUBSPECIALTIES]))


@require_http_methods(["GET", "POST"])
@page(Role.RADIOLOGIST, Role.RESIDENT)
def mine(request: PageRequest) -> HttpResponse:
    """What I read: the list opens with it."""
    if request.method == "POST":
        typed = tuple(word.strip() for word in said(request, "others", 500).split(","))
        do(
            request,
            SetReadingScope(
                subspecialties=(*request.POST.getlist("subspecialty"), *typed),
                modalities=tuple(request.POST.getlist("modality")),
                sites=tuple(request.POST.getlist("site")),
            ),
        )
        messages.success(request, _("Kept. The list opens with what you read."))
        return redirect_back(request, "/reading/")
    scope = reading_filters.scope_of(request.user.pk)
    offered = suggestions(reading_filters.subspecialties())
    context = {
        "scope": scope,
        "subspecialties": list(dict.fromkeys([*offered, *scope.subspecialties])),
        "modalities": list(dict.fromkeys([*catalog.modalities(), *scope.modalities])),
        "sites": order_lists.sites(),
    }
    return show(request, "reporting/reading_mine.html", context)


@require_http_methods(["GET", "POST"])
@page(*READERS)
def target_times(request: PageRequest) -> HttpResponse:
    """By when reports are to be final; managers change it."""
    error: RisError | None = None
    allowed = may(request.actor, SetReadingTargets)
    times = targets()
    rows = [(each.priority, each.patient_class, str(each.minutes)) for each in times]
    version = version_of(times)
    if request.method == "POST":
        version = said(request, "version", 16)
        rows = list(
            zip(
                request.POST.getlist("priority"),
                request.POST.getlist("patient_class"),
                (text.strip()[:9] for text in request.POST.getlist("minutes")),
                strict=False,
            )
        )[:40]
        try:
            do(
                request,
                SetReadingTargets(
                    targets=tuple(_target(row) for row in rows if row[2]),
                    expected_version=version,
                ),
            )
        except (InvalidValueError, StateConflictError) as refused:
            error = refused
        else:
            messages.success(request, _("The target times are kept."))
            return redirect_back(request, "/reading/targets/")
    context = {
        "version": version,
        "rows": [*rows, *[("", "", "")] * (_BLANK_ROWS if allowed else 0)],
        "allowed": allowed,
        "priorities": list(Priority),
        "classes": [each for each in PatientClass if each is not PatientClass.UNKNOWN],
        "proposed": TARGETS,
        "error": error,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "reporting/reading_targets.html", context, status=status)


def _target(row: tuple[str, str, str]) -> Target:
    priority, patient_class, minutes = row
    if not (minutes.isascii() and minutes.isdigit()):
        raise InvalidValueError(_("minutes are a whole number"), path="minutes")
    return Target(priority=priority, patient_class=patient_class, minutes=int(minutes))

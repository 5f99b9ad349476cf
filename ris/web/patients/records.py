"""A patient's record: merge and part, decide on what senders say otherwise, settle visits."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    RequestError,
    RisError,
)
from ris.domain.patients import (
    DecideReview,
    MergePatients,
    PatientReference,
    SettleVisit,
    UnmergePatients,
)
from ris.selectors import patient_lists, patient_records
from ris.selectors.patients import patient_view
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.event_words import event_label
from ris.web.telling_events import event_detail
from ris.web.templatetags.ris_web import isolated

# What a review calls a field of Demographics.
FIELD_WORDS = {
    "name": gettext_lazy("Name"),
    "birth_date": gettext_lazy("Birth date"),
    "sex": gettext_lazy("Sex"),
    "deceased": gettext_lazy("Deceased"),
    "phone": gettext_lazy("Phone"),
    "email": gettext_lazy("Mail"),
    "address": gettext_lazy("Address"),
    "language": gettext_lazy("Language"),
    "mother_birth_name": gettext_lazy("Mother's birth name"),
    "ethnic_group": gettext_lazy("Ethnic group"),
    "allergies": gettext_lazy("Allergy, to be confirmed"),
}


def record_context(request: PageRequest, patient: str) -> dict[str, object]:
    """What the patient page shows of the record itself."""
    links = patient_records.linked(patient)
    merges = patient_records.merges(patient)
    if links or merges:
        shown = [line.public_id for line in links] + [one.patient.public_id for one in merges]
        saw(request, "ViewPatientRecord", shown)
    return {
        "numbers": patient_records.numbers(patient),
        "visits": patient_records.visits(patient),
        "links": links,
        "merges": merges,
        "reviews": [
            (line, FIELD_WORDS[line.field]) for line in patient_records.reviews_of(patient)
        ],
        "record": [
            (
                one,
                event_label(one.name),
                _detail(one),
            )
            for one in patient_records.history(patient)
        ],
    }


def _detail(one: patient_records.RecordEvent) -> str:
    """What the event's payload adds: which number, which field, why."""
    payload = one.payload
    match one.name:
        case "IdentifiersChanged":
            former = ", ".join(value for value, *_rest in payload["previous"])
            return _("was %(numbers)s") % {"numbers": former}
        case "IdentifiersMoved":
            return ", ".join(value for value, *_rest in payload["identifiers"])
        case "ReviewDecided":
            pattern = (
                _("%(field)s taken over") if payload["accepted"] else _("%(field)s left as it was")
            )
            decided = pattern % {"field": FIELD_WORDS.get(payload["field"], payload["field"])}
            said = {"decided": decided, "note": isolated(payload["note"])}
            return _("%(decided)s: %(note)s") % said if payload["note"] else decided
        case "PatientsUnmerged" if payload.get("stayed"):
            pattern = ngettext(
                "%(count)s order placed since stayed; %(reason)s",
                "%(count)s orders placed since stayed; %(reason)s",
                payload["stayed"],
            )
            return pattern % {"count": payload["stayed"], "reason": isolated(payload["reason"])}
    return event_detail(one.name, payload)


def exceptions_context(limit: int) -> tuple[dict[str, object], list[str]]:
    """What the exceptions page lists of patients and visits, and whom that shows."""
    reviews = patient_records.review_lines(patient_records.open_reviews(), limit)
    visits = patient_records.ended_visit_lines(limit)
    context: dict[str, object] = {
        "reviews": [(line, FIELD_WORDS[line.field]) for line in reviews],
        "review_count": patient_records.open_reviews().count(),
        "ended_visits": visits,
        "visit_count": patient_records.ended_with_orders().count(),
    }
    patients = [line.patient for line in reviews] + [line.patient for line in visits]
    return context, [patient.public_id for patient in patients if patient]


# --- merge ----------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@page()
def merge(request: PageRequest, key: UUID) -> HttpResponse:
    """Two records side by side; a person says which one remains, and why."""
    if not may(request.actor, MergePatients):
        raise DeniedError("your roles do not include merging patients")
    view = patient_view(str(key))
    if view.merged_into:
        return HttpResponseRedirect(f"/patients/{view.merged_into}/")
    error: RisError | None = None
    if request.method == "POST":
        try:
            return _merge(request, view.public_id)
        except RequestError as refused:
            error = refused
    text = asked(request, "q", 100)
    found = [
        one
        for one in patient_lists.find(text)
        if one.public_id != view.public_id and not one.merged_into
    ]
    other = asked(request, "other", 40) or said(request, "other", 40)
    pair = [view, patient_view(other)] if other and other != view.public_id else []
    shown = [view.public_id, *(one.public_id for one in found), *(one.public_id for one in pair)]
    saw(request, "CompareRecords", shown)
    context = {
        "patient": view,
        "text": text,
        "found": found,
        "sides": [
            (one, patient_records.numbers(one.public_id), patient_records.holdings(one.public_id))
            for one in pair
        ],
        "survivor": said(request, "survivor", 40),
        "reason": said(request, "reason", 500),
        "error": error,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "patients/merge.html", context, status=status)


def _merge(request: PageRequest, patient: str) -> HttpResponse:
    other, survivor = said(request, "other", 40), said(request, "survivor", 40)
    reason = said(request, "reason", 500)
    if survivor not in {patient, other} or not other:
        raise MissingValueError("say which record remains", path="survivor")
    if not reason:
        raise MissingValueError("say why they are one person", path="reason")
    subsumed = other if survivor == patient else patient
    do(
        request,
        MergePatients(
            survivor=PatientReference(public_id=survivor),
            subsumed=PatientReference(public_id=subsumed),
            reason=reason,
        ),
    )
    messages.success(request, _("Merged. It can be undone below."))
    return _see(f"/patients/{survivor}/")


@require_POST
@page()
def unmerge(request: PageRequest, key: UUID) -> HttpResponse:
    """Part a merged record from its survivor."""
    reason = said(request, "reason", 500)
    if not reason:
        raise MissingValueError("say why they are two persons", path="reason")
    do(request, UnmergePatients(subsumed_id=str(key), reason=reason))
    messages.success(request, _("Parted. Look what was ordered since the merge, on both records."))
    return _see(f"/patients/{key}/")


def _see(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


# --- decisions ------------------------------------------------------------------------------------


@require_POST
@page()
def decide(request: PageRequest, key: UUID) -> HttpResponse:
    """Take over what a sender says otherwise, or leave it."""
    action = said(request, "action", 10)
    if action not in {"accept", "reject"}:
        raise InvalidValueError("this is no answer to it", path="action")
    accept = action == "accept"
    do(request, DecideReview(review=str(key), accept=accept, note=said(request, "note", 500)))
    messages.success(request, _("Taken over.") if accept else _("Left as it was."))
    return redirect_back(request, "/exceptions/")


@require_POST
@page()
def settle(request: PageRequest, key: UUID) -> HttpResponse:
    """Leave the open orders of a visit that ended as they are."""
    do(request, SettleVisit(visit=str(key), note=said(request, "note", 500)))
    messages.success(request, _("Noted. The orders stay as they are."))
    return redirect_back(request, "/exceptions/")

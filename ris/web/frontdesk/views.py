"""Arrivals: who is expected, here and late; check-in with two identifiers; calling."""

from __future__ import annotations

import hashlib
import uuid
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from ris.domain.arrivals import CallPatient, RequestCorrection, scanned
from ris.domain.documents import Content, FileDocument, Filing
from ris.domain.errors import DeniedError, RequestError
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.saved_views import ViewedPage
from ris.domain.scheduling import RecordArrival, RecordNoShow
from ris.domain.undoing import UndoArrival, UndoNoShow
from ris.domain.values import Identifier
from ris.selectors import arrivals as desk_lists
from ris.selectors import documents, patient_lists
from ris.selectors.arrivals import Arrival, Choice
from ris.selectors.facility import devices
from ris.selectors.patients import patient_view
from ris.selectors.views import PatientView
from ris.services import may
from ris.web import undo
from ris.web.access import PageRequest, back_to, do, is_poll, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.frontdesk.forms import CorrectionForm, DocumentForm, IdentityForm
from ris.web.navigation import FLOOR
from ris.web.scheduling.forms import day_in
from ris.web.scheduling.views import around
from ris.web.views_saved import saved_views

ISSUER = "RIS"  # of the numbers we give to papers that are scanned here
NO_SHOW_REASONS = (
    gettext_lazy("Not reached"),
    gettext_lazy("Said no by telephone, too late"),
    gettext_lazy("Is ill"),
    gettext_lazy("Was not prepared"),
    gettext_lazy("Came to another place"),
)


@require_GET
@page(*FLOOR)
def arrivals(request: PageRequest) -> HttpResponse:
    saved = saved_views(request, ViewedPage.ARRIVALS)
    if saved.opens_with:
        return saved.redirect()
    day = day_in(asked(request, "day"))
    text = scanned(asked(request, "q"))
    choice = Choice(
        site=asked(request, "site"),
        room=asked(request, "room"),
        modality=asked(request, "modality", 16),
        text=text,
    )
    known = devices()
    found = desk_lists.arrivals(day, choice, known)
    saw(request, "ListArrivals", (each.line.patient.public_id for each in found))
    scan = _scan(request, found, text)
    if scan is not None:
        return scan
    groups = [
        ("expected", [each for each in found if each.line.status == "BOOKED"]),
        ("here", [each for each in found if each.line.status == "ARRIVED"]),
        ("over", [each for each in found if each.line.status in {"FULFILLED", "NO_SHOW"}]),
    ]
    late = [each.line for each in found if each.line.is_late]
    context = {
        **around(day),
        **saved.context(),
        "groups": [(name, rows) for name, rows in groups if rows],
        "choice": choice,
        "choices": desk_lists.choices(known),
        "filtered": bool(choice.site or choice.room or choice.modality),
        "text": asked(request, "q"),
        "late": len(late),
        "longest": max((desk_lists.waiting_since(e) for e in found if e.is_waiting), default=0),
        "waiting": sum(each.is_waiting for each in found),
        "done": asked(request, "done"),
        "reasons": NO_SHOW_REASONS,
        "now": timezone.now(),
    }
    return show(request, "frontdesk/arrivals.html", context, fragment="frontdesk/_arrivals.html")


def _scan(request: PageRequest, found: list[Arrival], text: str) -> HttpResponse | None:
    """A label or card that was scanned leads to the check-in of whom it names, at once."""
    if is_poll(request) or not text:
        return None
    exact = [each for each in found if desk_lists.is_exactly(each, text)]
    expected = [each for each in exact if each.line.status == "BOOKED"]
    if len(expected) != 1 or not may(request.actor, RecordArrival):
        return None
    query = {"next": request.get_full_path(), "scanned": asked(request, "q")}
    if text == expected[0].line.accession_number and text == asked(request, "q"):
        query.pop("scanned")  # the number of an order is not one of the patient's
    address = f"/arrivals/{expected[0].line.public_id}/?{urlencode(query)}"
    return HttpResponseRedirect(address)


# --- check-in


@require_GET
@page(*FLOOR)
def check_in(request: PageRequest, key: UUID) -> HttpResponse:
    """One arrival on one page: who it is, what is asked, papers, what is wrong."""
    form = IdentityForm(initial={"number": asked(request, "scanned", 200)})
    return _check_in(request, str(key), form)


def _check_in(
    request: PageRequest,
    key: str,
    form: IdentityForm,
    *,
    correction_form: CorrectionForm | None = None,
    paper: DocumentForm | None = None,
    status: int = 200,
) -> HttpResponse:
    found = desk_lists.arrival(key)
    patient = patient_view(found.line.patient.public_id)
    saw(request, "CheckIn", [patient.public_id], order=found.line.order)
    context = {
        "found": found,
        "line": found.line,
        "patient": patient,
        "form": form,
        "correction": correction_form or CorrectionForm(),
        "paper": paper or DocumentForm(),
        "alike": _alike(patient),
        "documents": documents.of_order(found.line.order),
        "can_arrive": may(request.actor, RecordArrival) and found.line.status == "BOOKED",
        "can_file": may(request.actor, FileDocument),
        "can_correct": may(request.actor, RequestCorrection),
        "next": back_to(request, "/arrivals/"),
    }
    in_dialog = "HX-Request" in request.headers
    template = "frontdesk/_check_in.html" if in_dialog else "frontdesk/check_in.html"
    return show(request, template, context, status=status)


def _alike(patient: PatientView) -> list[patient_lists.PatientLine]:
    """Other records that may be the same person's."""
    return [
        line
        for line in patient_lists.lookalikes(patient.name, patient.birth_date.text)
        if line.public_id != patient.public_id
    ]


@require_POST
@page()
def arrive(request: PageRequest, key: UUID) -> HttpResponse:
    if not may(request.actor, RecordArrival):
        do(request, RecordArrival(appointment=str(key)))  # refused, and audited
    form = IdentityForm(request.POST)
    if not form.is_valid():
        return _check_in(request, str(key), form, status=422)
    try:
        identifiers, reason = form.said(), form.cleaned_data["reason"].strip()
        way = undo.of_arrival(str(key))
        do(
            request,
            RecordArrival(
                appointment=str(key), identifiers_checked=identifiers, unchecked_reason=reason
            ),
        )
    except RequestError as error:
        form.refuse(error)
        return _check_in(request, str(key), form, status=STATUS[error.code])
    ticket = desk_lists.arrival(str(key)).ticket
    words = _("Checked in. The room sees the patient as arrived.")
    if ticket is not None:
        words = _("Checked in as number %(number)s. The room sees the patient as arrived.") % {
            "number": ticket.number
        }
    undo.tell(request, words, way)
    return HttpResponseRedirect(_after(request, str(key)), status=303)


def _after(request: PageRequest, key: str) -> str:
    """The list without what was searched for; the row has the focus, so that P prints its label."""
    target = back_to(request, "/arrivals/")
    if target.partition("?")[0] != "/arrivals/":
        return target
    kept = [
        part
        for part in target.partition("?")[2].split("&")
        if part and part.partition("=")[0] not in {"q", "done"}
    ]
    return "/arrivals/?" + "&".join([*kept, f"done={key}"])


@require_POST
@page()
def no_show(request: PageRequest, key: UUID) -> HttpResponse:
    way = undo.of_no_show(str(key))
    do(request, RecordNoShow(appointment=str(key), reason=said(request, "reason")))
    undo.tell(request, _("Noted. The time is free again; the order waits under To schedule."), way)
    return redirect_back(request, "/arrivals/")


@require_POST
@page()
def undo_arrival(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, UndoArrival(appointment=str(key)))
    messages.success(request, _("The arrival is taken back: the patient is expected again."))
    return redirect_back(request, "/arrivals/")


@require_POST
@page()
def undo_no_show(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, UndoNoShow(appointment=str(key)))
    messages.success(request, _("The appointment stands again. Check the patient in now."))
    return HttpResponseRedirect(f"/arrivals/{key}/", status=303)


@require_POST
@page()
def call(request: PageRequest, key: UUID) -> HttpResponse:
    number = do(request, CallPatient(appointment=str(key), room=said(request, "room", 64)))
    messages.success(
        request, _("Number %(number)s is called; the waiting room shows it.") % {"number": number}
    )
    return redirect_back(request, "/arrivals/")


# --- what is wrong, and papers


@require_POST
@page()
def correction(request: PageRequest, key: UUID) -> HttpResponse:
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _check_in(request, str(key), IdentityForm(), correction_form=form, status=422)
    data = form.cleaned_data
    patient = desk_lists.arrival(str(key)).line.patient.public_id
    try:
        waiting = do(
            request,
            RequestCorrection(
                patient=patient,
                name=form.name_said(),
                birth_date=data["birth_date"],
                sex=data["sex"],
                phone=data["phone"],
                email=data["email"],
                address=data["address"],
                allergy=data["allergy"],
            ),
        )
    except RequestError as error:
        form.refuse(error)
        return _check_in(
            request, str(key), IdentityForm(), correction_form=form, status=STATUS[error.code]
        )
    messages.success(
        request,
        ngettext(
            "Noted: %(count)s difference waits for a decision on the patient's page.",
            "Noted: %(count)s differences wait for a decision on the patient's page.",
            waiting,
        )
        % {"count": waiting},
    )
    return HttpResponseRedirect(f"/arrivals/{key}/", status=303)


@require_POST
@page()
def document(request: PageRequest, key: UUID) -> HttpResponse:
    found = desk_lists.arrival(str(key)).line
    if not may(request.actor, FileDocument):
        raise DeniedError(_("your roles do not include filing documents"))
    form = DocumentForm(request.POST, request.FILES)
    if not form.is_valid():
        return _check_in(request, str(key), IdentityForm(), paper=form, status=422)
    data = form.cleaned_data
    # The same file twice for one order is one document: a double click files once.
    number = uuid.uuid5(UUID(found.order), hashlib.sha256(data["data"]).hexdigest())
    do(
        request,
        FileDocument(
            filing=Filing.ORIGINAL,
            number=Identifier(str(number), ISSUER),
            patient=PatientReference(public_id=found.patient.public_id),
            order=OrderReference(public_id=found.order),
            content=Content(
                media_type=data["media_type"],
                data=data["data"],
                file_name=data["file"].name[:200],
                title=data["title"],
            ),
            kind="scan",
            title=data["title"],
            authored_at=timezone.now(),
        ),
    )
    messages.success(request, _("Filed with the order; who reads the exam sees it."))
    return HttpResponseRedirect(f"/arrivals/{key}/", status=303)

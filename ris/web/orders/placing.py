"""The one page on which an order is entered: who, what, why, when."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import starmap
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.actors import Role
from ris.domain.errors import DeniedError, RisError, StateConflictError
from ris.domain.orders import PlacedOrder, PlaceOrder
from ris.domain.patients import PatientReference, RegisterPatient
from ris.domain.scheduling import BookAppointment
from ris.selectors import drafts, order_lists, patient_lists, schedule
from ris.selectors.order_lists import OrderLine
from ris.selectors.order_offers import next_offer
from ris.selectors.orders import order_view
from ris.selectors.patients import patient_view
from ris.selectors.practitioners import of_login, written
from ris.selectors.resources import zone_of_device
from ris.selectors.views import OrderView, PatientView
from ris.services import may, sent_forms, together
from ris.services.sent_forms import Claim
from ris.web.access import PageRequest, do, page, saw, show
from ris.web.asking import asked, said
from ris.web.follow_ups.parts import order_initial
from ris.web.orders.drafting import discard_sent, draft_lines, typed_of
from ris.web.orders.duplicates import Alike, alike
from ris.web.orders.forms import EXAMS, FIRST, LATER, WISH, OrderForm, name_of
from ris.web.orders.safety_part import Person, Row, answer, faults, rows_of
from ris.web.patients.forms import PatientForm
from ris.web.scheduling.forms import slot_in
from ris.web.wall_clock import hour, twice

NEW = "new"  # prefix of the fields of a patient who is not known yet
# What a walk-in says of somebody who is not known yet, by the names both pages give it.
SAID_OF_NEW = ("family_name", "given_name", "birth_date", "sex", "phone")
DOCTORS = (Role.RADIOLOGIST, Role.RESIDENT)  # of those who work here
EARLIER = 5  # orders of a patient to copy from


@require_http_methods(["GET", "POST"])
@page()
def place(request: PageRequest) -> HttpResponse:
    require_placing(request)
    if request.method == "POST":
        return _send(request)
    typed, draft = _drafted(request)
    key = asked(request, "patient") or str(typed.get("patient", ""))
    patient = patient_of(request, key) if key else None
    said_before = {
        **_copied(request, patient),
        **order_initial(asked(request, "follow_up", 36), patient),
        **typed,
    }
    initial: dict[str, Any] = {
        "requester": "" if "requester" in said_before else _requester_at(request),
        **said_before,
        "patient": patient.public_id if patient else "",
        "token": secrets.token_urlsafe(16),
        "draft": draft,
    }
    person = PatientForm(prefix=NEW, initial=_without_prefix(typed))
    return _form(request, OrderForm(initial=initial), person, patient)


def _requester_at(request: PageRequest) -> str:
    """Who is typing, if that is a doctor: a clerk enters what somebody else requests."""
    person = of_login(request.user.pk) if request.actor.has(*DOCTORS) else None
    return person.words if person else ""


def require_placing(request: PageRequest) -> None:
    if not may(request.actor, PlaceOrder):
        raise DeniedError(_("your roles do not include entering orders"))


def _drafted(request: PageRequest) -> tuple[dict[str, str], str]:
    """What was typed before, and the draft it is kept in."""
    key = asked(request, "draft")
    draft = drafts.draft_of(request.user.pk, key) if key else None
    return (typed_of(draft), draft.public_id) if draft else ({}, "")


def _without_prefix(typed: Mapping[str, str]) -> dict[str, str]:
    start = f"{NEW}-"
    return {name[len(start) :]: text for name, text in typed.items() if name.startswith(start)}


def patient_of(request: PageRequest, key: str) -> PatientView:
    patient = patient_view(key)
    if patient.merged_into:
        patient = patient_view(patient.merged_into)
    saw(request, "ViewPatient", [patient.public_id])
    return patient


def patient_context(patient: PatientView | None) -> dict[str, object]:
    """What is shown once it is clear whom the order is for."""
    lines: Sequence[OrderLine] = ()
    if patient is not None:
        lines = order_lists.of_patient(patient.public_id, limit=20)
    return {
        "patient": patient,
        "open_orders": [line for line in lines if line.status in {"ACTIVE", "ON_HOLD"}],
        "earlier": list(lines[:EARLIER]),
    }


def _copied(request: PageRequest, patient: PatientView | None) -> dict[str, Any]:
    """What an earlier order of the patient said (``?copy=``)."""
    key = asked(request, "copy")
    if not key or patient is None:
        return {}
    order = order_view(key)
    if order.patient.public_id != patient.public_id:
        raise StateConflictError(_("that order is of another patient"))
    return _said_by(order)


def _said_by(order: OrderView) -> dict[str, Any]:
    found: dict[str, Any] = {
        "priority": order.priority.value,
        "reason": order.reason,
        "requester": written(order.requester),
        "service": order.requesting_service,
        "callback_phone": order.callback_phone,
        "transport": order.transport,
    }
    for number, (key, side) in enumerate(_definitions_of(order), start=1):
        found[name_of("procedure", number)] = key
        found[name_of("side", number)] = side
    return found


def _definitions_of(order: OrderView) -> list[tuple[str, str]]:
    """The order's exams as far as the catalog still offers them."""
    keys = order_lists.definitions_of(order.public_id)
    return [(key, side if side in {"L", "R", "B"} else "") for key, side in keys][:6]


def exams_in(typed: Mapping[str, str]) -> list[str]:
    """The exams of a form as it was typed."""
    return [
        text for number in range(1, EXAMS + 1) if (text := typed.get(name_of("procedure", number)))
    ]


def _person_of(person: PatientForm, patient: PatientView | None) -> Person:
    """What is known of whom the order is for, for the choice of questions."""
    if patient is not None:
        return Person.of(patient)
    data = person.cleaned_data if person.is_bound and person.is_valid() else {}
    birth_date = data.get("birth_date")
    return Person(str(data.get("sex", "")), birth_date.text if birth_date else "")


def _form(
    request: PageRequest,
    form: OrderForm,
    person: PatientForm,
    patient: PatientView | None,
    *,
    found: Sequence[Alike] = (),
    same: Sequence[OrderLine] = (),
    status: int = 200,
) -> HttpResponse:
    saw(request, "FindPatients", (each.patient.public_id for each in found))
    text = asked(request, "who") or said(request, "who")
    matches = patient_lists.find(text, limit=8) if len(text) >= 2 and patient is None else []
    saw(request, "FindPatients", (line.public_id for line in matches))
    values = {name: str(form[name].value() or "") for name in form.fields}
    context = {
        "form": form,
        "safety_rows": rows_of(
            exams_in(values), _person_of(person, patient), request.POST or form.initial
        ),
        "person": person,
        "alike": found,
        "same": same,
        "is_new": bool(found) or bool(person["family_name"].value()),
        "text": text,
        "found": matches,
        "drafts": draft_lines(request, besides=str(form["draft"].value() or "")),
        "when": form["when"].value() or LATER,
        "may_register": may(request.actor, RegisterPatient),
        "may_book": may(request.actor, BookAppointment),
        **patient_context(patient),
    }
    return show(request, "orders/new.html", context, status=status)


def _send(request: PageRequest) -> HttpResponse:
    more = "more" in request.POST
    form = OrderForm(request.POST)
    person = PatientForm(request.POST, prefix=NEW)
    key = said(request, "patient")
    patient = patient_of(request, key) if key else None
    came = "walk-in" in request.POST  # for whom nothing is free today
    if more or came or "find" in request.POST:  # no script: the page again with what was typed
        typed = {name: request.POST[name] for name in request.POST}
        if came and patient is None:
            typed |= {f"{NEW}-{name}": typed[name] for name in SAID_OF_NEW if name in typed}
        shown = OrderForm(initial=typed, exams=form.shown + more)
        return _form(
            request, shown, PatientForm(prefix=NEW, initial=_without_prefix(typed)), patient
        )
    if patient is not None:
        person = PatientForm(prefix=NEW)  # whoever was being typed before is not meant
    found: list[Alike] = []
    is_valid = form.is_valid()
    # A double click sends the same form twice: the second gets the first one's order, and is not
    # asked whether the patient is the one whom the first has just made.
    sent = ("order", request.user.pk, form.cleaned_data.get("token", ""))
    if is_valid and (made := sent_forms.made_of(*sent)):
        return _see(f"/orders/{made}/")
    if patient is None:
        is_valid = _is_person_clear(form, person, found) and is_valid
    asked_before = rows_of(exams_in(request.POST), _person_of(person, patient), request.POST)
    for fault in faults(asked_before):
        form.add_error(None, fault)
        is_valid = False
    if not is_valid:
        return _form(request, form, person, patient, found=found, status=422)
    if same := _same(form, patient):
        return _form(request, form, person, patient, same=same, status=422)
    claim = sent_forms.claim(*sent)
    if not claim.is_first:
        return _see(f"/orders/{claim.made}/" if claim.made else "/orders/")
    try:
        placed = together(lambda: _place(request, form, person, patient, claim))
    except RisError as error:
        claim.release()
        _refuse(form, person, error)
        return _form(request, form, person, patient, status=409)
    discard_sent(request, form.cleaned_data["draft"])
    return _see(_booked(request, placed, form, asked_before))


def _same(form: OrderForm, patient: PatientView | None) -> Sequence[OrderLine]:
    """What the patient is to have already: ordered by somebody else, or by a form sent again."""
    if patient is None or form.cleaned_data["again"]:
        return ()
    exams = [(str(row.public_id), side) for row, side in form.cleaned_data["definitions"]]
    return order_lists.ordered_already(patient.public_id, exams)


def _is_person_clear(form: OrderForm, person: PatientForm, found: list[Alike]) -> bool:
    """Whether somebody new is meant and nobody known looks like them, or that was looked at."""
    if not person["family_name"].value():
        form.add_error(None, _("Say whom the order is for: find the patient, or enter a new one."))
        return False
    if not person.is_valid():
        return False
    data = person.cleaned_data
    if not data["known"]:
        found += alike(person.identifiers(), person.name(), data["birth_date"])
    if found:
        form.add_error(
            None,
            _("Nothing was saved yet: is the patient one of those who are known already?"),
        )
    return not found


def _place(
    request: PageRequest,
    form: OrderForm,
    person: PatientForm,
    patient: PatientView | None,
    claim: Claim,
) -> PlacedOrder:
    """The patient, if new, and the order: both, or neither."""
    if patient is not None:
        key = patient.public_id
    else:
        key = do(
            request,
            RegisterPatient(identifiers=person.identifiers(), demographics=person.demographics()),
        )
    placed = do(
        request,
        PlaceOrder(
            patient=PatientReference(public_id=key),
            procedures=form.procedures(),
            details=form.details(request.actor.display),
            wait_for_scheduler=True,  # a wish is booked below, by the rules for people
        ),
    )
    claim.keep(placed.public_id)
    return placed


def _refuse(form: OrderForm, person: PatientForm, error: RisError) -> None:
    """At the field that is meant, of the patient or of the order."""
    if person.is_bound and person.field_of(error):
        person.refuse(error)
    form.refuse(error)


# --- booking at once ----------------------------------------------------------------------------


def _booked(
    request: PageRequest, placed: PlacedOrder, form: OrderForm, answers: Sequence[Row]
) -> str:
    """Note what is safe, book what was asked for; returns the page that is next."""
    words = _("Order %(number)s is placed.") % {"number": placed.accession_number}
    line = order_lists.of(placed.public_id)
    address = f"/orders/{placed.public_id}/"
    waiting = [step.public_id for step in line.steps if step.modality] if line else []
    for step in waiting:
        answer(request, step, answers)
    when = form.cleaned_data["when"]
    if not waiting or when == LATER:
        messages.success(request, words)
        return f"/book/{waiting[0]}/" if waiting and "book" in request.POST else address
    times: list[Booked] = []
    try:
        for step in waiting:
            times.append(_book(request, step, form, times))
    except RisError as error:
        messages.warning(
            request,
            _("%(placed)s Not booked: %(why)s.") % {"placed": words, "why": error.message},
        )
        return f"/book/{waiting[len(times)]}/"
    booked = ", ".join(f"{at.astimezone(zone):%d %b} {hour(at, zone)}" for at, zone in times)
    told = _("%(placed)s Booked: %(times)s.") % {"placed": words, "times": booked}
    messages.success(request, " ".join([told, *filter(None, starmap(twice, times))]))
    return address


Booked = tuple[datetime, tzinfo]  # when, by the clock of which site


def _book(request: PageRequest, key: str, form: OrderForm, before: Sequence[Booked]) -> Booked:
    """Book one step; further exams of the order follow the first as soon as they can."""
    step = schedule.find_step(key)
    when = form.cleaned_data["when"]
    if not before and when not in {FIRST, WISH}:
        device, start_at = slot_in(when)
    else:
        earliest = max(at for at, _zone in before) if before else form.wished
        offer = next_offer(step, earliest)
        if offer is None:
            raise StateConflictError(_("nothing is free in the next four weeks"))
        if form.wished and not before and offer.start_at != form.wished:
            raise StateConflictError(_("the wished time is not free; the nearest are shown"))
        device, start_at = offer.device, offer.start_at
    do(request, BookAppointment(step=key, device=device, start_at=start_at))
    return start_at, zone_of_device(device)


def _see(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response

"""Somebody without an appointment: patient, order, time and arrival on one page, in one go."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.actors import Role
from ris.domain.arrivals import IdentifierKind, Said
from ris.domain.errors import DeniedError, MissingValueError, RisError, SlotTakenError
from ris.domain.orders import OrderDetails, PlaceOrder, ProcedureRequest
from ris.domain.patients import Demographics, PatientReference, RegisterPatient, Sex
from ris.domain.scheduling import BookAppointment, RecordArrival, Slot
from ris.domain.values import Code, PersonName
from ris.models import Device, ProcedureDefinition, ScheduledProcedureStep
from ris.selectors import order_lists, patient_lists, schedule
from ris.selectors.order_lists import OrderLine
from ris.selectors.patients import patient_view
from ris.selectors.resources import site_of, zone_at
from ris.selectors.views import PatientView
from ris.services import may, sent_forms, together
from ris.services.sent_forms import Claim
from ris.web.access import PageRequest, do, page, saw, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.frontdesk.forms import AT_SITE, WalkInForm
from ris.web.orders.safety_part import Person, Row, answer, faults, rows_of
from ris.web.patients.forms import born, person_from
from ris.web.wall_clock import hour

SITE = "walk_in_site"  # of the session: where the one before was taken in


@require_GET
@page()
def find_patient(request: PageRequest) -> HttpResponse:
    """The matches below the search field."""
    text = asked(request, "who")
    found = patient_lists.find(text, limit=8) if len(text) >= 2 else []
    saw(request, "FindPatients", (line.public_id for line in found))
    return show(request, "frontdesk/_patient_matches.html", {"found": found, "text": text})


@require_POST
@page()
def safety_questions(request: PageRequest) -> HttpResponse:
    """What is asked before the exam that is chosen."""
    _require_taking_in(request)
    key = said(request, "patient")
    rows = _questions(request, _patient(request, key) if key else None)
    return show(request, "orders/_safety.html", {"safety_rows": rows})


def _questions(request: PageRequest, patient: PatientView | None) -> list[Row]:
    person = (
        Person.of(patient) if patient else Person(said(request, "sex", 1), _birth_date(request))
    )
    return rows_of([said(request, "procedure", 36)], person, request.POST)


def _birth_date(request: PageRequest) -> str:
    try:
        return born(said(request, "birth_date", 20)).text
    except RisError:
        return ""  # not known well enough to leave a question out


@require_http_methods(["GET", "POST"])
@page()
def walk_in(request: PageRequest) -> HttpResponse:
    _require_taking_in(request)
    if request.method == "POST":
        return _send(request)
    key = asked(request, "patient")
    patient = _patient(request, key) if key else None
    form = WalkInForm(
        initial={
            "patient": patient.public_id if patient else "",
            "token": secrets.token_urlsafe(16),
            "device": request.session.get(SITE, ""),
        }
    )
    return _form(request, form, patient, fresh="new" in request.GET)


def _require_taking_in(request: PageRequest) -> None:
    if not may(request.actor, PlaceOrder) or not may(request.actor, RecordArrival):
        raise DeniedError(_("your roles do not include taking in walk-ins"))


def _patient(request: PageRequest, key: str) -> PatientView:
    patient = patient_view(key)
    if patient.merged_into:
        patient = patient_view(patient.merged_into)
    saw(request, "ViewPatient", [patient.public_id])
    return patient


def _form(
    request: PageRequest,
    form: WalkInForm,
    patient: PatientView | None,
    *,
    fresh: bool = False,
    alike: list[patient_lists.PatientLine] | None = None,
    same: Sequence[OrderLine] = (),
    nothing_free: bool = False,
    status: int = 200,
) -> HttpResponse:
    open_orders = []
    if patient is not None:
        open_orders = [
            line
            for line in order_lists.of_patient(patient.public_id, limit=20)
            if line.status in {"ACTIVE", "ON_HOLD"}
        ]
    context = {
        "form": form,
        "safety_rows": _questions(request, patient),
        "patient": patient,
        "fresh": fresh or form.is_bound,
        "alike": alike or [],
        "same": same,
        "nothing_free": nothing_free,
        "open_orders": open_orders,
        "may_overbook": _may_overbook(request),
    }
    return show(request, "frontdesk/walk_in.html", context, status=status)


def _may_overbook(request: PageRequest) -> bool:
    return request.actor.has(Role.SCHEDULER, Role.MANAGER)


def _send(request: PageRequest) -> HttpResponse:
    form = WalkInForm(request.POST)
    key = said(request, "patient")
    patient = _patient(request, key) if key else None
    questions = _questions(request, patient)
    is_valid = form.is_valid()
    for fault in faults(questions):
        form.add_error(None, fault)
        is_valid = False
    if not is_valid:
        return _form(request, form, patient, status=422)
    sent = ("walk-in", request.user.pk, form.cleaned_data["token"])
    if not sent_forms.made_of(*sent) and (same := _same(form, patient)):
        return _form(request, form, patient, same=same, status=422)
    # A double click sends the same form twice: the second gets what the first one made.
    claim = sent_forms.claim(*sent)
    if not claim.is_first:
        done = f"?done={claim.made}" if claim.made else ""  # the first may still be under way
        return HttpResponseRedirect(f"/arrivals/{done}", status=303)
    alike = [] if patient is not None or form.cleaned_data["known"] else _alike(form)
    if alike:
        claim.release()
        return _form(request, form, patient, alike=alike, status=409)
    try:
        appointment, start_at = together(lambda: _take_in(request, form, patient, questions, claim))
    except DeniedError:
        claim.release()
        raise
    except RisError as error:
        claim.release()
        form.refuse(error)
        nothing_free = isinstance(error, SlotTakenError)
        status = STATUS[error.code]
        return _form(request, form, patient, nothing_free=nothing_free, status=status)
    if form.cleaned_data["device"].startswith(AT_SITE):
        request.session[SITE] = form.cleaned_data["device"]  # a desk stands at one site
    messages.success(
        request,
        _("Taken in for %(time)s and checked in.")
        % {"time": hour(start_at, schedule.appointment(appointment).zone)},
    )
    return HttpResponseRedirect(f"/arrivals/?done={appointment}", status=303)


def _same(form: WalkInForm, patient: PatientView | None) -> Sequence[OrderLine]:
    """Open orders for this exam: whoever comes for one of them is not to have it twice."""
    if patient is None or form.cleaned_data["again"]:
        return ()
    key = form.cleaned_data["procedure"]
    return order_lists.ordered_already(patient.public_id, [(key, form.cleaned_data["side"])])


def _alike(form: WalkInForm) -> list[patient_lists.PatientLine]:
    name = PersonName.of(form.cleaned_data["family_name"], form.cleaned_data["given_name"])
    return patient_lists.lookalikes(name, born(form.cleaned_data["birth_date"]).text)


Taken = tuple[str, datetime]


def _take_in(
    request: PageRequest,
    form: WalkInForm,
    patient: PatientView | None,
    questions: Sequence[Row],
    claim: Claim,
) -> Taken:
    """Patient, order, what is safe, time and arrival; all or nothing."""
    data = form.cleaned_data
    identifiers = _identifiers(form, patient)
    key = patient.public_id if patient else _register(request, form)
    definition = ProcedureDefinition.objects.filter(public_id=data["procedure"]).first()
    if definition is None:
        raise MissingValueError(_("choose the exam"), path="procedure")
    if definition.laterality_required and not data["side"]:
        raise MissingValueError(_("this procedure needs a side"), path="side")
    placed = do(
        request,
        PlaceOrder(
            patient=PatientReference(public_id=key),
            procedures=(
                ProcedureRequest(
                    code=Code(
                        definition.code,
                        definition.scheme,
                        definition.meaning,
                        definition.code_version,
                    ),
                    laterality=data["side"],
                ),
            ),
            details=OrderDetails(
                reason=data["reason"],
                requester=person_from(data["requester"]),
                entered_by=request.actor.display,
            ),
        ),
    )
    step = (
        ScheduledProcedureStep.objects.filter(procedure__order__public_id=placed.public_id)
        .order_by("id")
        .first()
    )
    if step is None:
        raise MissingValueError(_("this exam has no step to be done"), path="procedure")
    answer(request, str(step.public_id), questions)
    appointment, start_at = _book(request, form, schedule.find_step(str(step.public_id)))
    do(
        request,
        RecordArrival(
            appointment=appointment,
            identifiers_checked=identifiers,
            unchecked_reason=_why_unchecked(form, patient),
        ),
    )
    claim.keep(appointment)
    return appointment, start_at


def _identifiers(form: WalkInForm, patient: PatientView | None) -> tuple[Said, ...]:
    """What a known patient says is compared; what a new one says is what is stored."""
    data = form.cleaned_data
    name = data["said_name"] if patient else f"{data['given_name']} {data['family_name']}"
    pairs = ((IdentifierKind.NAME, name), (IdentifierKind.BIRTH_DATE, data["birth_date"]))
    found = tuple(Said(kind, value) for kind, value in pairs if value.strip())
    if patient is not None and len(found) < 2:
        raise MissingValueError(_("ask for name and birth date"), path="said_name")
    return found


def _why_unchecked(form: WalkInForm, patient: PatientView | None) -> str:
    """Why the birth date is no second identifier; empty if it is one."""
    birth_date = patient.birth_date if patient else born(form.cleaned_data["birth_date"])
    if not birth_date:
        return _("Walk-in without a birth date")
    # A year or a month is shared by too many to tell one of them apart.
    return "" if birth_date.dicom else _("Birth date not known to the day")


def _register(request: PageRequest, form: WalkInForm) -> str:
    data = form.cleaned_data
    return do(
        request,
        RegisterPatient(
            demographics=Demographics(
                name=PersonName.of(data["family_name"], data["given_name"]),
                birth_date=born(data["birth_date"]),
                sex=Sex(data["sex"]),
                phone=data["phone"],
            )
        ),
    )


def _book(request: PageRequest, form: WalkInForm, step: ScheduledProcedureStep) -> Taken:
    """The first free time of today, or now over what is there by those who may."""
    data = form.cleaned_data
    rooms = _rooms(step, data["device"])
    free = _first_free(step, rooms)
    if free is not None and not data["squeeze"]:
        command = BookAppointment(
            step=str(step.public_id), device=free.device, start_at=free.start_at
        )
        return do(request, command), free.start_at
    if not data["squeeze"]:
        raise SlotTakenError(
            _("nothing is free today: choose another room, book over, or place an order for later")
            if _may_overbook(request)
            else _("nothing is free today: choose another room, or place an order for later"),
            path="device",
        )
    device = str(rooms[0].public_id) if rooms else data["device"]
    now = timezone.now().replace(second=0, microsecond=0)
    command = BookAppointment(
        step=str(step.public_id),
        device=device,
        start_at=now,
        overbook=True,
        reason=data["squeeze_reason"],
    )
    return do(request, command), now


def _rooms(step: ScheduledProcedureStep, chosen: str) -> list[Device]:
    """Where the exam may be done now: in a room, or at a site, but at none where nobody is.

    Whoever stands at the desk of one site is not taken in at another one that is free sooner.
    """
    rooms = list(schedule.suitable_devices(step.modality))
    at = {row.pk: site.pk if (site := site_of(row)) is not None else None for row in rooms}
    if chosen.startswith(AT_SITE):
        here = [row for row in rooms if str(at[row.pk]) == chosen.removeprefix(AT_SITE)]
        if not here:
            raise MissingValueError(_("this exam is not done at that site"), path="device")
        return here
    if chosen:
        return [row for row in rooms if str(row.public_id) == chosen]
    if len({site for site in at.values() if site is not None}) > 1:
        raise MissingValueError(
            _("this exam is done at several sites: say at which one the patient is"), path="device"
        )
    return rooms


def _first_free(step: ScheduledProcedureStep, rooms: Sequence[Device]) -> Slot | None:
    slots = []
    for zone in {zone_at(each) for each in rooms}:  # today is another day elsewhere
        there = [each for each in rooms if zone_at(each) == zone]
        for day in schedule.free_slots(step, timezone.localdate(timezone=zone), 1, devices=there):
            slots += [slot for each in day.devices for slot in each.slots]
    return min(slots, key=lambda slot: slot.start_at, default=None)

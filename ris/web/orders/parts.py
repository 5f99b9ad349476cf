"""Parts of the order form that are fetched while somebody types."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import RisError
from ris.domain.values import PartialDate
from ris.selectors import patient_lists
from ris.selectors.order_offers import offers
from ris.selectors.practitioners import practitioners
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked, said
from ris.web.orders.duplicates import alike
from ris.web.orders.forms import EXAMS, OrderForm, name_of
from ris.web.orders.placing import (
    NEW,
    exams_in,
    patient_context,
    patient_of,
    require_placing,
)
from ris.web.orders.safety_part import Person, rows_of
from ris.web.patients.forms import PatientForm, born


@require_GET
@page()
def find_patient(request: PageRequest) -> HttpResponse:
    """The matches below the search field of the order form."""
    text = asked(request, "who")
    found = patient_lists.find(text, limit=8) if len(text) >= 2 else []
    saw(request, "FindPatients", (line.public_id for line in found))
    context = {"found": found, "text": text}
    return show(request, "orders/_patient_matches.html", context)


@require_GET
@page()
def chosen_patient(request: PageRequest) -> HttpResponse:
    """Whom the order is for, in place of the search."""
    require_placing(request)
    patient = patient_of(request, asked(request, "patient"))
    return show(request, "orders/_chosen.html", patient_context(patient))


@require_POST
@page()
def lookalikes(request: PageRequest) -> HttpResponse:
    """Who is known already and looks like the one that is typed in."""
    require_placing(request)
    person = PatientForm(request.POST, prefix=NEW)
    person.is_valid()
    found = []
    data = person.cleaned_data
    if data.get("family_name") and (data.get("birth_date") or data.get("given_name")):
        for name in ("given_name", "number", "issuer"):
            data.setdefault(name, "")
        birth_date = data.get("birth_date") or PartialDate("")
        found = alike(person.identifiers(), person.name(), birth_date)
    saw(request, "FindPatients", (each.patient.public_id for each in found))
    return show(request, "orders/_alike.html", {"alike": found, "person": person})


@require_GET
@page()
def requesters(request: PageRequest) -> HttpResponse:
    """Known people for what is typed, as options of the field's list."""
    text = asked(request, "requester")
    found = practitioners(text) if len(text) >= 2 else []
    return show(request, "orders/_requesters.html", {"found": found})


@require_POST
@page()
def times(request: PageRequest) -> HttpResponse:
    """The first free times for the exam that is chosen."""
    require_placing(request)
    exam = _uuid(said(request, "procedure", 36))
    found = []
    if exam:
        try:
            found = offers(
                exam,
                patient=_uuid(said(request, "patient", 36)),
                priority=said(request, "priority", 10),
                interpreter=said(request, "interpreter_language", 20),
            )
        except RisError:
            found = []
    context = {"offers": found, "exam": exam, "when": said(request, "when", 120)}
    return show(request, "orders/_times.html", context)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text)) if text else ""
    except ValueError:
        return ""


@require_POST
@page()
def safety_questions(request: PageRequest) -> HttpResponse:
    """What is asked before the exams that are chosen."""
    require_placing(request)
    key = _uuid(said(request, "patient", 36))
    person = (
        Person.of(patient_of(request, key))
        if key
        else Person(said(request, f"{NEW}-sex", 1), _born(said(request, f"{NEW}-birth_date", 10)))
    )
    rows = rows_of(exams_in(request.POST), person, request.POST)
    return show(request, "orders/_safety.html", {"safety_rows": rows})


def _born(text: str) -> str:
    try:
        return born(text).text
    except RisError:
        return ""


@require_POST
@page()
def another_exam(request: PageRequest) -> HttpResponse:
    """One row more."""
    require_placing(request)
    count = sum(name_of("procedure", number) in request.POST for number in range(1, EXAMS + 1))
    if count >= EXAMS:
        return HttpResponse(status=204)
    form = OrderForm(initial={}, exams=count + 1)
    return show(request, "orders/_exam.html", {"exam": form.exams[count], "is_fresh": True})

"""The one page on which a referring doctor orders: for whom, which exams, why, is it safe."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain import referring as domain
from ris.domain.actors import Role
from ris.domain.errors import DeniedError, RisError, UnknownKeyError
from ris.domain.orders import PlacedOrder
from ris.domain.referring import IdentifiedPatient, Missing
from ris.domain.safety import SafetyAnswerGiven
from ris.domain.values import PartialDate
from ris.models import Order, Patient
from ris.selectors import referring
from ris.selectors.patient_lists import PatientLine
from ris.selectors.patients import patient_view
from ris.selectors.referring import Reach
from ris.selectors.views import PatientView
from ris.services import sent_forms, together
from ris.services.audit import record_access
from ris.services.sent_forms import Claim
from ris.web.access import PageRequest, do, page, saw, show
from ris.web.asking import asked, said
from ris.web.orders.forms import EXAMS, name_of
from ris.web.orders.placing import exams_in
from ris.web.orders.safety_part import Person, Row, faults, given_in, rows_of
from ris.web.referrer.forms import NewPersonForm, ProofForm, RequestForm, in_words
from ris.web.words import refusal

NEW, PROOF = "new", "proof"  # prefixes
# Numbers are not to be tried out: so many that fit nobody, in so many seconds.
TRIES, TRIES_SECONDS = 8, 600


@require_http_methods(["GET", "POST"])
@page(Role.REFERRER)
def request_exams(request: PageRequest) -> HttpResponse:
    to = referring.reach(request.user.pk)
    if not to.people and not to.services:
        raise DeniedError(
            _("nobody said yet whose orders this login is for; ask the department to link it")
        )
    if request.method == "POST":
        return _Sent(request, to).answer()
    key = asked(request, "patient", 36)
    patient = _own(request, to, key) if key else None
    initial = {
        "patient": patient.public_id if patient else "",
        "token": secrets.token_urlsafe(16),
    }
    return _page(request, to, RequestForm(initial=initial, to=to), patient)


def _own(request: PageRequest, to: Reach, key: str) -> PatientView:
    """One's own patient, whose record was shown; raises UnknownKeyError."""
    view = patient_view(key)
    if view.merged_into:
        view = patient_view(view.merged_into)
    if not referring.is_own_patient(to, Patient.objects.get(public_id=view.public_id)):
        raise UnknownKeyError(_("no such patient among your own"))
    saw(request, "ViewPatient", [view.public_id])
    return view


def _page(
    request: PageRequest,
    to: Reach,
    form: RequestForm,
    patient: PatientView | None,
    *,
    person: NewPersonForm | None = None,
    proof: ProofForm | None = None,
    lacks: Sequence[Missing] = (),
    same: Sequence[Order] = (),
    status: int = 200,
) -> HttpResponse:
    text = said(request, "who", 60)
    found: Sequence[PatientLine] = ()
    if patient is None and len(text) >= 2:
        found = referring.own_patients(to, text)
        saw(request, "FindPatients", (line.public_id for line in found))
    values = {name: str(form[name].value() or "") for name in form.fields}
    who = Person.of(patient) if patient else _described(request)
    context: dict[str, Any] = {
        "form": form,
        "patient": patient,
        "person": person or NewPersonForm(prefix=NEW),
        "proof": proof or ProofForm(prefix=PROOF),
        "is_new": person is not None and person.is_bound,
        "is_proof": proof is not None and proof.is_bound,
        "text": text,
        "found": found,
        "several": len(to.people) > 1,
        "lacks": [(in_words(each), each.is_required) for each in lacks],
        "may_send_anyway": bool(lacks) and not any(each.is_required for each in lacks),
        "open_orders": referring.own_open(to, patient.public_id) if patient else (),
        "same": same,
        "safety_rows": rows_of(exams_in(values), who, request.POST),
    }
    return show(request, "referrer/new.html", context, status=status)


def _described(request: PageRequest) -> Person:
    """What is typed of somebody new, for the choice of questions."""
    try:
        born = PartialDate.parse(said(request, f"{NEW}-birth_date", 10)).text
    except RisError:
        born = ""
    return Person(said(request, f"{NEW}-sex", 1), born)


@require_POST
@page(Role.REFERRER)
def safety_questions(request: PageRequest) -> HttpResponse:
    """What is asked before the exams that are chosen."""
    to = referring.reach(request.user.pk)
    key = said(request, "patient", 36)
    try:
        who = Person.of(_allowed(request, to, key)) if key else _described(request)
    except RisError:
        who = _described(request)
    rows = rows_of(exams_in(request.POST), who, request.POST)
    return show(request, "orders/_safety.html", {"safety_rows": rows})


def _allowed(request: PageRequest, to: Reach, key: str) -> PatientView:
    """Whom the form is for: one's own, or somebody proven by number and birth date."""
    row = referring.identified(
        said(request, "proof_number", 64), said(request, "proof_birth_date", 10)
    )
    if row is not None and str(row.public_id) == key:
        return patient_view(key)
    return _own(request, to, key)


class _Sent:
    """A form that was sent, by one of its buttons."""

    def __init__(self, request: PageRequest, to: Reach) -> None:
        self.request, self.to = request, to
        key = said(request, "patient", 36)
        self.patient = _allowed(request, to, key) if key and "other" not in request.POST else None

    def answer(self) -> HttpResponse:
        sent = self.request.POST
        if "identify" in sent:
            return self._identify()
        if "find" in sent or "more" in sent or "other" in sent:
            return self._again(RequestForm(initial=self._typed(), to=self.to, exams=self._exams()))
        return self._send()

    def _typed(self) -> dict[str, Any]:
        typed: dict[str, Any] = {name: self.request.POST[name] for name in self.request.POST}
        typed["patient"] = self.patient.public_id if self.patient else ""
        return typed

    def _exams(self) -> int:
        shown = sum(name_of("procedure", each) in self.request.POST for each in range(1, EXAMS + 1))
        return min(EXAMS, shown + ("more" in self.request.POST))

    def _again(self, form: RequestForm, **more: Any) -> HttpResponse:
        return _page(self.request, self.to, form, self.patient, **more)

    def _identify(self) -> HttpResponse:
        """Look for somebody by number and birth date, and take over whom both name."""
        proof = ProofForm(self.request.POST, prefix=PROOF)
        form = RequestForm(initial=self._typed(), to=self.to, exams=self._exams())
        if not proof.is_valid():
            return self._again(form, proof=proof, status=422)
        number, born = proof.cleaned_data["number"], proof.cleaned_data["birth_date"].text
        slot = f"identify:{self.request.user.pk}:{int(time.time() // TRIES_SECONDS)}"
        if int(cache.get(slot, 0)) >= TRIES:
            proof.add_error(None, _("Too many tries. Wait ten minutes, or call the department."))
            return self._again(form, proof=proof, status=429)
        row = referring.identified(number, born)
        if row is None:
            cache.add(slot, 0, TRIES_SECONDS)
            cache.incr(slot)
            record_access(
                self.request.actor, action="IdentifyPatient", patients=[], subject="nobody found"
            )
            proof.add_error(
                None,
                _("Nobody has this number and this birth date. Check both, or enter the patient "
                  "as new."),
            )  # fmt: skip
            return self._again(form, proof=proof, status=422)
        self.patient = patient_view(str(row.public_id))
        saw(self.request, "IdentifyPatient", [self.patient.public_id])
        typed = {**self._typed(), "proof_number": number, "proof_birth_date": born}
        return self._again(RequestForm(initial=typed, to=self.to, exams=self._exams()))

    def _send(self) -> HttpResponse:
        form = RequestForm(self.request.POST, to=self.to)
        person = NewPersonForm(self.request.POST, prefix=NEW) if self._is_new() else None
        rows, is_valid = self._checked(form, person)
        lacks = form.lacks(rows)
        if not is_valid:
            return self._again(form, person=person, lacks=lacks, status=422)
        if any(each.is_required for each in lacks) or (lacks and not form.cleaned_data["anyway"]):
            return self._again(form, person=person, lacks=lacks, status=422)
        sent = ("request", self.request.user.pk, form.cleaned_data["token"])
        if not sent_forms.made_of(*sent) and (same := self._same(form)):
            return self._again(form, person=person, same=same, status=422)
        # A double click sends the same form twice: the second gets the first one's order.
        claim = sent_forms.claim(*sent)
        if not claim.is_first:
            return _see(f"/referrer/orders/{claim.made}/" if claim.made else "/referrer/")
        try:
            placed = together(lambda: self._place(form, person, rows, claim))
        except RisError as error:
            claim.release()
            form.add_error(None, refusal(error))
            return self._again(form, person=person, status=409)
        messages.success(
            self.request,
            _("Order %(number)s is with the department.") % {"number": placed.accession_number},
        )
        return _see(f"/referrer/orders/{placed.public_id}/")

    def _same(self, form: RequestForm) -> Sequence[Order]:
        """What one ordered for the patient already, of what this form orders."""
        if self.patient is None or form.cleaned_data["again"]:
            return ()
        exams = [(str(row.public_id), side) for row, side in form.cleaned_data["definitions"]]
        return referring.own_open(self.to, self.patient.public_id, exams)

    def _is_new(self) -> bool:
        """Whether somebody new was begun to be entered."""
        fields = NewPersonForm.base_fields
        return self.patient is None and any(
            said(self.request, f"{NEW}-{name}") for name in fields
        )  # fmt: skip

    def _checked(self, form: RequestForm, person: NewPersonForm | None) -> tuple[list[Row], bool]:
        """The safety questions with what was answered, and whether everything can be read."""
        is_valid = form.is_valid()
        if self.patient is None and person is None:
            form.add_error(
                None, _("Say whom the order is for: find the patient, or enter a new one.")
            )
            is_valid = False
        elif person is not None and not person.is_valid():
            is_valid = False
        who = Person.of(self.patient) if self.patient else _described(self.request)
        rows = rows_of(exams_in(self.request.POST), who, self.request.POST)
        for fault in faults(rows):
            form.add_error(None, fault)
            is_valid = False
        return rows, is_valid

    def _place(
        self,
        form: RequestForm,
        person: NewPersonForm | None,
        rows: Sequence[Row],
        claim: Claim,
    ) -> PlacedOrder:
        placed = do(self.request, self._command(form, person, given_in(rows)))
        claim.keep(placed.public_id)
        return placed

    def _command(
        self,
        form: RequestForm,
        person: NewPersonForm | None,
        answers: tuple[SafetyAnswerGiven, ...],
    ) -> domain.RequestExams:
        data = form.cleaned_data
        identified = None
        if self.patient is not None:
            born = data["proof_birth_date"]
            identified = IdentifiedPatient(
                public_id=self.patient.public_id,
                number=data["proof_number"],
                birth_date=PartialDate.parse(born) if born else None,
            )
        return domain.RequestExams(
            patient=identified,
            person=person.demographics() if person is not None else None,
            procedures=form.procedures(),
            details=form.details(self.request.actor.display),
            answers=answers,
            requester=data["requester"] or "",
        )


def _see(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response

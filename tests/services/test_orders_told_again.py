"""An order that is told again: the same, with more to know, or another under a known number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ris.domain.errors import (
    DuplicateKeyError,
)
from ris.domain.orders import (
    CancelOrder,
    OrderDetails,
    OrderReference,
    ProcedureRequest,
    ReviseOrder,
)
from ris.domain.patients import PatientClass, VisitDetails
from ris.domain.places import Place
from ris.domain.values import Code, Identifier, PersonName
from ris.models import Order, Visit
from ris.services import execute
from ris.services.orders.placing import _fingerprint
from tests import make, patients, people

pytestmark = pytest.mark.django_db


def test_the_same_order_again_changes_nothing() -> None:
    command = make.place_order()
    first = execute(command, actor=people.ehr)

    again = execute(command, actor=people.ehr)

    assert (again.public_id, first.created, again.created) == (first.public_id, True, False)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    "said",
    [
        {"clinical_information": "has a pacemaker"},
        {"comments": "call the ward first"},
        {"patient_state": "MRSA"},
        {"transport": "Bed"},
        {"requester": PersonName.of("Meier", "Otto")},
    ],
)
def test_the_same_number_with_more_to_know_is_another_content(said: dict[str, Any]) -> None:
    command = make.place_order()
    execute(command, actor=people.ehr)

    with pytest.raises(DuplicateKeyError):
        execute(replace(command, details=replace(command.details, **said)), actor=people.ehr)

    assert Order.objects.get().clinical_information == ""


def test_the_same_number_with_another_accession_number_is_another_content() -> None:
    command = make.place_order()
    execute(command, actor=people.ehr)

    with pytest.raises(DuplicateKeyError):
        execute(replace(command, accession=Identifier("ACC-2")), actor=people.ehr)


def test_an_order_that_says_less_than_before_is_the_same() -> None:
    command = make.place_order()
    first = execute(command, actor=people.ehr)
    less = OrderDetails(priority=command.details.priority, reason=command.details.reason)

    again = execute(replace(command, details=less), actor=people.ehr)

    assert (again.public_id, again.created) == (first.public_id, False)


def test_an_order_told_again_is_the_same_whatever_became_of_it() -> None:
    command = make.place_order()
    first = execute(command, actor=people.ehr)
    changed = OrderDetails(reason="dizziness", comments="in a wheelchair")
    execute(
        ReviseOrder(order=OrderReference(public_id=first.public_id), details=changed),
        actor=people.ehr,
    )

    again = execute(command, actor=people.ehr)

    assert (again.public_id, again.created) == (first.public_id, False)
    assert Order.objects.get().reason == "dizziness"


def test_an_order_told_again_is_the_same_under_any_number_of_its_patient() -> None:
    patients.known("A")
    patients.known("B")
    command = make.place_order(patient=patients.reference("A"))
    first = execute(command, actor=people.ehr)
    patients.merge("B", "A")
    account = Identifier("AC1", "HOSP", "AN")
    more = replace(command.patient, identifiers=(*command.patient.identifiers, account))

    again = [
        execute(replace(command, patient=patient), actor=people.ehr)
        for patient in (patients.reference("B"), patients.reference("A"), more)
    ]

    assert [(each.public_id, each.created) for each in again] == [(first.public_id, False)] * 3


def test_an_order_told_again_for_another_patient_is_another_content() -> None:
    patients.known("C")
    command = make.place_order(patient=patients.reference("A"))
    execute(command, actor=people.ehr)

    for other in ("C", "D"):
        with pytest.raises(DuplicateKeyError, match="other content"):
            execute(replace(command, patient=patients.reference(other)), actor=people.ehr)

    assert Order.objects.count() == 1


def test_an_order_of_a_former_release_told_again_is_the_same() -> None:
    command = make.place_order(patient=patients.reference("A"))
    first = execute(command, actor=people.ehr)
    Order.objects.update(fingerprint=_fingerprint(command, named=True))

    again = execute(command, actor=people.ehr)

    assert (again.public_id, again.created) == (first.public_id, False)


def test_who_typed_an_order_again_and_when_is_no_other_content() -> None:
    command = make.place_order()
    first = execute(command, actor=people.ehr)
    details = replace(command.details, ordered_at=make.NOON, entered_by="somebody else")

    again = execute(replace(command, details=details), actor=people.ehr)

    assert (again.public_id, again.created) == (first.public_id, False)


def test_the_same_order_after_its_cancellation_is_refused() -> None:
    command = make.place_order()
    placed = execute(command, actor=people.ehr)
    execute(CancelOrder(order=OrderReference(public_id=placed.public_id)), actor=people.ehr)

    with pytest.raises(DuplicateKeyError) as refused:
        execute(command, actor=people.ehr)

    assert refused.value.message == "this order was canceled; a new one needs a new number"
    assert Order.objects.get().status == "CANCELED"


def test_a_visit_keeps_what_a_later_sender_leaves_out() -> None:
    number = Identifier("V1", "HOSP")
    full = VisitDetails(number=number, patient_class=PatientClass.INPATIENT, location="N3/110")
    patient = make.patient("V")
    make.order(patient=patient, visit=full)

    make.order(patient=patient, visit=VisitDetails(number=number))

    visit = Visit.objects.get()
    assert (visit.patient_class, visit.location) == ("I", "N3/110")


def test_the_same_number_with_another_content_is_refused() -> None:
    command = make.place_order()
    execute(command, actor=people.ehr)
    other = make.place_order(
        placer=command.placer,
        patient=command.patient,
        procedures=(ProcedureRequest(code=Code("MRHEAD", "TEST", "MR head")),),
    )

    with pytest.raises(DuplicateKeyError) as refused:
        execute(other, actor=people.ehr)

    assert refused.value.path == Place.PLACER
    assert Order.objects.count() == 1


def test_the_same_number_of_another_authority_is_another_order() -> None:
    make.order(placer=Identifier("1", "EHR"))
    make.order(placer=Identifier("1", "CLINIC"))

    assert Order.objects.count() == 2

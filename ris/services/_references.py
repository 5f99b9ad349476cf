"""Which order a message means, when it names it by several numbers; whose patient it tells of.

Nothing is guessed: every number that is said must lead to the same order, and a patient who is
plainly somebody else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.places import Place
from ris.models import Order, Patient
from ris.services import patients
from ris.services.orders.finding import find


def require_order(reference: OrderReference) -> Order:
    """The order, locked, that all of the numbers mean.

    Raises UnknownKeyError for a number that is nobody's, DuplicateKeyError for one that is another
    order's, MissingValueError without any.
    """
    order: Order | None = None
    for name, one in _numbers(reference):
        found = find(one)
        if found is None:
            raise UnknownKeyError("no order of ours has this number", path=name)
        if order is not None and found.pk != order.pk:
            raise DuplicateKeyError("the numbers belong to different orders", path=name)
        order = found
    if order is None:
        raise MissingValueError("a number of the order is required", path=Place.PLACER)
    return order


def _numbers(reference: OrderReference) -> Iterator[tuple[str, OrderReference]]:
    if reference.public_id:
        yield "order", OrderReference(public_id=reference.public_id)
    if reference.placer is not None and reference.placer.value:
        yield Place.PLACER, OrderReference(placer=reference.placer)
    if reference.filler is not None and reference.filler.value:
        yield Place.FILLER, OrderReference(filler=reference.filler)
    if reference.accession is not None and reference.accession.value:
        yield Place.ACCESSION, OrderReference(accession=reference.accession)
    if reference.study_instance_uid:
        yield Place.STUDY, OrderReference(study_instance_uid=reference.study_instance_uid)


def require_patient_of(order: Order, said: PatientReference | None) -> None:
    """Refuse if what is said of the patient belongs to somebody else."""
    if said is None:
        return
    found = patients.find(said)
    if found is not None and found.pk != order.patient.pk:
        raise StateConflictError("this order belongs to another patient", path=Place.PATIENT)
    patients.refuse_somebody_else(order.patient, said.demographics)


def require_patient(said: PatientReference) -> Patient:
    """The patient meant, who is known already."""
    found = patients.find(said, lock=True)
    if found is None:
        raise UnknownKeyError("no such patient", path=Place.PATIENT)
    patients.refuse_somebody_else(found, said.demographics)
    return found

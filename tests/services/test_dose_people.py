"""What people tie, set aside and type in of dose."""

from __future__ import annotations

import pytest

from ris.domain.dose import (
    LinkDose,
    SetDoseAside,
    WithdrawDose,
)
from ris.domain.errors import (
    DeniedError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.measures import Measure, quantity
from ris.models import (
    AuditEvent,
    DomainEvent,
    DoseRecord,
    ExamDose,
)
from ris.services import execute
from ris.services.timers import run_due
from tests import make, people
from tests.services.dosing import (
    another,
    document,
    record,
    total,
    typed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def test_a_person_ties_a_document_to_its_exam() -> None:
    order = make.performed()
    row = record(document())

    execute(
        LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="seen on the console"),
        actor=people.technologist,
    )

    row.refresh_from_db()
    assert (row.order, row.match, row.joined_by) == (order, "MATCHED", "by hand")
    assert total(order) == "410.2"
    linked = DomainEvent.objects.get(name="DoseLinked")
    assert (linked.order, linked.payload["reason"]) == (order, "seen on the console")


def test_what_a_person_tied_stays_tied() -> None:
    order, other = make.performed(), another()
    command = document(other)
    row = record(command)
    execute(
        LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="wrong number"),
        actor=people.technologist,
    )

    record(command)
    run_due()

    row.refresh_from_db()
    assert row.order == order


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_tie_needs_a_reason(reason: str) -> None:
    row = record(document())

    with pytest.raises(MissingValueError):
        execute(
            LinkDose(dose=str(row.public_id), order="", reason=reason), actor=people.technologist
        )


def test_a_front_desk_ties_no_dose() -> None:
    row, order = record(document()), make.performed()

    with pytest.raises(DeniedError):
        execute(
            LinkDose(dose=str(row.public_id), order=str(order.public_id), reason="x"),
            actor=people.frontdesk,
        )

    row.refresh_from_db()
    assert row.order is None


def test_a_document_can_be_set_aside() -> None:
    row = record(document())

    execute(
        SetDoseAside(dose=str(row.public_id), reason="phantom of the morning check"),
        actor=people.technologist,
    )

    row.refresh_from_db()
    assert (row.match, row.note) == ("SET ASIDE", "phantom of the morning check")
    assert AuditEvent.objects.filter(action="SetDoseAside").count() == 1


def test_what_belongs_to_an_exam_is_not_set_aside() -> None:
    row = record(document(make.performed()))

    with pytest.raises(StateConflictError):
        execute(SetDoseAside(dose=str(row.public_id), reason="x"), actor=people.technologist)


def test_a_technologist_types_a_dose_in_and_takes_it_back() -> None:
    order = make.performed()
    command = typed_in(order, quantity(Measure.DAP, "2.5", "Gy.cm2"))

    key = execute(command, actor=people.technologist)
    again = execute(command, actor=people.technologist)

    assert key == again
    assert total(order, Measure.DAP) == "2.5"
    execute(WithdrawDose(dose=key, reason="wrong patient"), actor=people.technologist)
    assert not ExamDose.objects.exists()
    assert DoseRecord.objects.get().withdrawn_at is not None


def test_an_empty_entry_is_refused() -> None:
    with pytest.raises(MissingValueError):
        execute(typed_in(make.performed()), actor=people.technologist)

    assert not DoseRecord.objects.exists()


def test_what_a_device_sent_is_not_withdrawn() -> None:
    row = record(document(make.performed()))

    with pytest.raises(StateConflictError):
        execute(WithdrawDose(dose=str(row.public_id), reason="x"), actor=people.technologist)

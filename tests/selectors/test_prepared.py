"""Kept statements do what the querysets and saves they were made from would do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import CharField, DateTimeField, F, QuerySet, UUIDField
from django.test.utils import CaptureQueriesContext

from ris.domain.values import Identifier
from ris.models import Order, Patient, PatientIdentifier, ScheduledProcedureStep, Visit
from ris.models.prepared import Given, Select
from tests import make

pytestmark = pytest.mark.django_db


def by_accession() -> QuerySet[Order]:
    return Order.objects.select_related("patient", "visit").filter(
        accession_number=Given("number", CharField())
    )


def test_an_instance_is_the_one_a_queryset_gives() -> None:
    make.order()
    order = Order.objects.select_related("patient", "visit").get()

    found = Select(by_accession).first(number=order.accession_number)

    assert found == order
    assert found is not None
    assert found.__dict__.keys() == order.__dict__.keys()
    for name in (field.attname for field in Order._meta.concrete_fields):
        assert getattr(found, name) == getattr(order, name), name
    assert found.patient.__dict__.keys() == order.patient.__dict__.keys()
    assert found.patient.public_id == order.patient.public_id


def test_a_related_row_that_is_not_there_is_none() -> None:
    make.order()
    order = Order.objects.get()

    found = Select(by_accession).first(number=order.accession_number)

    assert found is not None
    with CaptureQueriesContext(connection) as asked:
        assert found.visit is None
    assert len(asked) == 0


def test_a_found_instance_is_changed_and_saved_as_any_other() -> None:
    make.order()
    order = Select(by_accession).first(number=Order.objects.get().accession_number)
    assert order is not None

    order.comments = "by stretcher"
    order.save(update_fields=["comments"])

    assert Order.objects.get().comments == "by stretcher"


def test_values_are_given_in_their_own_types() -> None:
    make.order()
    step = ScheduledProcedureStep.objects.get()
    steps = Select(
        lambda: ScheduledProcedureStep.objects.filter(
            public_id=Given("key", UUIDField()),
            created_at__lte=Given("at", DateTimeField()),
        )
    )

    assert steps.all(key=step.public_id, at=step.created_at) == [step]
    assert steps.all(key=step.public_id, at=datetime(2001, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize("text", ["", "%", "%s", "'; DROP TABLE ris_order; --", "\\", "Ä"])
def test_a_value_is_never_part_of_the_statement(text: str) -> None:
    make.order()

    assert Select(by_accession).all(number=text) == []
    assert Order.objects.count() == 1


def test_nothing_is_found_by_none() -> None:
    make.order()

    assert Select(by_accession).first(number=None) is None


def test_a_value_that_is_not_given_is_a_fault() -> None:
    with pytest.raises(KeyError, match="number"):
        Select(by_accession).all()


def test_only_instances_can_be_selected() -> None:
    with pytest.raises(TypeError, match="only instances"):
        Select(lambda: Order.objects.values("pk")).all()  # type: ignore[arg-type]


def test_the_statement_is_built_once_for_a_connection() -> None:
    built = []

    def rows() -> QuerySet[Order]:
        built.append(threading.get_ident())
        return by_accession()

    orders = Select(rows)
    for number in ("A1", "A2", "A3"):
        orders.all(number=number)

    assert len(built) == 1


def test_an_update_of_a_row_that_is_gone_is_told() -> None:
    make.order()
    patient = PatientIdentifier.objects.get()
    PatientIdentifier.objects.all().delete()

    with pytest.raises(DatabaseError, match="did not affect any rows"):
        patient.save(update_fields=["value"])


def test_an_expression_is_still_saved_as_one() -> None:
    make.order()
    order = Order.objects.get()

    order.version = F("version") + 41
    order.save(update_fields=["version"])

    assert Order.objects.get().version == 42


def test_a_new_row_has_its_key_its_times_and_its_defaults() -> None:
    make.order()
    patient = Patient.objects.get()

    visit = Visit.objects.create(patient=patient, number="V1", issuer="HOSP")

    stored = Visit.objects.get(pk=visit.pk)
    assert (stored.number, stored.patient, stored.patient_class) == ("V1", patient, "U")
    assert stored.public_id == visit.public_id
    assert stored.created_at == visit.created_at
    assert visit.pk is not None


def test_a_row_is_added_unless_one_like_it_is_known() -> None:
    make.order()
    patient = Patient.objects.get()
    first = Visit(patient=patient, number="V1", issuer="HOSP", location="4 West")
    second = Visit(patient=patient, number="V1", issuer="HOSP", location="5 East")

    done = (first.insert_unless_known(), second.insert_unless_known())

    assert done == (True, False)
    assert Visit.objects.get(number="V1") == first
    assert Visit.objects.get(number="V1").location == "4 West"
    assert second.pk is None


def test_a_row_that_the_schema_forbids_is_not_taken_for_a_known_one() -> None:
    make.order()
    visit = Visit(patient=Patient.objects.get(), number="V1", patient_class="?")

    with pytest.raises(IntegrityError), transaction.atomic():
        visit.insert_unless_known()


def test_json_and_nothing_are_kept_apart() -> None:
    make.order(placer=Identifier("PL9", "HIS"))
    order = Order.objects.get()

    order.reason_code = {"value": "R51", "meaning": "Kopfschmerz ä"}
    order.source = None
    order.save(update_fields=["reason_code", "source"])

    stored = Order.objects.get()
    assert stored.reason_code == {"value": "R51", "meaning": "Kopfschmerz ä"}
    assert stored.source is None

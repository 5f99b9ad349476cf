"""Steps that no worklist may show, where people find them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ris.models import AuditEvent, Order, ScheduledProcedureStep
from tests.web.department import booked_at, person

As = Callable[[str], Client]

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(rooms: None) -> Order:
    return booked_at(timezone.now() + timedelta(hours=2), patient=person("Ito", "Ken", "MRN1"))


def test_a_step_without_a_modality_stands_under_exceptions(order: Order, as_: As) -> None:
    ScheduledProcedureStep.objects.update(modality="")

    page = as_("technologist").get("/exceptions/").content.decode()

    assert "Steps no scanner is shown" in page
    assert "a modality" in page
    assert f'href="/orders/{order.public_id}/"' in page
    seen = AuditEvent.objects.filter(action="ListExceptions").latest("id")
    assert str(order.patient.public_id) in seen.patients


def test_a_whole_step_does_not(order: Order, as_: As) -> None:
    page = as_("technologist").get("/exceptions/").content.decode()

    assert "Steps no scanner is shown" not in page
    assert order.accession_number not in page

"""The page of exceptions on steps that no scanner is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.models import ScheduledProcedureStep
from tests.web.department import booked_at, today_at

pytestmark = pytest.mark.django_db


def test_the_page_says_what_a_step_lacks(as_: Callable[[str], Client], rooms: None) -> None:
    booked_at(today_at(11))
    ScheduledProcedureStep.objects.update(modality="ct/mr", station_ae_title="RÖ1")

    page = as_("scheduler").get("/exceptions/").content.decode()

    assert "a station name that a scanner can read, a modality code" in page

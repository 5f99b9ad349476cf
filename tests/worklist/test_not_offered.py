"""What no answer may show for want of a type 1 value is on the list of what must be mended.

One rule leaves a step out of the answers (``worklist.mwl``), another finds it in the database: a
step that the first knows and the second does not is seen by nobody (dicom.md MWL-19, MWL-38).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Model

from ris.models import Patient, PatientIdentifier, RequestedProcedure, ScheduledProcedureStep
from ris.selectors import worklist, worklist_quality
from ris.selectors.views import WorklistQuery
from tests import make
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist.attributes import Offer
from worklist.mwl import missing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NINE = datetime(2026, 3, 2, 8, tzinfo=UTC)
STEP, PROCEDURE = ScheduledProcedureStep, RequestedProcedure

VALUES: list[tuple[type[Model], str, str]] = [
    *((Patient, "name", text) for text in ("", "^^^", "=", " ", "\x7f", "\x85", "\\", "==山", "A")),
    *((PatientIdentifier, "value", text) for text in ("A\x7f", "\x85", " ", "A\\B", "Ä 1", "7")),
    *((STEP, "station_ae_title", text) for text in ("", " ", "RÖ1", "C\xa01", "A\x7f", "A\\B")),
    *((STEP, "station_ae_title", text) for text in ("CT 1", "a.b/[c]~", "\u3000")),
    *((STEP, "modality", text) for text in ("", " ", "ct", "CÖ", "C_1 ")),
    *((STEP, "step_id", text) for text in ("", " ", "A\x85", "A\\B", "é")),
    *((PROCEDURE, "procedure_id", text) for text in ("", "\t", "A\x9f", "A\\B", "ы")),
    *((PROCEDURE, "study_instance_uid", text) for text in ("", "1.2\\3", "Ö", " ", "1.2.3")),
]


@pytest.mark.parametrize(("model", "field", "value"), VALUES)
def test_a_step_is_listed_exactly_if_no_answer_holds_it(
    model: type[Model], field: str, value: str
) -> None:
    make.site()
    make.device()
    make.booked(NINE)
    model._default_manager.update(**{field: value})

    (entry,) = worklist.entries(WorklistQuery()).entries
    lacking = missing(Offer.of(entry, UTC))

    assert [bool(line.lacks) for line in worklist_quality.lines()] == [True] * bool(lacking)


def test_a_station_that_a_scanner_cannot_be_called_is_listed() -> None:
    make.site()
    make.order(start_at=NINE, station="RÖ1")

    (line,) = worklist_quality.lines()

    assert line.lacks == ("a station name that a scanner can read",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"station_ae_title": ""}, "a station"),
        ({"modality": ""}, "a modality"),
        ({"modality": "ct/mr"}, "a modality code"),
        ({"step_id": "A\\B"}, "a step number without control characters"),
    ],
)
def test_a_step_without_a_type_1_value_is_listed_instead_of_offered(
    change: dict[str, str], words: str
) -> None:
    make.site()
    make.device()
    make.booked(NINE)
    STEP.objects.update(**change)

    assert requests.rows(requests.find(requests.handlers(), identifier(PatientName=""))) == []
    (line,) = worklist_quality.lines()
    assert line.lacks == (words,)
    assert line.public_id == str(STEP.objects.get().public_id)


def test_a_patient_without_a_name_or_a_number_is_listed() -> None:
    make.site()
    make.device()
    make.booked(NINE)
    Patient.objects.update(name="", name_key="")
    PatientIdentifier.objects.all().delete()

    assert requests.rows(requests.find(requests.handlers(), identifier(PatientName=""))) == []
    assert [line.lacks for line in worklist_quality.lines()] == [
        ("a name of the patient", "a number of the patient")
    ]


def test_what_is_whole_or_not_offered_is_not_listed() -> None:
    make.site()
    make.device()
    make.booked(NINE)
    waiting = make.order()

    assert list(worklist_quality.lines()) == []
    assert make.step_of(waiting).modality == "CT"


def test_the_quality_list_costs_a_fixed_number_of_statements(
    django_assert_num_queries: Any,
) -> None:
    make.site()
    make.device()
    for hour in range(3):
        make.booked(NINE + timedelta(hours=hour))
    STEP.objects.update(modality="")

    with django_assert_num_queries(3):
        assert len(worklist_quality.lines()) == 3

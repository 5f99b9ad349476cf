"""What no answer may show for want of a type 1 value is on the list of what must be mended.

One rule leaves a step out of the answers (``worklist.mwl``), another finds it in the database: a
step that the first knows and the second does not is seen by nobody (dicom.md MWL-19, MWL-38).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db.models import Model

from ris.models import Patient, PatientIdentifier, RequestedProcedure, ScheduledProcedureStep
from ris.selectors import worklist, worklist_quality
from ris.selectors.views import WorklistQuery
from tests import make
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

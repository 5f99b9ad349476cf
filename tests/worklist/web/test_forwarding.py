"""What came over DICOMweb is forwarded over DIMSE, as the same attributes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import dcmread

from ris.domain.exchange import Protocol, Subscription
from ris.models import Delivery
from ris.services import outbox
from tests import make
from tests.worklist.performed import n_create, n_set

if TYPE_CHECKING:
    from tests.worklist.web.api import Api


def test_each_request_becomes_the_message_that_says_the_same(api: Api) -> None:
    make.endpoint(
        "PACS",
        protocol=Protocol.DICOM,
        protocol_name="PACS",
        version="",
        sends=(Subscription.MPPS,),
    )
    api.create("2.25.31", n_create(PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192"))
    api.update("2.25.31", n_set())

    outbox.fan_out()

    rows = Delivery.objects.order_by("id")
    created, ended = (dcmread(BytesIO(bytes(row.payload))) for row in rows)
    assert [row.message_type for row in rows] == ["MPPS N-CREATE", "MPPS N-SET"]
    assert {row.lane for row in rows} == {"mpps:2.25.31"}
    assert created.PatientName == "Müller^Jörg"
    assert created.PerformedProcedureStepID == "PPS1"
    assert ended.PerformedSeriesSequence == n_set().PerformedSeriesSequence

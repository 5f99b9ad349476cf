"""A report as it is printed goes along with its text where a peer wants it (ORU^R01, ED)."""

from __future__ import annotations

import base64

import pytest

from ris.domain.exchange import Subscription
from ris.models import Delivery
from ris.printing.report import report_pdf
from ris.selectors.facility import site
from ris.selectors.orders import covered
from ris.services import outbox
from ris.services.report_documents import report_document
from tests import make

pytestmark = pytest.mark.django_db


def sent(*, printed: bool) -> tuple[str, bytes]:
    """A report's id, and the message that told of it."""
    make.site()
    make.device()
    make.endpoint(settings={"printed_report": printed})
    report = make.final_report(make.performed())
    outbox.fan_out()
    row = Delivery.objects.get(message_type="ORU^R01")
    return str(report.public_id), bytes(row.payload)


def encapsulated(message: bytes) -> list[str]:
    lines = message.decode().split("\r")
    return [line for line in lines if line.startswith("OBX|") and "|ED|" in line]


def test_the_printed_report_is_sent_along() -> None:
    report, message = sent(printed=True)

    (line,) = encapsulated(message)

    fields = line.split("|")
    assert fields[5].split("^")[1:4] == ["Application", "PDF", "Base64"]
    view, covers = covered(report)
    assert base64.b64decode(fields[5].split("^")[4]) == report_pdf(view, covers, site())
    assert fields[11] == "F"


def test_a_record_that_keeps_documents_is_sent_them_in_a_lane_of_their_own() -> None:
    make.site()
    make.device()
    make.endpoint(
        sends=(Subscription.RESULTS, Subscription.DOCUMENTS), settings={"printed_report": True}
    )
    report = make.final_report(make.performed())
    outbox.fan_out()

    rows = {row.message_type: row for row in Delivery.objects.filter(report=report)}

    assert {kind: row.lane.partition(":")[0] for kind, row in rows.items()} == {
        "ORU^R01": "report",
        "MDM^T02": "document",
    }
    as_result = encapsulated(bytes(rows["ORU^R01"].payload))[0].split("|")[5]
    as_document = encapsulated(bytes(rows["MDM^T02"].payload))[0].split("|")[5]
    kept = report_document(str(report.public_id), 1)
    assert as_result == as_document
    assert base64.b64decode(as_result.split("^")[4]) == kept.content
    assert rows["MDM^T02"].order == report.order


def test_nobody_is_sent_a_document_unasked() -> None:
    _, message = sent(printed=False)

    assert encapsulated(message) == []

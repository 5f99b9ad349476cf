"""The letterhead: changed on its page, checked, and kept on what was signed before."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from ris.domain.reporting import AmendReport, VersionKind
from ris.models import DomainEvent, Letterhead, Order, Patient, ReportDocument, Site
from ris.services import execute
from ris.services.report_documents import report_document
from tests import make, people
from tests.web.department import booked_at, perform, today_at

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


def picture(kind: str = "PNG", size: tuple[int, int] = (1200, 300)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, (10, 80, 160)).save(stream, kind, comment=b"secret of the camera")
    return stream.getvalue()


def address(site: Site) -> str:
    return f"/letterhead/{site.public_id}/"


@pytest.fixture
def site(rooms: None) -> Site:
    found = Site.objects.order_by("id").first()
    assert found is not None
    return found


@pytest.fixture
def exam(site: Site) -> Order:
    order = booked_at(today_at(11))
    perform(order)
    return order


def test_a_footer_that_has_no_room_below_the_page_is_refused(as_: As, site: Site) -> None:
    line = "Company register of Wien number 123456, managing director Ada Berg, VAT ATU1234567 "

    refused = as_("admin").post(address(site), {"institution": "Clinic", "footer": line * 3})
    taken = as_("admin").post(address(site), {"institution": "Clinic", "footer": line * 2})

    assert refused.status_code == 422
    assert "two lines" in refused.content.decode()
    assert taken.status_code == 303
    assert Letterhead.objects.get(site=site).footer == (line * 2).strip()


def test_a_letterhead_is_changed_with_its_logo_drawn_anew(as_: As, site: Site) -> None:
    client = as_("admin")

    response = client.post(
        address(site),
        {
            "number": "0",
            "institution": "Clinic of Radiology",
            "department": "Radiology",
            "address": "Ringstrasse 2\r\n1010 Wien",
            "web": "radiology.example",
            "logo": SimpleUploadedFile("logo.jpg", picture("JPEG"), "image/jpeg"),
        },
    )

    assert (response.status_code, response["Location"]) == (303, "/letterhead/")
    row = Letterhead.objects.get()
    assert (row.number, row.institution, row.address) == (
        1,
        "Clinic of Radiology",
        "Ringstrasse 2\n1010 Wien",
    )
    kept = bytes(row.logo)
    with Image.open(BytesIO(kept)) as image:
        assert (image.format, image.size) == ("PNG", (600, 150))
    assert b"secret" not in kept
    event = DomainEvent.objects.get(name="LetterheadChanged")
    assert event.payload["changed"][0] == "institution"
    shown = client.get(f"{address(site)}logo/")
    assert (shown["Content-Type"], shown.content) == ("image/png", kept)
    assert client.get(f"{address(site)}sample/").content.startswith(b"%PDF-1.")


def bomb() -> bytes:
    """A PNG that says it has more pixels than any machine has memory for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        code = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", code)

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<svg onload='alert(1)'/>", "The logo is no PNG or JPEG image"),
        (picture("GIF", (9, 9)), "The logo is no PNG or JPEG image"),
        (picture()[:200], "The logo is no PNG or JPEG image"),
        (b"\x89PNG" + b"0" * 2_000_000, "The logo is larger than 2 MB"),
        (bomb(), "The logo"),
    ],
    ids=["svg", "gif", "cut off", "large", "bomb"],
)
def test_what_is_no_picture_is_refused_and_what_was_typed_stays(
    as_: As, site: Site, content: bytes, words: str
) -> None:
    response = as_("admin").post(
        address(site),
        {"institution": "Typed just now", "logo": SimpleUploadedFile("logo.png", content)},
    )

    assert response.status_code == 422
    text = response.content.decode()
    assert words in text
    assert 'value="Typed just now"' in text
    assert not Letterhead.objects.exists()


def test_a_logo_stays_until_it_is_removed(as_: As, site: Site) -> None:
    client = as_("admin")
    client.post(address(site), {"logo": SimpleUploadedFile("a.png", picture())})

    client.post(address(site), {"phone": "+43 1 5550100", "number": "1"})
    client.post(address(site), {"remove_logo": "on", "number": "2"})

    assert [bool(row.logo) for row in Letterhead.objects.order_by("number")] == [True, True, False]


def test_who_saves_second_is_told(as_: As, site: Site) -> None:
    client = as_("admin")
    client.post(address(site), {"institution": "First", "number": "0"})

    second = client.post(address(site), {"institution": "Second", "number": "0"})

    assert second.status_code == 409
    assert Letterhead.objects.get().institution == "First"


def test_only_the_administrator_changes_it(as_: As, site: Site) -> None:
    manager = as_("manager")

    assert manager.get("/letterhead/").status_code == 200
    assert manager.post(address(site), {"institution": "X"}).status_code == 403
    assert as_("radiologist").get("/letterhead/").status_code == 403
    assert not Letterhead.objects.exists()


def test_the_page_asks_a_bounded_number_of_questions(as_: As, site: Site) -> None:
    client = as_("admin")
    client.get("/letterhead/")

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get("/letterhead/").status_code == 200

    assert len(asked) <= BUDGETS["page_letterhead"]


def test_what_was_signed_before_keeps_its_letterhead_even_if_nobody_printed_it(
    as_: As, exam: Order, site: Site, noon: time_machine.Traveller
) -> None:
    client = as_("admin")
    client.post(address(site), {"institution": "Clinic before"})
    report = make.final_report(exam)
    key = str(report.public_id)
    noon.shift(timedelta(minutes=2))
    client.post(address(site), {"institution": "Clinic after"})
    noon.shift(timedelta(minutes=2))
    amend = AmendReport(report=key, kind=VersionKind.ADDENDUM, sections={"addendum": "Seen."})
    execute(amend, actor=people.radiologist)

    first, second = report_document(key, 1), report_document(key, 2)

    rows = ReportDocument.objects.order_by("number").select_related("letterhead")
    assert [row.letterhead.institution for row in rows] == ["Clinic before", "Clinic after"]
    # Only a stamp is behind it, for the addendum took its place (docs/adr/0051).
    assert client.get(f"/reports/{key}/print/?version=1").content.startswith(first.content)
    assert first.digest != second.digest


def test_bytes_that_were_handed_out_stay_whatever_becomes_of_the_patient(
    as_: As, exam: Order, site: Site
) -> None:
    key = str(make.final_report(exam).public_id)
    first = report_document(key, 1)
    Patient.objects.filter(pk=exam.patient_id).update(name="Newname^Anna")

    assert report_document(key, 1) == first
    assert as_("radiologist").get(f"/reports/{key}/print/").content == first.content

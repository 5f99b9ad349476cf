"""Reading and reporting at the page."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client

from ris.models import Order, Report
from tests import make
from tests.web.department import booked_at, opened, perform, today_at

As = Callable[[str], Client]
TEXT = {
    "indication": "Headache",
    "technique": "",
    "comparison": "",
    "findings": "No bleeding.",
    "impression": "Normal.",
    "recommendation": "",
}


def sign(client: Client, report: Report, how: str, **more: str) -> object:
    form = {**TEXT, "as": how, "revision": str(report.draft_revision), **more}
    return client.post(f"/reports/{report.public_id}/sign/", form)


def test_exam_is_on_the_reading_list_and_opens_its_report(reader: Client, exam: Order) -> None:
    page = reader.get("/reading/").content.decode()

    response = reader.post("/reading/open/", {"procedure": str(exam.procedures.get().public_id)})

    report = Report.objects.get()
    assert f"/orders/{exam.public_id}/" in page
    assert response["Location"] == f"/reports/{report.public_id}/"
    assert report.author is not None
    assert report.author.username == "radiologist"


def test_editor_begins_with_the_reason_of_the_order(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)

    page = reader.get(f"/reports/{report.public_id}/").content.decode()

    assert ">headache</textarea>" in page


def test_draft_is_saved_and_the_answer_brings_the_new_revision(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)

    response = reader.post(
        f"/reports/{report.public_id}/draft/",
        {**TEXT, "revision": "0"},
        headers={"HX-Request": "true"},
    )

    report.refresh_from_db()
    text = response.content.decode()
    assert response.status_code == 200
    assert re.sub("<[^>]+>", "", text).strip().startswith("Saved Today 12:00:")
    assert 'value="1" hx-swap-oob="true"' in text
    assert report.draft == {
        "indication": "Headache",
        "findings": "No bleeding.",
        "impression": "Normal.",
    }


def test_second_writer_is_told_and_overwrites_nothing(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/draft/"
    reader.post(address, {**TEXT, "revision": "0"}, headers={"HX-Request": "true"})

    response = reader.post(
        address,
        {**TEXT, "findings": "Something else.", "revision": "0"},
        headers={"HX-Request": "true"},
    )

    report.refresh_from_db()
    assert response.status_code == 409
    assert "somebody else wrote on this report meanwhile" in response.content.decode()
    assert report.draft["findings"] == "No bleeding."


def test_preliminary_then_final_then_addendum_then_correction_then_withdrawn(
    reader: Client, exam: Order
) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"

    sign(reader, report, "preliminary")
    report.refresh_from_db()
    preliminary = report.status
    sign(reader, report, "final", impression="Normal CT.")
    reader.post(f"{address}addendum/", {"addendum": "Compared with 2020.", "version": "2"})
    reader.post(
        f"{address}correct/",
        {**TEXT, "impression": "Small lesion.", "reason": "Missed", "version": "3"},
    )
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "4"})

    report.refresh_from_db()
    versions = list(report.versions.all())
    assert preliminary == "PRELIMINARY"
    assert [version.kind for version in versions] == [
        "PRELIMINARY",
        "FINAL",
        "ADDENDUM",
        "CORRECTION",
        "RETRACTION",
    ]
    assert versions[1].sections["impression"] == "Normal CT."
    assert versions[2].sections["addendum"] == "Compared with 2020."
    assert versions[3].sections["impression"] == "Small lesion."
    assert versions[4].reason == "Wrong patient"
    assert versions[1].signer is not None
    assert versions[1].signer.username == "radiologist"
    assert report.status == "RETRACTED"


def test_report_without_text_is_not_signed_and_what_was_typed_stays(
    reader: Client, exam: Order
) -> None:
    report = opened(reader, exam)

    response = sign(
        reader, report, "final", findings="", impression="", technique="Typed technique"
    )

    report.refresh_from_db()
    text = response.content.decode()
    assert response.status_code == 422
    assert "a report needs findings or an impression" in text.lower()
    assert ">Typed technique</textarea>" in text
    assert report.status == "DRAFT"


def test_signing_an_old_revision_is_refused_with_the_text_kept(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/draft/"
    reader.post(address, {**TEXT, "revision": "0"}, headers={"HX-Request": "true"})

    response = sign(reader, report, "final", findings="Mine.")

    report.refresh_from_db()
    assert response.status_code == 409
    assert ">Mine.</textarea>" in response.content.decode()
    assert report.status == "DRAFT"


def test_session_that_ended_keeps_the_text_on_the_page(exam: Order, reader: Client) -> None:
    report = opened(reader, exam)

    response = Client().post(
        f"/reports/{report.public_id}/draft/", TEXT, headers={"HX-Request": "true"}
    )

    assert response.status_code == 401
    assert "Log in again in another tab" in response.content.decode()


def test_draft_is_discarded_and_the_exam_is_unread_again(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)

    reader.post(f"/reports/{report.public_id}/discard/")

    report.refresh_from_db()
    assert report.status == "DISCARDED"
    assert f"/orders/{exam.public_id}/" in reader.get("/reading/").content.decode()


def test_next_unread_opens_the_most_urgent(reader: Client, exam: Order) -> None:
    from ris.domain.orders import OrderDetails, Priority

    stat = booked_at(today_at(11, 30), details=OrderDetails(priority=Priority.STAT))
    perform(stat)

    response = reader.post("/reading/next/")

    report = Report.objects.get()
    assert response["Location"] == f"/reports/{report.public_id}/"
    assert report.order == stat


def test_nobody_else_sees_an_editor(exam: Order, reader: Client, as_: As) -> None:
    report = opened(reader, exam)

    page = as_("manager").get(f"/reports/{report.public_id}/").content.decode()

    assert "<textarea" not in page
    assert "Being written" in page


def test_critical_result_is_noted_and_acknowledged(exam: Order, reader: Client, as_: As) -> None:
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/critical/"

    reader.post(address, {"finding": "Bleeding", "told": "Dr. Ordonez", "by": "phone"})
    critical = report.critical_results.get()
    as_("frontdesk").post(
        f"/critical/{critical.public_id}/acknowledge/", {"acknowledged_by": "Ward 3"}
    )

    critical.refresh_from_db()
    assert (critical.finding, critical.told, critical.read_back) == (
        "Bleeding",
        "Dr. Ordonez",
        False,
    )
    assert critical.acknowledged_by == "Ward 3"


def test_delivery_of_the_report_is_shown_beside_it(exam: Order, reader: Client) -> None:
    from tests.web.department import dead_delivery, whole

    report = make.final_report(exam)
    dead_delivery(exam, report)

    page = whole(reader, f"/reports/{report.public_id}/")

    assert "Given up" in page
    assert "connection refused" in page
    assert "Send again" in page

"""Receipts on the report: what a radiologist sees of the way to each receiver, and can mend."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.exchange import DELIVERY, DeliveryTrigger, Subscription
from ris.domain.values import PersonName
from ris.models import Delivery, Report
from ris.services import outbox
from ris.services._transition import move
from tests import make
from tests.web.department import booked_at, opened, perform, today_at, whole

As = Callable[[str], Client]


@pytest.fixture
def refused(rooms: None) -> Report:
    make.endpoint("Registry", sends=(Subscription.RESULTS,))
    order = booked_at(today_at(11))
    perform(order)
    report = make.final_report(order)
    outbox.fan_out()
    row = Delivery.objects.get()
    move(row, DELIVERY, DeliveryTrigger.LEASE)
    row.last_error = "AE 101: OBR-16 is missing"
    move(row, DELIVERY, DeliveryTrigger.REFUSE, "last_error")
    return report


def test_a_refused_version_says_why_and_is_sent_again_with_one_click(
    as_: As, refused: Report
) -> None:
    client = as_("radiologist")
    row = Delivery.objects.get()
    address = f"/reports/{refused.public_id}/"

    part = client.get(f"{address}receipts/").content.decode()

    assert "Registry" in whole(client, address)
    for words in ("Registry", "as result (ORU^R01)", "AE 101: OBR-16 is missing", "refused it"):
        assert words in part
    assert f'hx-get="{address}receipts/"' in part
    assert f'action="/messages/out/{row.public_id}/requeue/"' in part
    assert "/interfaces/" not in part  # a radiologist mends no interface
    again = client.post(f"/messages/out/{row.public_id}/requeue/", {"next": address})
    assert (again.status_code, again["Location"]) == (303, address)
    row.refresh_from_db()
    assert row.state == "PENDING"


def test_a_report_just_signed_is_leaving_and_one_nobody_wants_says_so(as_: As, rooms: None) -> None:
    order = booked_at(today_at(11))
    perform(order)
    outbox.fan_out()
    client = as_("radiologist")
    address = f"/reports/{make.final_report(order).public_id}/receipts/"

    leaving = client.get(address).content.decode()
    outbox.fan_out()
    nobody = client.get(address).content.decode()

    assert "It is leaving: receivers appear here in a moment." in leaving
    assert 'hx-trigger="every 2s"' in leaving
    assert "It was sent to nobody: no interface wants results of this kind." in nobody
    assert 'hx-trigger="every 60s"' in nobody


def test_before_it_is_signed_a_report_says_who_will_get_it(as_: As, rooms: None) -> None:
    make.endpoint("Registry", sends=(Subscription.RESULTS,))
    make.endpoint("Billing", sends=(Subscription.CHARGES,))
    make.endpoint("Old EHR", sends=(Subscription.RESULTS,), active=False)
    order = booked_at(today_at(11))
    perform(order)
    client = as_("radiologist")
    address = f"/reports/{opened(client, order).public_id}/"

    part = client.get(f"{address}receipts/").content.decode()

    assert "<span data-receivers><bdi>Registry</bdi></span>" in part


def test_who_keeps_the_interfaces_is_led_to_the_message_and_the_interface(
    as_: As, refused: Report
) -> None:
    row = Delivery.objects.get()

    part = as_("admin").get(f"/reports/{refused.public_id}/receipts/").content.decode()

    assert f'href="/messages/out/{row.public_id}/"' in part
    assert f'href="/interfaces/{row.endpoint.public_id}/"' in part


def test_a_result_that_did_not_arrive_stands_first_among_the_exceptions(
    as_: As, refused: Report
) -> None:
    make.endpoint("Billing", sends=(Subscription.ORDER_STATUS,))
    booked_at(today_at(14))
    outbox.fan_out()
    for row in Delivery.objects.filter(report=None)[:1]:
        move(row, DELIVERY, DeliveryTrigger.LEASE)
        move(row, DELIVERY, DeliveryTrigger.REFUSE)

    page = as_("admin").get("/exceptions/").content.decode()

    assert "Result that did not arrive" in page
    assert f'href="/reports/{refused.public_id}/"' in page
    assert page.index(">Registry<") < page.index(">Billing<")


def test_a_name_that_an_interface_cannot_write_is_for_who_keeps_the_interfaces(
    as_: As, rooms: None
) -> None:
    make.endpoint("GP", character_set="8859/1", sends=(Subscription.RESULTS,))
    order = booked_at(today_at(11), patient=make.patient(name=PersonName.parse("Nguyễn^Ánh")))
    perform(order)
    report = make.final_report(order)
    outbox.fan_out()
    row = Delivery.objects.get()
    address = f"/reports/{report.public_id}/receipts/"

    reader, keeper = (as_(who).get(address).content.decode() for who in ("radiologist", "admin"))

    requeue = f'action="/messages/out/{row.public_id}/requeue/"'
    assert "U+1EC5 cannot be written in 8859/1" in reader
    assert "Who keeps the interfaces mends that" in reader
    assert requeue not in reader  # it could only fail again
    assert requeue in keeper

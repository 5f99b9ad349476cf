"""The interface desk at the page: connections, their form, messages edited, compared, run again."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from django.utils import timezone

from ris.domain.exchange import Direction, Protocol
from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    Endpoint,
    InboundMessage,
    InterfaceAlert,
    MessageEdit,
    MessageRun,
)
from ris.services import alerts, traffic
from tests import make
from tests.web.department import ORM, Department

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


def text_of(response: Any) -> str:
    return str(response.content.decode())


def his() -> Endpoint:
    key = make.endpoint(
        "HIS", direction=Direction.IN, protocol_name="EHR^HOSP", host="", port=None, sends=()
    )
    return Endpoint.objects.get(public_id=key)


def tied(full: Department) -> Endpoint:
    """The rejected message, as one of a registered sender."""
    sender = his()
    InboundMessage.objects.filter(pk=full.rejected.pk).update(endpoint=sender)
    return sender


# --- connections


def test_tile_tells_how_a_connection_stands(full: Department, as_: As) -> None:
    sender = tied(full)
    traffic.count()
    alerts.watch()

    page = text_of(as_("manager").get("/interfaces/"))

    assert f'href="/interfaces/{sender.public_id}/"' in page
    assert "1 in, 1 refused" in page
    assert "1 to look at" in page
    assert "Messages not applied" in page
    assert "1 message refused or given up" in page


def test_alert_is_acknowledged_at_the_page(full: Department, as_: As) -> None:
    alerts.watch()
    alert = InterfaceAlert.objects.get(kind="PARKED")
    client = as_("manager")

    without = client.post(f"/interfaces/alerts/{alert.public_id}/", {"note": ""})
    client.post(f"/interfaces/alerts/{alert.public_id}/", {"note": "Vendor called"})

    assert without.status_code == 422
    assert "Vendor called" in text_of(client.get("/interfaces/"))
    assert InterfaceAlert.objects.get(pk=alert.pk).acknowledged_by == "Manager Muster"


def test_home_counts_alerts_for_those_who_watch(full: Department, as_: As) -> None:
    alerts.watch()

    assert "not acknowledged" in text_of(as_("admin").get("/"))
    assert "Interface alerts" not in text_of(as_("technologist").get("/"))


def test_page_of_a_connection_tells_its_queue_and_settings(full: Department, as_: As) -> None:
    endpoint = full.delivery.endpoint
    Endpoint.objects.filter(pk=endpoint.pk).update(settings={"timeout_seconds": 5})
    traffic.count()

    page = text_of(as_("admin").get(f"/interfaces/{endpoint.public_id}/"))

    assert f"/messages/out/{full.delivery.public_id}/requeue/" in page
    assert "2 tries without answer" in page
    assert "timeout_seconds" in page
    assert "wait so long for an acknowledgement" in page
    assert page.count('<rect class="bar-bad"') == 24


def test_page_of_a_sender_tells_what_was_not_applied(full: Department, as_: As) -> None:
    sender = tied(full)

    page = text_of(as_("admin").get(f"/interfaces/{sender.public_id}/"))

    assert "PID-7: no such day" in page
    assert "Not applied" in page


def test_pause_asks_why_and_shows_it(full: Department, as_: As) -> None:
    client = as_("admin")
    endpoint = full.delivery.endpoint
    address = f"/interfaces/{endpoint.public_id}/pause/"

    without = client.post(address, {"paused": "yes"})
    client.post(address, {"paused": "yes", "reason": "Line is moved"})

    endpoint.refresh_from_db()
    assert (without.status_code, endpoint.paused_reason) == (422, "Line is moved")
    assert "Line is moved" in text_of(client.get("/interfaces/"))


def test_connection_is_tested_without_sending_anything(full: Department, as_: As) -> None:
    endpoint = full.delivery.endpoint
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Endpoint.objects.filter(pk=endpoint.pk).update(port=listener.getsockname()[1])

        response = as_("admin").post(f"/interfaces/{endpoint.public_id}/test/", follow=True)

        listener.settimeout(5)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            received = connection.recv(100)

    assert f"{endpoint.name} answers" in text_of(response)
    assert received == b""


def test_connection_that_nobody_takes_is_told(full: Department, as_: As) -> None:
    endpoint = full.delivery.endpoint
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    Endpoint.objects.filter(pk=endpoint.pk).update(port=port)

    response = as_("admin").post(f"/interfaces/{endpoint.public_id}/test/", follow=True)

    assert "no connection: Connection refused" in text_of(response)


# --- the form


def form_of(endpoint: Endpoint, **changed: Any) -> dict[str, Any]:
    """What the browser would send of the form as it is, with some fields changed."""
    fields = {
        "name": endpoint.name,
        "protocol_name": endpoint.protocol_name,
        "host": endpoint.host,
        "port": endpoint.port or "",
        "version": endpoint.version,
        "character_set": endpoint.character_set,
        "time_zone": endpoint.time_zone,
        "sends": endpoint.sends,
        "active": "on",
        "silent_minutes": "0",
        "oldest_minutes": "15",
        "queued": "1000",
        "refused_an_hour": "20",
        "hours": "",
    }
    return {**fields, **changed}


def test_endpoint_is_added_at_the_page(rooms: None, as_: As) -> None:
    client = as_("admin")

    response = client.post(
        "/interfaces/new/?protocol=hl7&direction=out",
        {
            "name": "ARCHIVE",
            "protocol_name": "PACS^HOSP",
            "host": "127.0.0.1",
            "port": "2577",
            "version": "2.3.1",
            "sends": ["procedure-scheduled", "patient-updates"],
            "active": "on",
            "hours": "Mon-Fri 07:00-19:00\nSat 08:00-12:00",
            "silent_minutes": "90",
            "oldest_minutes": "15",
            "queued": "1000",
            "refused_an_hour": "20",
            "set_keep_open": "no",
            "set_timeout_seconds": "12",
            "set_processing_id": "T",
        },
    )

    endpoint = Endpoint.objects.get(name="ARCHIVE")
    assert response["Location"] == f"/interfaces/{endpoint.public_id}/"
    assert endpoint.sends == ["patient-updates", "procedure-scheduled"]
    assert endpoint.settings == {
        "keep_open": False,
        "timeout_seconds": 12.0,
        "processing_id": "T",
    }
    assert endpoint.watch == {
        "hours": ["Mon-Fri 07:00-19:00", "Sat 08:00-12:00"],
        "silent_minutes": 90,
    }


def test_endpoint_is_changed_and_what_changed_is_recorded(full: Department, as_: As) -> None:
    endpoint = full.delivery.endpoint

    as_("admin").post(
        f"/interfaces/{endpoint.public_id}/edit/",
        form_of(endpoint, name="EHR two", port="2599", set_orders="own"),
    )

    endpoint.refresh_from_db()
    told = DomainEvent.objects.filter(name="EndpointConfigured").latest("id")
    assert (endpoint.name, endpoint.port, endpoint.settings) == ("EHR two", 2599, {"orders": "own"})
    assert told.payload["changes"] == [
        "name: EHR → EHR two",
        "port: 2576 → 2599",
        "settings.orders: nothing → own",
    ]
    assert told.actor_name == "admin"


def test_form_shows_what_is_set_and_leaves_it_when_saved(full: Department, as_: As) -> None:
    sender = his()
    settings = {"processing_ids": ["P", "T"], "paths": {"station": ["ORC-18"]}, "reply": "typed"}
    Endpoint.objects.filter(pk=sender.pk).update(settings=settings, watch={"silent_minutes": 30})
    client = as_("admin")
    address = f"/interfaces/{sender.public_id}/edit/"
    page = text_of(client.get(address))

    client.post(
        address,
        form_of(
            sender,
            silent_minutes="30",
            set_processing_ids="P\nT",
            set_paths='{"station": ["ORC-18"]}',
            set_reply="typed",
        ),
    )

    sender.refresh_from_db()
    assert "&quot;station&quot;: [&quot;ORC-18&quot;]" in page
    assert '<option value="typed" selected>typed</option>' in page
    assert (sender.settings, sender.watch) == (settings, {"silent_minutes": 30})


FAULTS = [
    ("set_addresses", "10.0.0.0/99", "is no address or network"),
    ("set_paths", "{", "This is no JSON"),
    ("set_continuation_minutes", "-1", "greater than or equal to 0"),
    ("time_zone", "Mars/Base", "no such time zone"),
    ("character_set", "KLINGON", "no character set of HL7 table 0211"),
    ("hours", "whenever", "hours are written like"),
    ("name", "", "This field is required"),
    ("protocol_name", "OTHER^HOSP", "another endpoint goes by this name"),
]


def test_fault_stands_at_its_field_and_nothing_is_saved(rooms: None, as_: As) -> None:
    sender = his()
    make.endpoint(
        "OTHER", direction=Direction.IN, protocol_name="OTHER^HOSP", host="", port=None, sends=()
    )
    client = as_("admin")

    for field, value, words in FAULTS:
        response = client.post(
            f"/interfaces/{sender.public_id}/edit/",
            form_of(sender, version="2.4", **{field: value}),
        )
        page = text_of(response)
        at = page.index(f'id="id_{field}-error"')
        assert response.status_code in {409, 422}, field
        assert words in page[at : at + 400]

    sender.refresh_from_db()
    assert (sender.version, sender.settings) == ("2.5.1", {})


def test_all_faults_of_a_form_are_told_at_once(rooms: None, as_: As) -> None:
    sender = his()

    response = as_("admin").post(
        f"/interfaces/{sender.public_id}/edit/",
        form_of(sender, time_zone="Mars/Base", character_set="KLINGON", set_addresses="nowhere"),
    )

    page = text_of(response)
    told = [
        f'id="id_{name}-error"' in page for name in ("time_zone", "character_set", "set_addresses")
    ]
    assert (response.status_code, told) == (422, [True] * 3)


def test_endpoint_of_another_protocol_has_its_settings_as_one_text(
    full: Department, as_: As
) -> None:
    key = make.endpoint(
        "Portal", protocol=Protocol.FHIR, direction=Direction.IN, host="", port=None, sends=()
    )

    page = text_of(as_("admin").get(f"/interfaces/{key}/edit/"))

    assert 'name="all_settings"' in page


def test_manager_sees_and_does_not_change(full: Department, as_: As) -> None:
    endpoint = full.delivery.endpoint
    client = as_("manager")

    shown = client.get(f"/interfaces/{endpoint.public_id}/").status_code
    address = f"/interfaces/{endpoint.public_id}/edit/"
    refused = [client.get(address).status_code, client.post(address, form_of(endpoint)).status_code]

    assert (shown, refused) == (200, [403, 403])


# --- messages


def test_edit_shows_the_text_and_applies_what_was_changed(full: Department, as_: As) -> None:
    tied(full)
    make.definition()
    client = as_("admin")
    address = f"/messages/in/{full.rejected.public_id}/edit/"
    page = text_of(client.get(address))
    changed = ORM.decode().replace("19610214", "19610215").replace("\r", "\r\n")

    response = client.post(address, {"text": changed, "reason": "Day was wrong"}, follow=True)

    new = MessageEdit.objects.get().after_message
    assert new is not None
    assert "MRN900^^^HOSP^MR||Vavra^Petr" in page
    assert (new.state, b"19610215" in bytes(new.raw)) == ("APPLIED", True)
    assert "Applied as a new message." in text_of(response)
    assert f"/messages/in/{full.rejected.public_id}/" in text_of(response)
    first = text_of(client.get(f"/messages/in/{full.rejected.public_id}/"))
    assert "Day was wrong" in first
    assert f"/messages/in/{new.public_id}/" in first


def test_edit_without_reason_says_so_and_keeps_the_text(full: Department, as_: As) -> None:
    response = as_("admin").post(
        f"/messages/in/{full.rejected.public_id}/edit/", {"text": "MSH|typed", "reason": ""}
    )

    assert response.status_code == 422
    assert "MSH|typed" in text_of(response)
    assert MessageEdit.objects.count() == 0


def test_edit_that_is_no_message_is_refused_with_its_place(full: Department, as_: As) -> None:
    response = as_("admin").post(
        f"/messages/in/{full.rejected.public_id}/edit/", {"text": "PID|1", "reason": "because"}
    )

    assert response.status_code == 422
    assert "MSH: a message starts with MSH" in text_of(response)


def test_parked_delivery_is_edited_and_sent_from_its_place(full: Department, as_: As) -> None:
    client = as_("admin")
    address = f"/messages/out/{full.delivery.public_id}/edit/"
    page = text_of(client.get(address))

    client.post(
        address,
        {
            "text": ORM.decode().replace("ORM^O01", "ORU^R01") + "NTE|1",
            "reason": "Note was missing",
        },
    )

    row = Delivery.objects.get(pk=full.delivery.pk)
    assert "It keeps its place in the queue" in page
    assert (row.state, row.control_id != "OUT0001") == ("PENDING", True)
    assert bytes(row.payload).endswith(b"NTE|1\r")
    assert "Note was missing" in text_of(client.get(f"/messages/out/{row.public_id}/"))


def test_message_tells_what_it_made(full: Department, as_: As) -> None:
    event = DomainEvent.objects.filter(name="OrderPlaced").latest("id")
    DomainEvent.objects.filter(pk=event.pk).update(message=full.rejected)
    assert event.order is not None

    page = text_of(as_("admin").get(f"/messages/in/{full.rejected.public_id}/"))

    assert f'Order placed: <a href="/orders/{event.order.public_id}/">' in page


def test_message_is_checked_against_the_standard_on_demand(full: Department, as_: As) -> None:
    client = as_("admin")
    address = f"/messages/in/{full.rejected.public_id}/"

    assert "Against the standard" not in text_of(client.get(address))
    assert "Against the standard" in text_of(client.get(f"{address}?check=yes"))


def test_two_messages_are_compared_by_field(full: Department, as_: As) -> None:
    ways = {
        "a": f"in:{full.rejected.public_id}",
        "b": "OUT0001",
    }
    Delivery.objects.filter(pk=full.delivery.pk).update(
        payload=ORM.replace(b"Petr", b"Pavel").replace(b"MSG001", b"OUT0001")
    )

    page = text_of(as_("admin").get(f"/messages/compare/?{urlencode(ways)}"))

    table = page[page.index("Fields that differ") : page.index("</table>")]
    assert ">PID-5.2<" in table
    assert "Pavel" in table
    assert ">PID-5.1<" not in table
    assert ">MSH-10<" not in table
    assert "as in any two messages: MSH-10" in page


def test_compare_with_an_unknown_control_id_is_not_found(full: Department, as_: As) -> None:
    assert as_("admin").get("/messages/compare/?a=NOPE").status_code == 404


def test_looking_at_two_messages_is_audited_for_both(full: Department, as_: As) -> None:
    AuditEvent.objects.all().delete()

    as_("admin").get(f"/messages/compare/?a=in:{full.rejected.public_id}&b=OUT0001")

    assert AuditEvent.objects.filter(action="ViewMessage").count() == 2


# --- filters


IN = {
    "type=ORM": True,
    "type=ADT": False,
    "outcome=AE": True,
    "outcome=AA": False,
    "contains=Vavra": True,
    "contains=Nobody": False,
    "order={accession}": True,
    "order=PL-none": False,
    "patient=MRN001": True,
    "patient=MRN002": False,
    "since=2026-03-02": True,
    "since=2026-03-03": False,
    "until=2026-03-02": True,
    "until=2026-03-02T11:00": False,
    "endpoint=-": True,
    "q=EHR^HOSP": True,
}
OUT = {
    "q=OUT0001": True,
    "q=OUT0002": False,
    "type=ORU": True,
    "patient=MRN011": True,
    "patient=MRN001": False,
    "contains=Vavra": True,
    "state=open": True,
    "state=DELIVERED": False,
}


def test_messages_in_are_filtered(full: Department, as_: As) -> None:
    client, accession = as_("admin"), full.waiting.accession_number
    line = f"/messages/in/{full.rejected.public_id}/"

    shown = {
        query: line in text_of(client.get(f"/messages/?{query.format(accession=accession)}"))
        for query in IN
    }

    assert shown == IN


def test_messages_out_are_filtered(full: Department, as_: As) -> None:
    client = as_("admin")
    line = f"/messages/out/{full.delivery.public_id}/"

    shown = {query: line in text_of(client.get(f"/messages/?way=out&{query}")) for query in OUT}

    assert shown == OUT


def test_number_is_found_however_long_ago(full: Department, as_: As) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    InboundMessage.objects.filter(pk=full.rejected.pk).update(received_at=long_ago)
    client = as_("admin")

    by_number = text_of(client.get("/messages/?q=MSG001"))
    by_type = text_of(client.get("/messages/?type=ORM"))

    assert f"/messages/in/{full.rejected.public_id}/" in by_number
    assert f"/messages/in/{full.rejected.public_id}/" not in by_type
    assert "“From” looks further back" in by_type


def test_time_that_is_none_is_refused(full: Department, as_: As) -> None:
    response = as_("admin").get("/messages/?since=yesterday")

    assert response.status_code == 422


def test_pages_of_the_list_go_on_by_key(full: Department, as_: As) -> None:
    at = timezone.now()
    InboundMessage.objects.bulk_create(
        [
            InboundMessage(
                protocol="hl7",
                key=f"K{number:03}",
                digest=str(number),
                raw=b"MSH|",
                state="APPLIED",
                received_at=at - timedelta(seconds=number // 3),
            )
            for number in range(120)
        ]
    )
    client = as_("admin")
    address, seen = "/messages/", []

    for _ in range(5):
        page = text_of(client.get(address))
        seen += [f"K{number:03}" for number in range(120) if f">K{number:03}<" in page]
        if 'rel="next"' not in page:
            break
        link = page.rpartition('rel="next"')[2].partition('href="')[2].partition('"')[0]
        address = f"/messages/{link.replace('&amp;', '&')}"

    assert len(seen) == len(set(seen)) == 120


# --- runs


def test_run_is_counted_first_then_started(full: Department, as_: As) -> None:
    tied(full)
    client = as_("admin")
    address = "/messages/runs/new/?state=open"
    page = text_of(client.get(address))
    counted = MessageRun.objects.count()

    response = client.post(
        address, {"reason": "Catalog was mended", "per_minute": "60", "expected": "1"}
    )

    run = MessageRun.objects.get()
    assert "<strong>1</strong> that were refused or failed" in page
    assert counted == 0
    assert response["Location"] == f"/messages/runs/{run.public_id}/"
    assert (run.total, run.filters, run.actor) == (1, {"state": "open"}, "admin")
    assert "0</strong> of 1" in text_of(client.get(f"/messages/runs/{run.public_id}/"))


def test_run_that_is_not_what_was_shown_is_refused(full: Department, as_: As) -> None:
    response = as_("admin").post(
        "/messages/runs/new/?state=open",
        {"reason": "Catalog was mended", "per_minute": "60", "expected": "7"},
    )

    assert response.status_code == 409
    assert "it was 7 messages when you looked, now it is 1" in text_of(response)
    assert MessageRun.objects.count() == 0


def test_run_over_everything_is_not_offered(full: Department, as_: As) -> None:
    assert as_("admin").get("/messages/runs/new/").status_code == 422


def test_parked_list_holds_both_ways_with_two_clicks_to_go_on(full: Department, as_: As) -> None:
    client = as_("admin")
    page = text_of(client.get("/messages/parked/"))

    response = client.post(
        f"/messages/out/{full.delivery.public_id}/requeue/", {"next": "/messages/parked/"}
    )

    assert f"/messages/in/{full.rejected.public_id}/replay/" in page
    assert f"/messages/out/{full.delivery.public_id}/requeue/" in page
    assert response["Location"] == "/messages/parked/"
    assert "OUT0001" not in text_of(client.get("/messages/parked/"))


# --- what it costs


def test_pages_take_no_more_queries_the_more_there_is(
    full: Department, as_: As, django_assert_max_num_queries: Any
) -> None:
    """With ten connections, a day of traffic and a queue."""
    now = timezone.now()
    for number in range(10):
        key = make.endpoint(f"PEER {number}", port=2600 + number, protocol_name=f"P{number}")
        peer = Endpoint.objects.get(public_id=key)
        for step in range(3):
            row = Delivery.objects.create(
                endpoint=peer,
                lane=f"order:{number}{step}",
                control_id=f"C{number}.{step}",
                payload=b"MSH|",
                state="DELIVERED" if step else "REFUSED",
                due_at=now,
            )
            row.attempts.create(
                number=1, started_at=now, ended_at=now, result="DELIVERED" if step else "REFUSED"
            )
    traffic.count()
    alerts.watch()
    client = as_("admin")
    endpoint = full.delivery.endpoint.public_id
    for path, budget in (
        ("/interfaces/", "page_interfaces"),
        ("/messages/", "page_messages"),
        ("/messages/?way=out", "page_messages"),
        ("/messages/parked/", "page_parked"),
        (f"/interfaces/{endpoint}/", "page_interface"),
    ):
        client.get(path)
        with django_assert_max_num_queries(BUDGETS[budget]):
            assert client.get(path).status_code == 200

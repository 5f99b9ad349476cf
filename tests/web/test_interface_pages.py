"""The interface desk at the page: connections, their form, messages edited, compared, run again."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from django.utils import timezone

from ris.domain.exchange import Direction, Protocol
from ris.models import (
    Delivery,
    DomainEvent,
    Endpoint,
    InterfaceAlert,
)
from ris.services import alerts, traffic
from tests import make
from tests.web.department import Department
from tests.web.interface_desk import As, his, text_of, tied

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())

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


def test_what_could_not_be_queued_again_is_no_success(full: Department, as_: As) -> None:
    """A message that was never written, and that nothing could write now."""
    Delivery.objects.filter(pk=full.delivery.pk).update(payload=b"", event=None)
    address = f"/interfaces/{full.delivery.endpoint.public_id}/requeue/"

    page = text_of(as_("admin").post(address, {"reason": "Line mended"}, follow=True))

    assert "0 messages wait to be sent again. 1 could not be" in page
    assert Delivery.objects.get(pk=full.delivery.pk).state == full.delivery.state

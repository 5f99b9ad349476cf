"""Mapping at the page: written, tried, run over what came, saved, gone back on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.configuration_file import parse_mapping, render_mapping
from ris.domain.exchange import Direction, Protocol
from ris.domain.mapping import SaveMapping
from ris.models import AuditEvent, Endpoint, InboundMessage, MappingVersion, Order
from ris.selectors.mapping import mapped_endpoint
from ris.services import execute, outbox
from ris.services.mapping import MapKind
from ris.web.mapping.forms import content_of, of_content
from tests import make, people
from tests.integration.hl7.intake import answer
from tests.integration.hl7.messages import PID, order

As = Callable[[str], Client]

WOMEN = {"maps": {"sex": {"otherwise": "pass", "values": {"2": "F"}}}}
WRITTEN = {"rules": "# theirs\r\ndrop ZZZ", "map-sex": "2 = F\r\n", "otherwise-sex": "refuse"}


@pytest.fixture
def peer(rooms: None) -> str:
    make.definition()
    return make.endpoint("HIS", direction=Direction.IN, protocol_name="HIS^GENERAL")


def page(client: Client, key: str, **data: str) -> str:
    response = client.post(f"/interfaces/{key}/mapping/", {"version": "0", **data}, follow=True)
    return response.content.decode()


def test_what_is_written_is_saved_as_a_version(as_: As, peer: str) -> None:
    text = page(as_("admin"), peer, note="women", **WRITTEN)

    assert "Saved. It counts from the next message on." in text
    assert mapped_endpoint(peer).content == {
        "maps": {"sex": {"otherwise": "refuse", "values": {"2": "F"}}},
        "rules": ["# theirs", "drop ZZZ"],
    }
    assert "women" in text
    assert "+ sex: 2 = F" in text


def test_what_is_wrong_is_shown_at_its_row_and_nothing_is_saved(as_: As, peer: str) -> None:
    response = as_("admin").post(
        f"/interfaces/{peer}/mapping/",
        {"version": "0", "rules": "drop ZZZ\nerase all", "map-sex": "2 = female\nx"},
    )

    text = response.content.decode()
    assert response.status_code == 422
    assert "Line 2: write it as code = ours." in text
    assert not MappingVersion.objects.exists()

    response = as_("admin").post(
        f"/interfaces/{peer}/mapping/",
        {"version": "0", "rules": "drop ZZZ\nerase all", "map-sex": "2 = female"},
    )
    text = response.content.decode()
    assert response.status_code in {400, 422}
    assert "Line 2: begins with erase" in text
    assert "2: female is none of A, D, F, M, N, O, U, X." in text
    assert "erase all</textarea>" in text
    assert not MappingVersion.objects.exists()


def test_somebody_elses_version_is_not_overwritten(as_: As, peer: str) -> None:
    execute(SaveMapping(endpoint=peer, content=WOMEN), actor=people.admin)

    text = page(as_("admin"), peer, **WRITTEN)

    assert "Somebody else saved another version meanwhile" in text
    assert mapped_endpoint(peer).content == WOMEN


def test_an_older_version_is_put_in_force_again(as_: As, peer: str) -> None:
    execute(SaveMapping(endpoint=peer, content=WOMEN), actor=people.admin)
    execute(SaveMapping(endpoint=peer, content={}), actor=people.admin)

    response = as_("admin").post(f"/interfaces/{peer}/mapping/1/", {"version": "2"}, follow=True)

    assert "Version 1 is in force again." in response.content.decode()
    assert mapped_endpoint(peer).content == WOMEN


def test_a_manager_reads_and_only_an_administrator_writes(as_: As, peer: str) -> None:
    manager = as_("manager")

    assert "readonly" in manager.get(f"/interfaces/{peer}/mapping/").content.decode()
    assert manager.post(f"/interfaces/{peer}/mapping/", WRITTEN).status_code == 403
    assert as_("scheduler").get(f"/interfaces/{peer}/mapping/").status_code == 403
    assert as_("scheduler").get("/interfaces/try/").status_code == 403


def test_a_mapping_leaves_and_comes_back_as_a_file(as_: As, peer: str) -> None:
    execute(SaveMapping(endpoint=peer, content=WOMEN), actor=people.admin)
    client = as_("admin")

    file = client.get(f"/interfaces/{peer}/mapping/export/").content.decode()
    text = page(client, peer, mapping=file.replace('"F"', '"O"'))

    assert parse_mapping(file) == WOMEN
    assert "2 = O</textarea>" in text
    assert "nothing is saved yet" in text
    assert mapped_endpoint(peer).content == WOMEN


@pytest.mark.parametrize("code", ["A", "a = b", 'say "x"', '"', '"a"=', "back\\slash=", " blank "])
def test_every_code_survives_the_form(code: str) -> None:
    kind = MapKind(name="room", title="Rooms", places="AIL-3", example="")
    content = {"maps": {"room": {"otherwise": "pass", "values": {code: "R 1"}}}}

    assert content_of(of_content(content, [kind]))[0] == content


def test_a_file_that_cannot_be_read_is_told_with_its_line(as_: As, peer: str) -> None:
    text = page(as_("admin"), peer, mapping="rules = [\n  drop")
    assert "The file cannot be read: line 2" in text


def test_every_interface_with_messages_to_map_is_listed(as_: As, peer: str) -> None:
    make.endpoint("APP", protocol=Protocol.FHIR, direction=Direction.IN)

    text = as_("manager").get("/interfaces/mappings/").content.decode()

    assert "HIS" in text
    assert "APP" not in text


class TestBench:
    def test_a_pasted_message_shows_order_answer_and_worklist(self, as_: As, peer: str) -> None:
        text = (
            as_("admin")
            .post("/interfaces/try/", {"text": order().replace("\r", "\n"), "endpoint": peer})
            .content.decode()
        )

        assert "It would be taken" in text
        assert "MSA|AA|M1" in text
        assert "Worklist entry" in text
        assert "(0008,0050)" in text
        assert not Order.objects.exists()
        assert AuditEvent.objects.filter(action="TryMessage").exists()

    def test_rules_of_the_editor_are_tried_before_they_are_saved(self, as_: As, peer: str) -> None:
        client = as_("admin")
        text = client.post(
            "/interfaces/try/", {**WRITTEN, "from": "editor", "endpoint": peer}
        ).content.decode()
        assert "values]" in text
        assert "checked" in text

        message = order(pid=PID.replace("|F", "|2")).replace("\r", "\n")
        tried = client.post(
            "/interfaces/try/",
            {
                "text": message,
                "endpoint": peer,
                "unsaved": "yes",
                "mapping": render_mapping(WOMEN),
            },
        ).content.decode()

        assert "It would be taken" in tried
        assert "map sex" in tried
        assert Endpoint.objects.get(name="HIS").mapping_version == 0

    def test_a_stored_message_is_picked(self, as_: As, peer: str) -> None:
        answer(order())
        key = InboundMessage.objects.get().public_id

        text = as_("admin").get(f"/interfaces/try/?message={key}").content.decode()

        assert "ORC|NW|PL1^HIS" in text
        assert f'value="{peer}" selected' in text

    def test_what_cannot_be_tried_is_told(self, as_: As, peer: str) -> None:
        response = as_("admin").post("/interfaces/try/", {"text": "PID|1", "endpoint": peer})

        assert response.status_code in {400, 422}
        assert "MSH" in response.content.decode()


def test_a_dry_run_shows_what_would_be_read_otherwise(as_: As, peer: str) -> None:
    answer(order())
    answer(order(pid=PID.replace("|F", "|2"), key="M2"))

    text = as_("admin").post(f"/interfaces/{peer}/mapping/dry-run/", WRITTEN).content.decode()

    assert "2 messages read" in text
    assert "would be taken" in text
    assert "would fail" in text
    assert Endpoint.objects.get(name="HIS").mapping_version == 0


def test_a_message_page_shows_what_fired_and_leads_to_the_bench(as_: As, peer: str) -> None:
    execute(SaveMapping(endpoint=peer, content=WOMEN), actor=people.admin)
    answer(order(pid=PID.replace("|F", "|2")))
    key = InboundMessage.objects.get().public_id

    text = as_("admin").get(f"/messages/in/{key}/").content.decode()

    assert "By the mapping in force now" in text
    assert "2 = F" in text
    assert f"/interfaces/try/?message={key}" in text


def test_rules_for_what_we_send_are_run_over_what_was_sent(as_: As, rooms: None) -> None:
    out = make.endpoint("EHR")
    make.booked()
    outbox.fan_out()

    text = (
        as_("admin")
        .post(f"/interfaces/{out}/mapping/dry-run/", {"rules": 'MSH-6 = "WEST"'})
        .content.decode()
    )

    assert "written in" in text
    assert "|WEST|" in text
    assert "/messages/out/" in text

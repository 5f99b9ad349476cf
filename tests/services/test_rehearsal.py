"""A message tried out is applied for real, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from ris import config
from ris.domain.errors import DeniedError, InvalidValueError, SeveralErrors
from ris.domain.exchange import Direction, Protocol
from ris.domain.mapping import SaveMapping
from ris.models import AuditEvent, Delivery, Endpoint, InboundMessage, Order
from ris.selectors.mapping import mapped_endpoint
from ris.services import dry_runs, execute, outbox, rehearsal
from tests import make, people
from tests.integration.hl7.intake import answer
from tests.integration.hl7.messages import OBR, ORC, PID, order

pytestmark = pytest.mark.django_db

ORDER = order().encode()
WOMEN = {"maps": {"sex": {"values": {"2": "F"}}}}


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make.site()
    make.definition()
    make.device()
    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", "refuse")
    config.load.cache_clear()
    yield
    config.load.cache_clear()


@pytest.fixture
def peer() -> str:
    return make.endpoint("HIS", direction=Direction.IN, protocol_name="HIS^GENERAL")


def everything() -> dict[str, int]:
    """How many rows every table has, those of the audit aside."""
    return {
        model._meta.label: model._base_manager.count()
        for model in apps.get_app_config("ris").get_models()
        if model is not AuditEvent
    }


def attempt(raw: bytes = ORDER, **more: Any) -> rehearsal.Trial:
    return rehearsal.try_message(people.admin, raw, **more)


def test_what_the_message_would_do_is_shown(peer: str) -> None:
    trial = attempt(endpoint=peer)

    assert (trial.state, trial.outcome) == ("APPLIED", "AA")
    assert b"MSA|AA|M1" in trial.answer
    assert "OrderPlaced" in trial.events
    assert [str(each.name.alphabetic) for each in trial.patients]
    (placed,) = trial.orders
    assert placed.placer.value == "PL1"
    (offered,) = trial.worklist
    assert offered.entry.accession == placed.accession
    assert offered.dataset is not None
    assert offered.dataset["00080050"]["Value"] == [placed.accession.value]


def test_nothing_is_left_of_it_but_the_audit(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything()
    rung: list[bool] = []
    monkeypatch.setattr(outbox, "on_commit_ring", lambda: rung.append(True))

    attempt(endpoint=peer)

    assert everything() == before
    assert rung == []
    audit = AuditEvent.objects.get(action="TryMessage")
    assert (audit.actor_name, audit.subject) == (people.admin.name, "ORM^O01 as HIS^GENERAL")
    assert audit.detail == {"outcome": "AA", "unsaved_rules": False}


def test_numbers_are_not_used_up(peer: str) -> None:
    tried = attempt(endpoint=peer).orders[0].accession

    answer(ORDER)

    assert Order.objects.get().accession_number == tried.value


def test_rules_that_are_not_saved_can_be_tried(peer: str) -> None:
    raw = order(pid=PID.replace("|F", "|2")).encode()

    refused, taken = attempt(raw, endpoint=peer), attempt(raw, endpoint=peer, content=WOMEN)

    assert (refused.outcome, refused.error_path) == ("AE", "PID-8")
    assert taken.outcome == "AA"
    assert [(each.source, each.place) for each in taken.explanation.changes] == [
        ("map sex", "PID-8")
    ]
    assert b"|F\r" in taken.explanation.raw
    assert Endpoint.objects.get().mapping_version == 0


def test_wrong_rules_are_refused_by_row(peer: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        attempt(endpoint=peer, content={"rules": ["nonsense"]})

    assert raised.value.path == "rules[1]"


def test_without_a_peer_the_message_is_from_whom_it_says() -> None:
    assert (trial := attempt()).outcome == "AR"
    assert trial.error_path == "MSH-3"


def test_a_message_of_another_sender_can_be_tried_and_that_is_told(peer: str) -> None:
    trial = attempt(ORDER.replace(b"HIS|GENERAL", b"HIS|OTHER"), endpoint=peer)

    assert trial.outcome == "AA"
    assert trial.note == (
        "MSH-3 and MSH-4 name HIS^OTHER: if it really came, it would not be taken as from HIS"
    )
    assert attempt(endpoint=peer).note == ""


def test_a_message_without_header_cannot_be_tried(peer: str) -> None:
    with pytest.raises(InvalidValueError):
        attempt(b"PID|1||1", endpoint=peer)


def test_what_is_wrong_is_shown_with_its_places(peer: str) -> None:
    raw = order(pid=PID.replace("|F", "|Q").replace("19700503", "1970-05")).encode()

    trial = attempt(raw, endpoint=peer)

    assert trial.state == "REJECTED"
    assert [fault.path for fault in trial.understanding.faults] == ["PID-7", "PID-8"]


def test_only_those_who_mind_the_interfaces_may_try(peer: str) -> None:
    with pytest.raises(DeniedError):
        rehearsal.try_message(people.scheduler, ORDER, endpoint=peer)


def test_an_interface_we_send_to_sends_nothing() -> None:
    out = make.endpoint("EHR")

    with pytest.raises(InvalidValueError) as raised:
        attempt(endpoint=out)
    assert raised.value.path == "endpoint"


class TestDryRun:
    @pytest.fixture(autouse=True)
    def _messages(self, peer: str) -> None:
        execute(SaveMapping(endpoint=peer, content=WOMEN), actor=people.admin)
        for number, sex in enumerate("F2M39"):
            pid = PID.replace("4711", f"47{number}").replace("|F", f"|{sex}")
            orc = ORC.replace("PL1", f"PL{number}")
            obr = OBR.replace("PL1", f"PL{number}")
            answer(order(pid=pid, orc=orc, obr=obr, more=(), key=f"M{number}"))

    def test_what_would_be_read_otherwise_is_told_and_nothing_is_changed(self, peer: str) -> None:
        before = everything()
        changed = {"maps": {"sex": {"values": {"M": "O", "3": "O"}}}, "rules": ["drop ZZZ"]}

        found = dry_runs.dry_run(people.admin, peer, changed)

        assert (found.checked, found.same, found.before) == (5, 2, None)
        assert [(each.key, each.kind) for each in found.differing] == [
            ("M3", "passes"),
            ("M2", "differs"),
            ("M1", "fails"),
        ]
        assert [each.lines for each in found.differing] == [
            ("no more: PID-8: not in table 0001",),
            ("PlaceOrder patient.demographics.sex: M → O",),
            ("PID-8: not in table 0001",),
        ]
        assert everything() == before

    def test_it_ends_in_time_and_says_where_to_go_on(self, peer: str) -> None:
        first = dry_runs.dry_run(people.admin, peer, {}, seconds=0)
        rest = dry_runs.dry_run(people.admin, peer, {}, before=first.before)

        assert first.checked == 1
        assert first.before == InboundMessage.objects.get(key="M4").pk
        assert (rest.checked, rest.before) == (4, None)

    def test_progress_is_told(self, peer: str) -> None:
        told: list[int] = []
        dry_runs.dry_run(people.admin, peer, {}, limit=2, progress=told.append)
        assert told == [1, 2]

    def test_wrong_rules_are_refused(self, peer: str) -> None:
        with pytest.raises((InvalidValueError, SeveralErrors)):
            dry_runs.dry_run(people.admin, peer, {"rules": ["x", "y"]})

    def test_what_fired_for_a_stored_message_is_explained(self, peer: str) -> None:
        raw = bytes(InboundMessage.objects.get(key="M1").raw)
        explanation = rehearsal.explain(Protocol.HL7, raw, mapped_endpoint(peer).info)

        assert explanation is not None
        assert [(each.text, each.before, each.after) for each in explanation.changes] == [
            ("2 = F", "2", "F")
        ]


def test_changed_rules_are_run_over_what_was_sent() -> None:
    out = make.endpoint("EHR")
    make.booked()
    outbox.fan_out()
    before = everything()
    mapped = {"maps": {"order_status": {"values": {"SC": "ZP"}}}, "rules": ["drop ZZZ"]}

    found = dry_runs.dry_run(people.admin, out, mapped)

    assert found.checked == Delivery.objects.count()
    told = [each for each in found.differing if each.message_type == "OMG^O19"]
    assert told
    assert {(each.kind, each.is_out) for each in told} == {("differs", True)}
    (line,) = told[0].lines
    assert line.startswith("ORC: ORC|SC|")
    assert "|SC|" in line.partition(" → ")[0]
    assert "|ZP|" in line.partition(" → ")[2]
    assert everything() == before


def test_what_could_not_be_said_in_the_peers_codes_is_told() -> None:
    out = make.endpoint("EHR")
    make.booked()
    outbox.fan_out()

    found = dry_runs.dry_run(
        people.admin, out, {"maps": {"sex": {"otherwise": "refuse", "values": {}}}}
    )

    assert found.failing == found.checked > 0
    assert found.differing[0].lines[0].startswith("PID-8: ")


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_leaves_the_database_free(peer: str) -> None:
    attempt(endpoint=peer)

    assert not connection.in_atomic_block
    assert not Order.objects.exists()

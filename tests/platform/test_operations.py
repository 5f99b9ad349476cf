"""What operators do from the command line: logins, tokens, questions, replays."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from ris import analytics, config, doctor, probes, replay, tokens, users
from ris.models import ApiToken, AuditEvent, DomainEvent, InboundMessage
from tests import make
from tests.running import free_ports

pytestmark = pytest.mark.django_db

Output = pytest.CaptureFixture[str]


@pytest.fixture
def type_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))


@pytest.mark.usefixtures("type_password")
def test_the_first_administrator_is_made_with_a_password_from_standard_input() -> None:
    code = users.add(["ada", "--role", "admin", "--role", "manager"])

    assert code == 0
    user = authenticate(username="ada", password="correct horse battery")
    assert user is not None
    assert sorted(user.groups.values_list("name", flat=True)) == ["admin", "manager"]
    audit = AuditEvent.objects.get(action="CreateUser")
    assert (audit.actor_name, audit.outcome) == ("command line", "success")
    assert "horse" not in json.dumps(audit.detail)


def test_a_weak_password_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("demo\n"))

    code = users.add(["ada", "--role", "admin"])

    assert code == 1
    assert "at least 12 characters" in capsys.readouterr().err


def test_a_token_is_shown_once_and_stored_as_a_hash(capsys: Output) -> None:
    code = tokens.add(["EHR", "--scope", "system/ServiceRequest.cruds", "--days", "30"])

    secret = capsys.readouterr().out.strip()
    token = ApiToken.objects.get()
    assert code == 0
    assert len(secret) >= 32
    assert secret not in token.digest
    assert (token.client, token.scopes) == ("EHR", ["system/ServiceRequest.cruds"])
    assert token.expires_at is not None
    assert token.expires_at - timezone.now() > timedelta(days=29)


def test_tokens_are_listed_until_they_are_revoked(capsys: Output) -> None:
    tokens.add(["EHR"])
    token = ApiToken.objects.get()
    capsys.readouterr()

    tokens.show([])
    listed = capsys.readouterr().out
    tokens.revoke([str(token.public_id)])
    capsys.readouterr()
    tokens.show([])
    after = capsys.readouterr().out
    tokens.show(["--all"])
    everything = capsys.readouterr().out

    assert f"{token.public_id}  EHR" in listed
    assert "valid" in listed
    assert str(token.public_id) not in after
    assert "revoked" in everything


def test_doctor_speaks_json_to_a_monitor(capsys: Output) -> None:
    code = doctor.main(["--quick", "--json"])

    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["ok"] is True
    assert {finding["name"] for finding in answer["findings"]} == {
        "database",
        "migrations",
        "disk",
    }


def test_doctor_names_what_is_missing_and_fails(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, port in zip(("HTTP", "DICOM", "MLLP"), free_ports(3), strict=True):
        monkeypatch.setenv(f"RIS_{part}__PORT", str(port))
    monkeypatch.setattr(config, "load", config.load.__wrapped__)

    code = doctor.main([])

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert any(line.startswith("FAIL") and "worker" in line for line in lines)
    assert any(line.startswith("FAIL") and "nothing listens on" in line for line in lines)


def test_a_probe_that_breaks_is_a_finding_not_a_crash() -> None:
    def broken_disk(settings: config.Configuration) -> list[probes.Finding]:
        raise OSError("unplugged")

    (finding,) = probes.ask([broken_disk], config.load())

    assert finding == probes.failed("broken disk", "OSError: unplugged")


def test_an_unreachable_broker_is_a_warning_only(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.Configuration(broker_url="redis://127.0.0.1:9/0")
    monkeypatch.setattr("ris.celery.app.conf.broker_url", "redis://127.0.0.1:9/0")

    (finding,) = probes.ask([probes.broker], settings)

    assert finding.state is probes.State.WARNING


def test_events_that_no_worker_made_into_messages_are_told_and_counted() -> None:
    """A delivery that waits is not there before: a report would be late and everything well."""
    make.order()
    DomainEvent.objects.update(at=timezone.now() - timedelta(minutes=10))

    (told, _) = probes.ask([probes.queue], config.load())
    metrics = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()

    count = DomainEvent.objects.count()
    assert (told.state, count > 0) == (probes.State.WARNING, True)
    assert re.fullmatch(
        rf"events not made into messages yet: {count}, the oldest for 60\d s", told.text
    )
    assert f"\nris_events_waiting {count:.1f}\n" in metrics
    assert 600 <= float(re.findall(r"^ris_event_oldest_seconds (.+)$", metrics, re.M)[0]) < 660


def test_a_login_that_another_secret_key_signed_is_told(settings: Any) -> None:
    """A second machine with a key of its own: whoever clicks there is logged out, and patients get
    addresses that lead nowhere."""
    SessionStore().save()
    before = probes.ask([probes.secret_key], config.load())
    settings.SECRET_KEY = "of the other machine"

    (told,) = probes.ask([probes.secret_key], config.load())

    assert before == []
    assert (told.state, told.name) == (probes.State.WARNING, "secret key")
    assert "RIS_SECRET_KEY" in told.advice


def test_a_day_that_is_none_is_told_in_words(capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        analytics.rebuild(["--from", "tomorrow"])

    assert ended.value.code == 2
    assert "argument --from: invalid day value: 'tomorrow'" in capsys.readouterr().err


def test_what_failed_is_listed_without_patient_data(capsys: Output) -> None:
    InboundMessage.objects.create(
        protocol="hl7",
        sender="EHR^NORTH",
        key="MSG1",
        digest="0" * 64,
        message_type="ORM^O01",
        raw=b"PID|1||4711||Invented^Ida",
        state="REJECTED",
        error="patient Invented^Ida is unknown",
        error_path="PID-3",
        received_at=timezone.now(),
    )

    code = replay.main([])

    output = capsys.readouterr().out
    assert code == 0
    assert "ORM^O01" in output
    assert "rejected  PID-3" in output
    assert "Invented" not in output


def test_an_unknown_message_is_told_and_the_code_is_1(capsys: Output) -> None:
    code = replay.main(["no-such-message"])

    assert code == 1
    assert "no-such-message: " in capsys.readouterr().err


def test_without_failed_messages_there_is_nothing_to_replay(capsys: Output) -> None:
    assert replay.main(["--failed"]) == 0
    assert capsys.readouterr().out == "nothing to replay\n"

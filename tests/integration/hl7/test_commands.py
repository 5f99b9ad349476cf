"""Commands of the HL7 edge: files read as people keep them, checks without effect, simulators."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from integration import commands as simulators
from integration.hl7 import commands, conformance
from integration.hl7.commands import messages_of
from integration.hl7.er7 import Message
from integration.hl7.profiles import Settings
from integration.hl7.server import ListenerConfig, running
from integration.hl7.simulate import Ehr, receiver, summary
from integration.hl7.to_domain.orders import from_order
from ris.domain.errors import InvalidValueError
from ris.domain.orders import CancelOrder, PlaceOrder
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import order, profile
from tests.running import free_ports

NOW = datetime(2029, 3, 10, 9, 0, tzinfo=UTC)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_file_may_hold_several_messages_with_any_line_end(end: str) -> None:
    text = order(key="M1") + order(key="M2")

    found = list(messages_of(text.replace("\r", end).encode()))

    assert found == [order(key="M1").encode(), order(key="M2").encode()]


def test_frames_and_marks_around_messages_do_not_matter() -> None:
    raw = order().encode()

    assert list(messages_of(b"\xef\xbb\xbf\x0b" + raw + b"\x1c\r")) == [raw]


def test_a_text_that_speaks_of_msh_begins_no_message() -> None:
    raw = order(more=("NTE|1|L|see MSH|9",)).encode()

    assert list(messages_of(raw)) == [raw]


def test_a_file_without_a_message_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no message"):
        list(messages_of(b"hello"))


# --- check --------------------------------------------------------------------------------------


def test_check_says_that_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.hl7"
    file.write_text(order())

    code = commands.check([str(file), "--show"])

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert "ORM^O01 M1: PlaceOrder(" in out
    assert "ORM^O01 M1: version 2.3.1, 6 segments, nothing wrong" in out


def test_check_tells_all_faults_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.hl7"
    file.write_text(order(pid="PID|1||4711^^^HOSP||Berg^Anna||19701303|Q"))

    code = commands.check([str(file)])

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "ORM^O01 M1: 102 PID-7: no such day",
        "ORM^O01 M1: 103 PID-8: not in table 0001",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (order(message_type="MFN^M02"), "MFN^M02 M1: this event is not served here"),
        (order().replace("Berg", "B\udcfcrg"), "PID-5"),
    ],
)
def test_check_tells_what_is_not_served_or_not_readable(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.hl7"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))

    assert commands.check([str(file)]) == 1
    assert told in "".join(capsys.readouterr())


# --- send and receive ---------------------------------------------------------------------------


def test_send_prints_the_answers_and_fails_for_a_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "orders.hl7"
    file.write_text(order(key="M1") + order(key="M2"))
    received: list[str] = []
    with running(ListenerConfig(port=0), receiver(received.append, "AA")) as listener:
        accepted = commands.send([str(file), "--port", str(listener.port)])
    with running(ListenerConfig(port=0), receiver(received.append, "AE")) as listener:
        refused = commands.send([str(file), "--port", str(listener.port), "--show"])

    assert (accepted, refused) == (0, 1)
    out = capsys.readouterr().out
    assert "ORM^O01 M1: AA (" in out
    assert "ORM^O01 M2: AE: refused, as this simulator was told to" in out
    assert "MSA|AE|M2|" in out
    assert len(received) == 4


def test_send_as_a_new_message_changes_the_control_id(tmp_path: Path) -> None:
    file = tmp_path / "order.hl7"
    file.write_text(order(key="M1"))
    received: list[str] = []
    with running(ListenerConfig(port=0), receiver(received.append, whole=True)) as listener:
        commands.send([str(file), "--port", str(listener.port), "--new-ids"])

    header = next(line for line in received if line.startswith("  MSH"))
    assert header.split("|")[9] != "M1"
    assert len(header.split("|")[9]) == 20


def test_send_to_nobody_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "order.hl7"
    file.write_text(order())
    (port,) = free_ports(1)

    assert commands.send([str(file), "--port", str(port)]) == 1
    assert "ORM^O01 M1: no connection" in capsys.readouterr().err


# --- simulators ---------------------------------------------------------------------------------


def test_the_simulated_ehr_orders_what_this_system_takes() -> None:
    ehr = Ehr(zone=ZoneInfo("Europe/Vienna"))
    start = datetime(2029, 3, 11, 8, 0, tzinfo=UTC)

    orders = list(ehr.orders(7, NOW, first_at=start))

    placers = set()
    for number, (placer, raw) in enumerate(orders):
        (request,) = from_order(Message.from_bytes(raw), profile())
        (command,) = request.commands
        assert isinstance(command, PlaceOrder)
        assert command.placer is not None
        assert command.placer.value == placer
        placers.add(placer)
        wanted = command.procedures[0].steps[0].start_at
        assert wanted == start + number * timedelta(minutes=30)
    assert len(placers) == 7


def test_the_simulated_ehr_cancels() -> None:
    ehr = Ehr(zone=ZoneInfo("UTC"))

    raw = ehr.cancellation("E1", NOW, "ordered twice")

    (request,) = from_order(Message.from_bytes(raw), profile())
    (command,) = request.commands
    assert isinstance(command, CancelOrder)
    assert command.reason == "ordered twice"


def test_the_simulators_talk_to_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    received: list[str] = []
    with running(ListenerConfig(port=0), receiver(received.append)) as listener:
        code = simulators.simulate_ehr(
            ["--port", str(listener.port), "--orders", "2", "--no-listen", "--modality", "mr"]
        )

    assert code == 0
    assert [line.split(" · ")[0] for line in received] == ["ORM^O01", "ORM^O01"]
    assert all("exam MR knee" in line for line in received)
    assert capsys.readouterr().out.count(": AA") == 2


@pytest.mark.parametrize(
    "arguments", [["--modality", "XX"], ["--start", "tomorrow"]], ids=["modality", "time"]
)
def test_what_cannot_be_ordered_is_said(arguments: list[str]) -> None:
    with pytest.raises(InvalidValueError):
        simulators.simulate_ehr([*arguments, "--no-listen"])


def test_a_receiver_can_refuse_keep_silent_and_survive_nonsense() -> None:
    said: list[str] = []
    peer = type("Peer", (), {"address": "127.0.0.1"})()
    raw = order().encode()

    assert b"MSA|AR|M1" in (receiver(said.append, "AR")(raw, peer) or b"")  # type: ignore[operator]
    assert receiver(said.append, "none")(raw, peer) is None
    assert receiver(said.append)(b"nonsense", peer) is None
    assert said[-1].startswith("unreadable message")


def test_the_simulated_ehr_numbers_an_order_of_ours() -> None:
    peer = type("Peer", (), {"address": "127.0.0.1"})()
    message = messages.text("ORC|SN||F1^RIS", "OBR|1||F1^RIS|CTHEAD^CT head^L", version="2.5.1")

    answer = receiver([].append)(message.encode(), peer)  # type: ignore[arg-type]

    assert isinstance(answer, bytes)
    lines = answer.decode().split("\r")
    assert lines[0].split("|")[8] == "ORR^O02^ORR_O02"
    assert re.fullmatch(r"ORC\|NA\|E[0-9A-F]{8}\^EHR\|F1\^RIS", lines[2])


def test_a_summary_fits_on_a_line() -> None:
    report = messages.text(
        messages.PID,
        "ORC|RE|PL1^HIS|F1^RIS||CM",
        "OBR|1|PL1^HIS|F1^RIS|CTHEAD^CT head^L" + "|" * 21 + "F",
        "OBX|1|FT|18782-3^Findings^LN||No bleeding.\\.br\\No mass.||||||F",
        message_type="ORU^R01",
    )

    told = summary(messages.read(report))

    assert told == (
        "ORU^R01 · 2.3.1 · control RE status CM placer PL1 exam CT head result F"
        " · patient 4711 · name Berg · “No bleeding.…”"
    )


# --- the listener as a part ---------------------------------------------------------------------


def test_the_settings_are_those_of_the_listener() -> None:
    from ris.config_sections import Mllp

    mllp = Mllp(host="127.0.0.1", port=2999, threads=3, connections=5, frame_bytes=2048)

    listening = commands.listener_config(mllp)

    assert (listening.host, listening.port, listening.threads) == ("127.0.0.1", 2999, 3)
    assert (listening.connections, listening.frame_bytes) == (5, 2048)
    assert listening.tls is None


# --- conformance --------------------------------------------------------------------------------


def test_the_statement_names_everything_that_is_served() -> None:
    text = conformance.statement()

    for word in ("`ORM^O01`", "`OMI^O23`", "`ADT^A40`", "`order-status`", "`NW_SC`", "`ORC-16`"):
        assert word in text
    for name in Settings.model_fields:
        assert f"| `{name}` |" in text


def test_conformance_prints_the_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.conformance([]) == 0
    assert capsys.readouterr().out == conformance.statement()

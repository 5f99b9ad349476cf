"""The test bench at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from integration.hl7 import commands as hl7
from integration.hl7.mapping import commands
from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.exchange import Direction
from ris.models import AuditEvent, Endpoint, Order
from tests import make
from tests.integration.hl7.intake import answer
from tests.integration.hl7.messages import PID, order

pytestmark = pytest.mark.django_db

RULES = '[maps.sex.values]\n2 = "F"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    make.site()
    make.definition()
    make.endpoint("HIS", direction=Direction.IN, protocol_name="HIS^GENERAL")
    (tmp_path / "order.hl7").write_text(order(pid=PID.replace("|F", "|2")))
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def test_a_file_is_tried_with_rules_that_are_not_saved(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, rules = str(files / "order.hl7"), str(files / "rules.toml")

    refused = commands.try_messages([file, "--peer", "HIS"])
    out, err = capsys.readouterr()
    assert (refused, err.splitlines()[0]) == (1, "AE: would be refused")
    assert "  103 PID-8: not in table 0001" in err

    taken = commands.try_messages([file, "--peer", "HIS^GENERAL", "--rules", rules, "--show"])
    out, err = capsys.readouterr()
    assert (taken, err) == (0, "")
    assert out.splitlines()[:2] == ["AA: would be taken", "  map sex (2 = F): PID-8 2 → F"]
    assert "    ORC|NW|PL1^HIS" in out
    assert not Order.objects.exists()
    assert AuditEvent.objects.filter(action="TryMessage").count() == 2


@pytest.mark.usefixtures("files")
def test_times_are_those_of_the_clock_on_the_wall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make.device("CT1", "CT")
    file = tmp_path / "timed.hl7"
    file.write_text(order(orc="ORC|NW|PL1^HIS|||||^^^20300301090000+0900"))

    with timezone.override("Asia/Tokyo"):
        assert commands.try_messages([str(file), "--peer", "HIS"]) == 0

    (line,) = [each for each in capsys.readouterr().out.splitlines() if "worklist:" in each]
    assert line.endswith(" CT CT1 2030-03-01 09:00")


def test_a_peer_that_is_not_there_is_told_with_those_that_are(files: Path) -> None:
    with pytest.raises(UnknownKeyError, match="there are: HIS"):
        commands.try_messages([str(files / "order.hl7"), "--peer", "KIS"])


def test_rules_run_over_what_came(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(order())
    answer(order(pid=PID.replace("|F", "|2"), key="M2"))

    code = commands.dry_run(["--peer", "HIS", "--rules", str(files / "rules.toml")])

    out, _ = capsys.readouterr()
    assert code == 0
    assert "+ sex: 2 = F" in out
    assert "ORM^O01 M2: passes" in out
    assert "2 messages: 1 as before, 0 would fail, 1 would be taken that were not" in out
    assert Endpoint.objects.get(name="HIS").mapping_version == 0


def test_rules_that_would_refuse_what_was_taken_make_the_run_fail(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(order())
    (files / "rules.toml").write_text('[maps.sex]\notherwise = "refuse"\n')

    assert commands.dry_run(["--peer", "HIS", "--rules", str(files / "rules.toml")]) == 1
    assert "ORM^O01 M1: fails" in capsys.readouterr().out


def test_a_file_that_is_no_mapping_is_refused(files: Path) -> None:
    (files / "rules.toml").write_text("rules = [")

    with pytest.raises(InvalidValueError):
        commands.dry_run(["--peer", "HIS", "--rules", str(files / "rules.toml")])


def test_check_has_the_whole_validator(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = files / "good.hl7"
    good.write_text(order())

    assert hl7.check([str(good), "--full"]) == 0
    assert "hl7apy: nothing wrong" in capsys.readouterr().out

    good.write_text(order(more=("TXA|1|X|TX",)))
    assert hl7.check([str(good), "--full"]) == 1
    assert "hl7apy: error TXA: TXA is no segment of ORM_O01 in 2.3.1" in capsys.readouterr().err

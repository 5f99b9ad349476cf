"""The `ris` command as a shell sees it: output, one line of trouble, exit code."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

from ris import cli
from tests.running import clean_environment, ris


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = ris("--help", environment=clean_environment(tmp_path))

    assert done.returncode == 0
    for name, command in cli.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert command.summary in done.stdout


def test_no_command_is_wrong_use(tmp_path: Path) -> None:
    done = ris(environment=clean_environment(tmp_path))

    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "ris: no such command: fly; see `ris --help`\n"),
        (["token", "fly"], "usage: ris token"),
        (["up", "--fly"], "ris up: error: unrecognized arguments: --fly"),
        (["backup", "--keep", "0"], "ris backup: error: --keep must be at least 1"),
        (["token", "add", "x", "--from", "nowhere"], "nowhere is no address or network"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = ris(*arguments, environment=clean_environment(tmp_path))

    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_wrong_setting_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, RIS_DICOM__AE_TITLE="ABCDEFGHIJKLMNOPQ")

    done = ris("show-config", environment=environment)

    assert done.returncode == 1
    assert done.stderr == "ris: RIS_DICOM__AE_TITLE: must be 1 to 16 characters\n"


def test_a_database_without_tables_says_what_to_run(tmp_path: Path) -> None:
    done = ris("token", "list", environment=clean_environment(tmp_path))

    assert done.returncode == 1
    assert done.stderr == "ris: database: no such table: ris_apitoken; run `ris migrate`\n"


def test_an_old_database_says_the_same(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ris.sqlite3")) as old, old:
        old.execute("CREATE TABLE ris_apitoken (id INTEGER PRIMARY KEY)")

    done = ris("token", "list", environment=clean_environment(tmp_path))

    assert done.returncode == 1
    assert "ris: database: no such column: " in done.stderr
    assert done.stderr.endswith("; run `ris migrate`\n")


def test_doctor_says_the_same_of_each_table_it_lacks(tmp_path: Path) -> None:
    done = ris("doctor", environment=clean_environment(tmp_path))

    assert done.returncode == 1
    assert "no such table: ris_delivery; run `ris migrate`" in done.stdout
    assert "is the database reachable?" not in done.stdout


def test_a_command_that_writes_says_so_as_well(tmp_path: Path) -> None:
    done = ris(
        "token", "add", "x", "--scope", "system/*.rs", environment=clean_environment(tmp_path)
    )

    assert done.returncode == 1
    assert done.stderr == "ris: the database is not of this release; run `ris migrate`\n"


def test_show_config_hides_secrets_and_names_origins(tmp_path: Path) -> None:
    environment = clean_environment(
        tmp_path, RIS_DATABASE_URL="postgresql://ris:geheim@db/ris", RIS_SECRET_KEY="geheim2"
    )

    done = ris("show-config", environment=environment)

    assert done.returncode == 0
    assert "geheim" not in done.stdout
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert lines["RIS_DATABASE_URL"] == ["environment", "postgresql://ris:********@db/ris"]
    assert lines["RIS_DICOM__PORT"] == ["default", "11112"]


def test_the_version_is_that_of_the_changelog(tmp_path: Path) -> None:
    done = ris("--version", environment=clean_environment(tmp_path))

    assert done.stdout.startswith("ris 0.")
    assert done.returncode == 0


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_in_the_table_exists_and_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, function = cli.COMMANDS[name].target.partition(":")
    command = getattr(import_module(module), function)

    with pytest.raises(SystemExit) as stopped:
        command(["--help"])

    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: ris {name}")


def test_a_missing_part_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = cli.Command("worklist.nowhere:main", "gone")
    monkeypatch.setitem(cli.COMMANDS, "echo", gone)

    code = cli.main(["echo"])

    assert code == 1
    assert capsys.readouterr().err == "ris: `ris echo` is not part of this installation\n"
